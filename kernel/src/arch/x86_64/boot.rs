//! The first Rust code: called by boot.S in long mode, on the boot stack, with the boot page tables.

use super::{cpu, gdt, idt, percpu, symbols, syscall_entry};
use crate::mem::stacks::ThreadStack;

core::arch::global_asm!(include_str!("boot.S"), options(raw));
core::arch::global_asm!(include_str!("entry.S"), options(raw));
core::arch::global_asm!(include_str!("ap.S"), options(raw));

/// Sets the boot processor up and hands over to [`crate::init::kernel_main`]. `start_info` is the
/// physical address of the PVH start info.
#[unsafe(no_mangle)]
extern "C" fn rust_entry(start_info: u32) -> ! {
    let (bottom, end) = symbols::boot_stack();
    percpu::init_boot_cpu(bottom, end);
    cpu::init();
    percpu::boot_cpu().tables().load();
    early_trap_stacks();
    idt::init();
    syscall_entry::init();
    crate::init::kernel_main(u64::from(start_info))
}

#[repr(C, align(4096))]
struct Stacks(core::cell::UnsafeCell<[[u8; EARLY_STACK]; 2]>);
// SAFETY: only the CPU writes to it, when it delivers a trap.
unsafe impl Sync for Stacks {}
const EARLY_STACK: usize = 8192;
static STACKS: Stacks = Stacks(core::cell::UnsafeCell::new([[0; EARLY_STACK]; 2]));

/// The stacks that the boot processor starts with, in the kernel's own memory. They become its idle loop's.
pub fn early_stack() -> ThreadStack {
    let base = STACKS.0.get().expose_provenance() as u64;
    let size = EARLY_STACK as u64;
    let (bottom, end) = symbols::boot_stack();
    ThreadStack { bottom, end, irq_end: base + size, fault_end: base + 2 * size }
}

/// Until there are guarded stacks for the traps that belong to the CPU, they arrive on that of interrupts.
fn early_trap_stacks() {
    let stack = early_stack();
    for (index, end) in [
        (gdt::IST_IRQ, stack.irq_end),
        (gdt::IST_FAULT, stack.fault_end),
        (gdt::IST_NMI, stack.irq_end),
        (gdt::IST_DOUBLE_FAULT, stack.irq_end),
        (gdt::IST_MACHINE_CHECK, stack.irq_end),
    ] {
        percpu::boot_cpu().set_trap_stack(index, end);
    }
}
