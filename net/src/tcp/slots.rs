//! [`Slots`]: objects that have numbers and never go away, so that a number may be as old as it likes.
//!
//! Used for sockets: tables and lists hold numbers, read without a lock, and whoever acts on one looks at the slot whether it is still
//! what was meant. Slots come in chunks that are made when needed and kept; a free slot is used again. Memory is that of the most
//! sockets there ever were at once.

use alloc::boxed::Box;
use alloc::vec::Vec;
use sync::{Mutex, SetOnce};

/// Slots in a chunk, chunks in a group, and groups.
const FAN: usize = 64;
/// Most slots.
pub const MAX: usize = FAN * FAN * FAN;

type Chunk<T> = Box<[T]>;
type Group<T> = Box<[SetOnce<Chunk<T>>]>;

struct Free {
    /// Numbers that were given back; the last one is used first, its memory being warm.
    back: Vec<u32>,
    /// Numbers from here on were never given out.
    fresh: u32,
}

/// Numbered slots.
pub struct Slots<T> {
    groups: [SetOnce<Group<T>>; FAN],
    free: Mutex<Free>,
}

fn filled<T>(make: impl Fn() -> T) -> Option<Box<[T]>> {
    let mut items = Vec::new();
    items.try_reserve_exact(FAN).ok()?;
    items.resize_with(FAN, make);
    Some(items.into_boxed_slice())
}

impl<T: Default> Default for Slots<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T: Default> Slots<T> {
    /// Without any.
    pub fn new() -> Self {
        Slots {
            groups: [const { SetOnce::new() }; FAN],
            free: Mutex::new(Free { back: Vec::new(), fresh: 0 }),
        }
    }

    /// The slot of a number that was given out some time.
    #[inline]
    pub fn get(&self, index: u32) -> Option<&T> {
        let index = index as usize;
        let group = self.groups.get(index / (FAN * FAN))?.get()?;
        group.get(index / FAN % FAN)?.get()?.get(index % FAN)
    }

    /// A number that nobody has; `None` without memory or when there are too many.
    pub fn allocate(&self) -> Option<u32> {
        let mut free = self.free.lock();
        if let Some(index) = free.back.pop() {
            return Some(index);
        }
        let index = free.fresh;
        // Memory to give it back later, now.
        free.back.try_reserve(index as usize + 1).ok()?;
        let at = index as usize;
        let group = self.groups.get(at / (FAN * FAN))?;
        if group.get().is_none() {
            // Nobody else is here: the lock is held.
            let _ = group.set(filled(SetOnce::new)?);
        }
        let chunk = group.get()?.get(at / FAN % FAN)?;
        if chunk.get().is_none() {
            let _ = chunk.set(filled(T::default)?);
        }
        free.fresh = index + 1;
        Some(index)
    }

    /// Takes back a number.
    pub fn release(&self, index: u32) {
        self.free.lock().back.push(index);
    }

    /// All numbers that were ever given out.
    pub fn numbers(&self) -> core::ops::Range<u32> {
        0..self.free.lock().fresh
    }

    /// How many are given out.
    pub fn used(&self) -> usize {
        let free = self.free.lock();
        (free.fresh as usize).saturating_sub(free.back.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_used_again() {
        let slots = Slots::<u64>::new();
        assert!(slots.get(0).is_none() && slots.get(u32::MAX).is_none());
        let all: Vec<u32> = (0..5000).map(|_| slots.allocate().unwrap()).collect();
        assert_eq!(all, (0..5000).collect::<Vec<u32>>());
        assert!(all.iter().all(|&n| slots.get(n).is_some()));
        let before = core::ptr::from_ref(slots.get(4999).unwrap());
        slots.release(7);
        slots.release(9);
        assert_eq!((slots.allocate(), slots.used()), (Some(9), 4999));
        assert_eq!((slots.allocate(), slots.allocate()), (Some(7), Some(5000)));
        assert_eq!(before, core::ptr::from_ref(slots.get(4999).unwrap()));
    }
}
