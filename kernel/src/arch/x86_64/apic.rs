//! The local APIC of this CPU: end of interrupt, the timer, interrupts to other CPUs, and the table of interrupt handlers.
//!
//! xAPIC registers are in device memory, x2APIC ones are MSRs; one of the two is chosen at boot.

use core::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use sync::SetOnce;

use super::cpu::{self, MSR_APIC_BASE, rdmsr, wrmsr};
use super::messages;
use super::paging::OutOfTables;
use super::shootdown;
use crate::threads;

/// First vector of the interrupt lines of the I/O APIC: line n arrives at `IRQ_BASE + n`.
pub const IRQ_BASE: u8 = 0x40;
/// How many lines have a vector.
pub const IRQ_LINES: u8 = 24;
/// Vector of the local timer.
pub const TIMER_VECTOR: u8 = 0x30;
const SPURIOUS_VECTOR: u8 = 0xff;
/// Vector with which one CPU asks another to look at its run queue and inbox.
pub const RESCHEDULE_VECTOR: u8 = 0xf0;
/// Vector with which one CPU asks another to run the requests that were sent to it.
pub const CALL_VECTOR: u8 = 0xf1;
/// The legacy controllers' vectors: masked, but their spurious interrupts still arrive here.
pub const PIC_BASE: u8 = 0x20;

const REG_ID: u32 = 0x20;
const REG_TPR: u32 = 0x80;
const REG_EOI: u32 = 0xb0;
const REG_SPURIOUS: u32 = 0xf0;
const REG_COMMAND: u32 = 0x300;
const REG_COMMAND_TARGET: u32 = 0x310;
const REG_LVT_TIMER: u32 = 0x320;
const REG_LVT_LINT0: u32 = 0x350;
const REG_TIMER_INITIAL: u32 = 0x380;
const REG_TIMER_CURRENT: u32 = 0x390;
const REG_TIMER_DIVIDE: u32 = 0x3e0;

const LVT_MASKED: u32 = 1 << 16;
const LVT_TSC_DEADLINE: u32 = 2 << 17;
const APIC_ENABLE: u64 = 1 << 11;
const X2APIC_ENABLE: u64 = 1 << 10;
const DIVIDE_BY_1: u32 = 0xb;

const DELIVER_NMI: u32 = 4 << 8;
const DELIVER_INIT: u32 = 5 << 8;
const DELIVER_STARTUP: u32 = 6 << 8;
const ASSERT: u32 = 1 << 14;

/// Virtual address of the xAPIC registers; 0 = x2APIC, 1 = none set up.
static REGISTERS: AtomicU64 = AtomicU64::new(NONE);
const X2APIC: u64 = 0;
const NONE: u64 = 1;

/// The timer compares with the TSC: the same on all CPUs.
static TSC_DEADLINE: AtomicBool = AtomicBool::new(false);
const MSR_TSC_DEADLINE: u32 = 0x6e0;

/// A handler of one interrupt line: acknowledges its device, marks and wakes. Runs with interrupts masked.
pub type Handler = fn();

static HANDLERS: [SetOnce<Handler>; IRQ_LINES as usize] = [const { SetOnce::new() }; IRQ_LINES as usize];

fn read(register: u32) -> u32 {
    match REGISTERS.load(Ordering::Relaxed) {
        NONE => 0,
        X2APIC => rdmsr(0x800 + (register >> 4)) as u32,
        base => {
            let at = core::ptr::with_exposed_provenance::<u32>((base + u64::from(register)) as usize);
            // SAFETY: `base` is the mapped register page of this CPU's APIC.
            unsafe { at.read_volatile() }
        }
    }
}

fn write(register: u32, value: u32) {
    match REGISTERS.load(Ordering::Relaxed) {
        NONE => {}
        // SAFETY: x2APIC mode is on, and the registers named here exist in it.
        X2APIC => unsafe { wrmsr(0x800 + (register >> 4), u64::from(value)) },
        base => {
            let at = core::ptr::with_exposed_provenance_mut::<u32>((base + u64::from(register)) as usize);
            // SAFETY: `base` is the mapped register page of this CPU's APIC.
            unsafe { at.write_volatile(value) }
        }
    }
}

/// Turns this CPU's APIC on. `map` maps the register page, given its physical address.
pub fn init(map: impl FnOnce(u64) -> Result<*mut u8, OutOfTables>) -> Result<(), OutOfTables> {
    let base = rdmsr(MSR_APIC_BASE);
    if cpu::features().0 & (1 << 21) != 0 {
        // SAFETY: CPUID lists x2APIC; going from disabled or xAPIC to x2APIC with both bits is defined.
        unsafe { wrmsr(MSR_APIC_BASE, base | APIC_ENABLE | X2APIC_ENABLE) };
        REGISTERS.store(X2APIC, Ordering::Relaxed);
    } else {
        let page = map(base & 0x000f_ffff_ffff_f000)?;
        // SAFETY: the address stays, the APIC is only enabled.
        unsafe { wrmsr(MSR_APIC_BASE, base | APIC_ENABLE) };
        REGISTERS.store(page.expose_provenance() as u64, Ordering::Relaxed);
    }
    set_up();
    Ok(())
}

/// Turns the APIC of a CPU that is not the boot processor on, in the mode of the boot processor's.
pub fn init_other() {
    let base = rdmsr(MSR_APIC_BASE);
    let mode = if is_x2apic() { X2APIC_ENABLE } else { 0 };
    // SAFETY: the boot processor found that the mode exists; from xAPIC, where INIT leaves a CPU, to x2APIC is defined.
    unsafe { wrmsr(MSR_APIC_BASE, base | APIC_ENABLE | mode) };
    set_up();
}

fn set_up() {
    const CPUID_TSC_DEADLINE: u32 = 1 << 24;
    if cpu::cpuid(1).ecx & CPUID_TSC_DEADLINE != 0 {
        TSC_DEADLINE.store(true, Ordering::Relaxed);
        write(REG_LVT_TIMER, u32::from(TIMER_VECTOR) | LVT_TSC_DEADLINE);
        // The mode must have arrived before the first deadline is written.
        // SAFETY: a fence.
        unsafe { core::arch::asm!("mfence", options(nostack, preserves_flags)) };
    } else {
        write(REG_TIMER_DIVIDE, DIVIDE_BY_1);
        write(REG_LVT_TIMER, u32::from(TIMER_VECTOR));
    }
    write(REG_LVT_LINT0, LVT_MASKED);
    write(REG_TPR, 0);
    write(REG_SPURIOUS, 1 << 8 | u32::from(SPURIOUS_VECTOR));
}

fn is_x2apic() -> bool {
    REGISTERS.load(Ordering::Relaxed) == X2APIC
}

/// Whether an interrupt can be sent to a CPU with this APIC id.
pub fn can_reach(apic_id: u32) -> bool {
    const XAPIC_BROADCAST: u32 = 0xff;
    is_x2apic() || apic_id < XAPIC_BROADCAST
}

/// Sends what `command` says to the CPU with this APIC id. Does not wait: every APIC that still exists takes the next command
/// before the last is delivered.
fn send(apic_id: u32, command: u32) {
    if is_x2apic() {
        // SAFETY: x2APIC mode is on. Writes to it do not order earlier stores, which the fences do: the other CPU must see
        // what it is interrupted for.
        unsafe {
            core::arch::asm!("mfence", "lfence", options(nostack, preserves_flags));
            wrmsr(0x800 + (REG_COMMAND >> 4), u64::from(apic_id) << 32 | u64::from(command));
        }
        return;
    }
    // Two registers make one command: no interrupt may send another in between.
    cpu::without_interrupts(|| {
        write(REG_COMMAND_TARGET, apic_id << 24);
        write(REG_COMMAND, command);
    });
}

/// Interrupts another CPU with `vector`.
pub fn send_ipi(apic_id: u32, vector: u8) {
    send(apic_id, ASSERT | u32::from(vector));
}

/// Interrupts another CPU even if it masks interrupts.
pub fn send_nmi(apic_id: u32) {
    send(apic_id, ASSERT | DELIVER_NMI);
}

/// Resets a CPU; it waits for [`send_startup`] then.
pub fn send_init(apic_id: u32) {
    send(apic_id, ASSERT | DELIVER_INIT);
}

/// Lets a CPU that was reset begin in real mode at `page`, counted in pages from 0.
pub fn send_startup(apic_id: u32, page: u8) {
    send(apic_id, ASSERT | DELIVER_STARTUP | u32::from(page));
}

/// This CPU's APIC id.
pub fn id() -> u32 {
    let id = read(REG_ID);
    if is_x2apic() { id } else { id >> 24 }
}

/// Makes `handler` the one of interrupt line `line` (a global system interrupt below [`IRQ_LINES`]).
/// Returns false if the line has a handler already or does not exist.
pub fn set_handler(line: u8, handler: Handler) -> bool {
    HANDLERS.get(usize::from(line)).is_some_and(|slot| slot.set(handler).is_ok())
}

/// Starts the timer: an interrupt after `count` APIC clocks; none for 0. Not with TSC-deadline.
pub fn start_timer(count: u32) {
    write(REG_TIMER_INITIAL, count);
}

/// Whether the timer compares with the TSC instead of counting.
pub fn has_tsc_deadline() -> bool {
    TSC_DEADLINE.load(Ordering::Relaxed)
}

/// Lets the timer fire when the TSC reaches `at`; never for 0. Only with TSC-deadline.
pub fn set_tsc_deadline(at: u64) {
    // SAFETY: the register exists where CPUID lists TSC-deadline.
    unsafe { wrmsr(MSR_TSC_DEADLINE, at) };
}

/// What is left of the timer's count.
pub fn timer_count() -> u32 {
    read(REG_TIMER_CURRENT)
}

/// Whether a device or controller raises `vector` in this machine. Any other was an `int` instruction.
pub fn is_device_vector(vector: u8) -> bool {
    let legacy = PIC_BASE..PIC_BASE + 16;
    matches!(vector, TIMER_VECTOR | SPURIOUS_VECTOR | RESCHEDULE_VECTOR | CALL_VECTOR)
        || handler(vector).is_some()
        || messages::has(vector)
        || legacy.contains(&vector)
}

fn handler(vector: u8) -> Option<&'static Handler> {
    HANDLERS.get(usize::from(vector.wrapping_sub(IRQ_BASE))).and_then(SetOnce::get)
}

/// Takes an interrupt: runs its handler and acknowledges it.
pub fn handle(vector: u8) {
    if let Some(handler) = handler(vector) {
        handler();
    } else if !messages::handle(vector) {
        match vector {
            TIMER_VECTOR => threads::timer_fired(),
            RESCHEDULE_VECTOR => threads::kicked(),
            CALL_VECTOR => shootdown::answer(),
            // Spurious, of this controller or of the masked legacy ones: those want no acknowledgement.
            _ => return,
        }
    }
    write(REG_EOI, 0);
}
