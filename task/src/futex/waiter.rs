//! [`Waiter`]: a thread's part in a wait.
//!
//! Each thread has one, and waits through it for one thing at a time. Invariant: between [`begin`](Waiter::begin) and the end of a
//! wait the state leaves WAITING once, by the one who claims the waiter.

use core::sync::atomic::{AtomicU32, AtomicUsize, Ordering};
use sync::thread::Handle;

const WAITING: u32 = 0;
const OWNER: u32 = u32::MAX;

/// How a waiter was woken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Woken {
    /// Through its futex of this number.
    By(u32),
    /// It has been given the lock that it waited for.
    Owner,
}

/// A thread's part in a wait.
pub struct Waiter {
    thread: Handle,
    state: AtomicU32,
    /// The number of the bucket that its entry is in, while it has a single one. Changes under the lock of the old and the new.
    place: AtomicUsize,
}

impl Waiter {
    /// For the waits of a thread.
    pub fn new(thread: Handle) -> Self {
        Waiter { thread, state: AtomicU32::new(WAITING), place: AtomicUsize::new(0) }
    }

    pub(super) fn begin(&self) {
        self.state.store(WAITING, Ordering::Relaxed);
    }

    /// Makes the caller the one who wakes it; false if somebody else is.
    pub(super) fn claim(&self, woken: Woken) -> bool {
        let state = match woken {
            Woken::By(index) => index + 1,
            Woken::Owner => OWNER,
        };
        // Release: what the waker did before is seen by the woken thread.
        self.state.compare_exchange(WAITING, state, Ordering::Release, Ordering::Relaxed).is_ok()
    }

    pub(super) fn woken(&self) -> Option<Woken> {
        match self.state.load(Ordering::Acquire) {
            WAITING => None,
            OWNER => Some(Woken::Owner),
            state => Some(Woken::By(state - 1)),
        }
    }

    pub(super) fn unpark(&self) {
        self.thread.unpark();
    }

    pub(super) fn place(&self) -> usize {
        self.place.load(Ordering::Relaxed)
    }

    pub(super) fn set_place(&self, bucket: usize) {
        self.place.store(bucket, Ordering::Relaxed);
    }
}
