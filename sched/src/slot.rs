//! [`Slot`] and [`Cpu`]: all that the scheduler knows about a thread and about a CPU. Only data; the rules are in the
//! modules that change it.

use crate::atomic::{AtomicU32, AtomicU64};
use crate::heap::Heap;
use crate::inbox::Inbox;
use crate::payload::Payload;
use crate::share::{FIRST_ARRIVAL, Packed};
use crate::types::Params;
use crate::word::StateWord;

/// No time: never.
pub(crate) const NEVER: u64 = u64::MAX;
/// No thread.
pub(crate) const NOBODY: u32 = u32::MAX;

/// How often and how long, for nobody's decisions: plain atomics also in models. Written by the CPU that the thread runs on.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    /// It slept, or ended.
    pub(crate) voluntary: Count,
    /// Another took its place.
    pub(crate) involuntary: Count,
    /// It was chosen.
    pub(crate) turns: Count,
    /// It was ready and did not run (ns).
    pub(crate) waited: Count,
}

/// A number that one CPU at a time writes.
#[derive(Debug, Default)]
pub(crate) struct Count(core::sync::atomic::AtomicU64);

impl Count {
    pub(crate) fn add(&self, more: u64) {
        self.set(self.get().wrapping_add(more));
    }

    pub(crate) fn get(&self) -> u64 {
        self.0.load(core::sync::atomic::Ordering::Relaxed)
    }

    pub(crate) fn set(&self, value: u64) {
        self.0.store(value, core::sync::atomic::Ordering::Relaxed);
    }
}

/// A thread. Slots are made once and used again for other threads, so that a hint to one that has ended is harmless.
#[derive(Debug)]
#[repr(align(64))]
pub(crate) struct Slot<T> {
    pub(crate) word: StateWord,
    pub(crate) payload: Payload<T>,
    /// [`Packed`] parameters; any CPU.
    pub(crate) params: AtomicU32,
    /// The readiness that its waker has announced to the end; see `wake`.
    pub(crate) announced: AtomicU32,
    /// Since when it is ready (ns); written before it becomes so.
    pub(crate) ready_since: AtomicU64,
    /// When its park ends by itself (ns). Written by its CPU before it blocks.
    pub(crate) deadline: AtomicU64,
    /// Virtual run time, against the queue of CPU `home`. Both are written by the CPU that runs it.
    pub(crate) virtual_time: AtomicU64,
    pub(crate) home: AtomicU32,
    /// When it last was in a shorter queue than others (ns).
    pub(crate) favoured: AtomicU64,
    /// Its number among the real-time threads of its priority, 0: to be given.
    pub(crate) arrival: AtomicU64,
    /// Run time (ns), up to when it was last charged.
    pub(crate) run_time: AtomicU64,
    /// What it is told about how it ran.
    pub(crate) counts: Counts,
    /// How often its wake-ups were followed by blocking (0 to 3).
    pub(crate) handovers: AtomicU32,
    /// Who woke it last.
    pub(crate) waker: AtomicU32,
    /// The next free slot.
    pub(crate) next_free: AtomicU32,
}

impl<T> Slot<T> {
    pub(crate) fn new() -> Self {
        Slot {
            word: StateWord::new(),
            payload: Payload::new(),
            params: AtomicU32::new(Packed::new(Params::default()).0),
            announced: AtomicU32::new(0),
            ready_since: AtomicU64::new(0),
            deadline: AtomicU64::new(NEVER),
            virtual_time: AtomicU64::new(0),
            home: AtomicU32::new(0),
            favoured: AtomicU64::new(0),
            arrival: AtomicU64::new(0),
            run_time: AtomicU64::new(0),
            counts: Counts::default(),
            handovers: AtomicU32::new(0),
            waker: AtomicU32::new(NOBODY),
            next_free: AtomicU32::new(NOBODY),
        }
    }
}

/// What a CPU says about itself.
pub(crate) mod mode {
    /// Takes no part.
    pub(crate) const OFFLINE: u32 = 0;
    /// Runs a thread, or is about to look for one.
    pub(crate) const RUNNING: u32 = 1;
    /// Idle, and looks at its inbox all the time.
    pub(crate) const POLLING: u32 = 2;
    /// Idle and halted, or about to halt: needs a kick.
    pub(crate) const HALTED: u32 = 3;
}

/// What is to be done with the thread that was switched away from.
pub(crate) mod pending {
    pub(crate) const NOTHING: u32 = 0;
    pub(crate) const PARK: u32 = 1;
    pub(crate) const REQUEUE: u32 = 2;
    pub(crate) const MOVE: u32 = 3;
    pub(crate) const EXIT: u32 = 4;
}

/// A CPU. The first group is published, the second is the CPU's own.
#[derive(Debug)]
#[repr(align(128))]
pub(crate) struct Cpu {
    /// See [`mode`].
    pub(crate) mode: AtomicU32,
    /// When its timer fires (ns), or NEVER. In the past: it fired, and the CPU is about to look around.
    pub(crate) covers: AtomicU64,
    /// When it last looked at its queue (ns).
    pub(crate) answered: AtomicU64,
    /// Its earliest sleeper's deadline, or NEVER.
    pub(crate) next_deadline: AtomicU64,
    /// How far its fair queue is.
    pub(crate) virtual_now: AtomicU64,
    /// Its running thread, or NOBODY, and that thread's key when it was last charged.
    pub(crate) current: AtomicU32,
    pub(crate) current_key: AtomicU64,
    /// Since when its running thread has run without a wait (ns).
    pub(crate) started: AtomicU64,
    /// Up to when the running thread is charged (ns).
    pub(crate) charged: AtomicU64,
    pub(crate) inbox: Inbox,
    pub(crate) queue: Heap,
    pub(crate) sleepers: Heap,

    /// Whom `finish_switch` is about, and what it does with it.
    pub(crate) previous: AtomicU32,
    pub(crate) pending: AtomicU32,
    /// When the running thread's turn began (ns).
    pub(crate) turn: AtomicU64,
    /// Numbers for real-time threads that arrive, and for those that come back to the front.
    pub(crate) arrivals: AtomicU64,
    pub(crate) returns: AtomicU64,
    /// Wake-ups by the running thread in this turn, and the last one's time.
    pub(crate) wakes: AtomicU32,
    pub(crate) woke: AtomicU64,
}

impl Cpu {
    pub(crate) fn new() -> Self {
        Cpu {
            mode: AtomicU32::new(mode::OFFLINE),
            covers: AtomicU64::new(NEVER),
            answered: AtomicU64::new(0),
            next_deadline: AtomicU64::new(NEVER),
            virtual_now: AtomicU64::new(0),
            current: AtomicU32::new(NOBODY),
            current_key: AtomicU64::new(u64::MAX),
            started: AtomicU64::new(0),
            charged: AtomicU64::new(0),
            inbox: Inbox::new(),
            queue: Heap::new(),
            sleepers: Heap::new(),
            previous: AtomicU32::new(NOBODY),
            pending: AtomicU32::new(pending::NOTHING),
            turn: AtomicU64::new(0),
            arrivals: AtomicU64::new(FIRST_ARRIVAL),
            returns: AtomicU64::new(FIRST_ARRIVAL),
            wakes: AtomicU32::new(0),
            woke: AtomicU64::new(0),
        }
    }

    /// Makes room for thread number `index`.
    pub(crate) fn grow(&self, index: usize) -> bool {
        self.queue.grow(index) && self.sleepers.grow(index) && self.inbox.grow(index)
    }

    /// Whether threads may be waiting for this CPU.
    pub(crate) fn has_waiting(&self) -> bool {
        self.queue.len() != 0 || self.inbox.waits()
    }
}
