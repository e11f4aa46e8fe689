//! [`Segmented`]: a table that grows without moving, read without a lock.
//!
//! Called for everything that is there once per thread. Invariants: segment `k` has `FIRST << k` entries; its pointer goes
//! from null to its memory once and stays until the table is dropped. Whoever loses the race to add a segment frees its own
//! and uses the winner's, so growing never waits for a CPU that stopped in the middle.
//!
//! Ordering: the pointer is stored with release after the entries are made and loaded with acquire.
#![allow(unsafe_code)] // owns its segments through atomic pointers

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::marker::PhantomData;
use core::ptr;
use core::sync::atomic::{AtomicPtr, Ordering};

/// Entries of the first segment.
const FIRST: usize = 32;
const SEGMENTS: usize = 17;
/// Entries of a full table.
pub(crate) const CAPACITY: usize = FIRST * ((1 << SEGMENTS) - 1);

/// A growing table of `T`.
#[derive(Debug)]
pub(crate) struct Segmented<T> {
    segments: [AtomicPtr<T>; SEGMENTS],
    owned: PhantomData<T>,
}

/// The segment of entry `index` and its place there.
#[inline]
fn locate(index: usize) -> (usize, usize) {
    let shifted = index.wrapping_add(FIRST);
    let segment = (usize::BITS - 1 - FIRST.ilog2()).wrapping_sub(shifted.leading_zeros()) as usize;
    (segment, shifted ^ FIRST.wrapping_shl(segment as u32))
}

impl<T> Segmented<T> {
    pub(crate) fn new() -> Self {
        Segmented { segments: [const { AtomicPtr::new(ptr::null_mut()) }; SEGMENTS], owned: PhantomData }
    }

    /// Entry `index`, if the table has grown that far.
    #[inline]
    pub(crate) fn get(&self, index: usize) -> Option<&T> {
        // Most programs do not go beyond the first segment.
        let (segment, place) = match index {
            0..FIRST => (0, index),
            FIRST..CAPACITY => locate(index),
            _ => return None,
        };
        let base = self.segments.get(segment)?.load(Ordering::Acquire);
        if base.is_null() {
            return None;
        }
        // SAFETY: a segment that is not null points to FIRST << segment entries which live as long as `self`; `place` is
        // less, because `shifted` has its highest bit at FIRST << segment and `place` is the rest.
        Some(unsafe { &*base.add(place) })
    }

    /// Makes entry `index` exist, and all before it in its segment. False if there is no memory or no room.
    pub(crate) fn grow(&self, index: usize, make: impl Fn() -> T) -> bool {
        if index >= CAPACITY {
            return false;
        }
        let (segment, _) = locate(index);
        let Some(slot) = self.segments.get(segment) else { return false };
        if !slot.load(Ordering::Acquire).is_null() {
            return true;
        }
        let count = FIRST << segment;
        let mut entries = Vec::new();
        if entries.try_reserve_exact(count).is_err() {
            return false;
        }
        entries.extend((0..count).map(|_| make()));
        let raw = Box::into_raw(entries.into_boxed_slice()).cast::<T>();
        if slot.compare_exchange(ptr::null_mut(), raw, Ordering::AcqRel, Ordering::Acquire).is_err() {
            // SAFETY: `raw` came from a box of `count` entries above and was shared with nobody.
            drop(unsafe { Box::from_raw(ptr::slice_from_raw_parts_mut(raw, count)) });
        }
        true
    }
}

impl<T> Drop for Segmented<T> {
    fn drop(&mut self) {
        for (segment, slot) in self.segments.iter().enumerate() {
            let raw = slot.load(Ordering::Acquire);
            if !raw.is_null() {
                // SAFETY: `raw` came from a box of FIRST << segment entries in `grow`, and `&mut self` excludes readers.
                drop(unsafe { Box::from_raw(ptr::slice_from_raw_parts_mut(raw, FIRST << segment)) });
            }
        }
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn every_index_has_its_own_entry() {
        let table = Segmented::<core::sync::atomic::AtomicUsize>::new();
        assert!(
            table.get(0).is_none()
                && table.get(usize::MAX).is_none()
                && !table.grow(CAPACITY, Default::default)
        );
        for i in 0..5000 {
            assert!(table.grow(i, Default::default));
            table.get(i).unwrap().store(i + 1, Ordering::Relaxed);
        }
        for i in 0..5000 {
            assert_eq!(table.get(i).unwrap().load(Ordering::Relaxed), i + 1);
        }
        assert_eq!(
            (locate(0), locate(31), locate(32), locate(95), locate(96)),
            ((0, 0), (0, 31), (1, 0), (1, 63), (2, 0))
        );
        assert_eq!(locate(CAPACITY - 1), (SEGMENTS - 1, (FIRST << (SEGMENTS - 1)) - 1));
    }
}
