//! [`Ring`]: a bounded byte queue from one producer to one consumer.
//!
//! Called by device drivers: the interrupt handler pushes received bytes, a thread pops them. Neither side ever waits or
//! retries. Invariants: `head` is written by the producer only and `tail` by the consumer only; both count bytes since the
//! start (wrapping), `head - tail` is at most `N`; a slot is written before `head` passes it (release) and read before `tail`
//! does (release). The slots are atomics, so that a broken contract (two producers) can lose bytes but not break memory.

use crate::atomic::{AtomicU8, AtomicUsize, Ordering};

/// A queue of up to `N` bytes; `N` is a power of two.
#[derive(Debug)]
pub struct Ring<const N: usize> {
    slots: [AtomicU8; N],
    /// Bytes pushed so far.
    head: AtomicUsize,
    /// Bytes popped so far.
    tail: AtomicUsize,
}

impl<const N: usize> Ring<N> {
    const MASK: usize = {
        assert!(N.is_power_of_two(), "the size of a ring is a power of two");
        N - 1
    };

    /// An empty ring.
    #[cfg(not(loom))]
    pub const fn new() -> Self {
        Ring { slots: [const { AtomicU8::new(0) }; N], head: AtomicUsize::new(0), tail: AtomicUsize::new(0) }
    }

    /// An empty ring, for the models.
    #[cfg(loom)]
    pub fn new() -> Self {
        Ring {
            slots: core::array::from_fn(|_| AtomicU8::new(0)),
            head: AtomicUsize::new(0),
            tail: AtomicUsize::new(0),
        }
    }

    /// Producer: appends a byte; false if the ring is full.
    pub fn push(&self, byte: u8) -> bool {
        let head = self.head.load(Ordering::Relaxed);
        // Acquire: the consumer has read the slot that is about to be written again.
        let tail = self.tail.load(Ordering::Acquire);
        if head.wrapping_sub(tail) >= N {
            return false;
        }
        let Some(slot) = self.slots.get(head & Self::MASK) else { return false };
        slot.store(byte, Ordering::Relaxed);
        self.head.store(head.wrapping_add(1), Ordering::Release);
        true
    }

    /// Consumer: takes the oldest byte.
    pub fn pop(&self) -> Option<u8> {
        let mut byte = [0];
        (self.pop_slice(&mut byte) == 1).then_some(byte[0])
    }

    /// Consumer: takes the oldest bytes into `dst`; returns how many.
    pub fn pop_slice(&self, dst: &mut [u8]) -> usize {
        let tail = self.tail.load(Ordering::Relaxed);
        // Acquire: the bytes up to `head` are written.
        let ready = self.head.load(Ordering::Acquire).wrapping_sub(tail);
        let count = ready.min(dst.len());
        for (i, byte) in dst.iter_mut().take(count).enumerate() {
            if let Some(slot) = self.slots.get(tail.wrapping_add(i) & Self::MASK) {
                *byte = slot.load(Ordering::Relaxed);
            }
        }
        self.tail.store(tail.wrapping_add(count), Ordering::Release);
        count
    }

    /// Bytes in the ring; exact for either side's own view, a lower bound of what it can pop for the consumer.
    pub fn len(&self) -> usize {
        self.head.load(Ordering::Acquire).wrapping_sub(self.tail.load(Ordering::Acquire)).min(N)
    }

    /// Whether nothing is in the ring.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl<const N: usize> Default for Ring<N> {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::Ring;
    use std::collections::VecDeque;

    #[test]
    fn fifo_against_a_queue() {
        let ring = Ring::<8>::new();
        let mut model = VecDeque::new();
        let mut state = 12345u32;
        for step in 0..10_000u32 {
            state = state.wrapping_mul(1_103_515_245).wrapping_add(12345);
            if state >> 16 & 1 == 0 {
                let pushed = ring.push(step as u8);
                assert_eq!(pushed, model.len() < 8);
                if pushed {
                    model.push_back(step as u8);
                }
            } else {
                let mut buf = [0; 3];
                let n = ring.pop_slice(&mut buf);
                assert_eq!(n, model.len().min(3));
                for byte in &buf[..n] {
                    assert_eq!(Some(*byte), model.pop_front());
                }
            }
            assert_eq!(ring.len(), model.len());
        }
    }

    #[test]
    fn two_threads_keep_order() {
        let ring = Ring::<16>::new();
        std::thread::scope(|scope| {
            scope.spawn(|| {
                for i in 0..100_000u32 {
                    while !ring.push(i as u8) {
                        std::thread::yield_now();
                    }
                }
            });
            let mut next = 0u32;
            while next < 100_000 {
                match ring.pop() {
                    Some(byte) => {
                        assert_eq!(byte, next as u8);
                        next += 1;
                    }
                    None => std::thread::yield_now(),
                }
            }
        });
        assert!(ring.is_empty());
    }
}

#[cfg(all(test, loom))]
mod models {
    use super::Ring;
    use loom::sync::Arc;

    #[test]
    fn bytes_arrive_in_order_or_not_yet() {
        loom::model(|| {
            let ring = Arc::new(Ring::<2>::new());
            let producer = {
                let ring = ring.clone();
                loom::thread::spawn(move || [1, 2, 3].into_iter().take_while(|&byte| ring.push(byte)).count())
            };
            let mut seen = Vec::new();
            for _ in 0..3 {
                seen.extend(ring.pop());
            }
            let pushed = producer.join().unwrap();
            while let Some(byte) = ring.pop() {
                seen.push(byte);
            }
            assert_eq!(seen, [1, 2, 3][..pushed]);
            assert!(pushed >= 2);
        });
    }
}
