//! [`RawMutex`]: the protocol of the module above, without the data it protects.
//!
//! Used through [`super::Mutex`], and by talc as the lock of the kernel's heap. The letters in the comments are those of the
//! diagram in the header of `mutex`.

use super::record::{Fifo, Grant, Kind, Record};
use crate::atomic::{AtomicPtr, AtomicU32, Ordering, UnsafeCell, constant, order};
use crate::thread::{self, MaySleep};
use core::ptr;

/// The mutex is free, but `count` says that somebody comes. No record is at an odd address.
#[inline]
fn handoff() -> *mut Record {
    ptr::without_provenance_mut(1)
}

/// The lock. See the header of `mutex`.
pub struct RawMutex {
    /// Holder, waiters, and those on the way in.
    count: AtomicU32,
    /// Null, HANDOFF, or the newest pushed record.
    head: AtomicPtr<Record>,
    /// The holder's queue.
    fifo: UnsafeCell<Fifo>,
}

// SAFETY: `fifo` is used by the holder only; records are made for being shared.
unsafe impl Sync for RawMutex {}
// SAFETY: nothing in it belongs to the thread that made it.
unsafe impl Send for RawMutex {}

impl RawMutex {
    constant! {
        /// An unlocked mutex.
        pub fn new() -> RawMutex {
            RawMutex {
                count: AtomicU32::new(0),
                head: AtomicPtr::new(ptr::null_mut()),
                fifo: UnsafeCell::new(Fifo::EMPTY),
            }
        }
    }

    /// L0: whether the mutex was free and is the caller's now. If not, the caller is in `count` and must go on to L1.
    #[inline]
    pub(super) fn enter(&self) -> bool {
        self.count.fetch_add(1, order("mutex L0", Ordering::Acquire)) == 0
    }

    /// Locks; sleeps while others hold the mutex. Who calls shows in the backtrace of a panic: to pass it on would be a word
    /// more at each of the kernel's locks.
    #[inline]
    pub(crate) fn acquire(&self) {
        if !self.enter() {
            self.acquire_slow();
        }
    }

    #[cold]
    #[inline(never)]
    fn acquire_slow(&self) {
        let mut sleep = MaySleep::claim();
        let record = Record::new(thread::current(), Kind::Offered);
        // SAFETY: the record stays on this stack until it is out of the queue: this function returns with the mutex only.
        if !unsafe { self.push(&record) } {
            loop {
                if record.is_taken() {
                    // L3: the handle was moved out.
                    return thread::give_permit_back();
                }
                if self.head.load(Ordering::Relaxed) == handoff() && self.take_handoff("mutex L4") {
                    break;
                }
                thread::park(&mut sleep, None);
            }
            // SAFETY: this thread holds the mutex. HANDOFF is set only when no pushed record is left in `head`, so the
            // record is in `fifo`, as it is not TAKEN.
            self.fifo.with_mut(|fifo| unsafe { (*fifo).unlink(&record) });
            thread::give_permit_back();
        }
        // SAFETY: the record is not in the queue and was not TAKEN.
        unsafe { record.drop_handle() };
    }

    /// L1 and L2, for a caller in `count`: true if it has the mutex, false if `record` is queued.
    ///
    /// # Safety
    /// `record` is WAITING, not queued, and lives until it is TAKEN or taken out.
    pub(super) unsafe fn push(&self, record: *const Record) -> bool {
        let mut head = self.head.load(Ordering::Relaxed);
        loop {
            if head == handoff() {
                if self.take_handoff("mutex L1") {
                    return true;
                }
                head = self.head.load(Ordering::Relaxed);
                continue;
            }
            // SAFETY: the record is the caller's until it is pushed.
            unsafe { (*record).next.with_mut(|next| *next = head) };
            let new = record.cast_mut();
            match self.head.compare_exchange(
                head,
                new,
                order("mutex L2", Ordering::Release),
                Ordering::Relaxed,
            ) {
                Ok(_) => return false,
                Err(now) => head = now,
            }
        }
    }

    /// Locks for the thread of `record`, which sleeps until it is TAKEN.
    ///
    /// # Safety
    /// `record` is a strict one, WAITING, and lives until it is TAKEN.
    pub(crate) unsafe fn acquire_for(&self, record: *const Record) {
        // SAFETY: as the caller says. If the mutex is owned, it is handed on at once.
        unsafe {
            if self.enter() || self.push(record) {
                Record::grant(record);
            }
        }
    }

    #[inline]
    fn take_handoff(&self, edge: &'static str) -> bool {
        let acquire = order(edge, Ordering::Acquire);
        self.head.compare_exchange(handoff(), ptr::null_mut(), acquire, Ordering::Relaxed).is_ok()
    }

    /// Locks if nobody has to be waited for.
    #[inline]
    pub(crate) fn try_acquire(&self) -> bool {
        let free = self.count.compare_exchange(0, 1, order("mutex T0", Ordering::Acquire), Ordering::Relaxed);
        free.is_ok() || self.try_handoff()
    }

    #[inline(never)]
    fn try_handoff(&self) -> bool {
        let taken = self.head.load(Ordering::Relaxed) == handoff() && self.take_handoff("mutex T1");
        if taken {
            self.count.fetch_add(1, Ordering::Relaxed);
        }
        taken
    }

    /// Unlocks.
    ///
    /// # Safety
    /// The caller holds the mutex.
    #[inline]
    pub(crate) unsafe fn release(&self) {
        if self.count.fetch_sub(1, order("mutex U0", Ordering::Release)) != 1 {
            // SAFETY: as the caller says; somebody else is in `count`.
            unsafe { self.release_slow() };
        }
    }

    /// # Safety
    /// The caller holds the mutex, has left `count`, and somebody else is in it.
    #[cold]
    #[inline(never)]
    unsafe fn release_slow(&self) {
        loop {
            // SAFETY: the caller is still who the mutex belongs to.
            let oldest = self.fifo.with(|fifo| unsafe { (*fifo).first });
            if oldest.is_null() {
                if self.give_handoff() {
                    return; // U1: the last access
                }
                // SAFETY: as above.
                unsafe { self.take_list() };
                continue;
            }
            // SAFETY: as above.
            if unsafe { self.offer(oldest) } {
                return; // U4: the last access
            }
            // SAFETY: as above; the queue is not empty.
            let given = unsafe {
                let oldest = self.fifo.with_mut(|fifo| (*fifo).pop());
                Record::grant(oldest)
            };
            if given == Grant::Given {
                return; // U3: the last access was before
            }
            if self.count.fetch_sub(1, order("mutex U5", Ordering::Release)) == 1 {
                return;
            }
        }
    }

    /// U1 and U4: from null to HANDOFF.
    fn give_handoff(&self) -> bool {
        let release = order("mutex U1", Ordering::Release);
        self.head.compare_exchange(ptr::null_mut(), handoff(), release, Ordering::Relaxed).is_ok()
    }

    /// U2: moves what was pushed to `fifo`.
    ///
    /// # Safety
    /// The mutex belongs to the caller, so `head` is not HANDOFF.
    unsafe fn take_list(&self) {
        let list = self.head.swap(ptr::null_mut(), order("mutex U2", Ordering::Acquire));
        if !list.is_null() {
            // SAFETY: as the caller says.
            self.fifo.with_mut(|fifo| unsafe { (*fifo).append(list) });
        }
    }

    /// U4: offers the mutex to all, and wakes the oldest waiter. False: it must be handed over.
    ///
    /// # Safety
    /// The mutex belongs to the caller, and `oldest` is the first of `fifo`.
    unsafe fn offer(&self, oldest: *const Record) -> bool {
        // SAFETY: a queued record lives; these fields are the holder's.
        let handle = unsafe {
            if (*oldest).kind != Kind::Offered || (*oldest).passed.with(|passed| *passed) >= super::OFFERS {
                return false;
            }
            (*oldest).passed.with_mut(|passed| *passed += 1);
            (*oldest).handle()
        };
        if !self.head.load(Ordering::Relaxed).is_null() {
            // SAFETY: as the caller says.
            unsafe { self.take_list() };
        }
        let offered = self.give_handoff();
        if offered {
            handle.unpark();
        }
        offered
    }

    #[inline]
    pub(crate) fn is_held(&self) -> bool {
        self.count.load(Ordering::Relaxed) != 0
    }
}

impl Default for RawMutex {
    fn default() -> Self {
        Self::new()
    }
}

impl core::fmt::Debug for RawMutex {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("RawMutex").field("held", &self.is_held()).finish()
    }
}

// SAFETY: the protocol of `mutex`: one holder at a time, and each is after the one before.
#[cfg(not(loom))]
unsafe impl lock_api::RawMutex for RawMutex {
    #[allow(clippy::declare_interior_mutable_const)] // the trait demands this constant
    const INIT: Self = RawMutex::new();

    type GuardMarker = lock_api::GuardSend;

    #[inline]
    fn lock(&self) {
        self.acquire();
    }

    #[inline]
    fn try_lock(&self) -> bool {
        self.try_acquire()
    }

    #[inline]
    unsafe fn unlock(&self) {
        // SAFETY: the trait demands that the caller holds the mutex.
        unsafe { self.release() };
    }

    #[inline]
    fn is_locked(&self) -> bool {
        self.is_held()
    }
}
