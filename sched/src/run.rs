//! What happens on a CPU: charging time, picking the next thread, finishing a switch.
//!
//! Called by the CPU itself, with interrupts off: `schedule`, switch, `finish_switch`, `rearm`. Everything that is the CPU's own
//! (its queue's order, its turn) is changed here only.
//!
//! # Order of steps, so that nothing is hostage to a CPU that stops between two of them
//! - A thread in the queue is claimed first and taken out of it afterwards: it is never ready and invisible.
//! - A preempted thread is put into the queue, and those who watch this CPU are told, *before* the switch; it becomes READY after
//!   the switch, when its registers are saved, by the last store that concerns it. Until then it is this CPU's running thread.
//! - A woken one (BLOCKING with permit) likewise: queue, watchers, READY.
//! - A thread moves between queues as hint first, state word second.

use crate::Scheduler;
use crate::atomic::{Ordering, fence};
use crate::share::{self, GRACE, Packed, SLICE};
use crate::slot::{Cpu, NEVER, NOBODY, Slot, pending};
use crate::types::{Interrupts, Next, Reason};
use crate::word::Parked;
use alloc::sync::Arc;

const RELAXED: Ordering = Ordering::Relaxed;
/// Entries of the own queue that a tick looks at.
const PRUNE: u32 = 16;

impl<T, I: Interrupts> Scheduler<T, I> {
    /// Who runs on `cpu` next. Interrupts are off, and stay so until `finish_switch` and `rearm` unless the answer is `Stay`.
    pub fn schedule(&self, cpu: usize, now: u64, reason: Reason) -> Next<T> {
        let Some(c) = self.cpus.get(cpu) else { return Next::Stay };
        c.answered.store(now, RELAXED);
        let Some((current, slot)) = self.charge(c, now) else {
            return match self.take_any(cpu, c, now) {
                Some(next) => self.switch(c, NOBODY, pending::NOTHING, Some(next)),
                None => Next::Stay,
            };
        };
        match reason {
            Reason::Park { deadline } => {
                if !self.begin_sleep(cpu, c, current, slot, deadline) {
                    self.collect(cpu, c, now);
                    return Next::Stay;
                }
                self.note_handover(c, slot, now);
                let next = self.take_any(cpu, c, now);
                self.switch(c, current, pending::PARK, next)
            }
            Reason::Exit => {
                slot.word.exit();
                let next = self.take_any(cpu, c, now);
                self.switch(c, current, pending::EXIT, next)
            }
            Reason::Yield | Reason::Preempt | Reason::Idle => {
                self.give_way(cpu, c, current, slot, now, reason)
            }
        }
    }

    /// The running thread stays runnable; another one may be due.
    fn give_way(
        &self,
        cpu: usize,
        c: &Cpu,
        current: u32,
        slot: &Slot<T>,
        now: u64,
        reason: Reason,
    ) -> Next<T> {
        self.collect(cpu, c, now);
        if !self.allowed(current, cpu) && self.choose(current, cpu, cpu, false) != cpu {
            let next = self.take_any(cpu, c, now);
            return self.switch(c, current, pending::MOVE, next);
        }
        let Some((_, top)) = self.top(c) else { return Next::Stay };
        let key = c.current_key.load(RELAXED);
        let packed = Packed(slot.params.load(RELAXED));
        let over = now.saturating_sub(c.turn.load(RELAXED)) >= SLICE;
        let due = match reason {
            Reason::Yield => share::rank(top) <= share::rank(key),
            _ => self.is_better(top, key, packed, over),
        };
        if !due {
            if over {
                c.turn.store(now, RELAXED);
            }
            return Next::Stay;
        }
        let Some(next) = self.take_next(cpu, c, now) else { return Next::Stay };
        let key = if packed.is_realtime() {
            let behind = reason == Reason::Yield || over && !packed.is_fifo();
            let arrival = if behind { arrive(c) } else { come_back(c) };
            slot.arrival.store(arrival, RELAXED);
            share::realtime_key(packed, arrival)
        } else {
            share::fair_key(slot.virtual_time.load(RELAXED))
        };
        self.enqueue(cpu, c, current, key, now);
        self.switch(c, current, pending::REQUEUE, Some(next))
    }

    /// Whether the first in the queue, at `top`, takes the place of a running thread at `key`.
    fn is_better(&self, top: u64, key: u64, packed: Packed, over: bool) -> bool {
        if share::rank(top) != share::rank(key) {
            return top < key;
        }
        match (share::fair_time(top), share::fair_time(key)) {
            (Some(top), Some(key)) => {
                let lead = if over { 0 } else { share::WAKE_GRANULARITY };
                top.saturating_add(lead) < key
            }
            // The same priority: round robin after its turn, first in first out never.
            _ => over && !packed.is_fifo(),
        }
    }

    /// Whether `tick` should ask for a `schedule`.
    pub(crate) fn wants_switch(&self, cpu: usize, c: &Cpu, now: u64) -> bool {
        let current = c.current.load(RELAXED);
        let Some(slot) = self.slots.get(current as usize) else { return c.has_waiting() };
        if !self.allowed(current, cpu) && self.choose(current, cpu, cpu, false) != cpu {
            return true;
        }
        let Some((_, top)) = self.top(c) else { return false };
        let over = now.saturating_sub(c.turn.load(RELAXED)) >= SLICE;
        self.is_better(top, c.current_key.load(RELAXED), Packed(slot.params.load(RELAXED)), over)
    }

    /// The decision, in the CPU's books.
    fn switch(&self, c: &Cpu, from: u32, what: u32, next: Option<Taken<T>>) -> Next<T> {
        c.previous.store(from, RELAXED);
        c.pending.store(what, RELAXED);
        if let Some(slot) = self.slots.get(from as usize) {
            let asleep = matches!(what, pending::PARK | pending::EXIT);
            if asleep { &slot.counts.voluntary } else { &slot.counts.involuntary }.add(1);
        }
        match next {
            Some(next) => Next::Thread(next.id, next.data),
            None => {
                c.current.store(NOBODY, RELAXED);
                c.current_key.store(u64::MAX, RELAXED);
                Next::Idle
            }
        }
    }

    /// The first thing that runs after a switch, on the new stack: `previous` is the data of the thread that ran before, None
    /// if it was the idle loop. Gives back the data of a thread that has ended.
    pub fn finish_switch(&self, cpu: usize, now: u64, previous: Option<Arc<T>>) -> Option<Arc<T>> {
        let c = self.cpus.get(cpu)?;
        let index = c.previous.load(RELAXED);
        let what = c.pending.load(RELAXED);
        c.previous.store(NOBODY, RELAXED);
        c.pending.store(pending::NOTHING, RELAXED);
        let (Some(slot), Some(data)) = (self.slots.get(index as usize), previous) else { return None };
        if what == pending::EXIT {
            slot.word.free();
            self.give_slot(index, slot);
            return Some(data);
        }
        slot.payload.put(data);
        match what {
            pending::PARK if slot.word.finish_park() == Parked::Woken => {
                let key = self.key_of(cpu, c, index, slot);
                self.enqueue(cpu, c, index, key, now);
                self.make_ready(cpu, slot, now);
            }
            pending::REQUEUE => self.make_ready(cpu, slot, now),
            pending::MOVE => {
                let target = self.choose(index, cpu, cpu, false);
                slot.ready_since.store(now, RELAXED);
                // In the own queue until it is in the other's inbox, so that the watchers look if this CPU stops between.
                self.enqueue(cpu, c, index, c.current_key.load(RELAXED), now);
                if let Some(word) = slot.word.requeue(target)
                    && let Some(there) = self.cpus.get(target)
                {
                    there.inbox.push(index);
                    self.announce(slot, word, cpu, now, false);
                }
                c.queue.remove(index);
            }
            _ => {}
        }
        None
    }

    /// The thread, which is in this CPU's queue and known to the watchers, becomes READY.
    fn make_ready(&self, cpu: usize, slot: &Slot<T>, now: u64) {
        slot.ready_since.store(now, RELAXED);
        slot.announced.store(slot.word.next_seq(), RELAXED);
        slot.word.requeue(cpu);
    }

    /// Puts a thread that is not ready yet into the own queue and tells the watchers.
    pub(crate) fn enqueue(&self, cpu: usize, c: &Cpu, index: u32, key: u64, now: u64) {
        c.queue.insert(index, key);
        if self.cpus.len() > 1 {
            fence(Ordering::SeqCst);
            self.alert_watchers(cpu, cpu, now.saturating_add(GRACE));
        }
    }

    /// Puts the sleep into the books and the thread into BLOCKING; false if it has a permit.
    fn begin_sleep(&self, cpu: usize, c: &Cpu, index: u32, slot: &Slot<T>, deadline: Option<u64>) -> bool {
        slot.deadline.store(deadline.unwrap_or(NEVER), RELAXED);
        if let Some(deadline) = deadline {
            c.sleepers.insert(index, deadline);
            self.publish_deadline(c);
            if self.cpus.len() > 1 {
                fence(Ordering::SeqCst);
                self.alert_watchers(cpu, cpu, deadline.saturating_add(GRACE));
            }
        }
        slot.word.begin_park()
    }

    pub(crate) fn publish_deadline(&self, c: &Cpu) {
        c.next_deadline.store(c.sleepers.entry(0).map_or(NEVER, |(_, deadline)| deadline), Ordering::Release);
    }

    /// Charges the running thread, which it returns, for its time and moves the queue's virtual time on.
    pub(crate) fn charge(&self, c: &Cpu, now: u64) -> Option<(u32, &Slot<T>)> {
        let ran = now.saturating_sub(c.charged.load(RELAXED));
        c.charged.store(now, RELAXED);
        let current = c.current.load(RELAXED);
        let slot = self.slots.get(current as usize)?;
        slot.run_time.store(slot.run_time.load(RELAXED).saturating_add(ran), RELAXED);
        let packed = Packed(slot.params.load(RELAXED));
        if packed.is_realtime() {
            let arrival = slot.arrival.load(RELAXED);
            c.current_key.store(share::realtime_key(packed, arrival), RELAXED);
            return Some((current, slot));
        }
        // While others wait, a turn ends by the timer: more than that is time in which the CPU was stopped, for which the
        // thread is not made to wait again.
        let counted = if c.queue.len() == 0 { ran } else { ran.min(2 * SLICE) };
        let own = slot.virtual_time.load(RELAXED).saturating_add(packed.weighted(counted));
        slot.virtual_time.store(own, RELAXED);
        let in_turn = packed.is_service() && now.saturating_sub(c.turn.load(RELAXED)) < SLICE;
        c.current_key.store(if in_turn { share::service_key(own) } else { share::fair_key(own) }, RELAXED);
        let first = c.queue.entry(0).and_then(|(_, key)| share::fair_time(key)).unwrap_or(own);
        let least = own.min(first);
        if least > c.virtual_now.load(RELAXED) {
            c.virtual_now.store(least, RELAXED);
        }
        Some((current, slot))
    }

    /// Empties the inbox into the queue.
    pub(crate) fn collect(&self, cpu: usize, c: &Cpu, now: u64) {
        if !c.inbox.waits() {
            return;
        }
        if c.inbox.drain(|index| self.admit(cpu, c, index, now)) {
            for index in 0..self.used.load(Ordering::Acquire) {
                if !c.queue.contains(index) {
                    self.admit(cpu, c, index, now);
                }
            }
        }
        c.inbox.drained();
    }

    /// A thread that may be ready for this CPU goes into its queue.
    fn admit(&self, cpu: usize, c: &Cpu, index: u32, now: u64) {
        let Some(slot) = self.slots.get(index as usize) else { return };
        let word = slot.word.load();
        if !word.is_ready_on(cpu) {
            return;
        }
        if !self.allowed(index, cpu) && self.choose(index, cpu, cpu, false) != cpu {
            return self.forward(index, slot, word, cpu, now);
        }
        let key = self.key_of(cpu, c, index, slot);
        c.queue.insert(index, key);
    }

    /// The place in this CPU's queue of a thread that comes from a sleep or from elsewhere.
    pub(crate) fn key_of(&self, cpu: usize, c: &Cpu, index: u32, slot: &Slot<T>) -> u64 {
        let packed = Packed(slot.params.load(RELAXED));
        if packed.is_realtime() {
            // Still in the queue: its number is the one it has there.
            let number = slot.arrival.load(RELAXED);
            let number = if number != 0 && c.queue.contains(index) { number } else { arrive(c) };
            slot.arrival.store(number, RELAXED);
            return share::realtime_key(packed, number);
        }
        let own = self.virtual_on(slot, cpu, c);
        if packed.is_service() { share::service_key(own) } else { share::fair_key(own) }
    }

    /// Takes entries of threads that others have claimed out of the front of the queue, so that its length tells its load.
    pub(crate) fn prune(&self, cpu: usize, c: &Cpu) {
        for place in (0..c.queue.len().min(PRUNE)).rev() {
            if let Some((index, _)) = c.queue.entry(place)
                && !self.slots.get(index as usize).is_some_and(|slot| slot.word.load().is_ready_on(cpu))
            {
                c.queue.remove(index);
            }
        }
    }

    /// The first in the queue that is really there.
    pub(crate) fn top(&self, c: &Cpu) -> Option<(u32, u64)> {
        while let Some((index, key)) = c.queue.entry(0) {
            let slot = self.slots.get(index as usize)?;
            let word = slot.word.load();
            if word.state() == crate::word::State::Ready
                && self.cpus.get(word.cpu()).is_some_and(|w| core::ptr::eq(w, c))
            {
                return Some((index, key));
            }
            c.queue.remove(index);
        }
        None
    }

    /// Claims the first in the queue.
    fn take_next(&self, cpu: usize, c: &Cpu, now: u64) -> Option<Taken<T>> {
        while let Some((index, key)) = c.queue.entry(0) {
            let slot = self.slots.get(index as usize)?;
            let word = slot.word.load();
            let mut claimed = false;
            if word.is_ready_on(cpu) {
                if !self.allowed(index, cpu) && self.choose(index, cpu, cpu, false) != cpu {
                    self.forward(index, slot, word, cpu, now);
                } else {
                    claimed = slot.word.claim(word, cpu);
                }
            }
            c.queue.remove(index);
            if claimed && let Some(next) = self.start(cpu, c, index, slot, now, Some(key)) {
                return Some(next);
            }
        }
        None
    }

    /// Claims the thread that was made ready for this CPU if it is the only one that waits, without a detour through the queue:
    /// what one thread does that wakes another and sleeps.
    fn take_only(&self, cpu: usize, c: &Cpu, now: u64) -> Option<Taken<T>> {
        if c.queue.len() != 0 {
            return None;
        }
        let index = c.inbox.take_only()?;
        let slot = self.slots.get(index as usize)?;
        let word = slot.word.load();
        // Until it is claimed, or in the queue, the inbox says that something waits.
        if !word.is_ready_on(cpu) || !self.allowed(index, cpu) || !slot.word.claim(word, cpu) {
            self.admit(cpu, c, index, now);
            return None;
        }
        c.inbox.drained();
        self.start(cpu, c, index, slot, now, None)
    }

    /// Claims the first that waits for this CPU, or else a thread that waits elsewhere.
    fn take_any(&self, cpu: usize, c: &Cpu, now: u64) -> Option<Taken<T>> {
        if let Some(next) = self.take_only(cpu, c, now) {
            return Some(next);
        }
        self.collect(cpu, c, now);
        if let Some(next) = self.take_next(cpu, c, now) {
            return Some(next);
        }
        while let Some((index, slot, word)) = self.find_elsewhere(cpu, now, share::STEAL_AGE) {
            if slot.word.claim(word, cpu) {
                return self.start(cpu, c, index, slot, now, None);
            }
        }
        None
    }

    /// The claimed thread is the one that runs; `key` is its place if it came from the own queue.
    pub(crate) fn start(
        &self,
        cpu: usize,
        c: &Cpu,
        index: u32,
        slot: &Slot<T>,
        now: u64,
        key: Option<u64>,
    ) -> Option<Taken<T>> {
        slot.counts.turns.add(1);
        // 0: before there was a clock.
        if let since @ 1.. = slot.ready_since.load(RELAXED) {
            slot.counts.waited.add(now.saturating_sub(since));
        }
        let packed = Packed(slot.params.load(RELAXED));
        let key = match key {
            Some(key) => key,
            None => self.key_of(cpu, c, index, slot),
        };
        if !packed.is_realtime() {
            // The place of a service thread is none in virtual time.
            let own = share::fair_time(key).unwrap_or_else(|| self.virtual_on(slot, cpu, c));
            slot.virtual_time.store(own, RELAXED);
            slot.home.store(cpu as u32, RELAXED);
        }
        c.current_key.store(key, RELAXED);
        c.charged.store(now, RELAXED);
        c.started.store(now, RELAXED);
        c.turn.store(now, RELAXED);
        c.wakes.store(0, RELAXED);
        c.current.store(index, RELAXED);
        let data = slot.payload.take()?;
        Some(Taken { id: crate::ThreadId { index, life: slot.word.load().life() }, data })
    }
}

/// A thread that was claimed, and is the one that runs.
pub(crate) struct Taken<T> {
    id: crate::ThreadId,
    pub(crate) data: Arc<T>,
}

/// A number behind all others of its priority.
fn arrive(c: &Cpu) -> u64 {
    let number = c.arrivals.load(RELAXED);
    c.arrivals.store(number.wrapping_add(1), RELAXED);
    number
}

/// A number in front of all others of its priority.
fn come_back(c: &Cpu) -> u64 {
    let number = c.returns.load(RELAXED).wrapping_sub(1);
    c.returns.store(number, RELAXED);
    number
}
