//! What CPUs tell each other by NMI: stop for good, or stand still for a test.
//!
//! The handlers run with interrupts masked and only mark and acknowledge. An NMI handler touches nothing that can fault.

use core::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use super::percpu::{self, PerCpu};
use super::{apic, cpu, tsc};

/// A panic has asked all other CPUs to stop.
static STOPPING: AtomicBool = AtomicBool::new(false);
/// CPUs that have stopped.
static STOPPED: AtomicU32 = AtomicU32::new(0);
/// How many turns a panic waits for the others: some tens of milliseconds.
const STOP_TURNS: u32 = 5_000_000;

/// The CPUs that run, without this one.
fn others() -> impl Iterator<Item = &'static PerCpu> {
    let me = percpu::current().index();
    percpu::all().iter().copied().filter(move |cpu| cpu.index() != me && cpu.is_online())
}

/// Stops all other CPUs, whatever they do, for a report of a failure. Waits a bounded time, so that what they are writing is
/// out; a CPU that the hypervisor has paused stops when it runs again.
pub fn stop_others() {
    STOPPING.store(true, Ordering::SeqCst);
    let mut asked = 0;
    for cpu in others() {
        apic::send_nmi(cpu.apic_id());
        asked += 1;
    }
    let mut turns = 0;
    while STOPPED.load(Ordering::Acquire) < asked && turns < STOP_TURNS {
        turns += 1;
        core::hint::spin_loop();
    }
}

/// Stops this CPU for good.
pub fn stop() -> ! {
    STOPPED.fetch_add(1, Ordering::Release);
    cpu::halt_forever()
}

/// Lets `cpu` stand still for `ns`, whatever it does, as if the hypervisor had paused it. For tests.
pub fn pause(cpu: &PerCpu, ns: u64) {
    cpu.paused_until.store(tsc::at_ns(tsc::monotonic_ns().saturating_add(ns)), Ordering::Relaxed);
    apic::send_nmi(cpu.apic_id());
}

/// A non-maskable interrupt: returns whether it was one of ours.
pub fn on_nmi() -> bool {
    if STOPPING.load(Ordering::SeqCst) {
        stop()
    }
    let until = percpu::current().paused_until.swap(0, Ordering::Relaxed);
    while cpu::rdtsc() < until {
        core::hint::spin_loop();
    }
    until != 0
}
