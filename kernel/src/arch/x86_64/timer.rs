//! The one-shot timer of each CPU: armed for the scheduler, and otherwise to bound a program's halt.
//!
//! TSC-deadline where the CPU has it, else the APIC's counter. Called with interrupts masked, for the running CPU.

use core::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};

use sched::Arm;

use super::percpu::PerCpu;
use super::{apic, cpu, tsc};

/// What the timer of one CPU was told.
pub struct TimerState {
    /// When the scheduler wants it (ns of the monotonic clock), or [`NEVER`].
    deadline: AtomicU64,
    /// It runs to bound a halt.
    bounding: AtomicBool,
    /// Count and TSC when it was last started.
    count: AtomicU32,
    started: AtomicU64,
}

/// No deadline.
const NEVER: u64 = u64::MAX;
/// How long a program's halt may stay unnoticed, in counts of the APIC timer or of the TSC, whose frequencies do not matter
/// here: 1 GHz under QEMU and KVM, 25 MHz and more elsewhere.
const BOUND: u32 = 100_000_000;

impl TimerState {
    /// Not armed.
    pub const fn new() -> Self {
        Self {
            deadline: AtomicU64::new(NEVER),
            bounding: AtomicBool::new(false),
            count: AtomicU32::new(0),
            started: AtomicU64::new(0),
        }
    }
}

/// Does what the scheduler says. `idle`: this CPU runs nothing, so there is no halt to bound.
pub fn apply(cpu: &PerCpu, arm: Arm, idle: bool) {
    let timer = &cpu.timer;
    match arm {
        Arm::Keep => {}
        Arm::At(at) => {
            timer.deadline.store(at, Ordering::Relaxed);
            start_until(timer, at);
            return;
        }
        Arm::Off if timer.deadline.swap(NEVER, Ordering::Relaxed) != NEVER => {
            timer.bounding.store(false, Ordering::Relaxed);
            if idle {
                stop();
            }
        }
        Arm::Off => {}
    }
    let armed = timer.deadline.load(Ordering::Relaxed) != NEVER || timer.bounding.load(Ordering::Relaxed);
    if !idle && !armed {
        bound(timer);
    }
}

/// The timer's interrupt.
pub fn fired(cpu: &PerCpu, idle: bool) {
    let timer = &cpu.timer;
    timer.bounding.store(false, Ordering::Relaxed);
    let deadline = timer.deadline.load(Ordering::Relaxed);
    if deadline == NEVER {
        if !idle {
            bound(timer);
        }
    } else if tsc::known_ns() < deadline {
        // The counter ends before a far deadline does.
        start_until(timer, deadline);
    } else {
        timer.deadline.store(NEVER, Ordering::Relaxed);
        cpu.tick_wanted.store(true, Ordering::Relaxed);
    }
}

fn start_until(timer: &TimerState, at: u64) {
    timer.bounding.store(false, Ordering::Relaxed);
    if apic::has_tsc_deadline() {
        apic::set_tsc_deadline(tsc::at_ns(at));
        return;
    }
    let left = at.saturating_sub(tsc::known_ns());
    let count = (u128::from(left) * u128::from(tsc::timer_khz()) / 1_000_000).clamp(1, u128::from(u32::MAX));
    start(timer, count as u32);
}

fn bound(timer: &TimerState) {
    timer.bounding.store(true, Ordering::Relaxed);
    if apic::has_tsc_deadline() {
        apic::set_tsc_deadline(cpu::rdtsc() + u64::from(BOUND));
    } else {
        start(timer, BOUND);
    }
}

fn start(timer: &TimerState, count: u32) {
    timer.count.store(count, Ordering::Relaxed);
    timer.started.store(cpu::rdtsc(), Ordering::Relaxed);
    apic::start_timer(count);
}

fn stop() {
    if apic::has_tsc_deadline() {
        apic::set_tsc_deadline(0);
    } else {
        apic::start_timer(0);
    }
}

/// Counts of the APIC timer and ticks of the TSC that passed together since the timer was started, if it still runs.
pub fn elapsed(cpu: &PerCpu) -> Option<(u64, u64)> {
    let left = apic::timer_count();
    let ticks = cpu::rdtsc().saturating_sub(cpu.timer.started.load(Ordering::Relaxed));
    let counted = cpu.timer.count.load(Ordering::Relaxed).checked_sub(left)?;
    (left != 0 && counted != 0).then_some((u64::from(counted), ticks))
}

/// Starts the timer again after a measurement used it.
pub fn restart(cpu: &PerCpu) {
    match cpu.timer.deadline.load(Ordering::Relaxed) {
        NEVER => bound(&cpu.timer),
        at => start_until(&cpu.timer, at),
    }
}
