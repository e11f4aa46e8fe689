//! Waking: where a thread goes, and who has to hear of it.
//!
//! Called in any context on any CPU; touches nothing that belongs to a CPU alone.
//!
//! # Ordering
//! A waker (1) makes the thread READY by compare-and-swap, (2) pushes the hint, (3) full fence, (4) reads what the target and
//! its watchers have published (`mode`, `covers`) and kicks those that would not look by themselves, (5) stores `announced`.
//! A CPU that stops looking publishes that, full fence, and looks once more (`rearm`, `halt`). Of two full fences one is
//! first: either the waker sees the publication and kicks, or the CPU sees the hint.
//!
//! A waker may be stopped between (1) and (5). For its own wake that is as if it had been stopped before. But a second waker
//! that finds the thread READY must not count on the first: it sees that the readiness is not announced (the sequence numbers
//! differ) and does (2) to (5) itself; so does whoever finds the sleep overdue. `announced` is a hint: too old a value costs
//! a second announcement.

use crate::atomic::{Ordering, fence};
use crate::share::{self, GRACE, HANDOVER, Packed, SLICE};
use crate::slot::{Cpu, NOBODY, Slot, mode};
use crate::types::{Interrupts, ThreadId};
use crate::word::{State, Unparked, Word};
use crate::{Scheduler, watch};

/// CPUs that are asked whether they are idle.
const LOOK_AT: usize = 16;

impl<T, I: Interrupts> Scheduler<T, I> {
    /// Wakes the thread, or spares it its next park. `by` is the caller's CPU; should the caller have moved on to another one
    /// meanwhile, no harm is done. For threads; interrupt handlers call [`Scheduler::unpark_from_interrupt`].
    pub fn unpark(&self, id: ThreadId, by: usize, now: u64) {
        let Some(slot) = self.slots.get(id.index as usize) else { return };
        let waker = self.cpus.get(by).map_or(NOBODY, |c| c.current.load(Ordering::Relaxed));
        self.wake(id.index, slot, id.life, waker, by, now);
    }

    /// As [`Scheduler::unpark`], by no thread: who runs on the CPU is not taken for the waker.
    pub fn unpark_from_interrupt(&self, id: ThreadId, by: usize, now: u64) {
        let Some(slot) = self.slots.get(id.index as usize) else { return };
        self.wake(id.index, slot, id.life, NOBODY, by, now);
    }

    pub(crate) fn wake(&self, index: u32, slot: &Slot<T>, life: u32, waker: u32, by: usize, now: u64) {
        let mut handover = false;
        let done = slot.word.unpark(life, |word| {
            slot.ready_since.store(now, Ordering::Relaxed);
            handover = self.hands_over(slot, waker);
            self.choose(index, word.cpu(), by, handover)
        });
        match done {
            Unparked::Gone | Unparked::Permit => {}
            Unparked::Ready(word) => {
                if let Some(target) = self.cpus.get(word.cpu()) {
                    target.inbox.push(index);
                }
                self.announce(slot, word, by, now, handover && word.cpu() == by);
                if let (Some(c), true) = (self.cpus.get(by), waker != NOBODY) {
                    slot.waker.store(waker, Ordering::Relaxed);
                    c.wakes.store(c.wakes.load(Ordering::Relaxed).saturating_add(1), Ordering::Relaxed);
                    c.woke.store(now, Ordering::Relaxed);
                }
            }
            Unparked::Waiting(word) => self.help(slot, word, by, now),
        }
    }

    /// Finishes the announcement of a readiness if its waker has not.
    pub(crate) fn help(&self, slot: &Slot<T>, word: Word, by: usize, now: u64) {
        if slot.announced.load(Ordering::Acquire) == word.seq() {
            return;
        }
        if let Some(target) = self.cpus.get(word.cpu()) {
            target.inbox.request_scan();
        }
        self.announce(slot, word, by, now, false);
    }

    /// The thread's sleep is overdue: ends it. Nothing happens if it does not sleep.
    pub(crate) fn wake_sleeper(&self, index: u32, slot: &Slot<T>, by: usize, now: u64) {
        let word = slot.word.load();
        match word.state() {
            State::Blocked | State::Blocking => self.wake(index, slot, word.life(), NOBODY, by, now),
            State::Ready => self.help(slot, word, by, now),
            _ => {}
        }
    }

    /// Steps 3 to 5 of the module's list, for a hint that is pushed.
    pub(crate) fn announce(&self, slot: &Slot<T>, word: Word, by: usize, now: u64, quietly: bool) {
        let cpu = word.cpu();
        let Some(target) = self.cpus.get(cpu) else { return };
        if self.cpus.len() > 1 {
            fence(Ordering::SeqCst);
        }
        let kick = match target.mode.load(Ordering::Relaxed) {
            mode::HALTED => true,
            mode::RUNNING => {
                // Without a slice timer it would not look for long.
                target.covers.load(Ordering::Relaxed) > now.saturating_add(SLICE)
                    || !quietly && self.preempts(cpu, target, slot, now)
            }
            _ => false,
        };
        if kick {
            self.send(cpu, by);
        }
        self.alert_watchers(cpu, by, now.saturating_add(GRACE));
        slot.announced.store(word.seq(), Ordering::Release);
    }

    fn send(&self, cpu: usize, by: usize) {
        if cpu == by { self.interrupts.tick_self(cpu) } else { self.interrupts.kick(cpu) }
    }

    /// Kicks those watchers of `cpu` that would not look at it until `due`. After a full fence that follows what they shall see.
    pub(crate) fn alert_watchers(&self, cpu: usize, by: usize, due: u64) {
        for watcher in watch::watchers(cpu, self.cpus.len()) {
            let Some(c) = self.cpus.get(watcher) else { continue };
            if c.covers.load(Ordering::Relaxed) > due && self.is_online(watcher) {
                self.send(watcher, by);
            }
        }
    }

    /// Whether the thread, ready on `cpu`, should run there before the running one has had its turn.
    fn preempts(&self, cpu: usize, target: &Cpu, slot: &Slot<T>, now: u64) -> bool {
        let current = target.current.load(Ordering::Relaxed);
        let Some(running) = self.slots.get(current as usize) else { return true };
        let mine = Packed(slot.params.load(Ordering::Relaxed));
        let theirs = Packed(running.params.load(Ordering::Relaxed));
        let key = target.current_key.load(Ordering::Relaxed);
        if mine.is_service() {
            return share::rank(key) > share::rank(share::service_key(0));
        }
        if mine.is_realtime() {
            return share::rank(share::realtime_key(mine, 0)) < share::rank(key);
        }
        if theirs.is_idle() && !mine.is_idle() {
            return true;
        }
        let Some(virtual_time) = share::fair_time(key) else { return false };
        if mine.is_batch() || mine.is_idle() {
            return false;
        }
        let ran = now.saturating_sub(target.charged.load(Ordering::Relaxed));
        let theirs_now = virtual_time.saturating_add(theirs.weighted(ran));
        self.virtual_on(slot, cpu, target).saturating_add(share::WAKE_GRANULARITY) < theirs_now
    }

    /// The thread's virtual time in the queue of `cpu`, when it comes from a sleep or from elsewhere.
    pub(crate) fn virtual_on(&self, slot: &Slot<T>, cpu: usize, c: &Cpu) -> u64 {
        let own = slot.virtual_time.load(Ordering::Relaxed);
        let here = c.virtual_now.load(Ordering::Relaxed);
        let home = slot.home.load(Ordering::Relaxed) as usize;
        if home == cpu {
            return own.max(here.saturating_sub(share::SLEEPER_BONUS));
        }
        let there = self.cpus.get(home).map_or(here, |c| c.virtual_now.load(Ordering::Relaxed));
        share::transfer(own, there, here)
    }

    /// Whether the waker is about to block, as far as its past tells: then its own CPU is the best place for the woken.
    fn hands_over(&self, slot: &Slot<T>, waker: u32) -> bool {
        let Some(waking) = self.slots.get(waker as usize) else { return false };
        waking.handovers.load(Ordering::Relaxed) >= 2 && {
            // Two threads that wake each other, or one of a chain; not a thread that feeds many at once.
            slot.handovers.load(Ordering::Relaxed) >= 1 || slot.waker.load(Ordering::Relaxed) == waker
        }
    }

    /// The waking thread blocks: whether its wake-ups of this turn were such a hand-over. Called by its CPU.
    pub(crate) fn note_handover(&self, c: &Cpu, slot: &Slot<T>, now: u64) {
        let wakes = c.wakes.load(Ordering::Relaxed);
        if wakes == 0 {
            return;
        }
        let soon = now.saturating_sub(c.woke.load(Ordering::Relaxed)) <= HANDOVER;
        let score = slot.handovers.load(Ordering::Relaxed);
        let score = if wakes == 1 && soon { (score + 1).min(3) } else { score.saturating_sub(1) };
        slot.handovers.store(score, Ordering::Relaxed);
    }

    /// Whether `cpu` has nothing to do.
    fn is_free(&self, cpu: usize) -> bool {
        self.cpus.get(cpu).is_some_and(|c| {
            matches!(c.mode.load(Ordering::Relaxed), mode::POLLING | mode::HALTED) && !c.has_waiting()
        })
    }

    /// Where a thread that last ran on `previous` goes.
    pub(crate) fn choose(&self, index: u32, previous: usize, by: usize, handover: bool) -> usize {
        let usable = |cpu: usize| self.is_online(cpu) && self.allowed(index, cpu);
        if handover && usable(by) {
            return by;
        }
        let count = self.cpus.len();
        let may_stay = usable(previous);
        if may_stay && (count == 1 || self.is_free(previous)) {
            return previous;
        }
        let near = (1..count.min(LOOK_AT)).map(|step| watch::behind(previous, step, count));
        if let Some(idle) = near.into_iter().find(|&cpu| self.is_free(cpu) && usable(cpu)) {
            return idle;
        }
        let load = |cpu: usize| self.cpus.get(cpu).map_or(u32::MAX, |c| c.queue.len());
        match (may_stay, usable(by)) {
            (true, true) if load(by) < load(previous) => by,
            (true, _) => previous,
            (false, true) => by,
            // An affinity without any CPU that is online is not obeyed: the thread must run.
            (false, false) => (0..count).find(|&cpu| usable(cpu)).unwrap_or(by),
        }
    }

    /// Ready as seen, to the queue of another CPU that it may run on.
    pub(crate) fn forward(&self, index: u32, slot: &Slot<T>, seen: Word, by: usize, now: u64) {
        let target = self.choose(index, seen.cpu(), by, false);
        self.put_in(index, slot, seen, target, by, now);
    }

    /// Ready as seen, to the queue of `target` (again), through its inbox.
    pub(crate) fn put_in(&self, index: u32, slot: &Slot<T>, seen: Word, target: usize, by: usize, now: u64) {
        let Some(word) = slot.word.migrate(seen, target) else { return };
        if let Some(c) = self.cpus.get(target) {
            c.inbox.push(index);
        }
        self.announce(slot, word, by, now, false);
    }
}
