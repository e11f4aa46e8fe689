//! The I/O APIC: routes the interrupt lines of devices to the boot processor.

use core::sync::atomic::{AtomicPtr, Ordering};

use kerncore::acpi::Trigger;
use sync::SetOnce;

use super::apic::{self, IRQ_BASE, IRQ_LINES, PIC_BASE};
use super::pio::outb;

const REG_VERSION: u32 = 1;
const REG_TABLE: u32 = 0x10;
const MASKED: u32 = 1 << 16;
const LEVEL: u32 = 1 << 15;
const ACTIVE_LOW: u32 = 1 << 13;

static REGISTERS: AtomicPtr<u8> = AtomicPtr::new(core::ptr::null_mut());
/// The second controller of machines that have one, and its first line.
static SECOND: SetOnce<(AtomicPtr<u8>, u32)> = SetOnce::new();

fn select(base: *mut u8, register: u32) -> *mut u32 {
    // SAFETY: `base` is the mapped register window of an I/O APIC: index at 0, data at 0x10.
    unsafe {
        base.cast::<u32>().write_volatile(register);
        base.add(0x10).cast::<u32>()
    }
}

fn read(base: *mut u8, register: u32) -> u32 {
    // SAFETY: `select` returns the data register. Only the boot processor runs, with interrupts
    // masked or before they are used, so index and data belong together.
    unsafe { select(base, register).read_volatile() }
}

fn write(base: *mut u8, register: u32, value: u32) {
    // SAFETY: as for `read`.
    unsafe { select(base, register).write_volatile(value) }
}

/// Masks every line of the I/O APIC whose registers are at `base`, and the legacy controllers.
pub fn init(base: *mut u8) {
    disable_legacy();
    REGISTERS.store(base, Ordering::Relaxed);
    mask_all(base);
}

/// Takes a second I/O APIC into use, whose first line is `first`. One that comes after it is not used.
pub fn init_second(base: *mut u8, first: u32) {
    mask_all(base);
    if SECOND.set((AtomicPtr::new(base), first)).is_err() {
        log::warn!("only two I/O APICs are used");
    }
}

/// Number of lines of the controller at `base`.
fn lines(base: *mut u8) -> u32 {
    (read(base, REG_VERSION) >> 16 & 0xff) + 1
}

fn mask_all(base: *mut u8) {
    for line in 0..lines(base) {
        write(base, REG_TABLE + 2 * line, MASKED);
    }
}

/// Moves the two 8259 controllers off the exception vectors and masks them.
fn disable_legacy() {
    // ICW1..ICW4 of each, then all lines masked (Intel 8259A datasheet).
    for (port, value) in [
        (0x20, 0x11),
        (0xa0, 0x11),
        (0x21, PIC_BASE),
        (0xa1, PIC_BASE + 8),
        (0x21, 4),
        (0xa1, 2),
        (0x21, 1),
        (0xa1, 1),
        (0x21, 0xff),
        (0xa1, 0xff),
    ] {
        outb(port, value);
    }
}

/// Routes global system interrupt `line` to this CPU; returns false if there is no such line.
pub fn enable(line: u8, trigger: Trigger) -> bool {
    line < IRQ_LINES && route(line.into(), trigger, IRQ_BASE + line)
}

/// Routes global system interrupt `line` to `vector` of this CPU; returns false if there is no such line.
pub fn route(line: u32, trigger: Trigger, vector: u8) -> bool {
    let first = REGISTERS.load(Ordering::Relaxed);
    let second = SECOND.get().filter(|(_, first_line)| line >= *first_line);
    let (base, line) = match second {
        Some((base, first_line)) => (base.load(Ordering::Relaxed), line - first_line),
        None => (first, line),
    };
    if base.is_null() || line >= lines(base) {
        return false;
    }
    let register = REG_TABLE + 2 * line;
    let mode = if trigger.level { LEVEL } else { 0 } | if trigger.active_low { ACTIVE_LOW } else { 0 };
    write(base, register + 1, apic::id() << 24);
    write(base, register, u32::from(vector) | mode);
    true
}
