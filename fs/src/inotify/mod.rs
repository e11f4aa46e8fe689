//! inotify(7): telling programs what happens to files.
//!
//! An [`Inotify`] is what inotify_init1(2) opens: a queue of [`Event`]s. [`Watches`], one per [`Vfs`](crate::Vfs), knows which
//! nodes are watched by whom; the operations on files tell it what they did. While nothing is watched that costs one look at a
//! counter.
//!
//! Invariants: a queue has at most the limit's events and one that says it was full; two equal events are never next to each
//! other; after `IN_IGNORED` a watch descriptor says no more. Locks are taken in the order watches, queue, and no file system
//! is called with either held.

mod limits;
mod watches;

pub use limits::Limits;
pub use watches::{Notice, Subject, Watches};

use crate::notify::Notifier;
use crate::{File, FsError, Metadata, Offset, Sink, Source};
use abi::{OpenFlags, PollEvents, general as raw, ioctl};
use alloc::collections::VecDeque;
use alloc::sync::Arc;
use alloc::{format, vec::Vec};
use core::sync::atomic::Ordering;
use mm::user::{UserMemory, UserPtr};
use sync::Mutex;

/// Bytes of `struct inotify_event` without the name; names are padded to a multiple of it.
const HEADER: usize = 16;

/// Something that happened.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Event {
    watch: i32,
    mask: u32,
    cookie: u32,
    name: Vec<u8>,
}

impl Event {
    /// Bytes of the name with its padding; none for no name.
    fn name_len(&self) -> usize {
        if self.name.is_empty() { 0 } else { (self.name.len() + 1).next_multiple_of(HEADER) }
    }

    fn len(&self) -> usize {
        HEADER + self.name_len()
    }

    fn store(&self, dst: &mut dyn Sink) -> Result<(), FsError> {
        let mut bytes = Vec::new();
        bytes.try_reserve_exact(self.len()).map_err(|_| FsError::NoMemory)?;
        bytes.extend_from_slice(&self.watch.to_le_bytes());
        bytes.extend_from_slice(&self.mask.to_le_bytes());
        bytes.extend_from_slice(&self.cookie.to_le_bytes());
        bytes.extend_from_slice(&(self.name_len() as u32).to_le_bytes());
        bytes.extend_from_slice(&self.name);
        bytes.resize(self.len(), 0);
        if dst.put(&bytes)? < bytes.len() { Err(FsError::Fault) } else { Ok(()) }
    }
}

/// An inotify instance.
pub struct Inotify {
    watches: Arc<Watches>,
    queue: Mutex<VecDeque<Event>>,
    notifier: Notifier,
}

impl Inotify {
    /// An instance without watches. Fails with [`FsError::TooManyOpen`] if there are as many as the limit allows.
    pub fn new(watches: &Arc<Watches>) -> Result<Arc<Self>, FsError> {
        watches.limits().enter()?;
        Ok(Arc::new(Inotify {
            watches: watches.clone(),
            queue: Mutex::new(VecDeque::new()),
            notifier: Notifier::new(),
        }))
    }

    /// Puts an event into the queue. The caller [`tell`](Self::tell)s afterwards, without locks.
    fn push(&self, event: Event) {
        let mut queue = self.queue.lock();
        // Linux compares everything but the cookie.
        let same =
            |last: &Event| last.watch == event.watch && last.mask == event.mask && last.name == event.name;
        if queue.back().is_some_and(same) {
            return;
        }
        let full = queue.len() >= self.watches.limits().queue.load(Ordering::Relaxed) as usize;
        let lost = full || queue.try_reserve(2).is_err();
        let event = if lost {
            Event { watch: -1, mask: raw::IN_Q_OVERFLOW, cookie: 0, name: Vec::new() }
        } else {
            event
        };
        let told = lost && queue.back().is_some_and(|last| last.mask == raw::IN_Q_OVERFLOW);
        if !told && queue.try_reserve(1).is_ok() {
            queue.push_back(event);
        }
    }

    fn tell(&self) {
        self.notifier.notify();
    }

    /// Watches a node, or changes the watch on it: inotify_add_watch(2). `mask` is the call's. Returns the watch descriptor.
    ///
    /// # Errors
    /// [`FsError::Exists`] with IN_MASK_CREATE; [`FsError::NoSpace`] at the limit.
    pub fn add_watch(self: &Arc<Self>, node: &crate::NodeRef, mask: u32) -> Result<i32, FsError> {
        self.watches.add(self, node, mask)
    }

    /// Removes a watch: inotify_rm_watch(2). Fails with [`FsError::Invalid`] if it does not exist.
    pub fn remove_watch(self: &Arc<Self>, watch: i32) -> Result<(), FsError> {
        self.watches.remove(self, watch)
    }

    /// Whether it belongs to these watches.
    pub fn is_of(&self, watches: &Watches) -> bool {
        core::ptr::eq(&*self.watches, watches)
    }
}

impl Drop for Inotify {
    fn drop(&mut self) {
        self.watches.forget(self);
        self.watches.limits().leave();
    }
}

impl File for Inotify {
    fn metadata(&self) -> Result<Metadata, FsError> {
        Ok(Metadata::anonymous())
    }

    fn read(&self, _at: Offset, dst: &mut dyn Sink, _flags: OpenFlags) -> Result<usize, FsError> {
        let mut done = 0;
        loop {
            let event = {
                let mut queue = self.queue.lock();
                match queue.front().map(Event::len) {
                    None if done == 0 => return Err(FsError::WouldBlock),
                    Some(len) if len > dst.remaining() && done == 0 => return Err(FsError::Invalid),
                    Some(len) if len <= dst.remaining() => queue.pop_front(),
                    _ => None,
                }
            };
            let Some(event) = event else { return Ok(done) };
            // As on Linux, a bad pointer loses the event.
            match event.store(dst) {
                Ok(()) => done += event.len(),
                Err(error) if done == 0 => return Err(error),
                Err(_) => return Ok(done),
            }
        }
    }

    fn write(&self, _at: Offset, _src: &mut dyn Source, _flags: OpenFlags) -> Result<usize, FsError> {
        Err(FsError::BadMode)
    }

    fn ioctl(&self, request: u32, arg: u64, memory: &dyn UserMemory) -> Result<u64, FsError> {
        if request != ioctl::FIONREAD {
            return Err(FsError::NotTty);
        }
        let bytes: usize = self.queue.lock().iter().map(Event::len).sum();
        UserPtr::new(arg).write(memory, &(bytes as u32)).map_err(|_| FsError::Fault)?;
        Ok(0)
    }

    fn seek(&self, _to: crate::SeekFrom, position: u64) -> Result<u64, FsError> {
        // Linux lets it pass without effect.
        Ok(position)
    }

    fn readiness(&self) -> PollEvents {
        let some = !self.queue.lock().is_empty();
        if some { PollEvents::IN | PollEvents::RDNORM } else { PollEvents::empty() }
    }

    fn notifier(&self) -> Option<&Notifier> {
        Some(&self.notifier)
    }

    fn sends_signals(&self) -> bool {
        true
    }

    fn as_inotify(self: Arc<Self>) -> Option<Arc<Inotify>> {
        Some(self)
    }

    fn describe(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(b"anon_inode:inotify");
    }

    fn details(&self, out: &mut crate::pseudo::Output) {
        self.watches.for_each(self, |watch, (device, node), mask| {
            let line = format!(
                "inotify wd:{watch:x} ino:{:x} sdev:{device:x} mask:{mask:x} ignored_mask:0\n",
                node.saturating_add(1)
            );
            out.extend_from_slice(line.as_bytes());
        });
    }
}

#[cfg(test)]
mod tests;
