//! [`Mutex`]: mutual exclusion while one CPU runs one thread.
//!
//! Called wherever kernel state is shared. In this state of the project nobody can ever *wait* for a mutex: there is one
//! thread, and interrupt handlers take no locks. A lock that is held when somebody asks for it is therefore a bug (the same
//! thread came back, or an interrupt handler locked), and `lock` says so by a panic with the place instead of waiting for
//! ever. When threads come, the lock-free mutex whose waiters sleep takes the place of [`RawNoWait`] behind the same `Mutex`
//! type, and no user of it changes.
#![allow(unsafe_code)] // lock_api's RawMutex is an unsafe trait

use core::sync::atomic::{AtomicBool, Ordering};

/// The raw lock: a flag that is taken by one compare-and-swap.
#[derive(Debug)]
pub struct RawNoWait {
    held: AtomicBool,
}

/// Mutual exclusion of access to a `T`.
pub type Mutex<T> = lock_api::Mutex<RawNoWait, T>;

/// Access to the content of a locked [`Mutex`]; dropping it unlocks.
pub type MutexGuard<'a, T> = lock_api::MutexGuard<'a, RawNoWait, T>;

// SAFETY: `try_lock` returns true to at most one caller until `unlock` is called: the flag goes from false to true by a single
// compare-and-swap (acquire), and only the holder stores false (release). `lock` returns only after a successful `try_lock`.
unsafe impl lock_api::RawMutex for RawNoWait {
    #[allow(clippy::declare_interior_mutable_const)] // the trait demands this constant
    const INIT: Self = RawNoWait { held: AtomicBool::new(false) };

    type GuardMarker = lock_api::GuardSend;

    #[inline]
    #[track_caller]
    fn lock(&self) {
        if !self.try_lock() {
            panic!("mutex taken twice: by the same thread, or by an interrupt handler");
        }
    }

    #[inline]
    fn try_lock(&self) -> bool {
        self.held.compare_exchange(false, true, Ordering::Acquire, Ordering::Relaxed).is_ok()
    }

    #[inline]
    unsafe fn unlock(&self) {
        self.held.store(false, Ordering::Release);
    }

    #[inline]
    fn is_locked(&self) -> bool {
        self.held.load(Ordering::Relaxed)
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::Mutex;

    static GLOBAL: Mutex<u32> = Mutex::new(1);

    #[test]
    fn excludes_and_releases() {
        let mutex = Mutex::new(5);
        {
            let mut guard = mutex.lock();
            *guard += 1;
            assert!(mutex.try_lock().is_none());
            assert!(mutex.is_locked());
        }
        assert_eq!(*mutex.try_lock().expect("free again"), 6);
        *GLOBAL.lock() += 1;
        assert_eq!(*GLOBAL.lock(), 2);
    }

    #[test]
    #[should_panic(expected = "mutex taken twice")]
    fn recursion_is_reported() {
        let mutex = Mutex::new(());
        let _held = mutex.lock();
        let _again = mutex.lock();
    }
}
