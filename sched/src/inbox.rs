//! [`Inbox`]: threads that others made ready for a CPU, or that may be.
//!
//! Called by wakers (`push`, also in interrupt handlers) and by the CPU (`drain`). Entries are hints: the drainer looks at each
//! thread's state word. A link exists once per (CPU, thread), so a thread is in an inbox at most once; a push that finds the
//! link in use sets `scan` instead, and the CPU then looks through the table of threads. That covers an entry that nobody has
//! drained yet as well as a pusher that stopped between taking the link and linking it: nobody depends on it.
//!
//! # Ordering
//! - `push` ends in a release on `head`, or on `scan` if the link was taken, after the state word was changed; `drain` acquires
//!   both by its exchanges and only then are state words loaded. So a thread is seen ready by the drain that takes its entry.
//! - A link is freed by the drainer after its content was read, and taken by one compare-and-swap.
//! - Whether the CPU looks at all is not this module's business: the pusher's fence and the CPU's published mode are.

use crate::atomic::{AtomicBool, AtomicU32, Ordering, weak};
use crate::segmented::Segmented;

/// In no list.
const FREE: u32 = u32::MAX;
/// The last of the list; as a head, the empty list.
const END: u32 = u32::MAX - 1;

/// See the module.
#[derive(Debug)]
pub(crate) struct Inbox {
    head: AtomicU32,
    scan: AtomicBool,
    /// The CPU holds drained entries that are not in its queue yet.
    draining: AtomicBool,
    links: Segmented<AtomicU32>,
}

impl Inbox {
    pub(crate) fn new() -> Self {
        Inbox {
            head: AtomicU32::new(END),
            scan: AtomicBool::new(false),
            draining: AtomicBool::new(false),
            links: Segmented::new(),
        }
    }

    /// Makes room for thread number `index`.
    pub(crate) fn grow(&self, index: usize) -> bool {
        self.links.grow(index, || AtomicU32::new(FREE))
    }

    /// Any context: `thread` may be ready on this CPU.
    pub(crate) fn push(&self, thread: u32) {
        let Some(link) = self.links.get(thread as usize) else { return };
        if link.compare_exchange(FREE, END, Ordering::AcqRel, Ordering::Relaxed).is_err() {
            return self.request_scan();
        }
        let mut head = self.head.load(Ordering::Relaxed);
        loop {
            link.store(head, Ordering::Relaxed);
            match self.head.compare_exchange(head, thread, Ordering::AcqRel, Ordering::Relaxed) {
                Ok(_) => return,
                Err(now) => head = now,
            }
        }
    }

    /// Any context: the CPU shall look through the table of threads.
    pub(crate) fn request_scan(&self) {
        self.scan.store(true, Ordering::Release);
    }

    /// Whether something is here. Exact for whoever stands on the right side of a full fence.
    pub(crate) fn waits(&self) -> bool {
        self.head.load(Ordering::Acquire) != END
            || self.scan.load(Ordering::Acquire)
            || self.draining.load(Ordering::Acquire)
    }

    /// The CPU: gives each entry to `take`, oldest first, and says whether it has to look through the table.
    pub(crate) fn drain(&self, mut take: impl FnMut(u32)) -> bool {
        if !self.waits() {
            return false;
        }
        self.draining.store(true, Ordering::Release);
        let scan = self.scan.load(Ordering::Acquire) && self.scan.swap(false, Ordering::AcqRel);
        let mut newest = self.head.swap(END, Ordering::AcqRel);
        // Oldest first: turn the list round, in the links that are still taken.
        let mut oldest = END;
        while let Some(link) = self.links.get(newest as usize) {
            let next = link.load(Ordering::Relaxed);
            link.store(oldest, Ordering::Relaxed);
            oldest = newest;
            newest = next;
        }
        while let Some(link) = self.links.get(oldest as usize) {
            let next = link.swap(FREE, Ordering::AcqRel);
            take(oldest);
            oldest = next;
        }
        scan
    }

    /// The CPU: takes the entry out if it is the only one. `waits` stays true until [`drained`](Self::drained).
    pub(crate) fn take_only(&self) -> Option<u32> {
        // Acquired, for the link that is read next must be the one that this entry was pushed with.
        let only = self.head.load(weak::only());
        let link = self.links.get(only as usize)?;
        // The entry stays in the list until it is taken out here, so the list is this one entry if it is still the head below.
        if link.load(Ordering::Relaxed) != END || self.scan.load(Ordering::Relaxed) {
            return None;
        }
        self.draining.store(true, Ordering::Release);
        if self.head.compare_exchange(only, END, Ordering::AcqRel, Ordering::Relaxed).is_err() {
            return None;
        }
        link.swap(FREE, Ordering::AcqRel);
        Some(only)
    }

    /// The CPU: what `drain` gave is in the queue.
    pub(crate) fn drained(&self) {
        if self.draining.load(Ordering::Relaxed) {
            self.draining.store(false, Ordering::Release);
        }
    }
}
