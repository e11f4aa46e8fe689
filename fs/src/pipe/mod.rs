//! Pipes (pipe(7)) and FIFOs (fifo(7)).
//!
//! An operation that would have to wait answers [`FsError::WouldBlock`], also without O_NONBLOCK: the caller waits and comes
//! back. Capacity is counted in slots of a page, as on Linux.
//!
//! Invariants: a write of up to [`PIPE_BUF`] bytes goes in whole or not at all. The state's lock is never held while program
//! memory is accessed: one reader and one writer at a time move pieces in and out. Whoever is both takes `reading` first.

mod fifo;
mod ring;
mod splice;

pub use fifo::Fifos;

use crate::notify::Notifier;
use crate::{File, FsError, Metadata, NodeRef, Offset, OpenFile, Pinned, Sink, Source};
use abi::{Mode, OpenFlags, PollEvents, ioctl};
use alloc::format;
use alloc::{sync::Arc, vec::Vec};
use core::sync::atomic::{AtomicU64, Ordering};
use mm::user::{UserMemory, UserPtr};
use ring::{Kind, PAGE, Ring};
use sync::Mutex;

/// Writes of up to so many bytes are not mixed with others.
pub const PIPE_BUF: usize = PAGE;
/// Slots of a new pipe.
const SLOTS: usize = 16;
/// Largest capacity, bytes (`fs.pipe-max-size`).
pub const MAX_CAPACITY: usize = 1 << 20;
/// Number of the file system that pipes are on.
const DEVICE: u64 = 13;
/// Bytes that move to a reader at a time, and those for which less is made ready.
const PIECE: usize = 1024;
const SHORT: usize = 64;

struct State {
    ring: Ring,
    readers: usize,
    writers: usize,
    /// Readers and writers there ever were: who waits for one also notices one that has gone again.
    readers_ever: u64,
    writers_ever: u64,
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
    /// Told at both, for ends that are open both ways.
    either: Notifier,
}

impl Pipe {
    fn new() -> Arc<Self> {
        static NUMBERS: AtomicU64 = AtomicU64::new(5);
        let state =
            State { ring: Ring::new(SLOTS), readers: 0, writers: 0, readers_ever: 0, writers_ever: 0 };
        Arc::new(Pipe {
            ino: NUMBERS.fetch_add(1, Ordering::Relaxed),
            state: Mutex::new(state),
            reading: Mutex::new(()),
            writing: Mutex::new(()),
            filled: Notifier::new(),
            drained: Notifier::new(),
            either: Notifier::new(),
        })
    }

    /// After bytes have come in. One reader is woken; a writer that was, and left room, wakes the next.
    fn tell_filled(&self) {
        self.filled.notify();
        self.either.notify();
        self.drained.pass_on_if(|| self.state.lock().ring.free() > 0);
    }

    /// After bytes have been taken out; as above.
    fn tell_drained(&self) {
        self.drained.notify();
        self.either.notify();
        self.filled.pass_on_if(|| !self.state.lock().ring.is_empty());
    }

    fn change<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        let result = change(&mut self.state.lock());
        self.filled.notify_all();
        self.drained.notify_all();
        self.either.notify_all();
        result
    }
}

/// One end of a pipe, or a FIFO that was opened.
pub struct PipeEnd {
    pipe: Arc<Pipe>,
    reads: bool,
    writes: bool,
    /// The FIFO's node.
    node: Option<Pinned>,
    /// `writers_ever` when it was opened without a writer and without waiting: there is no end of file to poll for yet.
    no_writer_since: Option<u64>,
    /// The other side's `…_ever` that open(2) waits to see changed.
    awaits: Option<u64>,
}

/// A pipe: its reading and its writing end, with the given status flags.
pub fn pipe(flags: OpenFlags) -> (Arc<OpenFile>, Arc<OpenFile>) {
    let pipe = Pipe::new();
    let status = flags.intersection(OpenFlags::NONBLOCK);
    // Packets are made by the writer.
    let packets = flags.intersection(OpenFlags::DIRECT);
    let read = PipeEnd::new(&pipe, true, false);
    let write = PipeEnd::new(&pipe, false, true);
    let write = OpenFile::new(Arc::new(write), status | packets | OpenFlags::WRONLY);
    (OpenFile::new(Arc::new(read), status), write)
}

impl PipeEnd {
    fn new(pipe: &Arc<Pipe>, reads: bool, writes: bool) -> Self {
        pipe.change(|state| state.enter(reads, writes));
        PipeEnd { pipe: pipe.clone(), reads, writes, node: None, no_writer_since: None, awaits: None }
    }
}

impl State {
    fn enter(&mut self, reads: bool, writes: bool) {
        self.readers += usize::from(reads);
        self.writers += usize::from(writes);
        self.readers_ever += u64::from(reads);
        self.writers_ever += u64::from(writes);
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

impl PipeEnd {
    /// Moves bytes to `dst`, `N` at a time, until it is full or a packet has been read; the reader's turn is the caller's.
    fn read_bytes<const N: usize>(&self, dst: &mut dyn Sink) -> Result<usize, FsError> {
        let mut done = 0;
        let mut piece = [0; N];
        while dst.remaining() > 0 {
            let (n, kind) = {
                let state = self.pipe.state.lock();
                let Some((bytes, kind)) = state.ring.slot(0) else { break };
                let n = bytes.len().min(N).min(dst.remaining());
                if let (Some(to), Some(from)) = (piece.get_mut(..n), bytes.get(..n)) {
                    to.copy_from_slice(from);
                }
                (n, kind)
            };
            // Bytes leave the pipe when they have arrived.
            let moved = match dst.put(piece.get(..n).unwrap_or_default()) {
                Ok(moved) => moved,
                Err(error) if done == 0 => return Err(error),
                Err(_) => break,
            };
            done += moved;
            let mut state = self.pipe.state.lock();
            let whole = state.ring.slot(0).is_some_and(|(bytes, _)| bytes.len() == moved);
            state.ring.consume(moved);
            if kind == Kind::Packet && (whole || dst.remaining() == 0) {
                if !whole {
                    state.ring.drop_slot();
                }
                break;
            }
            if moved < n {
                break;
            }
        }
        Ok(done)
    }
}

impl File for PipeEnd {
    fn metadata(&self) -> Result<Metadata, FsError> {
        if let Some(node) = &self.node {
            return node.metadata();
        }
        let mode = Mode::IFIFO | 0o600;
        let ino = self.pipe.ino;
        Ok(Metadata { dev: DEVICE, ino, mode, nlink: 1, block_size: 4096, ..Metadata::default() })
    }

    fn read(&self, _at: Offset, dst: &mut dyn Sink, _flags: OpenFlags) -> Result<usize, FsError> {
        if dst.remaining() == 0 {
            return Ok(0);
        }
        let nothing = |state: &State| if state.writers == 0 { Ok(0) } else { Err(FsError::WouldBlock) };
        {
            // Bytes are in the ring until they have arrived, so an empty one has nobody reading from it.
            let state = self.pipe.state.lock();
            if state.ring.is_empty() {
                return nothing(&state);
            }
        }
        let done = {
            let _turn = self.pipe.reading.lock();
            if dst.remaining() <= SHORT {
                self.read_bytes::<SHORT>(dst)?
            } else {
                self.read_bytes::<PIECE>(dst)?
            }
        };
        if done > 0 {
            self.pipe.tell_drained();
            return Ok(done);
        }
        let state = self.pipe.state.lock();
        if state.ring.is_empty() { nothing(&state) } else { Err(FsError::WouldBlock) }
    }

    fn write(&self, _at: Offset, src: &mut dyn Source, flags: OpenFlags) -> Result<usize, FsError> {
        if src.remaining() == 0 {
            return Ok(0);
        }
        let kind = if flags.contains(OpenFlags::DIRECT) { Kind::Packet } else { Kind::Open };
        let _turn = self.pipe.writing.lock();
        // What is no whole page may go behind what is there.
        let mut part = src.remaining() % PAGE;
        let mut done = 0;
        let mut failure = FsError::WouldBlock;
        while src.remaining() > 0 {
            let (want, merge, spare) = {
                let mut state = self.pipe.state.lock();
                if state.readers == 0 {
                    failure = FsError::BrokenPipe;
                    break;
                }
                let merge = part > 0 && state.ring.merges(part);
                if !merge && state.ring.free() == 0 {
                    break;
                }
                (if merge { part } else { src.remaining().min(PAGE) }, merge, state.ring.take_spare())
            };
            part = 0;
            let mut buffer = Ring::buffer(spare, want)?;
            // A piece that could not be read whole does not go in (write(2): what was written before counts).
            if src.take(&mut buffer) != Ok(want) {
                failure = FsError::Fault;
                break;
            }
            self.pipe.state.lock().ring.put(buffer, kind, merge)?;
            done += want;
        }
        if done == 0 {
            return Err(failure);
        }
        self.pipe.tell_filled();
        Ok(done)
    }

    fn writes_all(&self) -> bool {
        true
    }

    fn is_open(&self) -> bool {
        let Some(awaited) = self.awaits else { return true };
        let state = self.pipe.state.lock();
        if self.reads {
            state.writers > 0 || state.writers_ever != awaited
        } else {
            state.readers > 0 || state.readers_ever != awaited
        }
    }

    fn ioctl(&self, request: u32, arg: u64, memory: &dyn UserMemory) -> Result<u64, FsError> {
        if request != ioctl::FIONREAD {
            return Err(FsError::NotTty);
        }
        let len = self.pipe.state.lock().ring.len() as u32;
        UserPtr::new(arg).write(memory, &len).map_err(|_| FsError::Fault)?;
        Ok(0)
    }

    fn readiness(&self) -> PollEvents {
        let state = self.pipe.state.lock();
        let mut events = PollEvents::empty();
        if self.reads {
            events.set(PollEvents::IN | PollEvents::RDNORM, !state.ring.is_empty());
            let ended = state.writers == 0 && self.no_writer_since != Some(state.writers_ever);
            events.set(PollEvents::HUP, ended);
        }
        if self.writes {
            events.set(PollEvents::OUT | PollEvents::WRNORM, state.ring.free() > 0);
            events.set(PollEvents::ERR, state.readers == 0);
        }
        events
    }

    fn notifier(&self) -> Option<&Notifier> {
        Some(match (self.reads, self.writes) {
            (true, false) => &self.pipe.filled,
            (false, true) => &self.pipe.drained,
            _ => &self.pipe.either,
        })
    }

    fn wakes_one(&self) -> bool {
        self.reads != self.writes
    }

    fn as_pipe(&self) -> Option<&PipeEnd> {
        Some(self)
    }

    fn pipe_size(&self, new: Option<usize>) -> Result<usize, FsError> {
        let Some(new) = new else { return Ok(self.pipe.state.lock().ring.max() * PAGE) };
        let capacity =
            new.max(PAGE).checked_next_power_of_two().filter(|&size| size <= i32::MAX as usize / 2 + 1);
        let capacity = capacity.ok_or(FsError::Invalid)?;
        if capacity > MAX_CAPACITY {
            return Err(FsError::NotPermitted);
        }
        self.pipe.change(|state| state.ring.set_max(capacity / PAGE))?;
        Ok(capacity)
    }

    fn node(&self) -> Option<&NodeRef> {
        self.node.as_ref().map(Pinned::node)
    }

    fn sync(&self) -> Result<(), FsError> {
        Err(FsError::Invalid)
    }

    fn describe(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(format!("pipe:[{}]", self.pipe.ino).as_bytes());
    }

    fn reopen(self: Arc<Self>, flags: OpenFlags) -> Result<Arc<dyn File>, FsError> {
        Ok(Arc::new(PipeEnd::new(&self.pipe, flags.readable(), flags.writable())))
    }
}

#[cfg(test)]
mod tests;
