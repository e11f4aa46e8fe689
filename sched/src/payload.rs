//! [`Payload`]: where the `Arc` of a thread rests while no CPU runs it.
//!
//! Called by the scheduler: put in before a thread becomes blocked or ready, taken out by the CPU that claimed it. Invariant:
//! the pointer is null or owns one reference; both operations move ownership by one exchange, so any use is sound.
#![allow(unsafe_code)] // owns an Arc through an atomic pointer

use alloc::sync::Arc;
use core::ptr;
use core::sync::atomic::{AtomicPtr, Ordering};

/// Room for one `Arc<T>`.
#[derive(Debug)]
pub(crate) struct Payload<T>(AtomicPtr<T>);

// SAFETY: the cell is a place for an Arc<T>: moving it between threads, or moving the Arc in and out through a shared
// reference, needs what Arc<T> needs to be sent, T: Send + Sync.
unsafe impl<T: Send + Sync> Send for Payload<T> {}
// SAFETY: as above; no reference to the T is ever given out of the cell.
unsafe impl<T: Send + Sync> Sync for Payload<T> {}

impl<T> Payload<T> {
    pub(crate) fn new() -> Self {
        Payload(AtomicPtr::new(ptr::null_mut()))
    }

    /// Puts `value` in; drops what was there (which a correct scheduler never leaves).
    pub(crate) fn put(&self, value: Arc<T>) {
        drop(self.exchange(Arc::into_raw(value).cast_mut()));
    }

    /// Takes out what is there.
    pub(crate) fn take(&self) -> Option<Arc<T>> {
        self.exchange(ptr::null_mut())
    }

    fn exchange(&self, new: *mut T) -> Option<Arc<T>> {
        let old = self.0.swap(new, Ordering::AcqRel);
        // SAFETY: a pointer in the cell came from Arc::into_raw in `put`, and the exchange took it out for this caller alone.
        (!old.is_null()).then(|| unsafe { Arc::from_raw(old) })
    }
}

impl<T> Drop for Payload<T> {
    fn drop(&mut self) {
        drop(self.take());
    }
}
