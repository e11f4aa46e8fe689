//! [`Sink`] and [`Source`]: where the bytes of a read go and where those of a write come from.
//!
//! Files hand slices of their content to a sink, or let a source fill slices of it, so that bytes move once, between the file
//! and the program's memory. Implemented over program memory (one buffer or a list of them) and over kernel slices.
//!
//! Invariants: bytes move in order; `remaining` falls by exactly what moved; a fault after some bytes moved shows as a short
//! count, and only the next call fails, so that read(2) and write(2) report the bytes that arrived.

use crate::FsError;
use core::ops::Range;
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
    segments: &'a [UserSlice],
    /// Bytes done of the first segment.
    offset: usize,
    remaining: usize,
}

impl<'a> Cursor<'a> {
    fn new(memory: &'a dyn UserMemory, segments: &'a [UserSlice], limit: usize) -> Self {
        let total = segments.iter().fold(0usize, |sum, s| sum.saturating_add(s.len));
        Cursor { memory, segments, offset: 0, remaining: total.min(limit) }
    }

    /// The address where the next `len` bytes go or come from, if they are in one run, as they mostly are.
    #[inline]
    fn whole(&self, len: usize) -> Option<u64> {
        let first = self.segments.first()?;
        let end = self.offset.checked_add(len)?;
        let fits = len > 0 && end <= first.len && len <= self.remaining;
        fits.then(|| first.addr.wrapping_add(self.offset as u64))
    }

    #[inline]
    fn advance(&mut self, len: usize) {
        self.offset = self.offset.saturating_add(len);
        self.remaining = self.remaining.saturating_sub(len);
    }

    /// Runs `copy(memory, address, done so far, length)` over successive runs until `len` bytes or a fault.
    #[inline]
    fn each(
        &mut self,
        len: usize,
        mut copy: impl FnMut(&dyn UserMemory, u64, Range<usize>) -> Result<(), usize>,
    ) -> Result<usize, FsError> {
        let Some(addr) = self.whole(len) else { return self.each_run(len, copy) };
        let done = match copy(self.memory, addr, 0..len) {
            Ok(()) => len,
            Err(part) => part.min(len),
        };
        self.advance(done);
        if done > 0 { Ok(done) } else { Err(FsError::Fault) }
    }

    /// As [`each`](Self::each), over any number of runs.
    fn each_run(
        &mut self,
        len: usize,
        mut copy: impl FnMut(&dyn UserMemory, u64, Range<usize>) -> Result<(), usize>,
    ) -> Result<usize, FsError> {
        let mut left = len.min(self.remaining);
        let want = left;
        let mut fault = false;
        while left > 0 && !fault {
            let Some((first, rest)) = self.segments.split_first() else { break };
            let mut n = first.len.saturating_sub(self.offset).min(left);
            if n == 0 {
                (self.segments, self.offset) = (rest, 0);
                continue;
            }
            let done = want - left;
            if let Err(part) = copy(self.memory, first.addr.wrapping_add(self.offset as u64), done..done + n)
            {
                (n, fault) = (part.min(n), true);
            }
            // Both are bounded by the segment and by what was wanted.
            self.offset += n;
            left -= n;
        }
        let done = want - left;
        self.remaining -= done;
        if fault && done == 0 { Err(FsError::Fault) } else { Ok(done) }
    }
}

/// A sink over program memory.
pub struct UserSink<'a>(Cursor<'a>);

impl<'a> UserSink<'a> {
    /// Fills `segments` in order, at most `limit` bytes in all.
    pub fn new(memory: &'a dyn UserMemory, segments: &'a [UserSlice], limit: usize) -> Self {
        UserSink(Cursor::new(memory, segments, limit))
    }
}

impl Sink for UserSink<'_> {
    fn remaining(&self) -> usize {
        self.0.remaining
    }

    fn put(&mut self, src: &[u8]) -> Result<usize, FsError> {
        self.0.each(src.len(), |memory, addr, range| {
            memory.write(addr, src.get(range).unwrap_or_default()).map_err(|fault| fault.done)
        })
    }

    fn put_zeros(&mut self, len: usize) -> Result<usize, FsError> {
        self.0.each(len, |memory, addr, range| memory.zero(addr, range.len()).map_err(|fault| fault.done))
    }
}

/// A source over program memory.
pub struct UserSource<'a> {
    cursor: Cursor<'a>,
    size_limit: u64,
}

impl<'a> UserSource<'a> {
    /// Gives the bytes of `segments` in order, at most `limit` in all.
    pub fn new(memory: &'a dyn UserMemory, segments: &'a [UserSlice], limit: usize) -> Self {
        UserSource { cursor: Cursor::new(memory, segments, limit), size_limit: u64::MAX }
    }

    /// For a writer with a limit on the size of files.
    #[must_use]
    pub fn limited(self, size_limit: u64) -> Self {
        UserSource { size_limit, ..self }
    }
}

impl Source for UserSource<'_> {
    fn remaining(&self) -> usize {
        self.cursor.remaining
    }

    fn take(&mut self, dst: &mut [u8]) -> Result<usize, FsError> {
        self.cursor.each(dst.len(), |memory, addr, range| {
            memory.read(addr, dst.get_mut(range).unwrap_or_default()).map_err(|fault| fault.done)
        })
    }

    fn skip(&mut self, len: usize) -> usize {
        self.cursor.each(len, |_, _, _| Ok(())).unwrap_or(0)
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
