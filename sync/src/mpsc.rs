//! [`Queue`]: from many producers to one consumer.
//!
//! Used between CPUs and from interrupt handlers to threads. A push is a compare-and-swap on the head of a list; the
//! consumer takes the whole list by one exchange and turns it round. A producer that is paused anywhere in its push hides
//! nothing but its own entry. A push allocates nothing: the caller brings the [`Entry`].
//!
//! Orderings: a push releases ("mpsc push") and the exchange acquires ("mpsc drain"): entries are whole. The exchange leaves
//! null, so an entry is drained once, and no address can come back into a compare-and-swap that would be harmed by it: a
//! push only wants `next` to be the head it replaces.
#![allow(unsafe_code)] // entries are owned through the pointers of the list

use crate::atomic::{AtomicPtr, Ordering, constant, order};
use alloc::{boxed::Box, vec::Vec};
use core::ptr;

/// A value on its way, in memory that was allocated before.
#[derive(Debug)]
pub struct Entry<T> {
    next: *mut Entry<T>,
    /// The value.
    pub value: T,
}

// SAFETY: `next` is used by the queue that owns the entry only.
unsafe impl<T: Send> Send for Entry<T> {}

impl<T> Entry<T> {
    /// An entry on the heap.
    ///
    /// # Errors
    /// The value, when there is no memory.
    pub fn new(value: T) -> Result<Box<Entry<T>>, T> {
        let mut one = Vec::new();
        if one.try_reserve_exact(1).is_err() {
            return Err(value);
        }
        one.push(Entry { next: ptr::null_mut(), value });
        let slice = Box::into_raw(one.into_boxed_slice());
        // SAFETY: a slice of one has the layout of its element.
        Ok(unsafe { Box::from_raw(slice.cast::<Entry<T>>()) })
    }
}

/// Entries from many to one.
pub struct Queue<T> {
    head: AtomicPtr<Entry<T>>,
}

// SAFETY: entries are handed from one thread to another, each to one.
unsafe impl<T: Send> Sync for Queue<T> {}
// SAFETY: the queue owns its entries.
unsafe impl<T: Send> Send for Queue<T> {}

impl<T> Queue<T> {
    constant! {
        /// An empty queue.
        pub fn new() -> Queue<T> {
            Queue { head: AtomicPtr::new(ptr::null_mut()) }
        }
    }

    /// Appends an entry; true if the queue was empty, so that the consumer is to be woken. Any context.
    pub fn push(&self, entry: Box<Entry<T>>) -> bool {
        let entry = Box::into_raw(entry);
        let mut head = self.head.load(Ordering::Relaxed);
        loop {
            // SAFETY: the entry is this call's until it is pushed.
            unsafe { (*entry).next = head };
            let release = order("mpsc push", Ordering::Release);
            match self.head.compare_exchange(head, entry, release, Ordering::Relaxed) {
                Ok(_) => return head.is_null(),
                Err(now) => head = now,
            }
        }
    }

    /// Takes all entries, oldest first. Several consumers get different entries.
    pub fn drain(&self) -> Drain<T> {
        let mut at = self.head.swap(ptr::null_mut(), order("mpsc drain", Ordering::Acquire));
        let mut oldest = ptr::null_mut();
        while !at.is_null() {
            // SAFETY: the exchange gave the whole list to this call.
            let older = unsafe { core::mem::replace(&mut (*at).next, oldest) };
            (oldest, at) = (at, older);
        }
        Drain { next: oldest }
    }

    /// Whether nothing is there; a hint.
    pub fn is_empty(&self) -> bool {
        self.head.load(Ordering::Relaxed).is_null()
    }
}

impl<T> Default for Queue<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T> Drop for Queue<T> {
    fn drop(&mut self) {
        drop(self.drain());
    }
}

impl<T> core::fmt::Debug for Queue<T> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Queue").field("empty", &self.is_empty()).finish()
    }
}

/// Entries that were taken out, oldest first; those not asked for are dropped.
#[derive(Debug)]
pub struct Drain<T> {
    next: *mut Entry<T>,
}

// SAFETY: the drain owns its entries.
unsafe impl<T: Send> Send for Drain<T> {}

impl<T> Iterator for Drain<T> {
    type Item = Box<Entry<T>>;

    fn next(&mut self) -> Option<Box<Entry<T>>> {
        if self.next.is_null() {
            return None;
        }
        // SAFETY: the entries came from `Box::into_raw` and are this drain's.
        let mut entry = unsafe { Box::from_raw(self.next) };
        self.next = core::mem::replace(&mut entry.next, ptr::null_mut());
        Some(entry)
    }
}

impl<T> Drop for Drain<T> {
    fn drop(&mut self) {
        self.for_each(drop);
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::{Entry, Queue};
    use std::sync::Arc;

    #[test]
    fn oldest_first_and_nothing_is_leaked() {
        let queue = Queue::new();
        let counted = Arc::new(());
        for n in 0..4 {
            assert_eq!(queue.push(Entry::new((n, counted.clone())).unwrap()), n == 0);
        }
        let mut drain = queue.drain();
        assert_eq!(drain.next().unwrap().value.0, 0);
        assert_eq!(drain.next().unwrap().value.0, 1);
        drop(drain);
        queue.push(Entry::new((9, counted.clone())).unwrap());
        drop(queue);
        assert_eq!(Arc::strong_count(&counted), 1);
    }

    #[test]
    fn stress_of_many_producers() {
        let queue = Queue::new();
        const EACH: u64 = 50_000;
        std::thread::scope(|scope| {
            for producer in 0..3u64 {
                let queue = &queue;
                scope.spawn(move || {
                    for n in 0..EACH {
                        queue.push(Entry::new((producer, n)).unwrap());
                    }
                });
            }
            let mut next = [0; 3];
            while next != [EACH; 3] {
                for entry in queue.drain() {
                    let (producer, n) = entry.value;
                    assert_eq!(next[producer as usize], n);
                    next[producer as usize] += 1;
                }
                std::thread::yield_now();
            }
        });
    }
}

#[cfg(all(test, loom))]
mod models {
    use super::{Entry, Queue};
    use crate::weaken::{every_edge_is_needed, explore};
    use loom::cell::UnsafeCell;
    use loom::{sync::Arc, thread};

    #[test]
    fn two_producers() {
        explore(4, || {
            let queue = Arc::new(Queue::new());
            let producers: Vec<_> = [10, 20]
                .map(|first| {
                    let queue = queue.clone();
                    thread::spawn(move || {
                        for n in first..first + 2 {
                            queue.push(Entry::new(UnsafeCell::new(n)).ok().unwrap());
                        }
                    })
                })
                .into();
            let mut seen: Vec<u32> = Vec::new();
            let mut take = || {
                // SAFETY: the model checks it.
                seen.extend(queue.drain().map(|entry| entry.value.with(|value| unsafe { *value })));
            };
            take();
            producers.into_iter().for_each(|producer| producer.join().unwrap());
            take();
            for first in [10, 20] {
                let of_one: Vec<_> = seen.iter().copied().filter(|n| n / 10 == first / 10).collect();
                assert_eq!(of_one, [first, first + 1]);
            }
        });
    }

    #[test]
    fn weakened_orderings_are_noticed() {
        every_edge_is_needed(&["mpsc push", "mpsc drain"], module_path!(), &["two_producers"]);
    }
}
