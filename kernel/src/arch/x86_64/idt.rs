//! The interrupt descriptor table: 256 stubs of entry.S, each on its stack.

use core::cell::UnsafeCell;

use x86_64::structures::DescriptorTablePointer;

use super::gdt::{IST_DOUBLE_FAULT, IST_FAULT, IST_IRQ, IST_MACHINE_CHECK, IST_NMI, KERNEL_CS};

/// Bytes from one stub to the next.
const STUB_SIZE: u64 = 16;
/// Present, interrupt gate, privilege level 0 (a program's `int n` runs in ring 0 anyway).
const INTERRUPT_GATE: u64 = 0x8e00;

struct Idt(UnsafeCell<[[u64; 2]; 256]>);

// SAFETY: written once by the boot processor before it is loaded, read-only for the CPUs afterwards.
unsafe impl Sync for Idt {}

static IDT: Idt = Idt(UnsafeCell::new([[0; 2]; 256]));

unsafe extern "C" {
    static trap_stubs: u8;
}

fn trap_stack(vector: usize) -> u8 {
    match vector {
        2 => IST_NMI,
        8 => IST_DOUBLE_FAULT,
        18 => IST_MACHINE_CHECK,
        0..32 => IST_FAULT,
        _ => IST_IRQ,
    }
}

/// Fills the table and loads it into the boot processor.
pub fn init() {
    let stubs = (&raw const trap_stubs).addr() as u64;
    let table = IDT.0.get();
    for vector in 0..256 {
        let handler = stubs + vector as u64 * STUB_SIZE;
        let low = (handler & 0xffff)
            | u64::from(KERNEL_CS) << 16
            | u64::from(trap_stack(vector)) << 32
            | INTERRUPT_GATE << 32
            | (handler >> 16 & 0xffff) << 48;
        // SAFETY: the boot processor runs alone here and the table is not loaded yet.
        unsafe { (*table)[vector] = [low, handler >> 32] };
    }
    load();
}

/// Loads the table, which is filled, into the running CPU.
pub fn load() {
    let table = IDT.0.get();
    let pointer = DescriptorTablePointer {
        limit: (size_of::<[[u64; 2]; 256]>() - 1) as u16,
        base: x86_64::VirtAddr::new(table.addr() as u64),
    };
    // SAFETY: every entry leads to a stub that saves all registers and returns with iretq.
    unsafe { x86_64::instructions::tables::lidt(&pointer) };
}
