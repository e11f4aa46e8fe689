//! Who runs when: threads, run queues and timers, as pure logic.
//!
//! Called by the kernel, which switches; by the simulation in this crate's tests. Time is an argument (nanoseconds of the
//! monotonic clock), never read here; the only thing that this crate asks of the machine is [`Interrupts::kick`].
//!
//! # The interface
//! [`Scheduler`] knows threads by [`ThreadId`], which is a plain number: it can be copied, stored and used after the thread
//! has ended (then nothing happens). `T` is what the kernel hangs on a thread. The `Arc<T>` of a runnable or blocked thread
//! rests in the scheduler; that of a running thread is in the hands of its CPU, which gets it from `schedule` and gives it
//! back in `finish_switch`.
//!
//! ```text
//! Scheduler::new(cpus, interrupts)          no CPU is online, no thread exists
//! online(cpu, now)                          the CPU takes part from now on, in its idle loop or its first flow
//! spawn(data, params, affinity) -> id       the thread is blocked until its first unpark
//! adopt(cpu, now, id) -> Arc<T>             the caller's own flow becomes that thread, running
//!
//! unpark(id, by_cpu, now)                   from threads; any state: sets the permit or makes the thread runnable
//! unpark_from_interrupt(id, by_cpu, now)    the same from interrupt handlers
//! schedule(cpu, now, reason) -> Next<T>     interrupts off; charges time and picks. On Stay only `rearm` follows
//! finish_switch(cpu, now, prev) -> dead     the first thing after a switch, on the new stack; prev: the Arc of who ran before,
//!                                           None for the idle loop; the Arc of a thread that has ended comes back
//! rearm(cpu, now) -> Arm                    then, before interrupts are on: what to do with the one-shot timer
//! tick(cpu, now) -> bool                    in the handlers of the timer and of kicks, and for `tick_self`; true: schedule(Preempt)
//!                                           as soon as preemption is on; false: rearm
//! poll(cpu), work_waits(cpu)                the idle loop's bounded polling
//! halt(cpu, now) -> Halt                    interrupts off, just before `sti; hlt`: do as it says
//! awake(cpu)                                after hlt or polling; then tick, then schedule(Idle)
//! set_params, params, set_affinity, affinity, cpu_of, run_time, treatment, current
//! ```
//!
//! # How it hangs together
//! The state word of a thread (`word`) is the only truth; everything else is hints. A CPU's `heap` of runnable threads is
//! ordered by that CPU alone and readable by all; its `inbox` takes what others made ready for it. Whoever acts on a hint
//! claims the thread by compare-and-swap. If hints are lost because a CPU stopped while it held them, the table of threads
//! is searched. The ordering of each protocol is argued in the module that has it: `word` (wake against block, claim against
//! claim), `inbox`, `wake` (wake against idle), `run` (steps of a switch), `watch` (who looks after a stopped CPU, and when).
#![cfg_attr(not(any(test, loom)), no_std)]

extern crate alloc;

mod atomic;
mod cpuset;
mod heap;
mod inbox;
mod payload;
mod run;
mod scheduler;
mod segmented;
mod share;
mod slot;
pub mod timers;
mod types;
mod wake;
mod watch;
mod word;

pub use cpuset::CpuSet;
pub use scheduler::Scheduler;

pub use types::{Arm, Halt, Interrupts, Next, Params, Policy, Reason, SpawnError, ThreadId, Treatment};

#[cfg(all(test, loom))]
mod models;
#[cfg(all(test, not(loom)))]
#[path = "../tests/simulation/mod.rs"]
mod simulation;
