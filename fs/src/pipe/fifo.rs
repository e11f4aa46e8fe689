//! [`Fifos`]: the pipes behind FIFOs that are open (fifo(7)). Held by the [`Vfs`](crate::Vfs).
//!
//! Invariant: all that have one FIFO open have the same pipe, which goes with the last of them and takes its content along.

use super::{Pipe, PipeEnd};
use crate::{FsError, NodeId, NodeRef, Pinned};
use abi::OpenFlags;
use alloc::sync::{Arc, Weak};
use hashbrown::HashMap;
use sync::Mutex;

/// The FIFOs that are open.
#[derive(Default)]
pub struct Fifos(Mutex<HashMap<(u64, NodeId), Weak<Pipe>>>);

impl Fifos {
    /// Opens a FIFO; with O_NONBLOCK for writing there must be a reader. Without, the caller waits until the file
    /// [`is_open`](crate::File::is_open).
    pub fn open(&self, node: &NodeRef, flags: OpenFlags) -> Result<Arc<PipeEnd>, FsError> {
        let pipe = self.pipe(node)?;
        let (reads, writes) = (flags.readable(), flags.writable());
        let waits = !flags.contains(OpenFlags::NONBLOCK);
        let pin = Pinned::new(node.clone());
        let end = pipe.change(|state| {
            if writes && !reads && !waits && state.readers == 0 {
                return Err(FsError::NoDevice);
            }
            state.enter(reads, writes);
            let alone = if writes { state.readers == 0 } else { state.writers == 0 };
            let other = if writes { state.readers_ever } else { state.writers_ever };
            Ok(PipeEnd {
                pipe: pipe.clone(),
                reads,
                writes,
                node: Some(pin),
                no_writer_since: (alone && !waits).then_some(other),
                awaits: (alone && waits).then_some(other),
            })
        });
        Ok(Arc::new(end?))
    }

    fn pipe(&self, node: &NodeRef) -> Result<Arc<Pipe>, FsError> {
        let key = (node.fs.device(), node.id);
        let mut open = self.0.lock();
        if let Some(pipe) = open.get(&key).and_then(Weak::upgrade) {
            return Ok(pipe);
        }
        open.retain(|_, pipe| pipe.strong_count() > 0);
        open.try_reserve(1).map_err(|_| FsError::NoMemory)?;
        let pipe = Pipe::new();
        open.insert(key, Arc::downgrade(&pipe));
        Ok(pipe)
    }
}
