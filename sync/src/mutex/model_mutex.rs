//! [`Mutex`] with loom's cell around its data, for the models: what `lock_api` gives otherwise.

use super::RawMutex;
use crate::atomic::UnsafeCell;
use core::ops::{Deref, DerefMut};

/// Mutual exclusion of access to a `T`.
pub struct Mutex<T> {
    raw: RawMutex,
    data: UnsafeCell<T>,
}

// SAFETY: the data is reached by the holder of `raw` only.
unsafe impl<T: Send> Sync for Mutex<T> {}

/// Access to the content of a locked [`Mutex`].
pub struct MutexGuard<'a, T> {
    mutex: &'a Mutex<T>,
    data: Option<loom::cell::MutPtr<T>>,
}

impl<T> Mutex<T> {
    /// An unlocked mutex.
    pub fn new(data: T) -> Self {
        Mutex { raw: RawMutex::new(), data: UnsafeCell::new(data) }
    }

    /// Locks.
    pub fn lock(&self) -> MutexGuard<'_, T> {
        self.raw.acquire();
        // SAFETY: just locked.
        unsafe { self.make_guard_unchecked() }
    }

    /// Locks if nobody has to be waited for.
    pub fn try_lock(&self) -> Option<MutexGuard<'_, T>> {
        // SAFETY: just locked.
        self.raw.try_acquire().then(|| unsafe { self.make_guard_unchecked() })
    }

    /// The protocol below.
    ///
    /// # Safety
    /// As for `lock_api`.
    pub unsafe fn raw(&self) -> &RawMutex {
        &self.raw
    }

    /// A guard for a mutex that the caller has locked.
    ///
    /// # Safety
    /// As for `lock_api`.
    pub unsafe fn make_guard_unchecked(&self) -> MutexGuard<'_, T> {
        MutexGuard { mutex: self, data: Some(self.data.get_mut()) }
    }
}

/// Calls `f` with the mutex of a guard, which `f` unlocks and locks again.
pub(crate) fn while_unlocked<T, R>(guard: &mut MutexGuard<'_, T>, f: impl FnOnce(&RawMutex) -> R) -> R {
    guard.data = None;
    let result = f(&guard.mutex.raw);
    guard.data = Some(guard.mutex.data.get_mut());
    result
}

impl<T> Deref for MutexGuard<'_, T> {
    type Target = T;
    fn deref(&self) -> &T {
        // SAFETY: the guard is the access.
        unsafe { self.data.as_ref().unwrap().deref() }
    }
}

impl<T> DerefMut for MutexGuard<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: the guard is the access.
        unsafe { self.data.as_ref().unwrap().deref() }
    }
}

impl<T> Drop for MutexGuard<'_, T> {
    fn drop(&mut self) {
        self.data = None;
        // SAFETY: the guard says that its thread holds the mutex.
        unsafe { self.mutex.raw.release() };
    }
}
