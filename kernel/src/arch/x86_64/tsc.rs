//! The monotonic clock: the time-stamp counter; and the frequency of the local timer.
//!
//! The TSC's frequency comes from KVM's clock or CPUID where a hypervisor or the CPU states it. Otherwise it is
//! measured against the ACPI timer or the PIT, and not before somebody asks for the time: a program
//! that never does boots without the measurement.

use core::sync::atomic::{AtomicU16, AtomicU32, AtomicU64, Ordering};

use super::kvmclock::KvmClock;
use super::pio::{inb, inl, outb};
use super::{apic, cpu, percpu, timer, vdso};
use crate::drivers::rtc;

const PM_TIMER_HZ: u64 = 3_579_545;
const PIT_HZ: u64 = 1_193_182;
/// How long a measurement takes at least.
const MEASURE_US: u64 = 2_000;
/// How many measurements are taken, of which the least disturbed one counts.
const MEASUREMENTS: u32 = 2;
/// A read of a port takes half a microsecond at least; as many take much longer than a measurement.
const MAX_READS: u32 = 1_000_000;
/// The 24-bit ACPI timer wraps after 4.7 s; a TSC faster than 0.5 GHz has counted this far by 2 s.
const MAX_TICKS_FROM_BOOT: u64 = 1_000_000_000;

static BOOT_TSC: AtomicU64 = AtomicU64::new(0);
/// The wall clock then, as a hypervisor states it; 0: none does.
static STATED_WALL: AtomicU64 = AtomicU64::new(0);
static BOOT_PM: AtomicU32 = AtomicU32::new(0);
/// Port of the ACPI timer; 0 = none.
static PM_PORT: AtomicU16 = AtomicU16::new(0);
/// 0 = not known yet.
static TSC_KHZ: AtomicU64 = AtomicU64::new(0);
/// Nanoseconds per tick of the TSC, times 2^32; 0 = not known yet.
static TSC_MULT: AtomicU64 = AtomicU64::new(0);
/// Frequency of the local timer; 0 = not known yet.
static TIMER_KHZ: AtomicU64 = AtomicU64::new(0);

/// Remembers the start of time. `pm_timer` is the port of the ACPI timer, if the machine has one.
pub fn init(pm_timer: Option<u16>) {
    if let Some(port) = pm_timer {
        PM_PORT.store(port, Ordering::Relaxed);
        BOOT_PM.store(inl(port) & 0x00ff_ffff, Ordering::Relaxed);
    }
    let boot = cpu::rdtsc();
    BOOT_TSC.store(boot, Ordering::Relaxed);
    let kvm = KvmClock::ask();
    let khz = kvm.as_ref().map(KvmClock::khz).or_else(stated_khz);
    TSC_KHZ.store(khz.unwrap_or(0), Ordering::Relaxed);
    STATED_WALL.store(kvm.and_then(|clock| clock.wall_ns_at(boot)).unwrap_or(0), Ordering::Relaxed);
}

/// The time of the boot as a hypervisor states it exactly, nanoseconds since 1970.
pub fn stated_boot_time_ns() -> Option<u64> {
    Some(STATED_WALL.load(Ordering::Relaxed)).filter(|&time| time != 0)
}

/// Nanoseconds from boot to when the counter showed `tsc`.
pub fn ns_from_boot(tsc: u64) -> u64 {
    let ticks = tsc.saturating_sub(BOOT_TSC.load(Ordering::Relaxed));
    ((u128::from(ticks) * u128::from(tsc_mult())) >> 32) as u64
}

/// The frequency as a hypervisor (leaf 0x40000010) or the CPU (leaf 0x15) states it.
fn stated_khz() -> Option<u64> {
    let hypervisor = u64::from(cpu::cpuid(0x4000_0010).eax);
    if hypervisor != 0 {
        return Some(hypervisor);
    }
    let leaf = cpu::cpuid(0x15);
    if leaf.eax == 0 || leaf.ebx == 0 || leaf.ecx == 0 {
        return None;
    }
    Some(u64::from(leaf.ecx) * u64::from(leaf.ebx) / u64::from(leaf.eax) / 1000)
}

/// Runs `before`, then watches a reference clock for [`MEASURE_US`] at least; returns how long, in nanoseconds. `None` if the
/// machine has neither of the two that can be watched.
fn measured_interval(before: &mut dyn FnMut()) -> Option<u64> {
    let port = PM_PORT.load(Ordering::Relaxed);
    if port != 0 {
        let start = inl(port);
        before();
        // A port at which nothing counts reads the same for ever.
        for _ in 0..MAX_READS {
            let ticks = u64::from(inl(port).wrapping_sub(start) & 0x00ff_ffff);
            if ticks >= PM_TIMER_HZ * MEASURE_US / 1_000_000 {
                return Some(ticks * 1_000_000_000 / PM_TIMER_HZ);
            }
        }
    }
    pit_interval(before)
}

/// [`measured_interval`] by channel 0 of the PIT, which counts down from 65536; its interrupt is masked. (Channel 2 would need port
/// 0x61, which microvms lack.) It comes round after 55 ms, so a pause longer than that goes unnoticed.
fn pit_interval(before: &mut dyn FnMut()) -> Option<u64> {
    let goal = PIT_HZ * MEASURE_US / 1_000_000;
    // Mode 2, both bytes.
    outb(0x43, 0x34);
    outb(0x40, 0);
    outb(0x40, 0);
    let first = pit_count();
    before();
    // Where there is no PIT the port reads the same for ever.
    (0..MAX_READS)
        .map(|_| u64::from(first.wrapping_sub(pit_count())))
        .find(|&ticks| ticks >= goal)
        .map(|ticks| ticks * 1_000_000_000 / PIT_HZ)
}

/// The count of channel 0 of the PIT, latched.
fn pit_count() -> u16 {
    outb(0x43, 0);
    u16::from_le_bytes([inb(0x40), inb(0x40)])
}

fn measure() {
    let port = PM_PORT.load(Ordering::Relaxed);
    let boot = BOOT_TSC.load(Ordering::Relaxed);
    let since_boot = cpu::rdtsc() - boot;
    if port != 0 && TSC_KHZ.load(Ordering::Relaxed) == 0 && since_boot < MAX_TICKS_FROM_BOOT {
        let ticks =
            u64::from((inl(port) & 0x00ff_ffff).wrapping_sub(BOOT_PM.load(Ordering::Relaxed)) & 0x00ff_ffff);
        if ticks >= PM_TIMER_HZ * MEASURE_US / 1_000_000 {
            TSC_KHZ.store((cpu::rdtsc() - boot) * PM_TIMER_HZ / ticks / 1000, Ordering::Relaxed);
            return;
        }
    }
    let khz = (0..MEASUREMENTS).filter_map(|_| measured_khz(measured_interval)).min().or_else(|| {
        // The real-time clock is coarse, so it takes a second.
        measured_khz(|before| {
            rtc::wait_for_second().then(before)?;
            rtc::wait_for_second().then_some(1_000_000_000)
        })
    });
    if khz.is_none() {
        log::warn!("nothing says how fast this machine's clock runs: it is taken to run at 1 GHz");
    }
    TSC_KHZ.store(khz.unwrap_or(1_000_000).max(1), Ordering::Relaxed);
}

/// The TSC's frequency by an interval of another clock. A pause between reading the one and the other makes it too high, never
/// too low.
fn measured_khz(interval: impl FnOnce(&mut dyn FnMut()) -> Option<u64>) -> Option<u64> {
    let mut start = 0;
    let ns = interval(&mut || start = cpu::rdtsc())?;
    Some((cpu::rdtsc() - start).saturating_mul(1_000_000) / ns.max(1))
}

/// The frequency of the time-stamp counter, kHz; measured at the first call.
pub fn khz() -> u64 {
    tsc_khz()
}

fn tsc_khz() -> u64 {
    if TSC_KHZ.load(Ordering::Relaxed) == 0 {
        measure();
    }
    TSC_KHZ.load(Ordering::Relaxed).max(1)
}

/// Nanoseconds per tick, times 2^32. When it becomes known the program's own clock functions learn it.
#[inline]
fn tsc_mult() -> u64 {
    match TSC_MULT.load(Ordering::Relaxed) {
        0 => measure_mult(),
        known => known,
    }
}

#[cold]
#[inline(never)]
fn measure_mult() -> u64 {
    let mult = (1_000_000 << 32) / tsc_khz();
    match TSC_MULT.compare_exchange(0, mult, Ordering::Relaxed, Ordering::Relaxed) {
        Ok(_) => {
            vdso::publish_monotonic(BOOT_TSC.load(Ordering::Relaxed), mult);
            mult
        }
        // Another thread measured at the same time.
        Err(first) => first,
    }
}

/// Nanoseconds since boot.
pub fn monotonic_ns() -> u64 {
    // The factor first: its measurement takes time.
    let mult = tsc_mult();
    let ticks = cpu::rdtsc().saturating_sub(BOOT_TSC.load(Ordering::Relaxed));
    // The same arithmetic as in the vDSO.
    ((u128::from(ticks) * u128::from(mult)) >> 32) as u64
}

/// Nanoseconds since boot; 0 while nobody has asked for the time. For interrupt handlers and the scheduler.
pub fn known_ns() -> u64 {
    if TSC_MULT.load(Ordering::Relaxed) == 0 { 0 } else { monotonic_ns() }
}

/// The TSC when the monotonic clock shows `ns`.
pub fn at_ns(ns: u64) -> u64 {
    let ticks = (u128::from(ns) << 32).div_ceil(u128::from(tsc_mult()));
    u64::try_from(ticks).unwrap_or(u64::MAX).saturating_add(BOOT_TSC.load(Ordering::Relaxed))
}

/// The frequency of the local timer, kHz, once [`calibrate`] was called.
pub fn timer_khz() -> u64 {
    TIMER_KHZ.load(Ordering::Relaxed).max(1)
}

/// Finds the frequencies of the TSC and of the local timer, so that deadlines can be kept. In a thread.
pub fn calibrate() {
    let mult = tsc_mult();
    if apic::has_tsc_deadline() || TIMER_KHZ.load(Ordering::Relaxed) != 0 {
        return;
    }
    cpu::without_interrupts(|| {
        let cpu = percpu::current();
        // The timer has been running beside the TSC since it was started: no need to wait for a measurement.
        let counted = timer::elapsed(cpu).filter(|&(_, ticks)| ticks >= tsc_khz() * MEASURE_US / 1000);
        let (counts, ns) = match counted {
            Some((counts, ticks)) => (counts, ((u128::from(ticks) * u128::from(mult)) >> 32) as u64),
            None => {
                apic::start_timer(u32::MAX);
                let from = monotonic_ns();
                let before = apic::timer_count();
                // By the TSC, whose frequency is known: no other clock is needed.
                let ns = core::iter::from_fn(|| Some(monotonic_ns() - from))
                    .find(|&ns| ns >= MEASURE_US * 1000)
                    .unwrap_or(1);
                let counts = u64::from(before.wrapping_sub(apic::timer_count()));
                timer::restart(cpu);
                (counts, ns)
            }
        };
        TIMER_KHZ.store((counts.saturating_mul(1_000_000) / ns.max(1)).max(1), Ordering::Relaxed);
    });
}
