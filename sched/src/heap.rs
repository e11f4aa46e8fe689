//! [`Heap`]: threads in order of a key, kept by one CPU and readable by all.
//!
//! Called for a CPU's run queue and for its sleepers. Only the owner changes it; others peek at [`Heap::entry`] for hints, which
//! may be out of date, doubled or missing while the owner moves entries: they decide by the thread's state word, and what
//! they must not miss they look for in the table of threads. Memory is there once per (CPU, thread), made when the thread's
//! slot is, so that inserting never allocates. A thread is in a heap at most once; inserting again moves it.
//!
//! Ordering: relaxed throughout. `len` is stored with release before a thread becomes ready, see the scheduler.

use crate::atomic::{AtomicU32, AtomicU64, Ordering::Acquire, Ordering::Relaxed, Ordering::Release};
use crate::segmented::Segmented;

/// Not in the heap.
const NOWHERE: u32 = u32::MAX;

#[derive(Debug)]
struct Node {
    /// Of the entry at this place of the heap.
    key: AtomicU64,
    /// Which thread is at this place of the heap.
    thread: AtomicU32,
    /// Where the thread with this number is.
    place: AtomicU32,
}

/// A binary heap, smallest key first.
#[derive(Debug)]
pub(crate) struct Heap {
    nodes: Segmented<Node>,
    len: AtomicU32,
}

impl Heap {
    pub(crate) fn new() -> Self {
        Heap { nodes: Segmented::new(), len: AtomicU32::new(0) }
    }

    /// Makes room for thread number `index`.
    pub(crate) fn grow(&self, index: usize) -> bool {
        self.nodes.grow(index, || Node {
            key: AtomicU64::new(0),
            thread: AtomicU32::new(0),
            place: AtomicU32::new(NOWHERE),
        })
    }

    /// How many entries there are, stale ones included.
    pub(crate) fn len(&self) -> u32 {
        self.len.load(Acquire)
    }

    /// The thread at place `place` and its key; 0 is the smallest. A hint for all but the owner.
    pub(crate) fn entry(&self, place: u32) -> Option<(u32, u64)> {
        if place >= self.len() {
            return None;
        }
        let node = self.nodes.get(place as usize)?;
        Some((node.thread.load(Relaxed), node.key.load(Relaxed)))
    }

    /// Whether the owner has the thread in it.
    pub(crate) fn contains(&self, thread: u32) -> bool {
        self.place(thread).is_some()
    }

    fn place(&self, thread: u32) -> Option<u32> {
        let place = self.nodes.get(thread as usize)?.place.load(Relaxed);
        (place != NOWHERE).then_some(place)
    }

    fn set(&self, place: u32, thread: u32, key: u64) {
        if let (Some(node), Some(owner)) = (self.nodes.get(place as usize), self.nodes.get(thread as usize)) {
            node.key.store(key, Relaxed);
            node.thread.store(thread, Relaxed);
            owner.place.store(place, Relaxed);
        }
    }

    /// Owner: puts `thread` at `key`, or moves it there.
    pub(crate) fn insert(&self, thread: u32, key: u64) {
        let place = match self.place(thread) {
            Some(place) => place,
            None => {
                let place = self.len.load(Relaxed);
                if self.nodes.get(place as usize).is_none() {
                    return;
                }
                self.set(place, thread, key);
                self.len.store(place.wrapping_add(1), Release);
                place
            }
        };
        self.settle(place, thread, key);
    }

    /// Owner: takes `thread` out, if it is in.
    pub(crate) fn remove(&self, thread: u32) {
        let Some(place) = self.place(thread) else { return };
        let last = self.len.load(Relaxed).wrapping_sub(1);
        let moved = self.entry(last);
        if let Some(node) = self.nodes.get(thread as usize) {
            node.place.store(NOWHERE, Relaxed);
        }
        self.len.store(last, Release);
        if let Some((other, key)) = moved.filter(|_| place != last) {
            self.settle(place, other, key);
        }
    }

    /// Moves the entry, whose place `place` is free for it, up or down to where it belongs.
    fn settle(&self, mut place: u32, thread: u32, key: u64) {
        while place > 0 {
            let parent = (place - 1) / 2;
            match self.entry(parent) {
                Some((other, above)) if key < above => self.set(place, other, above),
                _ => break,
            }
            place = parent;
        }
        loop {
            let left = place.saturating_mul(2).saturating_add(1);
            let smaller = match (self.entry(left), self.entry(left.saturating_add(1))) {
                (Some(l), Some(r)) if r.1 < l.1 => Some((left + 1, r)),
                (Some(l), _) => Some((left, l)),
                _ => None,
            };
            match smaller {
                Some((child, (other, below))) if below < key => {
                    self.set(place, other, below);
                    place = child;
                }
                _ => break,
            }
        }
        self.set(place, thread, key);
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    proptest! {
        #[test]
        fn behaves_like_a_map(ops in proptest::collection::vec((0u32..40, 0u64..50, 0u8..3), 1..400)) {
            let heap = Heap::new();
            let mut model = BTreeMap::new();
            for i in 0..40 {
                prop_assert!(heap.grow(i));
            }
            for (thread, key, op) in ops {
                match op {
                    0 => {
                        heap.remove(thread);
                        model.remove(&thread);
                    }
                    _ => {
                        heap.insert(thread, key);
                        model.insert(thread, key);
                    }
                }
                prop_assert_eq!(heap.len() as usize, model.len());
                prop_assert_eq!(heap.entry(0).map(|e| e.1), model.values().min().copied());
                for t in 0..40 {
                    prop_assert_eq!(heap.contains(t), model.contains_key(&t));
                }
            }
            let mut keys: Vec<u64> = model.values().copied().collect();
            keys.sort_unstable();
            for key in keys {
                let (thread, top) = heap.entry(0).unwrap();
                prop_assert_eq!((top, model[&thread]), (key, key));
                heap.remove(thread);
            }
            prop_assert_eq!(heap.len(), 0);
        }
    }
}
