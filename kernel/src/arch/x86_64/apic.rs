//! The local APIC of this CPU: end of interrupt, the timer, and the table of interrupt handlers.
//!
//! xAPIC registers are in device memory, x2APIC ones are MSRs; one of the two is chosen at boot.

use core::sync::atomic::{AtomicU64, Ordering};

use sync::SetOnce;

use super::cpu::{self, MSR_APIC_BASE, rdmsr, wrmsr};
use super::messages;
use super::paging::OutOfTables;

/// First vector of the interrupt lines of the I/O APIC: line n arrives at `IRQ_BASE + n`.
pub const IRQ_BASE: u8 = 0x40;
/// How many lines have a vector.
pub const IRQ_LINES: u8 = 24;
/// Vector of the local timer.
pub const TIMER_VECTOR: u8 = 0x30;
const SPURIOUS_VECTOR: u8 = 0xff;
/// The legacy controllers' vectors: masked, but their spurious interrupts still arrive here.
pub const PIC_BASE: u8 = 0x20;

const REG_ID: u32 = 0x20;
const REG_TPR: u32 = 0x80;
const REG_EOI: u32 = 0xb0;
const REG_SPURIOUS: u32 = 0xf0;
const REG_LVT_TIMER: u32 = 0x320;
const REG_LVT_LINT0: u32 = 0x350;
const REG_TIMER_INITIAL: u32 = 0x380;
const REG_TIMER_CURRENT: u32 = 0x390;
const REG_TIMER_DIVIDE: u32 = 0x3e0;

const LVT_MASKED: u32 = 1 << 16;
const LVT_PERIODIC: u32 = 1 << 17;
const LVT_TSC_DEADLINE: u32 = 1 << 18;
const MSR_TSC_DEADLINE: u32 = 0x6e0;
const APIC_ENABLE: u64 = 1 << 11;
const X2APIC_ENABLE: u64 = 1 << 10;
const DIVIDE_BY_1: u32 = 0xb;

/// Virtual address of the xAPIC registers; 0 = x2APIC, 1 = none set up.
static REGISTERS: AtomicU64 = AtomicU64::new(NONE);
const X2APIC: u64 = 0;
const NONE: u64 = 1;

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
    write(REG_LVT_TIMER, LVT_MASKED);
    write(REG_LVT_LINT0, LVT_MASKED);
    write(REG_TPR, 0);
    write(REG_SPURIOUS, 1 << 8 | u32::from(SPURIOUS_VECTOR));
    Ok(())
}

/// This CPU's APIC id.
pub fn id() -> u32 {
    let id = read(REG_ID);
    if REGISTERS.load(Ordering::Relaxed) == X2APIC { id } else { id >> 24 }
}

/// Makes `handler` the one of interrupt line `line` (a global system interrupt below [`IRQ_LINES`]).
/// Returns false if the line has a handler already or does not exist.
pub fn set_handler(line: u8, handler: Handler) -> bool {
    HANDLERS.get(usize::from(line)).is_some_and(|slot| slot.set(handler).is_ok())
}

/// Starts the timer: an interrupt every `count` APIC clocks (periodic) or once.
pub fn start_timer(count: u32, periodic: bool) {
    write(REG_TIMER_DIVIDE, DIVIDE_BY_1);
    write(REG_LVT_TIMER, u32::from(TIMER_VECTOR) | if periodic { LVT_PERIODIC } else { 0 });
    write(REG_TIMER_INITIAL, count);
}

/// Starts the timer: an interrupt when the TSC reaches `tsc` (CPUID leaf 1, ECX bit 24).
pub fn start_deadline(tsc: u64) {
    write(REG_LVT_TIMER, u32::from(TIMER_VECTOR) | LVT_TSC_DEADLINE);
    // The write of the mode, which may go to memory, must be seen before that of the deadline (SDM 3A, 12.5.4.1).
    core::sync::atomic::fence(core::sync::atomic::Ordering::SeqCst);
    // SAFETY: the caller knows that the processor has the register; 0 would disarm the timer.
    unsafe { wrmsr(MSR_TSC_DEADLINE, tsc.max(1)) };
}

/// Lets the timer count down from its maximum without an interrupt, to measure its frequency.
pub fn start_timer_silently() {
    write(REG_TIMER_DIVIDE, DIVIDE_BY_1);
    write(REG_LVT_TIMER, u32::from(TIMER_VECTOR) | LVT_MASKED);
    write(REG_TIMER_INITIAL, u32::MAX);
}

/// What is left of the timer's count.
pub fn timer_count() -> u32 {
    read(REG_TIMER_CURRENT)
}

/// Whether a device or controller raises `vector` in this machine. Any other was an `int` instruction.
pub fn is_device_vector(vector: u8) -> bool {
    let legacy = PIC_BASE..PIC_BASE + 16;
    matches!(vector, TIMER_VECTOR | SPURIOUS_VECTOR)
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
    } else if messages::handle(vector) {
    } else if vector != TIMER_VECTOR {
        // Spurious, of this controller or of the masked legacy ones: those want no acknowledgement.
        return;
    }
    write(REG_EOI, 0);
}
