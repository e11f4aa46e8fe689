//! [`Scheduler`]: all CPUs and all threads; making, adopting and changing threads.
//!
//! Called by the kernel. What happens on a CPU is in `run`, waking in `wake`, what CPUs do for each other in `watch`.

use crate::atomic::{AtomicU32, AtomicU64, Ordering};
use crate::cpuset::CpuSet;
use crate::segmented::Segmented;
use crate::share::Packed;
use crate::slot::{Cpu, NEVER, NOBODY, Slot, mode};
use crate::types::{Interrupts, Params, SpawnError, ThreadId, Treatment};
use crate::word::{MAX_CPUS, State};
use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec::Vec;

/// All CPUs and threads of the machine.
#[derive(Debug)]
pub struct Scheduler<T, I> {
    pub(crate) slots: Segmented<Slot<T>>,
    /// Per 64 CPUs: which of them each thread may run on.
    affinity: Box<[Segmented<AtomicU64>]>,
    pub(crate) cpus: Box<[Cpu]>,
    /// Free slots: the first one's number, and a count against reuse between load and exchange.
    free: AtomicU64,
    /// Slots that were ever used.
    pub(crate) used: AtomicU32,
    pub(crate) interrupts: I,
}

/// A box of `count` things, or None if there is no memory.
fn boxed<V>(count: usize, make: impl Fn() -> V) -> Option<Box<[V]>> {
    let mut all = Vec::new();
    all.try_reserve_exact(count).ok()?;
    all.extend((0..count).map(|_| make()));
    Some(all.into_boxed_slice())
}

impl<T, I: Interrupts> Scheduler<T, I> {
    /// A scheduler for CPUs 0 to `cpus` - 1, none of which is online yet.
    pub fn new(cpus: usize, interrupts: I) -> Result<Self, SpawnError> {
        if cpus == 0 || cpus > MAX_CPUS {
            return Err(SpawnError::NoCpu);
        }
        let none = SpawnError::OutOfMemory;
        Ok(Scheduler {
            slots: Segmented::new(),
            affinity: boxed(cpus.div_ceil(64), Segmented::new).ok_or(none)?,
            cpus: boxed(cpus, Cpu::new).ok_or(none)?,
            free: AtomicU64::new(u64::from(NOBODY)),
            used: AtomicU32::new(0),
            interrupts,
        })
    }

    /// How many CPUs there may be.
    pub fn cpus(&self) -> usize {
        self.cpus.len()
    }

    /// CPU `cpu` takes part from now on; called by itself, before anything else it asks here.
    pub fn online(&self, cpu: usize, now: u64) {
        if let Some(c) = self.cpus.get(cpu) {
            c.answered.store(now, Ordering::Relaxed);
            c.charged.store(now, Ordering::Relaxed);
            c.mode.store(mode::RUNNING, Ordering::SeqCst);
        }
    }

    /// A new thread, blocked until its first unpark. Its id may be stored in `data` before that.
    pub fn spawn(&self, data: Arc<T>, params: Params, affinity: &CpuSet) -> Result<ThreadId, SpawnError> {
        if !affinity.any_below(self.cpus.len()) {
            return Err(SpawnError::NoCpu);
        }
        let index = self.take_slot()?;
        let slot = self.slots.get(index as usize).ok_or(SpawnError::OutOfMemory)?;
        let first = (0..self.cpus.len()).find(|&cpu| affinity.contains(cpu)).unwrap_or(0);
        slot.params.store(Packed::new(params).0, Ordering::Relaxed);
        slot.deadline.store(NEVER, Ordering::Relaxed);
        slot.virtual_time.store(0, Ordering::Relaxed);
        slot.home.store(first as u32, Ordering::Relaxed);
        slot.favoured.store(0, Ordering::Relaxed);
        slot.arrival.store(0, Ordering::Relaxed);
        slot.run_time.store(0, Ordering::Relaxed);
        let counts = &slot.counts;
        for count in [&counts.voluntary, &counts.involuntary, &counts.turns, &counts.waited] {
            count.set(0);
        }
        slot.handovers.store(0, Ordering::Relaxed);
        slot.waker.store(NOBODY, Ordering::Relaxed);
        // A new thread starts where its CPU's queue is, without a bonus for having slept.
        let start = self.cpus.get(first).map_or(0, |c| c.virtual_now.load(Ordering::Relaxed));
        slot.virtual_time.store(start, Ordering::Relaxed);
        self.store_affinity(index, affinity);
        slot.payload.put(data);
        Ok(ThreadId { index, life: slot.word.revive(first) })
    }

    /// The flow that calls, on `cpu`, becomes thread `id`, which was spawned and never unparked; gives its data into the
    /// caller's hands.
    pub fn adopt(&self, cpu: usize, now: u64, id: ThreadId) -> Option<Arc<T>> {
        let slot = self.slots.get(id.index as usize)?;
        let c = self.cpus.get(cpu)?;
        slot.ready_since.store(now, Ordering::Relaxed);
        slot.word.adopt(cpu);
        self.start(cpu, c, id.index, slot, now, None).map(|taken| taken.data)
    }

    fn take_slot(&self) -> Result<u32, SpawnError> {
        let mut head = self.free.load(Ordering::Acquire);
        while let Some(slot) = self.slots.get(head as u32 as usize) {
            let next = slot.next_free.load(Ordering::Relaxed);
            match self.free.compare_exchange(head, step(head, next), Ordering::AcqRel, Ordering::Acquire) {
                Ok(_) => return Ok(head as u32),
                Err(now) => head = now,
            }
        }
        let mut index = self.used.load(Ordering::Acquire);
        loop {
            self.grow(index)?;
            match self.used.compare_exchange(index, index + 1, Ordering::AcqRel, Ordering::Acquire) {
                Ok(_) => return Ok(index),
                Err(now) => index = now,
            }
        }
    }

    /// Makes all that there is once per thread for slot `index`.
    fn grow(&self, index: u32) -> Result<(), SpawnError> {
        let index = index as usize;
        if index >= crate::segmented::CAPACITY {
            return Err(SpawnError::TooMany);
        }
        let grown = self.cpus.iter().all(|cpu| cpu.grow(index))
            && self.affinity.iter().all(|bits| bits.grow(index, || AtomicU64::new(0)))
            && self.slots.grow(index, Slot::new);
        if grown { Ok(()) } else { Err(SpawnError::OutOfMemory) }
    }

    /// The slot of a thread that has ended, and that nobody runs any more.
    pub(crate) fn give_slot(&self, index: u32, slot: &Slot<T>) {
        let mut head = self.free.load(Ordering::Relaxed);
        loop {
            slot.next_free.store(head as u32, Ordering::Relaxed);
            match self.free.compare_exchange(head, step(head, index), Ordering::AcqRel, Ordering::Relaxed) {
                Ok(_) => return,
                Err(now) => head = now,
            }
        }
    }

    /// The slot of `id`, if that thread lives.
    pub(crate) fn living(&self, id: ThreadId) -> Option<&Slot<T>> {
        let slot = self.slots.get(id.index as usize)?;
        let word = slot.word.load();
        (word.life() == id.life && !matches!(word.state(), State::Free | State::Dead)).then_some(slot)
    }

    fn store_affinity(&self, index: u32, set: &CpuSet) {
        for (word, bits) in self.affinity.iter().enumerate() {
            if let Some(bits) = bits.get(index as usize) {
                bits.store(set.word(word), Ordering::Release);
            }
        }
    }

    /// Whether the thread may run on `cpu`.
    #[inline]
    pub(crate) fn allowed(&self, index: u32, cpu: usize) -> bool {
        let bits = self.affinity.get(cpu / 64).and_then(|bits| bits.get(index as usize));
        bits.is_some_and(|bits| bits.load(Ordering::Acquire) >> (cpu % 64) & 1 != 0)
    }

    /// Whether `cpu` exists and takes part.
    pub(crate) fn is_online(&self, cpu: usize) -> bool {
        self.cpus.get(cpu).is_some_and(|c| c.mode.load(Ordering::Relaxed) != mode::OFFLINE)
    }

    /// Where the thread may run. It moves at once if it waits, at its CPU's next `tick` (which gets a kick) if it runs.
    pub fn set_affinity(&self, id: ThreadId, set: &CpuSet, by: usize, now: u64) -> Result<(), SpawnError> {
        if !set.any_below(self.cpus.len()) {
            return Err(SpawnError::NoCpu);
        }
        let Some(slot) = self.living(id) else { return Ok(()) };
        self.store_affinity(id.index, set);
        // Full fence: the set is stored before the word is read; who makes the thread run elsewhere meanwhile changes the
        // word first and reads the set afterwards.
        crate::atomic::fence(Ordering::SeqCst);
        let word = slot.word.load();
        if self.allowed(id.index, word.cpu()) {
            return Ok(());
        }
        match word.state() {
            State::Ready => self.forward(id.index, slot, word, by, now),
            State::Running | State::Blocking if word.cpu() == by => self.interrupts.tick_self(by),
            State::Running | State::Blocking => self.interrupts.kick(word.cpu()),
            _ => {}
        }
        Ok(())
    }

    /// Where the thread may run; the empty set if it has ended.
    pub fn affinity(&self, id: ThreadId) -> Result<CpuSet, SpawnError> {
        let mut set = CpuSet::new();
        if self.living(id).is_some() {
            for cpu in (0..self.cpus.len()).filter(|&cpu| self.allowed(id.index, cpu)) {
                set.insert(cpu)?;
            }
        }
        Ok(set)
    }

    /// Whether the thread may run on `cpu`; false if it has ended.
    pub fn may_run_on(&self, id: ThreadId, cpu: usize) -> bool {
        cpu < self.cpus.len() && self.living(id).is_some() && self.allowed(id.index, cpu)
    }

    /// Whether the thread sleeps, or is about to. A hint.
    pub fn sleeps(&self, id: ThreadId) -> bool {
        self.living(id)
            .is_some_and(|slot| matches!(slot.word.load().state(), State::Blocked | State::Blocking))
    }

    /// How the thread competes from now on. If it waits, its place in the queue is found anew.
    pub fn set_params(&self, id: ThreadId, params: Params, by: usize, now: u64) {
        let Some(slot) = self.living(id) else { return };
        slot.params.store(Packed::new(params).0, Ordering::Release);
        slot.arrival.store(0, Ordering::Relaxed);
        let word = slot.word.load();
        match word.state() {
            State::Ready => self.put_in(id.index, slot, word, word.cpu(), by, now),
            State::Running if word.cpu() == by => self.interrupts.tick_self(by),
            State::Running => self.interrupts.kick(word.cpu()),
            _ => {}
        }
    }

    /// How the thread competes; None if it has ended.
    pub fn params(&self, id: ThreadId) -> Option<Params> {
        Some(Packed(self.living(id)?.params.load(Ordering::Acquire)).params())
    }

    /// The CPU that the thread runs on, waits for or last ran on; None if it has ended.
    pub fn cpu_of(&self, id: ThreadId) -> Option<usize> {
        Some(self.living(id)?.word.load().cpu())
    }

    /// How long the thread has run (ns), exact up to the last charge; for a running thread, `now` adds the rest.
    pub fn run_time(&self, id: ThreadId, now: u64) -> Option<u64> {
        let slot = self.living(id)?;
        let word = slot.word.load();
        let mut time = slot.run_time.load(Ordering::Relaxed);
        if word.state() == State::Running
            && let Some(c) = self.cpus.get(word.cpu())
            && c.current.load(Ordering::Relaxed) == id.index
        {
            time = time.saturating_add(now.saturating_sub(c.charged.load(Ordering::Relaxed)));
        }
        Some(time)
    }

    /// How a thread has been treated; None if it has ended.
    pub fn treatment(&self, id: ThreadId) -> Option<Treatment> {
        let counts = &self.living(id)?.counts;
        Some(Treatment {
            voluntary: counts.voluntary.get(),
            involuntary: counts.involuntary.get(),
            turns: counts.turns.get(),
            waited: counts.waited.get(),
        })
    }

    /// The thread that runs on `cpu`, None in the idle loop. For the CPU itself; a hint for others.
    pub fn current(&self, cpu: usize) -> Option<ThreadId> {
        let index = self.cpus.get(cpu)?.current.load(Ordering::Relaxed);
        let slot = self.slots.get(index as usize)?;
        Some(ThreadId { index, life: slot.word.load().life() })
    }
}

/// The head of the free list after `head`, naming `index`.
fn step(head: u64, index: u32) -> u64 {
    (head >> 32).wrapping_add(1) << 32 | u64::from(index)
}
