//! [`WaitQueue`] and [`WaitTable`]: threads that wait for something their owner knows about, oldest first.
//!
//! Used by futexes (a table of queues, keys are addresses, flags the bit set), pipes, epoll and `wait4`. A waiter enqueues
//! itself, *then* looks whether it has to wait, then sleeps; who changes what it looks at wakes afterwards. So no wake-up
//! is lost and no lock is held while looking. Each waiter has a key and flags for wakers to choose by, and learns
//! from a tag who woke it. Dropping a [`Waiter`] takes it out; a wake that came before is then not passed on, see
//! [`Waiter::cancel`].
//!
//! Invariants: see `list`. An empty queue is seen without its lock: `waiting` is raised before the waiter looks at the
//! condition, and read after the waker changed it, with a full fence in each ("queue enqueue", "queue wake"), so that at least
//! one of them sees the other.
#![allow(unsafe_code)] // waiters are pinned and linked by pointers

use crate::Mutex;
use crate::atomic::{AtomicUsize, Ordering, constant, full_fence};
use crate::list::{List, Node, Note};
use crate::thread::{Limit, MaySleep, WaitError};
use alloc::boxed::Box;
use core::{marker::PhantomPinned, pin::Pin};

/// What a waiter says about itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct About {
    /// What it waits for.
    pub key: [u64; 2],
    /// Bits that wakers choose by.
    pub flags: u32,
}

impl About {
    fn of(note: &Note) -> About {
        About { key: note.key, flags: note.flags }
    }
}

/// Threads that wait.
pub struct WaitQueue {
    list: Mutex<List>,
    waiting: AtomicUsize,
}

impl WaitQueue {
    constant! {
        /// A queue without waiters.
        pub fn new() -> WaitQueue {
            WaitQueue { list: Mutex::new(List::new()), waiting: AtomicUsize::new(0) }
        }
    }

    /// Wakes up to `most` waiters that `wanted` accepts, oldest first, and leaves them `tag`; returns how many. Call it after
    /// the change that they wait for. Not for interrupt handlers.
    pub fn wake(&self, most: usize, tag: u64, wanted: impl Fn(&About) -> bool) -> usize {
        full_fence("queue wake");
        if self.waiting.load(Ordering::Relaxed) == 0 {
            return 0;
        }
        let mut list = self.list.lock();
        let popped = list.pop(most, tag, |note| wanted(&About::of(note)));
        self.waiting.fetch_sub(popped.count, Ordering::Relaxed);
        drop(list);
        popped.deliver()
    }

    /// Wakes the oldest waiter, if there is one.
    pub fn wake_one(&self) -> bool {
        self.wake(1, 0, |_| true) == 1
    }

    /// Wakes all waiters; returns how many.
    pub fn wake_all(&self) -> usize {
        self.wake(usize::MAX, 0, |_| true)
    }

    /// How many wait; a hint.
    pub fn waiting(&self) -> usize {
        self.waiting.load(Ordering::Relaxed)
    }

    /// Sleeps until somebody wakes this queue and `ready` says true; asks `ready` before the first sleep as well. It is
    /// called without any lock.
    ///
    /// # Errors
    /// The limit was reached.
    pub fn wait_until(
        &self,
        sleep: &mut MaySleep,
        limit: &Limit<'_>,
        mut ready: impl FnMut() -> bool,
    ) -> Result<(), WaitError> {
        while !ready() {
            let waiter = core::pin::pin!(Waiter::new(self, About { key: [0; 2], flags: 0 }));
            let waiter = waiter.into_ref();
            waiter.enqueue();
            if ready() {
                // A wake that was meant for this thread goes to the next one.
                if !waiter.cancel() {
                    self.wake_one();
                }
                return Ok(());
            }
            waiter.wait(sleep, limit)?;
        }
        Ok(())
    }
}

impl Default for WaitQueue {
    fn default() -> Self {
        Self::new()
    }
}

impl core::fmt::Debug for WaitQueue {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("WaitQueue").field("waiting", &self.waiting()).finish()
    }
}

/// Queues among which waiters can be moved.
#[derive(Debug)]
pub struct WaitTable {
    queues: Box<[WaitQueue]>,
}

impl WaitTable {
    /// `queues` queues without waiters.
    pub fn new(queues: usize) -> WaitTable {
        WaitTable { queues: (0..queues).map(|_| WaitQueue::new()).collect() }
    }

    /// How many queues there are.
    pub fn len(&self) -> usize {
        self.queues.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.queues.is_empty()
    }

    /// A waiter for queue `index` (modulo their number).
    pub fn waiter(&self, index: usize, about: About) -> Waiter<'_> {
        Waiter::among(&self.queues, index % self.queues.len().max(1), about)
    }

    /// As [`WaitQueue::wake`], for queue `index` (modulo their number).
    pub fn wake(&self, index: usize, most: usize, tag: u64, wanted: impl Fn(&About) -> bool) -> usize {
        let queue = self.queues.get(index % self.queues.len().max(1));
        queue.map_or(0, |queue| queue.wake(most, tag, wanted))
    }

    /// Wakes up to `wakes` waiters of queue `from` that `wanted` accepts, and moves up to `moves` further ones to the end of
    /// queue `to` with the key `key`, in one step. `allowed` is asked under the locks of both queues; if it says no,
    /// nothing happens. Returns how many were woken and how many moved.
    pub fn requeue(
        &self,
        (from, to): (usize, usize),
        (wakes, moves): (usize, usize),
        key: [u64; 2],
        allowed: impl FnOnce() -> bool,
        wanted: impl Fn(&About) -> bool,
    ) -> Option<(usize, usize)> {
        let count = self.queues.len().max(1);
        let (from, to) = (from % count, to % count);
        let (source, target) = (self.queues.get(from)?, self.queues.get(to)?);
        // The order of the indices is the order of locking.
        let (mut first, mut second) = match from.cmp(&to) {
            core::cmp::Ordering::Less => {
                let first = source.list.lock();
                (first, Some(target.list.lock()))
            }
            core::cmp::Ordering::Equal => (source.list.lock(), None),
            core::cmp::Ordering::Greater => {
                let second = target.list.lock();
                (source.list.lock(), Some(second))
            }
        };
        if !allowed() {
            return None;
        }
        let wanted = |note: &Note| wanted(&About::of(note));
        let popped = first.pop(wakes, 0, wanted);
        let moved = first.requeue(second.as_deref_mut(), to, moves, key, wanted);
        // The target first: a waker must not find both counts too small.
        target.waiting.fetch_add(moved, Ordering::Relaxed);
        source.waiting.fetch_sub(popped.count + moved, Ordering::Relaxed);
        drop((first, second));
        Some((popped.deliver(), moved))
    }
}

/// The running thread in a queue. Pinned: wakers point at it.
pub struct Waiter<'q> {
    queues: &'q [WaitQueue],
    node: Node,
    _pinned: PhantomPinned,
}

impl<'q> Waiter<'q> {
    /// A waiter for `queue`, not enqueued yet.
    pub fn new(queue: &'q WaitQueue, about: About) -> Waiter<'q> {
        Waiter::among(core::slice::from_ref(queue), 0, about)
    }

    fn among(queues: &'q [WaitQueue], index: usize, about: About) -> Waiter<'q> {
        let node = Node::new(Note { key: about.key, flags: about.flags, tag: 0 });
        node.list.store(index, Ordering::Relaxed);
        Waiter { queues, node, _pinned: PhantomPinned }
    }

    fn queue(&self) -> Option<(usize, &'q WaitQueue)> {
        let index = self.node.list.load(Ordering::Relaxed);
        Some((index, self.queues.get(index)?))
    }

    /// Goes to the end of the queue (the last one, if it was moved). Afterwards look at the condition, then
    /// [`Self::wait`]. Nothing if it is queued already.
    pub fn enqueue(self: Pin<&Self>) {
        let Some((_, queue)) = self.queue().filter(|_| self.node.is_idle()) else { return };
        let mut list = queue.list.lock();
        // SAFETY: the waiter is pinned, and its drop takes the node out.
        unsafe { list.push(&self.get_ref().node) };
        queue.waiting.fetch_add(1, Ordering::Relaxed);
        drop(list);
        full_fence("queue enqueue");
    }

    /// Whether it was woken since it was enqueued.
    pub fn is_woken(&self) -> bool {
        self.node.is_done()
    }

    /// Sleeps until woken; returns the waker's tag. Then, and after an error, it is not queued and may be enqueued again.
    ///
    /// # Errors
    /// The limit was reached, and nobody had woken it until then.
    pub fn wait(self: Pin<&Self>, sleep: &mut MaySleep, limit: &Limit<'_>) -> Result<u64, WaitError> {
        if let Err(error) = self.node.wait(sleep, limit) {
            if self.take_out() {
                return Err(error);
            }
            // A waker has taken it out and is about to deliver.
            self.node.wait(sleep, &Limit::NONE)?;
        }
        let tag = self.node.note().tag;
        self.node.reset();
        Ok(tag)
    }

    /// Leaves the queue; false if it was woken instead, and the wake may have been meant to be used.
    pub fn cancel(self: Pin<&Self>) -> bool {
        self.leave()
    }

    fn leave(&self) -> bool {
        if self.node.is_idle() || self.take_out() {
            return true;
        }
        if !self.node.is_done() {
            // Only a waker between its unlock and its last store is waited for, asleep.
            let delivered = self.node.wait(&mut MaySleep::claim(), &Limit::NONE);
            debug_assert!(delivered.is_ok(), "no limit, no error");
        }
        self.node.reset();
        false
    }

    /// Takes the node out of the queue it is in, wherever it was moved to.
    fn take_out(&self) -> bool {
        // Where it is is read without a lock and confirmed with it: each further turn, somebody has moved it.
        while let Some((index, queue)) = self.queue() {
            let mut list = queue.list.lock();
            if self.node.list.load(Ordering::Relaxed) == index {
                // SAFETY: it is in this list, or was taken out of it.
                let out = unsafe { list.cancel(&self.node) };
                if out {
                    queue.waiting.fetch_sub(1, Ordering::Relaxed);
                }
                return out;
            }
        }
        true
    }
}

impl Drop for Waiter<'_> {
    fn drop(&mut self) {
        self.leave();
    }
}

impl core::fmt::Debug for Waiter<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Waiter").field("woken", &self.is_woken()).finish()
    }
}

#[cfg(all(test, not(loom)))]
mod tests;

#[cfg(all(test, loom))]
mod models {
    use super::WaitQueue;
    use crate::atomic::{AtomicUsize, Ordering};
    use crate::thread::{Limit, MaySleep};
    use crate::weaken::{every_edge_is_needed, explore};
    use loom::{sync::Arc, thread};

    /// Waiters for tokens that are given without any lock.
    fn tokens(preemptions: usize, waiters: usize) {
        explore(preemptions, move || {
            let shared = Arc::new((WaitQueue::new(), AtomicUsize::new(0)));
            let waiting: Vec<_> = (0..waiters)
                .map(|_| {
                    let shared = shared.clone();
                    thread::spawn(move || {
                        let take = || {
                            let left = shared.1.load(Ordering::Relaxed);
                            left > 0
                                && shared
                                    .1
                                    .compare_exchange(left, left - 1, Ordering::Relaxed, Ordering::Relaxed)
                                    .is_ok()
                        };
                        shared.0.wait_until(&mut MaySleep::claim(), &Limit::NONE, take).unwrap();
                    })
                })
                .collect();
            shared.1.fetch_add(waiters, Ordering::Relaxed);
            shared.0.wake_all();
            waiting.into_iter().for_each(|waiter| waiter.join().unwrap());
        });
    }

    #[test]
    fn one_waiter() {
        tokens(3, 1);
    }

    #[test]
    fn giving_up_against_wake() {
        explore(3, || {
            let queue = Arc::new(WaitQueue::new());
            let waiter = {
                let queue = queue.clone();
                thread::spawn(move || {
                    let _ = queue.wait_until(&mut MaySleep::claim(), &Limit::until(0), || false);
                })
            };
            queue.wake_one();
            waiter.join().unwrap();
            assert_eq!(queue.waiting(), 0);
        });
    }

    #[test]
    fn weakened_orderings_are_noticed() {
        every_edge_is_needed(&["queue enqueue", "queue wake"], module_path!(), &["one_waiter"]);
    }
}
