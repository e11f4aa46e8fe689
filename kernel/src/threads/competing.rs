//! How threads compete: their scheduling, CPUs and processor time, for `Platform`.

use abi::general as raw;
use sched::{CpuSet, Params, Policy, SpawnError, ThreadId, Treatment};
use task::attributes::Scheduling;

use super::{now, preempt_point, scheduler};
use crate::arch::{cpu, percpu, tsc};

/// Nanoseconds of processor time that a thread has had.
pub fn run_time_ns(id: ThreadId) -> u64 {
    // The first thread is charged from boot on, as the clock counts from there.
    let now = tsc::monotonic_ns();
    scheduler().and_then(|scheduler| scheduler.run_time(id, now)).unwrap_or(0)
}

/// How the scheduler has treated a thread.
pub fn treatment(id: ThreadId) -> Treatment {
    scheduler().and_then(|scheduler| scheduler.treatment(id)).unwrap_or_default()
}

/// How a thread of the program competes, as the scheduler has it.
pub fn set_scheduling(id: ThreadId, scheduling: Scheduling) {
    let Some(scheduler) = scheduler() else { return };
    let priority = scheduling.priority.min(99) as u8;
    let policy = match scheduling.policy {
        raw::SCHED_FIFO => Policy::Fifo(priority),
        raw::SCHED_RR => Policy::RoundRobin(priority),
        raw::SCHED_BATCH => Policy::Batch,
        raw::SCHED_IDLE => Policy::Idle,
        _ => Policy::Normal,
    };
    let params = Params { policy, nice: scheduling.nice.clamp(-20, 19) as i8 };
    cpu::without_interrupts(|| {
        scheduler.set_params(id, params, percpu::current().index() as usize, now());
    });
    preempt_point();
}

/// Lets a thread run on the CPUs whose bits are set only, one of which exists.
pub fn set_affinity(id: ThreadId, words: &[u64]) -> Result<(), SpawnError> {
    let Some(scheduler) = scheduler() else { return Ok(()) };
    let mut set = CpuSet::new();
    for cpu in 0..percpu::all().len() {
        if words.get(cpu / 64).is_some_and(|word| word >> (cpu % 64) & 1 != 0) {
            set.insert(cpu)?;
        }
    }
    cpu::without_interrupts(|| scheduler.set_affinity(id, &set, percpu::current().index() as usize, now()))?;
    preempt_point();
    Ok(())
}

/// Whether a thread may run on a CPU.
pub fn may_run_on(id: ThreadId, cpu: usize) -> bool {
    scheduler().is_none_or(|scheduler| scheduler.may_run_on(id, cpu))
}

/// Whether a thread sleeps.
pub fn sleeps(id: ThreadId) -> bool {
    scheduler().is_some_and(|scheduler| scheduler.sleeps(id))
}
