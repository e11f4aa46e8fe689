//! [`Deadlines`]: when which socket wants to be looked at.
//!
//! A binary heap with one entry per socket at most, whose place each socket's number leads to, so an entry is moved or taken out in
//! O(log n) and nothing stale is left behind. Used under the lock of the timers; sockets that put off their deadline do not come
//! here: the entry fires early and is put back.

use alloc::vec::Vec;

const NONE: u32 = u32::MAX;

/// The heap.
#[derive(Debug, Default)]
pub struct Deadlines {
    /// Deadline and socket; every parent is not later than its children.
    heap: Vec<(u64, u32)>,
    /// Place in the heap by socket.
    places: Vec<u32>,
}

impl Deadlines {
    /// Sets the deadline of a socket; false without memory.
    pub fn set(&mut self, socket: u32, deadline: u64) -> bool {
        let index = socket as usize;
        if self.places.len() <= index {
            let more = index + 1 - self.places.len();
            if self.places.try_reserve(more).is_err() {
                return false;
            }
            self.places.resize(index + 1, NONE);
        }
        let at = match self.places.get(index) {
            Some(&place) if place != NONE => {
                if let Some(entry) = self.heap.get_mut(place as usize) {
                    entry.0 = deadline;
                }
                place as usize
            }
            _ => {
                if self.heap.try_reserve(1).is_err() {
                    return false;
                }
                self.heap.push((deadline, socket));
                self.heap.len() - 1
            }
        };
        self.note(at);
        let at = self.up(at);
        self.down(at);
        true
    }

    /// Takes out the deadline of a socket.
    pub fn remove(&mut self, socket: u32) {
        let Some(place) = self.places.get_mut(socket as usize) else { return };
        let at = core::mem::replace(place, NONE);
        if at != NONE {
            self.take(at as usize);
        }
    }

    /// The earliest deadline.
    pub fn next(&self) -> Option<u64> {
        self.heap.first().map(|entry| entry.0)
    }

    /// Takes out a socket whose deadline is not after `now`.
    pub fn pop(&mut self, now: u64) -> Option<u32> {
        let &(deadline, socket) = self.heap.first()?;
        (deadline <= now).then(|| self.remove(socket))?;
        Some(socket)
    }

    fn take(&mut self, at: usize) {
        let last = self.heap.len().saturating_sub(1);
        self.heap.swap(at, last);
        self.heap.pop();
        if at < last {
            self.note(at);
            let at = self.up(at);
            self.down(at);
        }
    }

    fn key(&self, at: usize) -> u64 {
        self.heap.get(at).map_or(u64::MAX, |entry| entry.0)
    }

    fn note(&mut self, at: usize) {
        if let Some(&(_, socket)) = self.heap.get(at)
            && let Some(place) = self.places.get_mut(socket as usize)
        {
            *place = at as u32;
        }
    }

    fn exchange(&mut self, a: usize, b: usize) {
        self.heap.swap(a, b);
        self.note(a);
        self.note(b);
    }

    fn up(&mut self, mut at: usize) -> usize {
        while at > 0 {
            let parent = (at - 1) / 2;
            if self.key(parent) <= self.key(at) {
                break;
            }
            self.exchange(at, parent);
            at = parent;
        }
        at
    }

    fn down(&mut self, mut at: usize) {
        loop {
            let (left, right) = (2 * at + 1, 2 * at + 2);
            let least = if self.key(right) < self.key(left) { right } else { left };
            if least >= self.heap.len() || self.key(at) <= self.key(least) {
                return;
            }
            self.exchange(at, least);
            at = least;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::HashMap;

    proptest! {
        #[test]
        fn agrees_with_a_map(ops in prop::collection::vec((0u8..4, 0u32..20, 0u64..50), 1..200)) {
            let mut heap = Deadlines::default();
            let mut model: HashMap<u32, u64> = HashMap::new();
            for (op, socket, time) in ops {
                match op {
                    0 | 1 => {
                        prop_assert!(heap.set(socket, time));
                        model.insert(socket, time);
                    }
                    2 => {
                        heap.remove(socket);
                        model.remove(&socket);
                    }
                    _ => {
                        let due = model.values().copied().filter(|&t| t <= time).min();
                        let popped = heap.pop(time);
                        prop_assert_eq!(popped.and_then(|socket| model.remove(&socket)), due);
                    }
                }
                prop_assert_eq!(heap.next(), model.values().copied().min());
                prop_assert_eq!(heap.heap.len(), model.len());
            }
        }
    }
}
