//! The first Rust code: called by boot.S in long mode, on the boot stack, with the boot page tables.

use super::{cpu, gdt, idt, percpu, symbols, syscall_entry};

core::arch::global_asm!(include_str!("boot.S"), options(raw));
core::arch::global_asm!(include_str!("entry.S"), options(raw));

/// Sets the boot processor up and hands over to [`crate::init::kernel_main`]. `start_info` is the
/// physical address of the PVH start info.
#[unsafe(no_mangle)]
extern "C" fn rust_entry(start_info: u32) -> ! {
    let (bottom, end) = symbols::boot_stack();
    percpu::init_boot_cpu(bottom, end);
    cpu::init();
    gdt::init();
    early_trap_stacks();
    idt::init();
    syscall_entry::init();
    crate::init::kernel_main(u64::from(start_info))
}

/// One page for each trap stack, in the kernel's own memory, until guarded ones can be mapped.
fn early_trap_stacks() {
    #[repr(C, align(4096))]
    struct Stacks(core::cell::UnsafeCell<[[u8; EARLY_STACK]; 2]>);
    // SAFETY: only the CPU writes to it, when it delivers a trap.
    unsafe impl Sync for Stacks {}
    const EARLY_STACK: usize = 8192;
    static STACKS: Stacks = Stacks(core::cell::UnsafeCell::new([[0; EARLY_STACK]; 2]));
    let base = STACKS.0.get().expose_provenance() as u64;
    let size = EARLY_STACK as u64;
    for (index, end) in [
        (gdt::IST_IRQ, base + size),
        (gdt::IST_FAULT, base + 2 * size),
        (gdt::IST_NMI, base + size),
        (gdt::IST_DOUBLE_FAULT, base + size),
        (gdt::IST_MACHINE_CHECK, base + size),
    ] {
        gdt::set_trap_stack(index, end);
    }
}
