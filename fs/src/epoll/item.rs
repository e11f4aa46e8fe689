//! [`Item`]: one file that an epoll instance watches. Made, queued and asked by [`Epoll`]; told of changes by the file's notifier.

use super::{Epoll, Interest, Key, OPTIONS};
use crate::notify::Watcher;
use crate::{File, OpenFile};
use abi::PollEvents;
use alloc::sync::{Arc, Weak};
use core::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use sync::Mutex;

/// One watched file.
pub(super) struct Item {
    pub(super) epoll: Weak<Epoll>,
    pub(super) file: Weak<OpenFile>,
    pub(super) fd: u32,
    /// What is wanted: [`Interest`]. Changed with the turn held, as it is by who reads both.
    pub(super) events: AtomicU32,
    pub(super) data: AtomicU64,
    /// What an edge is measured against, for a file without a notifier: its generation and readiness at the last look.
    pub(super) seen: Mutex<(u64, PollEvents)>,
    pub(super) queued: AtomicBool,
    /// It is watched no more. Changed with the queue locked, into which it then never comes again.
    pub(super) gone: AtomicBool,
    /// The file has no notifier.
    pub(super) looked_at: bool,
}

impl Item {
    pub(super) fn key(&self) -> Key {
        (self.fd, self.file.as_ptr().addr())
    }

    /// Puts it into the queue of its instance.
    pub(super) fn enqueue(self: Arc<Self>, epoll: &Epoll) {
        if !self.queued.swap(true, Ordering::AcqRel) {
            self.push(epoll);
        }
    }

    /// The second half of it, before which the item may have gone.
    pub(super) fn push(self: Arc<Self>, epoll: &Epoll) {
        let mut ready = epoll.ready.lock();
        if !self.gone.load(Ordering::Relaxed) {
            ready.push_back(self);
        }
    }

    /// What is wanted now.
    pub(super) fn interest(&self) -> Interest {
        Interest { events: self.wanted(), data: self.data.load(Ordering::Relaxed) }
    }

    /// The events of it.
    pub(super) fn wanted(&self) -> u32 {
        self.events.load(Ordering::Relaxed)
    }

    /// Those of the `wanted` events that have happened.
    pub(super) fn happened(&self, wanted: u32, file: &dyn File) -> u32 {
        // A one-shot watch that has fired wants nothing, not even errors.
        if wanted & !OPTIONS == 0 {
            return 0;
        }
        let always = (PollEvents::ERR | PollEvents::HUP).bits();
        u32::from(file.readiness().bits()) & (wanted | u32::from(always))
    }
}

impl Watcher for Item {
    fn changed(self: Arc<Self>) {
        if let Some(epoll) = self.epoll.upgrade() {
            // A file without a notifier is looked at by who waits.
            if !self.looked_at {
                self.enqueue(&epoll);
            }
            epoll.generation.fetch_add(1, Ordering::Relaxed);
            epoll.changed.notify();
        }
    }
}
