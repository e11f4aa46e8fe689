//! The local timer: wakes sleepers, interrupts the program when one of its timers expires, and bounds a program's `hlt`.
//!
//! Without a deadline it ticks a few times a second and nothing is computed; with one it fires once. Where CPUID offers it
//! the deadline is a count of the TSC, otherwise one of the timer's own clock, whose frequency is measured when the first
//! deadline is set. The handler ([`interrupt`]) only decides whether the program's deadline has been reached.

use core::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use super::{apic, cpu, tsc};

/// A tick in counts of the timer. Its frequency does not matter: 1 GHz under QEMU and KVM, 25 MHz and more elsewhere.
const TICK: u32 = 100_000_000;
/// The longest distance of a deadline in TSC-deadline mode, which knows no ticks: 0.1 s.
const TICK_NS: u64 = 100_000_000;
/// How soon the program's deadline is reported again when the kernel was interrupted.
const REMINDER_NS: u64 = 1_000_000;
/// How long the timer's frequency is measured.
const MEASURE_NS: u64 = 1_000_000;
const NEVER: u64 = u64::MAX;

/// Frequency of the local timer; 0 = not known yet.
static TIMER_KHZ: AtomicU64 = AtomicU64::new(0);
/// When the program is to be interrupted, monotonic nanoseconds.
static PROGRAM_DEADLINE: AtomicU64 = AtomicU64::new(NEVER);
/// The CPU is halted because nobody has anything to do.
static IDLE: AtomicBool = AtomicBool::new(false);
/// The processor compares deadlines with the TSC itself.
static TSC_DEADLINE: AtomicBool = AtomicBool::new(false);

/// What a timer interrupt means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tick {
    /// The program's deadline has been reached.
    pub due: bool,
    /// Something was running.
    pub busy: bool,
}

/// Starts the tick.
pub fn init() {
    const OFFERED: u32 = 1 << 24;
    TSC_DEADLINE.store(cpu::features().0 & OFFERED != 0, Ordering::Relaxed);
    apic::start_timer(TICK, true);
}

fn timer_khz() -> u64 {
    let known = TIMER_KHZ.load(Ordering::Relaxed);
    if known != 0 {
        return known;
    }
    apic::start_timer_silently();
    let start = apic::timer_count();
    let from = tsc::monotonic_ns();
    // By the TSC, whose frequency is known: no other clock is needed.
    while tsc::monotonic_ns() - from < MEASURE_NS {
        core::hint::black_box(());
    }
    let ns = (tsc::monotonic_ns() - from).max(1);
    let ticks = u64::from(start.wrapping_sub(apic::timer_count()));
    let khz = (ticks * 1_000_000 / ns).max(1);
    TIMER_KHZ.store(khz, Ordering::Relaxed);
    khz
}

/// Makes the timer fire at `deadline` (monotonic), or at the next tick if that is earlier. Interrupts are masked.
fn arm(deadline: u64) {
    let left = deadline.saturating_sub(tsc::monotonic_ns());
    if TSC_DEADLINE.load(Ordering::Relaxed) {
        let at = tsc::monotonic_ns().saturating_add(left.min(TICK_NS));
        apic::start_deadline(tsc::ticks_at(at));
        return;
    }
    let count = u128::from(left) * u128::from(timer_khz()) / 1_000_000;
    apic::start_timer(count.clamp(1, u128::from(TICK)) as u32, false);
}

/// What the timer does while a program runs.
fn arm_for_program() {
    match PROGRAM_DEADLINE.load(Ordering::Relaxed) {
        NEVER => apic::start_timer(TICK, true),
        deadline => arm(deadline),
    }
}

/// Asks for an interrupt of the program at `deadline` (monotonic); `None` for no more.
pub fn set_program_deadline(deadline: Option<u64>) {
    let deadline = deadline.unwrap_or(NEVER);
    cpu::without_interrupts(|| {
        // The usual case of a program without timers touches no register.
        if PROGRAM_DEADLINE.swap(deadline, Ordering::Relaxed) != deadline {
            arm_for_program();
        }
    });
}

/// The timer's interrupt. In its handler. Code of the kernel may be past its last look at the mark that follows: then the
/// interrupt comes again soon.
pub fn interrupt(in_program: bool) -> Tick {
    let busy = !IDLE.load(Ordering::Relaxed);
    let deadline = PROGRAM_DEADLINE.load(Ordering::Relaxed);
    if deadline == NEVER {
        return Tick { due: false, busy };
    }
    let now = tsc::monotonic_ns();
    let due = now >= deadline;
    if due {
        let next = if in_program { NEVER } else { now.saturating_add(REMINDER_NS) };
        PROGRAM_DEADLINE.store(next, Ordering::Relaxed);
    }
    arm_for_program();
    Tick { due, busy }
}

/// Halts until `deadline` on the monotonic clock, or until `wake` says so after an interrupt.
pub fn sleep_until(deadline: u64, mut wake: impl FnMut() -> bool) {
    cpu::without_interrupts(|| {
        IDLE.store(true, Ordering::Relaxed);
        while tsc::monotonic_ns() < deadline && !wake() {
            arm(deadline);
            cpu::wait_for_interrupt();
        }
        IDLE.store(false, Ordering::Relaxed);
        arm_for_program();
    });
}
