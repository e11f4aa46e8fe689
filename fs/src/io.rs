//! [`Sink`] and [`Source`]: where the bytes of a read go and where those of a write come from.
//!
//! Files hand slices of their content to a sink, or let a source fill slices of it, so that bytes move once, between the file
//! and the program's memory. Implemented over program memory (one buffer or a list of them) and over kernel slices.
//!
//! Invariants: bytes move in order; `remaining` falls by exactly what moved; a fault after some bytes moved shows as a short
//! count, and only the next call fails, so that read(2) and write(2) report the bytes that arrived.

use crate::FsError;
use mm::user::{UserMemory, UserSlice};

/// Takes the bytes of a read.
pub trait Sink {
    /// Bytes that still fit.
    fn remaining(&self) -> usize;

    /// Takes up to `src.len()` bytes; returns how many. Fails with [`FsError::Fault`] only if it took none.
    fn put(&mut self, src: &[u8]) -> Result<usize, FsError>;

    /// Takes up to `len` zero bytes; as [`put`](Self::put).
    fn put_zeros(&mut self, len: usize) -> Result<usize, FsError> {
        static ZEROS: [u8; 256] = [0; 256];
        let mut done = 0;
        while done < len {
            let chunk = ZEROS.get(..(len - done).min(ZEROS.len())).unwrap_or(&ZEROS);
            match self.put(chunk) {
                Ok(0) => break,
                Ok(n) => done += n,
                Err(_) if done > 0 => break,
                Err(error) => return Err(error),
            }
        }
        Ok(done)
    }
}

/// Gives the bytes of a write.
pub trait Source {
    /// Bytes that are still to come.
    fn remaining(&self) -> usize;

    /// Fills `dst` from its start; returns how many bytes. Fails with [`FsError::Fault`] only if it gave none.
    fn take(&mut self, dst: &mut [u8]) -> Result<usize, FsError>;

    /// Drops up to `len` bytes unread, without touching memory; returns how many.
    fn skip(&mut self, len: usize) -> usize;

    /// Where the files end that may be made with it: what who writes may make of regular files (RLIMIT_FSIZE), bytes.
    fn size_limit(&self) -> u64 {
        u64::MAX
    }
}

/// A sink over a kernel slice.
#[derive(Debug)]
pub struct SliceSink<'a> {
    dst: &'a mut [u8],
    done: usize,
}

impl<'a> SliceSink<'a> {
    /// Fills `dst` from its start.
    pub fn new(dst: &'a mut [u8]) -> Self {
        SliceSink { dst, done: 0 }
    }
}

impl Sink for SliceSink<'_> {
    fn remaining(&self) -> usize {
        self.dst.len() - self.done
    }

    fn put(&mut self, src: &[u8]) -> Result<usize, FsError> {
        let free = self.dst.get_mut(self.done..).unwrap_or_default();
        let n = free.len().min(src.len());
        for (to, from) in free.iter_mut().zip(src) {
            *to = *from;
        }
        self.done += n;
        Ok(n)
    }
}

/// A source over a kernel slice.
#[derive(Debug)]
pub struct SliceSource<'a> {
    src: &'a [u8],
    size_limit: u64,
}

impl<'a> SliceSource<'a> {
    /// Gives `src` from its start.
    pub fn new(src: &'a [u8]) -> Self {
        SliceSource { src, size_limit: u64::MAX }
    }

    /// For a writer with a limit on the size of files.
    #[must_use]
    pub fn limited(self, size_limit: u64) -> Self {
        SliceSource { size_limit, ..self }
    }
}

impl Source for SliceSource<'_> {
    fn remaining(&self) -> usize {
        self.src.len()
    }

    fn take(&mut self, dst: &mut [u8]) -> Result<usize, FsError> {
        let n = self.src.len().min(dst.len());
        let (now, later) = self.src.split_at(n);
        for (to, from) in dst.iter_mut().zip(now) {
            *to = *from;
        }
        self.src = later;
        Ok(n)
    }

    fn skip(&mut self, len: usize) -> usize {
        let n = self.src.len().min(len);
        self.src = self.src.get(n..).unwrap_or_default();
        n
    }

    fn size_limit(&self) -> u64 {
        self.size_limit
    }
}

/// A position in a list of program buffers.
struct Cursor<'a> {
    memory: &'a dyn UserMemory,
    /// The run of bytes that is next: its address, and its length as far as it is wanted.
    addr: u64,
    run: usize,
    /// The buffers behind it.
    rest: &'a [UserSlice],
    /// Bytes wanted of the run and the rest.
    remaining: usize,
}

impl<'a> Cursor<'a> {
    #[inline]
    fn new(memory: &'a dyn UserMemory, segments: &'a [UserSlice], limit: usize) -> Self {
        let Some((first, rest)) = segments.split_first() else {
            return Cursor { memory, addr: 0, run: 0, rest: segments, remaining: 0 };
        };
        let total = rest.iter().fold(first.len, |sum, s| sum.saturating_add(s.len));
        let remaining = total.min(limit);
        Cursor { memory, addr: first.addr, run: first.len.min(remaining), rest, remaining }
    }

    /// Whether the next `len` bytes are in one run, as they mostly are.
    #[inline]
    fn is_whole(&self, len: usize) -> bool {
        len.wrapping_sub(1) < self.run
    }

    /// Goes on by `len` bytes of the run.
    #[inline]
    fn advance(&mut self, len: usize) {
        // Both contain the bytes, and the address was checked with them.
        self.addr = self.addr.wrapping_add(len as u64);
        self.run = self.run.wrapping_sub(len);
        self.remaining = self.remaining.wrapping_sub(len);
    }

    /// After `done` bytes of the wanted ones, which are in one run, have been copied.
    #[inline]
    fn moved(&mut self, done: usize) -> Result<usize, FsError> {
        if done == 0 {
            return Err(FsError::Fault);
        }
        self.advance(done);
        Ok(done)
    }

    /// Comes to the next run that has bytes; false at the end of what is wanted.
    #[inline]
    fn has_run(&mut self) -> bool {
        while self.run == 0 {
            let Some((first, rest)) = self.rest.split_first() else { return false };
            (self.addr, self.run, self.rest) = (first.addr, first.len.min(self.remaining), rest);
        }
        true
    }

    /// Lets `copy(memory, address, length)`, which returns how much it copied, do run after run until `len` bytes are
    /// done or a fault comes.
    #[inline]
    fn each(
        &mut self,
        len: usize,
        mut copy: impl FnMut(&dyn UserMemory, u64, usize) -> usize,
    ) -> Result<usize, FsError> {
        let mut done = 0;
        while done < len && self.has_run() {
            let n = self.run.min(len - done);
            let copied = copy(self.memory, self.addr, n);
            if copied > 0 {
                self.advance(copied);
                done += copied;
            }
            if copied < n {
                return if done == 0 { Err(FsError::Fault) } else { Ok(done) };
            }
        }
        Ok(done)
    }
}

/// A sink over program memory.
pub struct UserSink<'a>(Cursor<'a>);

impl<'a> UserSink<'a> {
    /// Fills `segments` in order, at most `limit` bytes in all.
    #[inline]
    pub fn new(memory: &'a dyn UserMemory, segments: &'a [UserSlice], limit: usize) -> Self {
        UserSink(Cursor::new(memory, segments, limit))
    }

    #[cold]
    fn put_runs(&mut self, src: &[u8]) -> Result<usize, FsError> {
        let mut left = src;
        self.0.each(src.len(), |memory, addr, n| {
            let (part, rest) = left.split_at_checked(n).unwrap_or_default();
            left = rest;
            memory.write_some(addr, part)
        })
    }
}

impl Sink for UserSink<'_> {
    fn remaining(&self) -> usize {
        self.0.remaining
    }

    fn put(&mut self, src: &[u8]) -> Result<usize, FsError> {
        if !self.0.is_whole(src.len()) {
            return self.put_runs(src);
        }
        let done = self.0.memory.write_some(self.0.addr, src);
        self.0.moved(done)
    }

    fn put_zeros(&mut self, len: usize) -> Result<usize, FsError> {
        if !self.0.is_whole(len) {
            return self.0.each(len, |memory, addr, n| memory.zero_some(addr, n));
        }
        let done = self.0.memory.zero_some(self.0.addr, len);
        self.0.moved(done)
    }
}

/// A source over program memory.
pub struct UserSource<'a> {
    cursor: Cursor<'a>,
    size_limit: u64,
}

impl<'a> UserSource<'a> {
    /// Gives the bytes of `segments` in order, at most `limit` in all.
    #[inline]
    pub fn new(memory: &'a dyn UserMemory, segments: &'a [UserSlice], limit: usize) -> Self {
        UserSource { cursor: Cursor::new(memory, segments, limit), size_limit: u64::MAX }
    }

    /// For a writer with a limit on the size of files.
    #[must_use]
    #[inline]
    pub fn limited(self, size_limit: u64) -> Self {
        UserSource { size_limit, ..self }
    }

    #[cold]
    fn take_runs(&mut self, dst: &mut [u8]) -> Result<usize, FsError> {
        let len = dst.len();
        let mut left = dst;
        self.cursor.each(len, |memory, addr, n| {
            let (part, rest) = core::mem::take(&mut left).split_at_mut_checked(n).unwrap_or_default();
            left = rest;
            memory.read_some(addr, part)
        })
    }
}

impl Source for UserSource<'_> {
    fn remaining(&self) -> usize {
        self.cursor.remaining
    }

    fn take(&mut self, dst: &mut [u8]) -> Result<usize, FsError> {
        if !self.cursor.is_whole(dst.len()) {
            return self.take_runs(dst);
        }
        let done = self.cursor.memory.read_some(self.cursor.addr, dst);
        self.cursor.moved(done)
    }

    fn skip(&mut self, len: usize) -> usize {
        self.cursor.each(len, |_, _, n| n).unwrap_or(0)
    }

    fn size_limit(&self) -> u64 {
        self.size_limit
    }
}

/// Up to which byte a write at `at` may go, of a file that can be `max` bytes long.
///
/// # Errors
/// [`FsError::SizeLimit`], [`FsError::TooLarge`]: it may not even begin.
pub(crate) fn write_end(src: &dyn Source, at: u64, max: u64) -> Result<u64, FsError> {
    match src.size_limit() {
        limit if at >= limit && limit < u64::MAX => Err(FsError::SizeLimit),
        _ if at >= max => Err(FsError::TooLarge),
        limit => Ok(limit.min(max)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use mm::fake::FakeUserMemory;

    fn vecs(list: &[(u64, usize)]) -> Vec<UserSlice> {
        list.iter().map(|&(addr, len)| UserSlice { addr, len }).collect()
    }

    #[test]
    fn scatters_and_gathers() {
        let memory = FakeUserMemory::new();
        memory.map(0x1000, 0x1000);
        let segments = vecs(&[(0x1000, 3), (0x1100, 0), (0x1200, 4)]);
        let mut sink = UserSink::new(&memory, &segments, usize::MAX);
        assert_eq!(sink.remaining(), 7);
        assert_eq!(sink.put(b"hell"), Ok(4));
        assert_eq!(sink.put(b"o world"), Ok(3), "no more room");
        assert_eq!(sink.put(b"x"), Ok(0));
        let mut source = UserSource::new(&memory, &segments, 6);
        assert_eq!(source.skip(1), 1);
        let mut buf = [0; 16];
        assert_eq!(source.take(&mut buf), Ok(5));
        assert_eq!(&buf[..5], b"ello ");
    }

    #[test]
    fn a_fault_shows_after_the_bytes_before_it() {
        let memory = FakeUserMemory::new();
        memory.map(0x1000, 0x1000);
        let segments = vecs(&[(0x1ffe, 8)]);
        let mut sink = UserSink::new(&memory, &segments, usize::MAX);
        assert_eq!(sink.put_zeros(8), Ok(2));
        assert_eq!(sink.put(b"x"), Err(FsError::Fault));
        assert_eq!(sink.remaining(), 6);
        let mut source = UserSource::new(&memory, &segments, usize::MAX);
        assert_eq!(source.take(&mut [0; 4]), Ok(2));
        assert_eq!(source.take(&mut [0; 4]), Err(FsError::Fault));
    }

    #[test]
    fn slices() {
        let mut buf = [9; 4];
        let mut sink = SliceSink::new(&mut buf);
        assert_eq!((sink.put(b"ab"), sink.put_zeros(5), sink.remaining()), (Ok(2), Ok(2), 0));
        assert_eq!(&buf, b"ab\0\0");
        let mut source = SliceSource::new(b"abcd");
        assert_eq!(source.skip(1), 1);
        let mut out = [0; 2];
        assert_eq!((source.take(&mut out), source.remaining()), (Ok(2), 1));
        assert_eq!(&out, b"bc");
    }
}
