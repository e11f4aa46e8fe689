//! What goes in and out of the scheduler. Used by the kernel and by every module here.

use alloc::sync::Arc;

/// A thread, for as long as anybody cares: the number of its slot and the slot's life. Survives the thread; using it then
/// does nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ThreadId {
    pub(crate) index: u32,
    pub(crate) life: u32,
}

impl ThreadId {
    /// As one word, for handles that are a pointer wide. Never 0.
    pub const fn to_raw(self) -> u64 {
        (self.life as u64) << 32 | (self.index as u64 + 1)
    }

    /// Back from [`ThreadId::to_raw`]; a number that never came from there names no thread.
    pub const fn from_raw(raw: u64) -> Self {
        ThreadId { index: (raw as u32).wrapping_sub(1), life: (raw >> 32) as u32 }
    }

    /// The number of the thread's slot: small, unique among living threads, used again later.
    pub const fn slot(self) -> u32 {
        self.index
    }
}

/// What the scheduler asks of the machine.
pub trait Interrupts: Sync {
    /// Sends an interrupt to `cpu`, whose handler calls `Scheduler::tick`. Must not wait for it to arrive. Called in any
    /// context, also in interrupt handlers; never for the caller's own CPU except through `tick_self`.
    fn kick(&self, cpu: usize);

    /// Notes that the caller's own CPU should call `tick` as soon as preemption is possible.
    fn tick_self(&self, cpu: usize) {
        self.kick(cpu);
    }
}

/// Why a CPU asks for the next thread.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// The thread sleeps until somebody unparks it or until the deadline (ns). Ends at once if it has a permit.
    Park {
        /// When it wakes up by itself.
        deadline: Option<u64>,
    },
    /// The thread lets others go first (`sched_yield`).
    Yield,
    /// `tick` said so; the thread goes on later.
    Preempt,
    /// The thread ends; it is never scheduled again.
    Exit,
    /// The idle loop asks.
    Idle,
}

/// Who runs next.
#[derive(Debug)]
pub enum Next<T> {
    /// The caller goes on; no switch, no `finish_switch`.
    Stay,
    /// The CPU's idle loop; `finish_switch` there.
    Idle,
    /// This thread; `finish_switch` there.
    Thread(ThreadId, Arc<T>),
}

/// What to do with the CPU's one-shot timer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arm {
    /// It is armed early enough already.
    Keep,
    /// Fire at this time (ns); a time that has passed means at once.
    At(u64),
    /// Nothing is due: no timer.
    Off,
}

/// Whether an idle CPU may halt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Halt {
    /// There is work: call `awake` and `schedule(Idle)`.
    Work,
    /// Arm the timer as told, then `sti; hlt`.
    Sleep(Arm),
}

/// How a thread competes (`sched(7)`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Policy {
    /// SCHED_OTHER.
    Normal,
    /// SCHED_BATCH: as `Normal`, but does not preempt when it wakes.
    Batch,
    /// SCHED_IDLE: the smallest share, and gives way to all others at once.
    Idle,
    /// SCHED_FIFO with priority 1 to 99.
    Fifo(u8),
    /// SCHED_RR with priority 1 to 99.
    RoundRobin(u8),
    /// What the kernel does for all, and an interrupt handler would do elsewhere: before every real-time thread for a turn
    /// without sleep, so that no priority keeps timers and packets waiting, and then as `Normal`, so that no flood of packets
    /// keeps the real-time threads waiting.
    Service,
}

/// How a thread has been treated since it was made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Treatment {
    /// How often it gave way because it slept.
    pub voluntary: u64,
    /// How often another took its place, a yield included.
    pub involuntary: u64,
    /// How often it was chosen to run.
    pub turns: u64,
    /// How long it was ready and did not run, nanoseconds.
    pub waited: u64,
}

impl Treatment {
    /// Both together.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        Treatment {
            voluntary: self.voluntary.wrapping_add(other.voluntary),
            involuntary: self.involuntary.wrapping_add(other.involuntary),
            turns: self.turns.wrapping_add(other.turns),
            waited: self.waited.wrapping_add(other.waited),
        }
    }
}

/// Policy and nice value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Params {
    /// The policy.
    pub policy: Policy,
    /// -20 to 19; values outside count as the nearest.
    pub nice: i8,
}

impl Default for Params {
    fn default() -> Self {
        Params { policy: Policy::Normal, nice: 0 }
    }
}

/// Why there is no new thread.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SpawnError {
    /// No memory for its slot.
    OutOfMemory,
    /// As many threads as the scheduler can hold are alive.
    TooMany,
    /// None of the CPUs it may run on exists.
    NoCpu,
}
