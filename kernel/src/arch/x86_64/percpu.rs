//! The per-CPU area, always behind GS.
//!
//! The assembly of entry.S knows the offsets of the first fields. Only the boot processor runs in
//! this step; the others are counted from the MADT and stay where the firmware left them.

use core::sync::atomic::{AtomicU64, Ordering};

use super::cpu::{MSR_GS_BASE, rdmsr, wrmsr};

/// What belongs to one CPU. Fields are atomics because interrupt handlers of the same CPU read them.
#[repr(C)]
pub struct PerCpu {
    /// Offset 0: the address of this structure.
    this: AtomicU64,
    /// Offset 8: scratch for the program's RSP at a system call.
    user_rsp: AtomicU64,
    /// Offset 16: where a frame starts on the running thread's kernel stack: 8 below its 16-aligned end.
    kstack_top: AtomicU64,
    /// Offset 24: the lowest byte of the running thread's kernel stack.
    kstack_bottom: AtomicU64,
}

const _: () = assert!(core::mem::offset_of!(PerCpu, user_rsp) == 8);
const _: () = assert!(core::mem::offset_of!(PerCpu, kstack_top) == 16);

impl PerCpu {
    const fn new() -> Self {
        Self {
            this: AtomicU64::new(0),
            user_rsp: AtomicU64::new(0),
            kstack_top: AtomicU64::new(0),
            kstack_bottom: AtomicU64::new(0),
        }
    }

    /// Address of this area, as GS holds it.
    pub fn base(&self) -> u64 {
        core::ptr::from_ref(self).expose_provenance() as u64
    }

    /// Bottom (inclusive) and end (exclusive, 16-aligned) of the running thread's kernel stack.
    pub fn kernel_stack(&self) -> (u64, u64) {
        (self.kstack_bottom.load(Ordering::Relaxed), self.kstack_top.load(Ordering::Relaxed) + 8)
    }

    /// Makes `bottom..end` the stack that traps and system calls of the running thread use.
    pub fn set_kernel_stack(&self, bottom: u64, end: u64) {
        debug_assert!(end.is_multiple_of(16) && bottom < end);
        self.kstack_bottom.store(bottom, Ordering::Relaxed);
        self.kstack_top.store(end - 8, Ordering::Relaxed);
    }
}

static BOOT_CPU: PerCpu = PerCpu::new();

/// Points GS of the boot processor at its area; `bottom..end` is the stack it runs on.
pub fn init_boot_cpu(bottom: u64, end: u64) {
    BOOT_CPU.this.store(BOOT_CPU.base(), Ordering::Relaxed);
    BOOT_CPU.set_kernel_stack(bottom, end);
    // SAFETY: the register exists on every 64-bit CPU, and the area is static.
    unsafe { wrmsr(MSR_GS_BASE, BOOT_CPU.base()) };
}

/// The running CPU's area. GS is set before the first call and repaired at every trap.
pub fn current() -> &'static PerCpu {
    let base: usize;
    // SAFETY: GS points at the running CPU's area, whose first field is its own address.
    unsafe { core::arch::asm!("mov {}, gs:[0]", out(reg) base, options(nostack, preserves_flags, readonly)) };
    // SAFETY: areas are static and shared through atomics only.
    unsafe { &*core::ptr::with_exposed_provenance::<PerCpu>(base) }
}

/// Finds out whether the program moved GS, and puts it back if so. `expected` is this CPU's area,
/// taken from the top of the trap's own stack. Returns whether GS was wrong.
pub fn repair_gs(expected: u64) -> bool {
    if rdmsr(MSR_GS_BASE) == expected {
        return false;
    }
    // SAFETY: this is the value that GS must always have.
    unsafe { wrmsr(MSR_GS_BASE, expected) };
    true
}
