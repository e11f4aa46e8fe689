//! [`TimedLocker`]: locking with a deadline, or until something else wants the thread.
//!
//! Used where a program's deadline or signal ends a wait for a mutex. A record in the middle of a pushed list cannot be taken
//! out, so the one that gives up leaves its record behind, cancelled. The locker keeps it, and takes the same
//! place in the queue again when it comes back to the same mutex: a storm of time-outs and retries needs one record.

use super::record::{CANCELLED, ORPHAN, Record, TAKEN, WAITING};
use super::{Mutex, MutexGuard, RawMutex};
use crate::atomic::{Ordering, order};
use crate::thread::{self, Limit, MaySleep, WaitError};
use core::ptr;

/// Locks mutexes with a limit. One per thread that waits; keep it across retries.
#[derive(Debug)]
pub struct TimedLocker {
    /// Null, or a record on the heap.
    record: *const Record,
    /// The mutex in whose queue the record may still be, cancelled; otherwise null.
    left_in: *const RawMutex,
}

impl TimedLocker {
    /// A locker without memory of an earlier attempt.
    pub const fn new() -> TimedLocker {
        TimedLocker { record: ptr::null(), left_in: ptr::null() }
    }

    /// Locks `mutex`, within `limit`.
    ///
    /// # Errors
    /// The limit was reached, or there is no memory to wait.
    pub fn lock<'a, T>(
        &mut self,
        mutex: &'a Mutex<T>,
        sleep: &mut MaySleep,
        limit: &Limit<'_>,
    ) -> Result<MutexGuard<'a, T>, WaitError> {
        // SAFETY: the raw mutex is used by its protocol only.
        self.acquire(unsafe { mutex.raw() }, sleep, limit)?;
        // SAFETY: `acquire` locked it for this call.
        Ok(unsafe { mutex.make_guard_unchecked() })
    }

    fn acquire(
        &mut self,
        mutex: &RawMutex,
        sleep: &mut MaySleep,
        limit: &Limit<'_>,
    ) -> Result<(), WaitError> {
        if mutex.try_acquire() {
            return Ok(());
        }
        if !self.come_back(mutex) {
            self.prepare()?;
            // SAFETY: the record is this locker's, not queued and WAITING; it is freed by who takes it out of the queue
            // or by this locker when it is out.
            if mutex.enter() || unsafe { mutex.push(self.record) } {
                return Ok(());
            }
        }
        // SAFETY: this locker has not given it up.
        let record = unsafe { &*self.record };
        let slept = limit.sleep_until(sleep, || record.is_taken());
        thread::give_permit_back();
        let Err(error) = slept else { return Ok(()) };
        // C0
        let failed = order("mutex C0", Ordering::Acquire);
        match record.state.compare_exchange(WAITING, CANCELLED, Ordering::Relaxed, failed) {
            Ok(_) => {
                self.left_in = mutex;
                Err(error)
            }
            Err(_) => Ok(()),
        }
    }

    /// C1: whether the record that an earlier attempt left in the queue of `mutex` waits there again.
    fn come_back(&mut self, mutex: &RawMutex) -> bool {
        if self.left_in.is_null() {
            return false;
        }
        if !ptr::eq(self.left_in, mutex) {
            self.leave();
            return false;
        }
        self.left_in = ptr::null();
        let failed = order("mutex C1", Ordering::Acquire);
        // SAFETY: CANCELLED records are not freed by others.
        let state = unsafe { &(*self.record).state };
        state.compare_exchange(CANCELLED, WAITING, Ordering::Relaxed, failed).is_ok()
    }

    /// A record of this thread that is not queued.
    fn prepare(&mut self) -> Result<(), WaitError> {
        let me = thread::current();
        if !self.record.is_null() {
            // SAFETY: the record is out of the queue: this locker is its only user.
            unsafe {
                if (*self.record).handle() == me {
                    (*self.record).state.store(WAITING, Ordering::Relaxed);
                    return Ok(());
                }
            }
            self.leave();
        }
        self.record = Record::on_heap(me).ok_or(WaitError::NoMemory)?;
        Ok(())
    }

    /// C2: gives up the record.
    fn leave(&mut self) {
        let record = core::mem::replace(&mut self.record, ptr::null());
        let queued = !core::mem::replace(&mut self.left_in, ptr::null()).is_null();
        if record.is_null() {
            return;
        }
        if queued {
            let (orphan, taken) =
                (order("mutex C2", Ordering::Release), order("mutex C2 failed", Ordering::Acquire));
            // SAFETY: CANCELLED records are not freed by others.
            let left = unsafe { (*record).state.compare_exchange(CANCELLED, ORPHAN, orphan, taken) };
            debug_assert!(matches!(left, Ok(_) | Err(TAKEN)), "a cancelled record is only taken out");
            if left.is_ok() {
                return;
            }
        }
        // SAFETY: the record is out of the queue, and nobody else refers to it.
        unsafe { Record::free(record) };
    }
}

impl Default for TimedLocker {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for TimedLocker {
    fn drop(&mut self) {
        self.leave();
    }
}
