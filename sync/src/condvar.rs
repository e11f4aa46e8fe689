//! [`Condvar`]: to sleep until somebody says that what a mutex protects has changed.
//!
//! Used by kernel threads that wait for work. A wake-up does not wake: it moves the waiter to the queue of its mutex
//! (wait morphing), by running the mutex's `lock` for it. So the waiter wakes once, as the holder, and a broadcast does
//! not make all waiters run into each other.
//!
//! A waiter is in the list until a waker takes it out, under the list's lock. After that it cannot give up any more, and waits
//! for the mutex like everybody else. A limit ends only the wait in the list. The waker touches the condition variable last
//! when it unlocks the list, before it moves the waiters: who has been woken may free it.
#![allow(unsafe_code)] // waiters on the stacks of their threads

use crate::atomic::{AtomicUsize, Ordering, constant};
use crate::list::{List, Node, Note};
use crate::mutex::{Mutex, MutexGuard, RawMutex, Record, while_unlocked};
use crate::thread::{self, Limit, MaySleep, WaitError};

/// A waiter; the node comes first, so that a pointer to it is one to the whole.
#[repr(C)]
struct Waiter<'a> {
    node: Node,
    record: Record,
    mutex: &'a RawMutex,
}

/// A condition variable.
pub struct Condvar {
    list: Mutex<List>,
    waiting: AtomicUsize,
}

impl Condvar {
    constant! {
        /// A condition variable without waiters.
        pub fn new() -> Condvar {
            Condvar { list: Mutex::new(List::new()), waiting: AtomicUsize::new(0) }
        }
    }

    /// Unlocks the mutex, sleeps until notified, locks it again. May return without a notification only with an error.
    ///
    /// # Errors
    /// The limit was reached before. The mutex is locked then, too.
    pub fn wait<T>(
        &self,
        guard: &mut MutexGuard<'_, T>,
        sleep: &mut MaySleep,
        limit: &Limit<'_>,
    ) -> Result<(), WaitError> {
        while_unlocked(guard, |mutex| self.wait_unlocked(mutex, sleep, limit))
    }

    fn wait_unlocked(
        &self,
        mutex: &RawMutex,
        sleep: &mut MaySleep,
        limit: &Limit<'_>,
    ) -> Result<(), WaitError> {
        let waiter =
            Waiter { node: Node::new(Note::default()), record: Record::strict(thread::current()), mutex };
        let mut list = self.list.lock();
        // SAFETY: this function returns when the node is cancelled, or the record TAKEN, which comes after the node's use.
        unsafe { list.push(&waiter.node) };
        self.waiting.fetch_add(1, Ordering::Relaxed);
        drop(list);
        // SAFETY: `while_unlocked` gives a mutex that this thread holds.
        unsafe { mutex.release() };
        let taken = || waiter.record.is_taken();
        if let Err(error) = limit.sleep_until(sleep, taken) {
            if self.cancel(&waiter) {
                mutex.acquire();
                return Err(error);
            }
            return Limit::NONE.sleep_until(sleep, taken);
        }
        Ok(())
    }

    /// Takes a waiter out of the list; false if a waker did.
    fn cancel(&self, waiter: &Waiter<'_>) -> bool {
        let mut list = self.list.lock();
        // SAFETY: the node was pushed to this list.
        let cancelled = unsafe { list.cancel(&waiter.node) };
        if cancelled {
            self.waiting.fetch_sub(1, Ordering::Relaxed);
            // SAFETY: no waker has seen or will see the record.
            unsafe { waiter.record.drop_handle() };
        }
        cancelled
    }

    /// Wakes up to `most` waiters, oldest first; returns how many. What they wait for was changed with the mutex locked.
    pub fn notify(&self, most: usize) -> usize {
        // A waiter is counted before it unlocks the mutex, with which the caller has made its change.
        if self.waiting.load(Ordering::Relaxed) == 0 {
            return 0;
        }
        let mut list = self.list.lock();
        let popped = list.pop(most, 0, |_| true);
        self.waiting.fetch_sub(popped.count, Ordering::Relaxed);
        drop(list);
        popped.each(|node| {
            let waiter = node.cast::<Waiter<'_>>();
            // SAFETY: every node of this list begins a `Waiter`, which lives until its record is TAKEN.
            unsafe { (*waiter).mutex.acquire_for(&raw const (*waiter).record) };
        })
    }

    /// Wakes the oldest waiter, if there is one.
    pub fn notify_one(&self) -> bool {
        self.notify(1) == 1
    }

    /// Wakes all waiters; returns how many.
    pub fn notify_all(&self) -> usize {
        self.notify(usize::MAX)
    }
}

impl Default for Condvar {
    fn default() -> Self {
        Self::new()
    }
}

impl core::fmt::Debug for Condvar {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Condvar").field("waiting", &self.waiting.load(Ordering::Relaxed)).finish()
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::Condvar;
    use crate::Mutex;
    use crate::thread::{self, Limit, MaySleep, WaitError};

    #[test]
    fn a_limit_ends_the_wait_with_the_mutex_locked() {
        let (mutex, condvar) = (Mutex::new(()), Condvar::new());
        let mut guard = mutex.lock();
        let soon = Limit::until(thread::now_ns() + 1_000_000);
        assert_eq!(condvar.wait(&mut guard, &mut MaySleep::claim(), &soon), Err(WaitError::TimedOut));
        assert!(mutex.try_lock().is_none());
        drop(guard);
        assert!(mutex.try_lock().is_some());
        assert!(!condvar.notify_one());
    }

    /// A bounded buffer with two conditions, with and without limits.
    #[test]
    fn stress_of_a_bounded_buffer() {
        let (buffer, full, empty) = (Mutex::new((0u32, 0u64, false)), Condvar::new(), Condvar::new());
        let end = std::time::Instant::now() + crate::stress_time();
        let (mut made, mut used) = (0, 0);
        std::thread::scope(|scope| {
            let (buffer, full, empty) = (&buffer, &full, &empty);
            let limit = |n: u64| match n {
                0 => Limit::until(thread::now_ns() + 20_000),
                _ => Limit::NONE,
            };
            let makers: Vec<_> = (0..3)
                .map(|n| {
                    scope.spawn(move || {
                        let (mut count, sleep) = (0u64, &mut MaySleep::claim());
                        while std::time::Instant::now() < end {
                            let mut guard = buffer.lock();
                            while guard.0 == 2 {
                                let _ = full.wait(&mut guard, sleep, &limit(n));
                            }
                            guard.0 += 1;
                            count += 1;
                            empty.notify_one();
                        }
                        count
                    })
                })
                .collect();
            let users: Vec<_> = (0..3)
                .map(|n| {
                    scope.spawn(move || {
                        let (mut count, sleep) = (0u64, &mut MaySleep::claim());
                        loop {
                            let mut guard = buffer.lock();
                            while guard.0 == 0 && !guard.2 {
                                let _ = empty.wait(&mut guard, sleep, &limit(n));
                            }
                            if guard.0 == 0 {
                                return count;
                            }
                            guard.0 -= 1;
                            count += 1;
                            full.notify_all();
                        }
                    })
                })
                .collect();
            made = makers.into_iter().map(|maker| maker.join().unwrap()).sum();
            buffer.lock().2 = true;
            empty.notify_all();
            used = users.into_iter().map(|user| user.join().unwrap()).sum();
        });
        assert!(made > 0);
        assert_eq!(made, used);
    }
}

#[cfg(all(test, loom))]
mod models {
    use super::Condvar;
    use crate::Mutex;
    use crate::thread::{Limit, MaySleep};
    use crate::weaken::explore;
    use loom::{sync::Arc, thread};

    /// `waiters` wait for one more each; notified one by one or all at once.
    fn wake(preemptions: usize, waiters: usize, all: bool, limit: Limit<'static>) {
        explore(preemptions, move || {
            let shared = Arc::new((Mutex::new(0), Condvar::new()));
            let waiting: Vec<_> = (0..waiters)
                .map(|_| {
                    let shared = shared.clone();
                    thread::spawn(move || {
                        let mut guard = shared.0.lock();
                        while *guard == 0 {
                            if shared.1.wait(&mut guard, &mut MaySleep::claim(), &limit).is_err() {
                                return;
                            }
                        }
                        *guard -= 1;
                    })
                })
                .collect();
            if all {
                *shared.0.lock() += waiters;
                shared.1.notify_all();
            } else {
                for _ in 0..waiters {
                    *shared.0.lock() += 1;
                    shared.1.notify_one();
                }
            }
            waiting.into_iter().for_each(|waiter| waiter.join().unwrap());
            assert!(limit.deadline.is_some() || *shared.0.try_lock().unwrap() == 0);
        });
    }

    #[test]
    fn one_waiter() {
        wake(3, 1, false, Limit::NONE);
    }

    #[test]
    fn two_waiters() {
        wake(1, 2, false, Limit::NONE);
        wake(1, 2, true, Limit::NONE);
    }

    #[test]
    fn cancel_against_notify() {
        wake(3, 1, false, Limit::until(0));
    }
}
