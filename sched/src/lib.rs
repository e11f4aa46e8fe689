//! Who runs when: threads, run queues and timers, as pure logic.
//!
//! Called by the kernel, which switches; by the simulation in this crate's tests. Time is an argument (nanoseconds of the
//! monotonic clock), never read here; the only thing that this crate asks of the machine is [`Interrupts::kick`].
//!
//! # The interface
//! `Scheduler<T, I>` knows threads by [`ThreadId`], which is a plain number: it can be copied, stored and used after the
//! thread has ended (then nothing happens). `T` is what the kernel hangs on a thread. A runnable or blocked thread's `Arc<T>`
//! rests in the scheduler; that of a running thread is in the hands of its CPU, which gets it from `schedule` and gives it
//! back in `finish_switch`.
//!
//! ```text
//! Scheduler::new(cpus, interrupts) -> Result<Self, SpawnError>
//! spawn(data: Arc<T>, params, affinity: &CpuSet) -> Result<ThreadId, SpawnError>   the thread is blocked until its first unpark
//! adopt(cpu, now, data, params, affinity) -> Result<ThreadId, SpawnError>          the caller's own flow becomes a running thread
//! online(cpu, now)                          the CPU takes part from now on
//!
//! unpark(thread, by_cpu, now)               any context, also interrupt handlers; sets the permit or makes it runnable
//! schedule(cpu, now, Reason) -> Next<T>     interrupts off; charges time, picks; on Stay nothing else is to be done
//! finish_switch(cpu, now, prev: Option<Arc<T>>) -> Option<Arc<T>>
//!                                           first thing after a switch, on the new stack; prev = who ran before (None: the
//!                                           idle loop); returns the data of a thread that has ended, to be dropped
//! rearm(cpu, now) -> Arm                    after each switch, before interrupts are on: what to do with the one-shot timer
//! tick(cpu, now) -> bool                    timer interrupt or kick arrived; true: call schedule(Preempt) when preemption is on,
//!                                           false: rearm only
//! idle_poll(cpu)/work_waits(cpu)            the idle loop's bounded polling
//! halt(cpu, now) -> Halt                    interrupts off, just before `sti; hlt`: arm the timer as it says, or do not halt
//! awake(cpu)                                after hlt, and after polling: then tick, then schedule(Idle)
//!
//! set_params, params, set_affinity, affinity, cpu_of, run_time
//! ```
#![cfg_attr(not(test), no_std)]

extern crate alloc;

mod types;

pub use types::{Arm, Halt, Interrupts, Next, Params, Policy, Reason, SpawnError, ThreadId};
