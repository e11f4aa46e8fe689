//! [`Semaphore`]: a number of permits; who finds none sleeps, oldest first.
//!
//! Used where several threads may do something at once (buffers, requests in flight). One word, `permits << 1 | QUEUED`. While
//! QUEUED is set there are no permits, and the word changes only under the lock of the list: a release hands its
//! permits to the oldest waiters, nobody passes them.
//!
//! ```text
//! acquire   permits, not QUEUED: one less (acquire)       otherwise, under the lock: 0 -> QUEUED, queue, sleep
//! release   not QUEUED: more (release)                    otherwise, under the lock: take out as many waiters, the rest
//!                                                         of the permits into the word if no waiter is left; then deliver
//! ```
//!
//! A release of one permit touches the semaphore last when it adds or, for a waiter, before it delivers: who gets the permit
//! may free it.
#![allow(unsafe_code)] // waiters on the stacks of their threads

use crate::Mutex;
use crate::atomic::{AtomicUsize, Ordering, constant, order};
use crate::list::{List, Node, Note};
use crate::thread::{Limit, MaySleep, WaitError};

const QUEUED: usize = 1;
const ONE: usize = 2;

/// Permits. At most `usize::MAX / 2` of them.
pub struct Semaphore {
    word: AtomicUsize,
    list: Mutex<List>,
}

impl Semaphore {
    constant! {
        /// A semaphore with `permits` permits.
        pub fn new(permits: usize) -> Semaphore {
            Semaphore { word: AtomicUsize::new(permits << 1), list: Mutex::new(List::new()) }
        }
    }

    /// Takes a permit if there is one.
    #[inline]
    pub fn try_acquire(&self) -> bool {
        let mut word = self.word.load(Ordering::Relaxed);
        while word >= ONE {
            let acquire = order("semaphore acquire", Ordering::Acquire);
            match self.word.compare_exchange(word, word - ONE, acquire, Ordering::Relaxed) {
                Ok(_) => return true,
                Err(now) => word = now,
            }
        }
        false
    }

    /// Takes a permit; sleeps until there is one.
    ///
    /// # Errors
    /// The limit was reached before.
    pub fn acquire(&self, sleep: &mut MaySleep, limit: &Limit<'_>) -> Result<(), WaitError> {
        if self.try_acquire() {
            return Ok(());
        }
        let node = Node::new(Note::default());
        let mut list = self.list.lock();
        // Each further turn, somebody has changed the word.
        loop {
            if self.try_acquire() {
                return Ok(());
            }
            match self.word.compare_exchange(0, QUEUED, Ordering::Relaxed, Ordering::Relaxed) {
                Ok(_) | Err(QUEUED) => break,
                Err(_) => continue,
            }
        }
        // SAFETY: this function returns when the node is DONE or cancelled.
        unsafe { list.push(&node) };
        drop(list);
        let Err(error) = node.wait(sleep, limit) else { return Ok(()) };
        let mut list = self.list.lock();
        // SAFETY: the node was queued here.
        if unsafe { list.cancel(&node) } {
            if list.is_empty() {
                self.word.store(0, Ordering::Relaxed);
            }
            return Err(error);
        }
        drop(list);
        node.wait(sleep, &Limit::NONE)
    }

    /// Gives `permits` permits. With more than one, the semaphore must outlive the call.
    pub fn release(&self, permits: usize) {
        let mut word = self.word.load(Ordering::Relaxed);
        loop {
            if word == QUEUED {
                if self.hand_over(permits) {
                    return;
                }
                word = self.word.load(Ordering::Relaxed);
                continue;
            }
            let release = order("semaphore release", Ordering::Release);
            let more = word.saturating_add(permits << 1) & !QUEUED;
            match self.word.compare_exchange(word, more, release, Ordering::Relaxed) {
                Ok(_) => return,
                Err(now) => word = now,
            }
        }
    }

    /// Gives permits to waiters; false if there are none any more.
    fn hand_over(&self, permits: usize) -> bool {
        let mut list = self.list.lock();
        if list.is_empty() {
            return false;
        }
        let popped = list.pop(permits, 0, |_| true);
        if list.is_empty() {
            self.word.store((permits - popped.count) << 1, Ordering::Release);
        }
        drop(list);
        popped.deliver();
        true
    }

    /// Permits that are there now; a hint.
    pub fn permits(&self) -> usize {
        self.word.load(Ordering::Relaxed) >> 1
    }
}

impl core::fmt::Debug for Semaphore {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Semaphore").field("permits", &self.permits()).finish()
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::Semaphore;
    use crate::thread::{self, Limit, MaySleep, WaitError};
    use std::sync::atomic::{AtomicUsize, Ordering};

    #[test]
    fn counts_and_limits() {
        let semaphore = Semaphore::new(2);
        let sleep = &mut MaySleep::claim();
        assert!(semaphore.try_acquire() && semaphore.try_acquire() && !semaphore.try_acquire());
        let soon = Limit::until(thread::now_ns() + 1_000_000);
        assert_eq!(semaphore.acquire(sleep, &soon), Err(WaitError::TimedOut));
        semaphore.release(3);
        assert_eq!(semaphore.permits(), 3);
    }

    #[test]
    fn stress_of_permits() {
        let (semaphore, inside, failed) = (Semaphore::new(2), AtomicUsize::new(0), AtomicUsize::new(0));
        let end = std::time::Instant::now() + crate::stress_time();
        std::thread::scope(|scope| {
            for n in 0..6u64 {
                let (semaphore, inside, failed) = (&semaphore, &inside, &failed);
                scope.spawn(move || {
                    let sleep = &mut MaySleep::claim();
                    while std::time::Instant::now() < end {
                        let limit = match n % 3 {
                            0 => Limit::until(thread::now_ns() + n * 1000),
                            _ => Limit::NONE,
                        };
                        if semaphore.acquire(sleep, &limit).is_err() {
                            failed.fetch_add(1, Ordering::Relaxed);
                            continue;
                        }
                        assert!(inside.fetch_add(1, Ordering::Relaxed) < 2);
                        std::thread::yield_now();
                        inside.fetch_sub(1, Ordering::Relaxed);
                        semaphore.release(1);
                    }
                });
            }
        });
        assert_eq!(semaphore.permits(), 2);
    }
}

#[cfg(all(test, loom))]
mod models {
    use super::Semaphore;
    use crate::thread::{Limit, MaySleep};
    use crate::weaken::{every_edge_is_needed, explore};
    use loom::cell::UnsafeCell;
    use loom::{sync::Arc, thread};

    struct Guarded(Semaphore, UnsafeCell<u32>);
    // SAFETY: the model checks it.
    unsafe impl Sync for Guarded {}
    // SAFETY: as above.
    unsafe impl Send for Guarded {}

    /// With one permit it is a mutex.
    fn exclude(limits: &'static [Limit<'static>], preemptions: usize) {
        explore(preemptions, move || {
            let guarded = Arc::new(Guarded(Semaphore::new(1), UnsafeCell::new(0)));
            let work = |guarded: &Guarded, limit: &Limit<'_>| {
                if guarded.0.acquire(&mut MaySleep::claim(), limit).is_ok() {
                    // SAFETY: the model checks it.
                    guarded.1.with_mut(|cell| unsafe { *cell += 1 });
                    guarded.0.release(1);
                }
            };
            let others: Vec<_> = limits
                .iter()
                .map(|limit| {
                    let guarded = guarded.clone();
                    thread::spawn(move || work(&guarded, limit))
                })
                .collect();
            work(&guarded, &Limit::NONE);
            others.into_iter().for_each(|other| other.join().unwrap());
            assert!(guarded.0.try_acquire() && !guarded.0.try_acquire());
        });
    }

    #[test]
    fn two_threads() {
        exclude(&[Limit::NONE], 3);
    }

    #[test]
    fn three_threads() {
        exclude(&[Limit::NONE, Limit::NONE], 1);
    }

    #[test]
    fn cancel_against_release() {
        const OVER: Limit<'static> = Limit::until(0);
        exclude(&[OVER], 3);
        exclude(&[OVER, Limit::NONE], 1);
    }

    #[test]
    fn weakened_orderings_are_noticed() {
        every_edge_is_needed(
            &["semaphore acquire", "semaphore release", "list done", "list deliver"],
            module_path!(),
            &["two_threads", "three_threads"],
        );
    }
}
