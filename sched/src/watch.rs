//! What CPUs do for each other: timers, idling, and looking after those that do not answer.
//!
//! Called by the kernel: `rearm` after a switch, `tick` from the timer interrupt and from a kick, `halt` and `awake` by the idle
//! loop.
//!
//! # Watching
//! Nobody knows that a CPU has been stopped, so others must look. Each CPU is watched by the [`WATCHERS`] CPUs behind it. A CPU
//! owes that somebody looks at it no later than `GRACE` after a thread began to wait for it, and `GRACE` after a sleeper's deadline;
//! a CPU's `covers` says when its timer will fire. Who makes such an obligation (a waker, a CPU that requeues or puts a thread
//! to sleep) kicks the watchers that would look too late, and these arm their timers for the earliest obligation of those
//! that they watch. So an obligation costs a kick at most once per `GRACE` and watcher, and without any the watcher has
//! no timer. What a tick finds:
//! - sleepers overdue by `GRACE`: wakes them. The table of threads is searched, not the stopped CPU's heap, which may be
//!   in the middle of a change. `next_deadline` moves on only after the CPU has woken its sleepers.
//! - threads that wait while this CPU is idle: claims one; while this CPU is busy with fewer threads, or the other does not
//!   answer: moves them into its own queue.
//!
//! As many CPUs as there are watchers may be stopped besides the watched one before somebody has to wait for them.
//!
//! # Ordering
//! Obligation (inbox, queue, `next_deadline`), full fence, load of `covers` - against - store of `covers` and `mode`, full fence,
//! load of the obligations: one of the two sees the other. `covers` in the past means that the CPU's timer fired or is about
//! to: it looks before it sleeps. An early timer is never set later, it fires and the CPU looks.

use crate::Scheduler;
use crate::atomic::{Ordering, fence};
use crate::share::{self, BALANCE_AGE, GRACE, Packed, SLICE};
use crate::slot::{Cpu, NEVER, NOBODY, Slot, mode};
use crate::types::{Arm, Halt, Interrupts};
use crate::word::{State, Word};

const RELAXED: Ordering = Ordering::Relaxed;
/// CPUs that look after each CPU.
const WATCHERS: usize = 4;
/// CPUs that are asked whether they should rather take a thread.
const LOOK_AT: usize = 16;
/// Places of another CPU's queue that are looked at.
const PEEK: u32 = 8;
/// Threads taken over from a CPU that does not answer, per tick.
const TAKE_OVER: usize = 8;

/// A thread that waits: its number, its slot, and the word that said so.
type Waiting<'s, T> = (u32, &'s Slot<T>, Word);

/// The CPUs that watch `cpu`, of `count`.
#[inline]
pub(crate) fn watchers(cpu: usize, count: usize) -> impl Iterator<Item = usize> {
    (1..=WATCHERS.min(count - 1)).map(move |step| behind(cpu, step, count))
}

/// The CPU `step` behind `cpu`, of `count`; less work than a division.
#[inline]
pub(crate) fn behind(cpu: usize, step: usize, count: usize) -> usize {
    let at = cpu + step;
    if at < count { at } else { at - count }
}

/// The CPUs that `cpu` watches, of `count`.
#[inline]
fn watched(cpu: usize, count: usize) -> impl Iterator<Item = usize> {
    (1..=WATCHERS.min(count - 1)).map(move |step| behind(cpu, count - step, count))
}

impl<T, I: Interrupts> Scheduler<T, I> {
    /// What to do with the one-shot timer of `cpu`: after a switch, and after a tick that does not lead to one. Interrupts are
    /// off until it is done.
    pub fn rearm(&self, cpu: usize, now: u64) -> Arm {
        let Some(c) = self.cpus.get(cpu) else { return Arm::Off };
        let covers = c.covers.load(RELAXED);
        if covers > now && covers <= now.saturating_add(SLICE) && covers <= c.next_deadline.load(RELAXED) {
            return Arm::Keep;
        }
        self.cover(cpu, c, now)
    }

    /// Publishes when this CPU will look around, and looks once more whether that is early enough.
    fn cover(&self, cpu: usize, c: &Cpu, now: u64) -> Arm {
        let covers = c.covers.load(RELAXED);
        let wanted = self.wanted(cpu, c, now);
        if covers > now && covers <= wanted {
            // Published before, with the look that follows it: who has made an obligation since then has kicked.
            return Arm::Keep;
        }
        c.covers.store(wanted, Ordering::Release);
        self.recheck(cpu, c, now, wanted, if wanted == NEVER { Arm::Off } else { Arm::At(wanted) })
    }

    fn recheck(&self, cpu: usize, c: &Cpu, now: u64, published: u64, arm: Arm) -> Arm {
        if self.cpus.len() == 1 {
            // Obligations come from this CPU alone, and interrupts are off.
            return arm;
        }
        fence(Ordering::SeqCst);
        let wanted = self.wanted(cpu, c, now);
        if wanted >= published {
            return arm;
        }
        // Earlier than published: whoever saw the old value was more careful than needed.
        c.covers.store(wanted, Ordering::Release);
        Arm::At(wanted)
    }

    /// When this CPU has to look around.
    fn wanted(&self, cpu: usize, c: &Cpu, now: u64) -> u64 {
        let mut at = c.next_deadline.load(Ordering::Acquire);
        if c.has_waiting() {
            at = at.min(c.turn.load(RELAXED).saturating_add(SLICE).max(now.saturating_add(SLICE / 8)));
        }
        for other in watched(cpu, self.cpus.len()) {
            let Some(o) = self.cpus.get(other) else { continue };
            let soon = now.saturating_add(GRACE);
            at = at.min(o.next_deadline.load(Ordering::Acquire).saturating_add(GRACE).max(soon));
            if o.has_waiting() {
                at = at.min(soon);
            }
        }
        at
    }

    /// The timer fired or a kick arrived; interrupts are off. True: `schedule(Preempt)`, or `schedule(Idle)` in the idle loop,
    /// as soon as preemption is possible, then `rearm`. False: `rearm` only.
    pub fn tick(&self, cpu: usize, now: u64) -> bool {
        let Some(c) = self.cpus.get(cpu) else { return false };
        c.answered.store(now, RELAXED);
        self.charge(c, now);
        self.expire(cpu, c, now);
        self.look_after(cpu, now);
        self.collect(cpu, c, now);
        self.prune(cpu, c);
        if c.current.load(RELAXED) == NOBODY {
            return c.has_waiting() || self.find_elsewhere(cpu, now, share::STEAL_AGE).is_some();
        }
        self.take_over(cpu, c, now);
        self.wants_switch(cpu, c, now)
    }

    /// Wakes the own sleepers that are due. An entry goes out after its thread is awake and announced.
    fn expire(&self, cpu: usize, c: &Cpu, now: u64) {
        if c.next_deadline.load(RELAXED) > now {
            return;
        }
        while let Some((index, deadline)) = c.sleepers.entry(0) {
            if deadline > now {
                break;
            }
            if let Some(slot) = self.slots.get(index as usize)
                && slot.deadline.load(RELAXED) <= now
            {
                self.wake_sleeper(index, slot, cpu, now);
            }
            c.sleepers.remove(index);
        }
        self.publish_deadline(c);
    }

    /// Wakes sleepers whose CPU should have done so long ago.
    fn look_after(&self, cpu: usize, now: u64) {
        for other in watched(cpu, self.cpus.len()) {
            let Some(o) = self.cpus.get(other) else { continue };
            if o.next_deadline.load(Ordering::Acquire).saturating_add(GRACE) > now {
                continue;
            }
            for index in 0..self.used.load(Ordering::Acquire) {
                let Some(slot) = self.slots.get(index as usize) else { break };
                // Not only those that last ran there: the CPU may have stopped between waking one and telling its new CPU.
                if slot.deadline.load(RELAXED) <= now {
                    self.wake_sleeper(index, slot, cpu, now);
                }
            }
        }
    }

    fn others(&self, cpu: usize) -> impl Iterator<Item = usize> + use<T, I> {
        let count = self.cpus.len();
        (1..count).map(move |step| behind(cpu, step, count))
    }

    /// Whether `c` has done nothing for so long that its work is anybody's.
    fn is_silent(c: &Cpu, now: u64) -> bool {
        now.saturating_sub(c.answered.load(RELAXED)) >= GRACE
    }

    /// A thread that waits for another CPU and may run on this one.
    pub(crate) fn find_elsewhere(&self, cpu: usize, now: u64, age: u64) -> Option<Waiting<'_, T>> {
        self.others(cpu).find_map(|other| self.find_waiting(other, cpu, now, age))
    }

    /// A thread that has waited for `other` for `age` ns and may run on `cpu`.
    fn find_waiting(&self, other: usize, cpu: usize, now: u64, age: u64) -> Option<Waiting<'_, T>> {
        let o = self.cpus.get(other)?;
        let fits = |index: u32, age: u64| {
            let slot = self.slots.get(index as usize)?;
            let word = slot.word.load();
            let fits = word.is_ready_on(other)
                && slot.ready_since.load(RELAXED).saturating_add(age) <= now
                && self.allowed(index, cpu);
            fits.then_some((index, slot, word))
        };
        let near = (0..o.queue.len().min(PEEK)).find_map(|place| fits(o.queue.entry(place)?.0, age));
        if near.is_some() || !Self::is_silent(o, now) || !o.has_waiting() {
            return near;
        }
        (0..self.used.load(Ordering::Acquire)).find_map(|index| {
            self.help_moved(index, cpu, now);
            fits(index, GRACE)
        })
    }

    /// The stopped CPU may have stopped while it moved a thread to another one, between the state word and the inbox.
    fn help_moved(&self, index: u32, cpu: usize, now: u64) {
        let Some(slot) = self.slots.get(index as usize) else { return };
        let word = slot.word.load();
        if word.state() == State::Ready && slot.ready_since.load(RELAXED).saturating_add(GRACE) <= now {
            self.help(slot, word, cpu, now);
        }
    }

    /// How many threads wait for `other`. Those that have been taken from it stay in its queue until it looks there: who counted
    /// them would take more, and threads would go round without end.
    fn waiting_for(&self, other: usize, o: &Cpu) -> u32 {
        let len = o.queue.len();
        let waits = |place| {
            let slot = self.slots.get(o.queue.entry(place)?.0 as usize)?;
            slot.word.load().is_ready_on(other).then_some(())
        };
        let gone = (0..len.min(PEEK)).filter(|&place| waits(place).is_none()).count();
        len.saturating_sub(gone as u32)
    }

    /// A busy CPU takes all from those that do not answer, and a thread from one that has more.
    fn take_over(&self, cpu: usize, c: &Cpu, now: u64) {
        let mut best: Option<((u32, u64), usize, Waiting<'_, T>)> = None;
        for other in self.others(cpu) {
            let Some(o) = self.cpus.get(other).filter(|o| o.has_waiting()) else { continue };
            if Self::is_silent(o, now) {
                for _ in 0..TAKE_OVER {
                    let Some(found) = self.find_waiting(other, cpu, now, BALANCE_AGE) else { break };
                    self.take_into_queue(cpu, c, found, now);
                }
                continue;
            }
            let running = o.current.load(RELAXED);
            let current = self.slots.get(running as usize);
            let load = self.waiting_for(other, o) + u32::from(current.is_some());
            if load <= c.queue.len() + 1 {
                continue;
            }
            let Some(found) = self.find_waiting(other, cpu, now, BALANCE_AGE) else { continue };
            // Who stays gets more of its CPU: it shall be the one whose last time in a shorter queue is longer ago. If that is the
            // other, they change places soon, if they take turns at all and both may move.
            let stays = current.map_or(0, |slot| slot.favoured.load(RELAXED));
            let takes_turns = share::fair_time(o.current_key.load(RELAXED)).is_some();
            if stays > found.1.favoured.load(RELAXED) && takes_turns && self.allowed(running, cpu) {
                continue;
            }
            let rank = (u32::MAX - load, stays);
            if best.as_ref().is_none_or(|(least, ..)| rank < *least) {
                best = Some((rank, other, found));
            }
        }
        if let Some((_, from, found)) = best
            && !self.is_anothers_turn(cpu, c, from, found.0, found.1, now)
        {
            self.take_into_queue(cpu, c, found, now);
        }
    }

    /// Moves a thread that waits elsewhere into the own queue.
    fn take_into_queue(&self, cpu: usize, c: &Cpu, (index, slot, word): Waiting<'_, T>, now: u64) {
        let queued = (0..c.queue.len().min(PEEK)).filter_map(|place| Some(c.queue.entry(place)?.0));
        for favoured in queued.chain([c.current.load(RELAXED)]) {
            if let Some(slot) = self.slots.get(favoured as usize) {
                slot.favoured.store(now, RELAXED);
            }
        }
        let key = self.boosted(c, slot, self.key_of(cpu, c, index, slot));
        self.enqueue(cpu, c, index, key, now);
        // Who moves it is who announces it: it lies in a queue whose CPU runs.
        slot.ready_since.store(now, RELAXED);
        if let Some(word) = slot.word.migrate(word, cpu) {
            slot.announced.store(word.seq(), Ordering::Release);
        }
    }

    /// Whether the thread, which waits on `from`, is rather for another CPU than `cpu`: one whose queue is shorter, or else whose
    /// thread has run longer without a wait. Otherwise the CPU that happens to look first would take it each time, and a thread
    /// on another one would never wait.
    fn is_anothers_turn(
        &self,
        cpu: usize,
        c: &Cpu,
        from: usize,
        index: u32,
        slot: &Slot<T>,
        now: u64,
    ) -> bool {
        let weight = Packed(slot.params.load(RELAXED)).weight();
        let place = |c: &Cpu| (c.queue.len(), c.started.load(RELAXED));
        self.others(cpu).take(LOOK_AT).filter(|&other| other != from && self.allowed(index, other)).any(
            |other| {
                let Some(o) = self.cpus.get(other) else { return false };
                // Who does not answer is not waited for. Those that watch look once in a `GRACE`.
                let answers = now.saturating_sub(o.answered.load(RELAXED)) < 2 * GRACE;
                let running = self.slots.get(o.current.load(RELAXED) as usize);
                let gives_way = running.is_some_and(|running| {
                    let packed = Packed(running.params.load(RELAXED));
                    !packed.is_realtime() && packed.weight() <= weight
                });
                answers && gives_way && place(o) < place(c)
            },
        )
    }

    /// A thread that was taken from a longer queue takes the place of one that runs alone, unless it has the smaller share: so
    /// threads that do not divide evenly among the CPUs take turns in running alone.
    fn boosted(&self, c: &Cpu, slot: &Slot<T>, key: u64) -> u64 {
        let current = c.current.load(RELAXED);
        let Some(running) = self.slots.get(current as usize).filter(|_| c.queue.len() == 0) else {
            return key;
        };
        let weight = |slot: &Slot<T>| Packed(slot.params.load(RELAXED)).weight();
        match (share::fair_time(key), share::fair_time(c.current_key.load(RELAXED))) {
            (Some(own), Some(theirs)) if weight(slot) >= weight(running) => {
                share::fair_key(own.min(theirs.saturating_sub(share::WAKE_GRANULARITY + 1)))
            }
            _ => key,
        }
    }

    /// The idle loop polls from now on: no kick is needed while it calls [`Scheduler::work_waits`] again and again.
    pub fn poll(&self, cpu: usize) {
        if let Some(c) = self.cpus.get(cpu) {
            c.mode.store(mode::POLLING, Ordering::Release);
        }
    }

    /// Whether the idle loop should call `awake` and `schedule(Idle)`.
    pub fn work_waits(&self, cpu: usize) -> bool {
        self.cpus.get(cpu).is_some_and(Cpu::has_waiting)
    }

    /// The idle loop is about to halt; interrupts are off. `Work`: do not.
    pub fn halt(&self, cpu: usize, now: u64) -> Halt {
        let Some(c) = self.cpus.get(cpu) else { return Halt::Sleep(Arm::Off) };
        if c.has_waiting() {
            return Halt::Work;
        }
        c.mode.store(mode::HALTED, Ordering::Release);
        let arm = self.cover(cpu, c, now);
        // `Keep` of a timer that is armed comes without a fence.
        fence(Ordering::SeqCst);
        if c.has_waiting() || c.next_deadline.load(RELAXED) <= now {
            // The timer is not going to be armed as published.
            c.covers.store(0, Ordering::Release);
            c.mode.store(mode::RUNNING, Ordering::Release);
            return Halt::Work;
        }
        Halt::Sleep(arm)
    }

    /// The idle loop neither polls nor halts any more. After it: `tick`, then `schedule(Idle)`.
    pub fn awake(&self, cpu: usize) {
        if let Some(c) = self.cpus.get(cpu) {
            c.mode.store(mode::RUNNING, Ordering::Release);
        }
    }

    /// What a thread does, for tests of the invariants.
    #[cfg(all(test, not(loom)))]
    pub(crate) fn state_of(&self, index: u32) -> Option<State> {
        Some(self.slots.get(index as usize)?.word.load().state())
    }
}
