//! [`TimerQueue`]: pending timers, by when they expire.
//!
//! Used by the process's timers, which keep one queue for each clock. A heap with four children per node whose entries know
//! their places, so that inserting and cancelling cost a handful of steps with ten thousand pending, the next deadline is
//! exact and at hand, and nothing is allocated but by inserting. Deadlines are nanoseconds of whatever clock the owner has.
//!
//! Invariants: `heap[slot.place] == slot` for every used slot; no entry is earlier than its parent; timers with the same
//! deadline are in the order of their insertion. A key is good for one insertion: later uses of its slot have another
//! generation.

use alloc::vec::Vec;

/// Children of a node.
const FANOUT: usize = 4;

/// What [`TimerQueue::insert`] gives to cancel a timer by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimerKey {
    slot: u32,
    generation: u32,
}

/// There is no memory for another timer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OutOfMemory;

struct Slot<T> {
    generation: u32,
    /// Where in the heap it is, or the next free slot.
    place: u32,
    deadline: u64,
    /// Orders equal deadlines.
    sequence: u64,
    value: Option<T>,
}

/// No slot.
const NONE: u32 = u32::MAX;

/// Pending timers, each with a value.
pub struct TimerQueue<T> {
    slots: Vec<Slot<T>>,
    heap: Vec<u32>,
    /// First of the list of free slots.
    free: u32,
    sequence: u64,
}

impl<T> Default for TimerQueue<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T> TimerQueue<T> {
    /// Without timers.
    pub const fn new() -> Self {
        TimerQueue { slots: Vec::new(), heap: Vec::new(), free: NONE, sequence: 0 }
    }

    /// How many timers are pending.
    pub fn len(&self) -> usize {
        self.heap.len()
    }

    /// Whether none is.
    pub fn is_empty(&self) -> bool {
        self.heap.is_empty()
    }

    /// When the next timer expires.
    pub fn next_deadline(&self) -> Option<u64> {
        let first = *self.heap.first()?;
        self.slots.get(first as usize).map(|slot| slot.deadline)
    }

    /// Makes room for `total` timers, so that inserting that many does not fail.
    ///
    /// # Errors
    /// [`OutOfMemory`].
    pub fn reserve(&mut self, total: usize) -> Result<(), OutOfMemory> {
        let slots = self.slots.try_reserve(total.saturating_sub(self.slots.len()));
        let heap = self.heap.try_reserve(total.saturating_sub(self.heap.len()));
        slots.and(heap).map_err(|_| OutOfMemory)
    }

    /// Adds a timer.
    ///
    /// # Errors
    /// [`OutOfMemory`]; the queue is as before.
    pub fn insert(&mut self, deadline: u64, value: T) -> Result<TimerKey, OutOfMemory> {
        self.heap.try_reserve(1).map_err(|_| OutOfMemory)?;
        let at = self.take_slot()?;
        let sequence = self.sequence;
        self.sequence = self.sequence.wrapping_add(1);
        let place = self.heap.len();
        self.heap.push(at);
        let Some(slot) = self.slots.get_mut(at as usize) else { return Err(OutOfMemory) };
        (slot.place, slot.deadline, slot.sequence, slot.value) =
            (place as u32, deadline, sequence, Some(value));
        let key = TimerKey { slot: at, generation: slot.generation };
        self.rise(place);
        Ok(key)
    }

    /// Takes a timer away before it expires; `None` if it has expired or was cancelled.
    pub fn cancel(&mut self, key: TimerKey) -> Option<T> {
        let slot = self.slots.get(key.slot as usize)?;
        if slot.generation != key.generation || slot.value.is_none() {
            return None;
        }
        self.remove(slot.place as usize).map(|(_, value)| value)
    }

    /// When a timer expires; `None` if it is not pending.
    pub fn deadline(&self, key: TimerKey) -> Option<u64> {
        let slot = self.slots.get(key.slot as usize)?;
        (slot.generation == key.generation && slot.value.is_some()).then_some(slot.deadline)
    }

    /// Takes the earliest timer whose deadline is `now` or before, with that deadline.
    pub fn pop_expired(&mut self, now: u64) -> Option<(u64, T)> {
        self.next_deadline().filter(|&deadline| deadline <= now)?;
        self.remove(0)
    }

    fn take_slot(&mut self) -> Result<u32, OutOfMemory> {
        if let Some(slot) = self.slots.get(self.free as usize) {
            return Ok(core::mem::replace(&mut self.free, slot.place));
        }
        let at = u32::try_from(self.slots.len()).ok().filter(|&at| at != NONE).ok_or(OutOfMemory)?;
        self.slots.try_reserve(1).map_err(|_| OutOfMemory)?;
        self.slots.push(Slot { generation: 0, place: NONE, deadline: 0, sequence: 0, value: None });
        Ok(at)
    }

    /// Takes the entry at `place` of the heap out and frees its slot.
    fn remove(&mut self, place: usize) -> Option<(u64, T)> {
        let at = *self.heap.get(place)?;
        let last = self.heap.pop()?;
        if let Some(entry) = self.heap.get_mut(place) {
            *entry = last;
            self.moved(place);
            // The last entry may belong above or below here.
            self.rise(place);
            self.sink(place);
        }
        let slot = self.slots.get_mut(at as usize)?;
        let value = slot.value.take()?;
        slot.generation = slot.generation.wrapping_add(1);
        slot.place = self.free;
        self.free = at;
        Some((slot.deadline, value))
    }

    /// What the entry at `place` is ordered by.
    fn rank(&self, place: usize) -> Option<(u64, u64)> {
        let slot = self.slots.get(*self.heap.get(place)? as usize)?;
        Some((slot.deadline, slot.sequence))
    }

    /// Notes in the slot of the entry at `place` that it is there.
    fn moved(&mut self, place: usize) {
        if let Some(slot) = self.heap.get(place).and_then(|&at| self.slots.get_mut(at as usize)) {
            slot.place = place as u32;
        }
    }

    fn swap(&mut self, a: usize, b: usize) {
        self.heap.swap(a, b);
        self.moved(a);
        self.moved(b);
    }

    fn rise(&mut self, mut place: usize) {
        while place > 0 {
            let parent = (place - 1) / FANOUT;
            if self.rank(parent) <= self.rank(place) {
                return;
            }
            self.swap(parent, place);
            place = parent;
        }
    }

    fn sink(&mut self, mut place: usize) {
        loop {
            let first = place * FANOUT + 1;
            let children = first..(first + FANOUT).min(self.heap.len());
            let Some(least) = children.min_by_key(|&child| self.rank(child)) else { return };
            if self.rank(place) <= self.rank(least) {
                return;
            }
            self.swap(place, least);
            place = least;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::time::Instant;

    #[derive(Clone, Debug)]
    enum Step {
        Insert(u64),
        /// The key of the insertion with this index, whatever has become of it.
        Cancel(usize),
        Expire(u64),
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            4 => (0u64..40).prop_map(Step::Insert),
            2 => any::<prop::sample::Index>().prop_map(|index| Step::Cancel(index.index(400))),
            1 => (0u64..50).prop_map(Step::Expire),
        ]
    }

    impl<T> TimerQueue<T> {
        fn check(&self) {
            for (place, &at) in self.heap.iter().enumerate() {
                assert_eq!(self.slots[at as usize].place as usize, place);
                assert!(place == 0 || self.rank((place - 1) / FANOUT) < self.rank(place));
            }
        }
    }

    proptest! {
        /// Against a list that is searched.
        #[test]
        fn does_what_a_list_does(steps in prop::collection::vec(step(), 0..400)) {
            let mut queue = TimerQueue::new();
            let mut model: Vec<(u64, usize)> = Vec::new();
            let mut keys = Vec::new();
            for step in steps {
                match step {
                    Step::Insert(deadline) => {
                        model.push((deadline, keys.len()));
                        keys.push(queue.insert(deadline, keys.len()).unwrap());
                    }
                    Step::Cancel(index) => {
                        let Some(&key) = keys.get(index) else { continue };
                        let found = model.iter().position(|entry| entry.1 == index);
                        prop_assert_eq!(queue.deadline(key), found.map(|at| model[at].0));
                        prop_assert_eq!(queue.cancel(key), found.map(|at| model.remove(at).1));
                    }
                    Step::Expire(now) => {
                        model.sort();
                        let due = model.partition_point(|entry| entry.0 <= now);
                        for wanted in model.drain(..due) {
                            prop_assert_eq!(queue.pop_expired(now), Some(wanted));
                        }
                        prop_assert_eq!(queue.pop_expired(now), None);
                    }
                }
                queue.check();
                prop_assert_eq!(queue.next_deadline(), model.iter().map(|entry| entry.0).min());
                prop_assert_eq!((queue.len(), queue.is_empty()), (model.len(), model.is_empty()));
            }
        }
    }

    /// Ten thousand pending: replacing one costs about what it costs with a hundred, not a hundred times as much.
    #[test]
    fn many_timers_do_not_make_it_slow() {
        let replace = |pending: u64| {
            let mut queue = TimerQueue::new();
            let mut random = 1u64;
            let mut next = || {
                random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                random >> 20
            };
            let mut keys: Vec<_> = (0..pending).map(|_| queue.insert(next(), ()).unwrap()).collect();
            let start = Instant::now();
            for round in 0..200_000 {
                let key = &mut keys[round % pending as usize];
                queue.cancel(*key).unwrap();
                *key = queue.insert(next(), ()).unwrap();
            }
            start.elapsed()
        };
        let (few, many) = (replace(100), replace(10_000));
        assert!(many < few * 30, "{few:?} with 100, {many:?} with 10,000");
    }
}
