//! Pipes (pipe(7)).
//!
//! An operation that would have to wait answers [`FsError::WouldBlock`], also without O_NONBLOCK: the caller waits and comes
//! back. Capacity counts bytes; Linux counts pages, so a pipe filled with pieces that share no page takes more bytes here.
//!
//! Invariants: the buffer holds at most `capacity` bytes; a write of up to [`PIPE_BUF`] bytes goes in whole or not at all. The
//! state's lock is never held while program memory is accessed: one reader and one writer at a time move pieces in and out.

use crate::notify::Notifier;
use crate::{File, FsError, Metadata, Offset, OpenFile, Sink, Source};
use abi::{Mode, OpenFlags, PollEvents, ioctl};
use alloc::collections::VecDeque;
use alloc::format;
use alloc::{sync::Arc, vec::Vec};
use core::sync::atomic::{AtomicU64, Ordering};
use mm::user::{UserMemory, UserPtr};
use sync::Mutex;

/// Writes of up to so many bytes are not mixed with others.
pub const PIPE_BUF: usize = 4096;
/// Capacity of a new pipe, bytes.
const CAPACITY: usize = 64 << 10;
/// Largest capacity (`fs.pipe-max-size`).
const MAX_CAPACITY: usize = 1 << 20;
/// Number of the file system that pipes are on.
const DEVICE: u64 = 13;
/// Bytes that move at a time.
const PIECE: usize = 1024;

struct State {
    bytes: VecDeque<u8>,
    capacity: usize,
    readers: usize,
    writers: usize,
}

struct Pipe {
    ino: u64,
    state: Mutex<State>,
    reading: Mutex<()>,
    writing: Mutex<()>,
    /// Told when there are more bytes, or no writers.
    filled: Notifier,
    /// Told when there is more room, or nobody reads.
    drained: Notifier,
}

impl Pipe {
    fn change<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        let result = change(&mut self.state.lock());
        self.filled.notify();
        self.drained.notify();
        result
    }
}

/// One end of a pipe.
pub struct PipeEnd {
    pipe: Arc<Pipe>,
    reads: bool,
    writes: bool,
}

/// A pipe: its reading and its writing end, with the given status flags.
pub fn pipe(flags: OpenFlags) -> (Arc<OpenFile>, Arc<OpenFile>) {
    static NUMBERS: AtomicU64 = AtomicU64::new(5);
    let state = State { bytes: VecDeque::new(), capacity: CAPACITY, readers: 0, writers: 0 };
    let pipe = Arc::new(Pipe {
        ino: NUMBERS.fetch_add(1, Ordering::Relaxed),
        state: Mutex::new(state),
        reading: Mutex::new(()),
        writing: Mutex::new(()),
        filled: Notifier::new(),
        drained: Notifier::new(),
    });
    let status = flags.intersection(OpenFlags::NONBLOCK | OpenFlags::DIRECT);
    let read = PipeEnd::new(&pipe, true, false);
    let write = PipeEnd::new(&pipe, false, true);
    (OpenFile::new(Arc::new(read), status), OpenFile::new(Arc::new(write), status | OpenFlags::WRONLY))
}

impl PipeEnd {
    fn new(pipe: &Arc<Pipe>, reads: bool, writes: bool) -> Self {
        let mut state = pipe.state.lock();
        state.readers += usize::from(reads);
        state.writers += usize::from(writes);
        drop(state);
        PipeEnd { pipe: pipe.clone(), reads, writes }
    }

    /// Copies the first bytes without taking them.
    fn peek(&self, piece: &mut [u8]) -> usize {
        let state = self.pipe.state.lock();
        let n = state.bytes.len().min(piece.len());
        piece.iter_mut().zip(&state.bytes).for_each(|(to, from)| *to = *from);
        n
    }

    /// Bytes that a write of `len` may put in now; an error if none.
    fn room(&self, len: usize) -> Result<usize, FsError> {
        let state = self.pipe.state.lock();
        if state.readers == 0 {
            return Err(FsError::BrokenPipe);
        }
        let free = state.capacity.saturating_sub(state.bytes.len());
        if free == 0 || (len <= PIPE_BUF && free < len) {
            Err(FsError::WouldBlock)
        } else {
            Ok(free.min(len))
        }
    }
}

impl Drop for PipeEnd {
    fn drop(&mut self) {
        self.pipe.change(|state| {
            state.readers -= usize::from(self.reads);
            state.writers -= usize::from(self.writes);
        });
    }
}

impl File for PipeEnd {
    fn metadata(&self) -> Result<Metadata, FsError> {
        let mode = Mode::IFIFO | 0o600;
        Ok(Metadata {
            dev: DEVICE,
            ino: self.pipe.ino,
            mode,
            nlink: 1,
            block_size: 4096,
            ..Metadata::default()
        })
    }

    fn read(&self, _at: Offset, dst: &mut dyn Sink, _flags: OpenFlags) -> Result<usize, FsError> {
        if dst.remaining() == 0 {
            return Ok(0);
        }
        let _turn = self.pipe.reading.lock();
        let mut done = 0;
        let mut piece = [0; PIECE];
        while dst.remaining() > 0 {
            let n = self.peek(&mut piece).min(dst.remaining());
            if n == 0 {
                break;
            }
            // Bytes leave the pipe when they have arrived.
            match dst.put(piece.get(..n).unwrap_or_default()) {
                Ok(n) => {
                    self.pipe.state.lock().bytes.drain(..n);
                    done += n;
                }
                Err(error) if done == 0 => return Err(error),
                Err(_) => break,
            }
        }
        if done > 0 {
            self.pipe.drained.notify();
            return Ok(done);
        }
        if self.pipe.state.lock().writers == 0 { Ok(0) } else { Err(FsError::WouldBlock) }
    }

    fn write(&self, _at: Offset, src: &mut dyn Source, _flags: OpenFlags) -> Result<usize, FsError> {
        if src.remaining() == 0 {
            return Ok(0);
        }
        let _turn = self.pipe.writing.lock();
        let room = self.room(src.remaining())?;
        let mut done = 0;
        let mut piece = [0; PIECE];
        while done < room {
            let want = (room - done).min(PIECE);
            match src.take(piece.get_mut(..want).unwrap_or_default()) {
                Ok(0) => break,
                Ok(n) => {
                    let mut state = self.pipe.state.lock();
                    state.bytes.try_reserve(n).map_err(|_| FsError::NoMemory)?;
                    state.bytes.extend(piece.iter().take(n));
                    done += n;
                }
                Err(error) if done == 0 => return Err(error),
                Err(_) => break,
            }
        }
        self.pipe.filled.notify();
        Ok(done)
    }

    fn writes_all(&self) -> bool {
        true
    }

    fn ioctl(&self, request: u32, arg: u64, memory: &dyn UserMemory) -> Result<u64, FsError> {
        if request != ioctl::FIONREAD {
            return Err(FsError::NotTty);
        }
        let len = self.pipe.state.lock().bytes.len() as u32;
        UserPtr::new(arg).write(memory, &len).map_err(|_| FsError::Fault)?;
        Ok(0)
    }

    fn readiness(&self) -> PollEvents {
        let state = self.pipe.state.lock();
        let mut events = PollEvents::empty();
        if self.reads {
            events.set(PollEvents::IN | PollEvents::RDNORM, !state.bytes.is_empty());
            events.set(PollEvents::HUP, state.writers == 0);
        }
        if self.writes {
            let room = state.capacity.saturating_sub(state.bytes.len()) >= PIPE_BUF;
            events.set(PollEvents::OUT | PollEvents::WRNORM, room);
            events.set(PollEvents::ERR, state.readers == 0);
        }
        events
    }

    fn notifier(&self) -> Option<&Notifier> {
        // An end that is open both ways has two; whoever watches it has to look.
        match (self.reads, self.writes) {
            (true, false) => Some(&self.pipe.filled),
            (false, true) => Some(&self.pipe.drained),
            _ => None,
        }
    }

    fn pipe_size(&self, new: Option<usize>) -> Result<usize, FsError> {
        let Some(new) = new else { return Ok(self.pipe.state.lock().capacity) };
        let capacity =
            new.max(PIPE_BUF).checked_next_power_of_two().filter(|&size| size <= i32::MAX as usize / 2 + 1);
        let capacity = capacity.ok_or(FsError::Invalid)?;
        if capacity > MAX_CAPACITY {
            return Err(FsError::NotPermitted);
        }
        self.pipe.change(|state| {
            if capacity < state.bytes.len() {
                return Err(FsError::Busy);
            }
            state.capacity = capacity;
            Ok(capacity)
        })
    }

    fn describe(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(format!("pipe:[{}]", self.pipe.ino).as_bytes());
    }

    fn reopen(self: Arc<Self>, flags: OpenFlags) -> Result<Arc<dyn File>, FsError> {
        Ok(Arc::new(PipeEnd::new(&self.pipe, flags.readable(), flags.writable())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{SliceSink, SliceSource};
    use proptest::prelude::*;

    fn write(file: &OpenFile, bytes: &[u8]) -> Result<usize, FsError> {
        file.write(&mut SliceSource::new(bytes))
    }

    fn read(file: &OpenFile, len: usize) -> Result<Vec<u8>, FsError> {
        let mut buf = vec![0; len];
        let n = file.read(&mut SliceSink::new(&mut buf))?;
        buf.truncate(n);
        Ok(buf)
    }

    #[test]
    fn ends() {
        let (r, w) = pipe(OpenFlags::empty());
        assert_eq!(read(&r, 1), Err(FsError::WouldBlock));
        assert_eq!(write(&w, b"hello"), Ok(5));
        assert_eq!(read(&w, 1), Err(FsError::BadMode));
        assert_eq!(write(&r, b"x"), Err(FsError::BadMode));
        assert_eq!(r.file().readiness(), PollEvents::IN | PollEvents::RDNORM);
        assert_eq!(read(&r, 2), Ok(b"he".to_vec()));
        drop(w);
        assert!(r.file().readiness().contains(PollEvents::HUP | PollEvents::IN));
        assert_eq!(read(&r, 9), Ok(b"llo".to_vec()));
        assert_eq!(read(&r, 9), Ok(vec![]), "end of file");
        let (r, w) = pipe(OpenFlags::empty());
        drop(r);
        assert_eq!(write(&w, b"x"), Err(FsError::BrokenPipe));
        assert!(w.file().readiness().contains(PollEvents::ERR));
    }

    #[test]
    fn sizes() {
        let (r, w) = pipe(OpenFlags::empty());
        let size = |new| w.file().pipe_size(new);
        assert_eq!(size(None), Ok(65536));
        assert_eq!(size(Some(5000)), Ok(8192));
        assert_eq!(write(&w, &[1; 10000]), Ok(8192), "a long write fills what is free");
        assert_eq!(write(&w, &[1]), Err(FsError::WouldBlock));
        assert_eq!(size(Some(1)), Err(FsError::Busy));
        assert_eq!(read(&r, 4000).map(|bytes| bytes.len()), Ok(4000));
        assert_eq!(write(&w, &[1; 4096]), Err(FsError::WouldBlock), "whole or not at all");
        assert!(!w.file().readiness().contains(PollEvents::OUT));
        assert_eq!(size(Some(2 << 20)), Err(FsError::NotPermitted));
        assert_eq!(size(Some(usize::MAX)), Err(FsError::Invalid));
    }

    proptest! {
        #[test]
        fn bytes_come_out_in_order(ops in prop::collection::vec((any::<bool>(), 0usize..9000), 1..60)) {
            let (r, w) = pipe(OpenFlags::empty());
            let mut model: VecDeque<u8> = VecDeque::new();
            let mut next = 0u8;
            for (writing, len) in ops {
                if writing {
                    let bytes: Vec<u8> = (0..len).map(|i| next.wrapping_add(i as u8)).collect();
                    let free = CAPACITY - model.len();
                    let fits = len == 0 || if len <= PIPE_BUF { free >= len } else { free > 0 };
                    let want = if fits { Ok(len.min(free)) } else { Err(FsError::WouldBlock) };
                    prop_assert_eq!(write(&w, &bytes), want);
                    let n = want.unwrap_or(0);
                    model.extend(&bytes[..n]);
                    next = next.wrapping_add(n as u8);
                } else if len > 0 {
                    let n = len.min(model.len());
                    let want = if n == 0 { Err(FsError::WouldBlock) } else { Ok(model.drain(..n).collect()) };
                    prop_assert_eq!(read(&r, len), want);
                }
            }
        }
    }
}
