//! [`Record`]: one waiter in the queue of a mutex; [`Fifo`]: the queue that the holder keeps.
//!
//! Used by `raw` and `timed`. A record on a waiter's stack is never cancelled and is not touched after TAKEN. A record on the
//! heap belongs to a [`super::TimedLocker`] and, as ORPHAN, to the queue. `next`, `passed` and the handle are written by the
//! owner before the push and belong to the holder of the mutex from then until TAKEN.

use crate::atomic::{AtomicU8, Ordering, UnsafeCell, order};
use crate::thread::Handle;
use alloc::{boxed::Box, vec::Vec};
use core::{mem::ManuallyDrop, ptr};

/// Queued, its thread wants the mutex.
pub(super) const WAITING: u8 = 0;
/// Out of the queue; if it was WAITING, its thread has the mutex.
pub(super) const TAKEN: u8 = 1;
/// Queued, its thread went away and may come back.
pub(super) const CANCELLED: u8 = 2;
/// Queued, nobody comes back: freed by who takes it out.
pub(super) const ORPHAN: u8 = 3;

/// A waiter.
pub(crate) struct Record {
    /// The next older record in `head`, the next younger one in [`Fifo`].
    pub(super) next: UnsafeCell<*const Record>,
    pub(super) state: AtomicU8,
    /// Offers made so far.
    pub(super) passed: UnsafeCell<u8>,
    handle: UnsafeCell<ManuallyDrop<Handle>>,
    pub(super) kind: Kind,
}

/// What may be done with a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// On the stack of a thread that takes offers.
    Offered,
    /// On the stack of a thread that only wants the mutex handed over.
    Strict,
    /// On the heap, may be cancelled.
    Heap,
}

/// How handing over went.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Grant {
    /// The waiter has the mutex.
    Given,
    /// The waiter had gone; the record is out of the queue.
    Cancelled,
}

impl Record {
    pub(super) fn new(handle: Handle, kind: Kind) -> Record {
        Record {
            next: UnsafeCell::new(ptr::null()),
            state: AtomicU8::new(WAITING),
            passed: UnsafeCell::new(0),
            handle: UnsafeCell::new(ManuallyDrop::new(handle)),
            kind,
        }
    }

    /// A record on the heap; `None` without memory.
    pub(super) fn on_heap(handle: Handle) -> Option<*const Record> {
        let mut one = Vec::new();
        one.try_reserve_exact(1).ok()?;
        one.push(Record::new(handle, Kind::Heap));
        Some(Box::into_raw(one.into_boxed_slice()).cast::<Record>().cast_const())
    }

    /// Frees a record of [`Self::on_heap`].
    ///
    /// # Safety
    /// Nobody else refers to it.
    pub(super) unsafe fn free(record: *const Record) {
        // SAFETY: `on_heap` made a box of a slice of one from it; the caller has the only reference.
        unsafe {
            (*record).drop_handle();
            drop(Box::from_raw(ptr::slice_from_raw_parts_mut(record.cast_mut(), 1)));
        }
    }

    /// A record for a thread that another one (a condition variable's waker) puts in the queue.
    pub(crate) fn strict(handle: Handle) -> Record {
        Record::new(handle, Kind::Strict)
    }

    /// Whether the mutex was handed over to this record.
    pub(crate) fn is_taken(&self) -> bool {
        self.state.load(order("mutex L3", Ordering::Acquire)) == TAKEN
    }

    /// Another handle of the thread.
    ///
    /// # Safety
    /// The caller is the owner or holds the mutex, and TAKEN is not set (for a record on a stack).
    pub(super) unsafe fn handle(&self) -> Handle {
        // SAFETY: the handle is not written while the record is queued.
        self.handle.with(|handle| unsafe { Handle::clone(&*handle) })
    }

    /// Gives up the handle, when it was not moved out by [`Self::grant`].
    ///
    /// # Safety
    /// Once, by the owner, of a record that is out of the queue and was not given.
    pub(crate) unsafe fn drop_handle(&self) {
        // SAFETY: as the caller says.
        self.handle.with_mut(|handle| unsafe { ManuallyDrop::drop(&mut *handle) });
    }

    /// Hands over to this record (U3), or finds it cancelled (U5). The record must not be used afterwards.
    ///
    /// # Safety
    /// The caller holds the mutex and has taken the record out of the queue.
    pub(super) unsafe fn grant(record: *const Record) -> Grant {
        // SAFETY: a queued record lives until it is TAKEN, which only the holder of the mutex sets.
        unsafe {
            if (*record).kind != Kind::Heap {
                // The waiter may return, and its stack be reused, as soon as it sees TAKEN: take the handle first.
                let handle = (*record).handle.with(|handle| ManuallyDrop::into_inner(ptr::read(handle)));
                (*record).state.store(TAKEN, order("mutex U3", Ordering::Release));
                handle.unpark();
                return Grant::Given;
            }
            let handle = (*record).handle();
            match (*record).state.swap(TAKEN, order("mutex U3 heap", Ordering::AcqRel)) {
                WAITING => {
                    handle.unpark();
                    Grant::Given
                }
                ORPHAN => {
                    Record::free(record);
                    Grant::Cancelled
                }
                _ => Grant::Cancelled,
            }
        }
    }
}

impl core::fmt::Debug for Record {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Record").field("kind", &self.kind).finish_non_exhaustive()
    }
}

/// Records, oldest first. All methods are the holder's.
#[derive(Debug)]
pub(super) struct Fifo {
    pub(super) first: *const Record,
    last: *const Record,
}

impl Fifo {
    pub(super) const EMPTY: Fifo = Fifo { first: ptr::null(), last: ptr::null() };

    /// Appends a list as it was pushed: newest first.
    ///
    /// # Safety
    /// The records are queued and belong to the caller, who holds the mutex.
    pub(super) unsafe fn append(&mut self, newest: *const Record) {
        let (mut younger, mut at) = (ptr::null(), newest);
        while !at.is_null() {
            // SAFETY: a record lives while it is queued.
            let older = unsafe { (*at).next.with_mut(|next| ptr::replace(next, younger)) };
            (younger, at) = (at, older);
        }
        match self.last.is_null() {
            true => self.first = younger,
            // SAFETY: as above.
            false => unsafe { (*self.last).next.with_mut(|next| *next = younger) },
        }
        self.last = newest;
    }

    /// Takes the oldest out.
    ///
    /// # Safety
    /// The queue is not empty; the caller holds the mutex.
    pub(super) unsafe fn pop(&mut self) -> *const Record {
        let first = self.first;
        // SAFETY: as above.
        self.first = unsafe { (*first).next.with(|next| *next) };
        if self.first.is_null() {
            self.last = ptr::null();
        }
        first
    }

    /// Takes `record` out, wherever it is.
    ///
    /// # Safety
    /// It is in this queue; the caller holds the mutex.
    pub(super) unsafe fn unlink(&mut self, record: *const Record) {
        let (mut before, mut at) = (ptr::null::<Record>(), self.first);
        while at != record {
            // SAFETY: a record lives while it is queued, and `record` comes before the end.
            (before, at) = (at, unsafe { (*at).next.with(|next| *next) });
        }
        // SAFETY: as above.
        let after = unsafe { (*record).next.with(|next| *next) };
        match before.is_null() {
            true => self.first = after,
            // SAFETY: as above.
            false => unsafe { (*before).next.with_mut(|next| *next = after) },
        }
        if self.last == record {
            self.last = before;
        }
    }
}
