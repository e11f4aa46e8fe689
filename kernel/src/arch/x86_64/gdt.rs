//! Segment descriptors and the task-state segment with the trap stacks (IST).
//!
//! IST 1 takes interrupts and IST 2 exceptions; both belong to the running thread. IST 3, 4 and 5
//! (NMI, double fault, machine check) belong to the CPU. At the top of each lies the address of the
//! CPU's area, so that an entry can tell whether GS was moved.

use core::cell::UnsafeCell;

use x86_64::structures::DescriptorTablePointer;

/// Selector of the code segment, in the kernel and in the program alike.
pub const KERNEL_CS: u16 = 0x08;
/// Selector of the stack segment.
pub const KERNEL_SS: u16 = 0x10;
const TSS_SELECTOR: u16 = 0x18;

/// IST index of interrupts.
pub const IST_IRQ: u8 = 1;
/// IST index of exceptions that a program can cause.
pub const IST_FAULT: u8 = 2;
/// IST index of the non-maskable interrupt.
pub const IST_NMI: u8 = 3;
/// IST index of the double fault.
pub const IST_DOUBLE_FAULT: u8 = 4;
/// IST index of the machine check.
pub const IST_MACHINE_CHECK: u8 = 5;

/// Task-state segment, Intel SDM volume 3, figure 8-11.
#[repr(C, packed(4))]
struct Tss {
    reserved0: u32,
    rsp: [u64; 3],
    reserved1: u64,
    ist: [u64; 7],
    reserved2: u64,
    reserved3: u16,
    iomap_base: u16,
}

/// GDT and TSS of one CPU.
pub struct Tables {
    gdt: UnsafeCell<[u64; 5]>,
    tss: UnsafeCell<Tss>,
}

// SAFETY: written only by the CPU that the tables belong to, with interrupts masked, or before that CPU runs.
unsafe impl Sync for Tables {}

impl Tables {
    /// Tables without trap stacks.
    pub const fn new() -> Self {
        Self {
            gdt: UnsafeCell::new([0, 0x00af_9b00_0000_ffff, 0x00cf_9300_0000_ffff, 0, 0]),
            tss: UnsafeCell::new(Tss {
                reserved0: 0,
                rsp: [0; 3],
                reserved1: 0,
                ist: [0; 7],
                reserved2: 0,
                reserved3: 0,
                iomap_base: size_of::<Tss>() as u16,
            }),
        }
    }

    /// Loads the tables into the running CPU, whose own they are. Trap stacks must be set before the first trap.
    pub fn load(&'static self) {
        let base = self.tss.get().addr() as u64;
        let limit = (size_of::<Tss>() - 1) as u64;
        let low = limit | (base & 0x00ff_ffff) << 16 | 0x89 << 40 | (base >> 24 & 0xff) << 56;
        let gdt = self.gdt.get();
        // SAFETY: only this CPU uses the tables and interrupts are masked; the descriptors written are those of a 64-bit
        // available TSS that lives for ever, and CS and SS keep their meaning.
        unsafe {
            (*gdt)[3] = low;
            (*gdt)[4] = base >> 32;
            x86_64::instructions::tables::lgdt(&DescriptorTablePointer {
                limit: (size_of::<[u64; 5]>() - 1) as u16,
                base: x86_64::VirtAddr::new(gdt.addr() as u64),
            });
            core::arch::asm!("ltr {0:x}", in(reg) TSS_SELECTOR, options(nostack, preserves_flags));
        }
    }

    /// Makes the stack that ends at `end` (16-aligned) the one of IST `index`; `area` goes to its top. For the CPU itself, with
    /// interrupts masked, or before it runs.
    pub fn set_trap_stack(&self, index: u8, end: u64, area: u64) {
        debug_assert!(end.is_multiple_of(16) && (1..=7).contains(&index));
        let entry = end - 16;
        // SAFETY: `end` is the end of a mapped stack of at least a page that nothing else uses; the CPU reads the TSS entry
        // only when it delivers a trap.
        unsafe {
            core::ptr::with_exposed_provenance_mut::<u64>(entry as usize).write(area);
            let ist = &raw mut (*self.tss.get()).ist;
            ist.cast::<u64>().add(usize::from(index) - 1).write_unaligned(entry);
        }
    }
}
