//! Finds sockets that are open only in messages that nobody can receive: sent through themselves or each other, and closed.
//!
//! Called when many descriptors are on their way. A socket is kept if a descriptor of it may exist, or if it is in the queue or
//! the backlog of one that is kept. The queues of all others are emptied, and with that the last of them goes.
//!
//! Invariant: while `moving` is held no descriptor leaves a queue, so one that was counted in a queue is still there at the end.
//! Everything else that happens meanwhile makes a socket look more alive than it is: references are read when they are found, and
//! the most that was seen counts.

use super::message::Remains;
use super::{Domain, Phase, UnixSocket};
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::sync::{Arc, Weak};
use alloc::vec::Vec;
use core::sync::atomic::Ordering;

/// Descriptors on their way before anybody looks.
pub(super) const FIRST: usize = 64;

/// An address that stands for a socket or an open file.
type Key = usize;

/// A socket's open file, as it was found in queues.
#[derive(Default)]
struct Found {
    socket: Key,
    in_queues: usize,
    references: usize,
}

#[derive(Default)]
struct Picture {
    found: BTreeMap<Key, Found>,
    /// What each socket holds: those in its queue and its backlog.
    holds: BTreeMap<Key, Vec<Key>>,
    /// Sockets in a backlog, which no open file has.
    pending: BTreeSet<Key>,
}

fn key(socket: &Arc<UnixSocket>) -> Key {
    Arc::as_ptr(socket).addr()
}

impl Picture {
    fn add(&mut self, socket: &Arc<UnixSocket>) {
        let mut held = Vec::new();
        let state = socket.lock();
        for file in state.queue.iter().flat_map(|entry| entry.files.iter()) {
            let inner = Arc::as_ptr(file.file()).cast::<()>().addr();
            held.push(inner);
            let found = self.found.entry(Arc::as_ptr(file).addr()).or_default();
            found.socket = inner;
            found.in_queues += 1;
            found.references = found.references.max(Arc::strong_count(file));
        }
        if let Phase::Listening(listener) = &state.phase {
            held.extend(listener.pending.iter().map(key));
            self.pending.extend(listener.pending.iter().map(key));
        }
        self.holds.insert(key(socket), held);
    }

    /// The sockets that nobody can reach.
    fn lost(self) -> BTreeSet<Key> {
        let unopened = self.found.values().filter(|found| found.in_queues == found.references);
        let mut lost: BTreeSet<Key> = unopened.map(|found| found.socket).chain(self.pending).collect();
        lost.retain(|socket| self.holds.contains_key(socket));
        let mut reached: Vec<Key> =
            self.holds.keys().filter(|socket| !lost.contains(socket)).copied().collect();
        while let Some(socket) = reached.pop() {
            for held in self.holds.get(&socket).into_iter().flatten() {
                if lost.remove(held) {
                    reached.push(*held);
                }
            }
        }
        lost
    }
}

impl Domain {
    /// Looks for lost sockets, if many descriptors are on their way and have not been looked at.
    pub(super) fn collect_if_many(&self) {
        let many = |limit: &sync::Mutex<usize>| self.in_flight.load(Ordering::Relaxed) > *limit.lock();
        if many(&self.collect_at) {
            self.collect();
            let left = self.in_flight.load(Ordering::Relaxed);
            *self.collect_at.lock() = left.saturating_mul(2).max(FIRST);
        }
    }

    /// Lets go of the sockets that are lost.
    pub(super) fn collect(&self) {
        let sockets: Vec<Arc<UnixSocket>> =
            self.sockets().into_iter().filter_map(|socket| Weak::upgrade(&socket)).collect();
        let mut remains = Vec::new();
        {
            let _moving = self.moving.lock();
            let mut picture = Picture::default();
            for socket in &sockets {
                picture.add(socket);
            }
            let lost = picture.lost();
            for socket in sockets.iter().filter(|socket| lost.contains(&key(socket))) {
                let mut state = socket.lock();
                state.queued = 0;
                remains.push(Remains::Messages(core::mem::take(&mut state.queue)));
            }
        }
        for remains in remains {
            self.graveyard.bury(remains);
        }
    }
}
