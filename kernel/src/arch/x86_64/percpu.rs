//! The per-CPU area, always behind GS, and the list of all CPUs.
//!
//! The assembly of entry.S knows the offsets of the first fields. The boot processor's area is static; the others get theirs
//! from [`super::ap`], as many as the MADT lists. Areas live for ever.

use alloc::vec::Vec;
use core::mem::offset_of;
use core::sync::atomic::{AtomicBool, AtomicPtr, AtomicU32, AtomicU64, Ordering};

use sync::SetOnce;

use super::cpu::{MSR_GS_BASE, rdmsr, wrmsr};
use super::gdt::Tables;
use super::shootdown::Message;
use super::timer::TimerState;
use crate::mem::heap::Cache;
use crate::threads::Thread;

/// What belongs to one CPU. Fields are atomics because interrupt handlers of the same CPU read them.
#[repr(C, align(64))]
pub struct PerCpu {
    /// Offset 0: the address of this structure.
    this: AtomicU64,
    /// Offset 8: scratch for the program's RSP at a system call.
    user_rsp: AtomicU64,
    /// Offset 16: where a frame starts on the running thread's kernel stack: 8 below its 16-aligned end.
    kstack_top: AtomicU64,
    /// Offset 24: the lowest byte of the running thread's kernel stack.
    kstack_bottom: AtomicU64,
    /// Offset 32: number of this CPU, from 0; the boot processor is 0. The vDSO reads it.
    index: u32,
    /// Its local APIC id. The boot processor's is known after `ap::start`.
    apic_id: AtomicU32,
    /// Offset 40: the program's thread that runs here looks for signals once more before it goes back to its program. Set by
    /// kicks, and whenever such a thread is switched to.
    pub attention: AtomicBool,
    /// It runs the kernel and takes interrupts.
    online: AtomicBool,
    tables: Tables,
    /// The running thread; null before there are threads. Stands for a count of the thread, except for the idle loop.
    pub thread: AtomicPtr<Thread>,
    /// This CPU's idle loop; null before there are threads.
    pub idle: AtomicPtr<Thread>,
    /// Who ran before, between a switch and the moment when the next thread has taken note of it.
    pub previous: AtomicPtr<Thread>,
    /// The scheduler's time of that switch (ns).
    pub switched_at: AtomicU64,
    /// Switches from thread to thread.
    pub switches: AtomicU64,
    /// Interrupts.
    pub interrupts: AtomicU64,
    /// How many sections without preemption the running thread is in.
    pub preempt_off: AtomicU32,
    /// An interrupt handler runs.
    pub in_interrupt: AtomicBool,
    /// The scheduler is to be asked whether to switch, as soon as that is possible.
    pub tick_wanted: AtomicBool,
    /// The thread whose program registers (vectors, FS) are in the CPU, as a number.
    pub program_owner: AtomicU64,
    /// The page tables that are loaded.
    pub root: AtomicU64,
    /// What other CPUs ask this one for.
    pub calls: AtomicPtr<Message>,
    /// A test lets this CPU stand still until the TSC shows this; 0 if none does.
    pub paused_until: AtomicU64,
    /// Free small blocks of the kernel's heap.
    pub heap: Cache,
    /// Its one-shot timer.
    pub timer: TimerState,
}

const _: () = assert!(offset_of!(PerCpu, user_rsp) == 8);
const _: () = assert!(offset_of!(PerCpu, kstack_top) == 16);
const _: () = assert!(offset_of!(PerCpu, index) == 32);
const _: () = assert!(offset_of!(PerCpu, attention) == 40);

impl PerCpu {
    /// The area of CPU `index`, whose GS is not set yet.
    pub const fn new(index: u32, apic_id: u32) -> Self {
        Self {
            this: AtomicU64::new(0),
            user_rsp: AtomicU64::new(0),
            kstack_top: AtomicU64::new(0),
            kstack_bottom: AtomicU64::new(0),
            index,
            apic_id: AtomicU32::new(apic_id),
            attention: AtomicBool::new(false),
            online: AtomicBool::new(false),
            tables: Tables::new(),
            thread: AtomicPtr::new(core::ptr::null_mut()),
            idle: AtomicPtr::new(core::ptr::null_mut()),
            previous: AtomicPtr::new(core::ptr::null_mut()),
            switched_at: AtomicU64::new(0),
            switches: AtomicU64::new(0),
            interrupts: AtomicU64::new(0),
            preempt_off: AtomicU32::new(0),
            in_interrupt: AtomicBool::new(false),
            tick_wanted: AtomicBool::new(false),
            program_owner: AtomicU64::new(0),
            root: AtomicU64::new(0),
            calls: AtomicPtr::new(core::ptr::null_mut()),
            paused_until: AtomicU64::new(0),
            heap: Cache::new(),
            timer: TimerState::new(),
        }
    }

    /// Address of this area, as GS holds it.
    pub fn base(&self) -> u64 {
        core::ptr::from_ref(self).expose_provenance() as u64
    }

    /// Counts one more, in a counter of this CPU, with interrupts masked.
    pub fn count(&self, counter: &AtomicU64) {
        counter.store(counter.load(Ordering::Relaxed).wrapping_add(1), Ordering::Relaxed);
    }

    /// Number of this CPU, from 0.
    pub fn index(&self) -> u32 {
        self.index
    }

    /// Its local APIC id.
    pub fn apic_id(&self) -> u32 {
        self.apic_id.load(Ordering::Relaxed)
    }

    /// Whether it runs the kernel and takes interrupts.
    pub fn is_online(&self) -> bool {
        self.online.load(Ordering::Acquire)
    }

    /// Notes the APIC id.
    pub fn set_apic_id(&self, apic_id: u32) {
        self.apic_id.store(apic_id, Ordering::Relaxed);
    }

    /// Says that this CPU takes interrupts from now on.
    pub fn set_online(&self) {
        self.online.store(true, Ordering::Release);
    }

    /// Descriptor tables and trap stacks of this CPU.
    pub fn tables(&self) -> &Tables {
        &self.tables
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

    /// Makes the stack that ends at `end` the one of IST `index`.
    pub fn set_trap_stack(&self, index: u8, end: u64) {
        self.tables.set_trap_stack(index, end, self.base());
    }

    /// Points GS of the running CPU at this area; `bottom..end` is the stack it runs on.
    pub fn enter(&'static self, bottom: u64, end: u64) {
        self.this.store(self.base(), Ordering::Relaxed);
        self.set_kernel_stack(bottom, end);
        // SAFETY: the register exists on every 64-bit CPU, and areas live for ever.
        unsafe { wrmsr(MSR_GS_BASE, self.base()) };
    }
}

static BOOT_CPU: PerCpu = PerCpu::new(0, 0);
/// All CPUs by number, once there are others than the boot processor.
static CPUS: SetOnce<Vec<&'static PerCpu>> = SetOnce::new();

/// Points GS of the boot processor at its area; `bottom..end` is the stack it runs on.
pub fn init_boot_cpu(bottom: u64, end: u64) {
    BOOT_CPU.enter(bottom, end);
}

/// The boot processor's area.
pub fn boot_cpu() -> &'static PerCpu {
    &BOOT_CPU
}

/// Makes `cpus`, in the order of their numbers, the list of all. Called once.
pub fn set_all(cpus: Vec<&'static PerCpu>) {
    // Set once, by the boot processor.
    let _ = CPUS.set(cpus);
}

/// All CPUs in the order of their numbers, also those that have not come up (yet).
pub fn all() -> &'static [&'static PerCpu] {
    static ALONE: [&PerCpu; 1] = [&BOOT_CPU];
    CPUS.get().map_or(&ALONE, Vec::as_slice)
}

/// The running CPU's area. GS is set before the first call and repaired at every trap.
#[inline(always)]
pub fn current() -> &'static PerCpu {
    let base: usize;
    // SAFETY: GS points at the running CPU's area, whose first field is its own address.
    unsafe { core::arch::asm!("mov {}, gs:[0]", out(reg) base, options(nostack, preserves_flags, readonly)) };
    // SAFETY: areas live for ever and are shared through atomics only.
    unsafe { &*core::ptr::with_exposed_provenance::<PerCpu>(base) }
}

/// The running thread; null before there are threads. One load, so that being moved to another CPU in between does no harm.
#[inline(always)]
pub fn current_thread() -> *const Thread {
    let thread: usize;
    // SAFETY: GS points at the running CPU's area.
    unsafe {
        core::arch::asm!("mov {}, gs:[{}]", out(reg) thread, const offset_of!(PerCpu, thread),
            options(nostack, preserves_flags, readonly));
    }
    core::ptr::with_exposed_provenance(thread)
}

/// Begins a section without preemption; they nest.
#[inline(always)]
pub fn preempt_disable() {
    // SAFETY: GS points at the running CPU's area. One instruction, so the thread cannot be moved to another CPU in between.
    unsafe {
        core::arch::asm!("inc dword ptr gs:[{}]", const offset_of!(PerCpu, preempt_off), options(nostack))
    };
}

/// Ends a section without preemption. Returns whether it was the outermost one.
#[inline(always)]
pub fn preempt_enable() -> bool {
    let outermost: u8;
    // SAFETY: as above.
    unsafe {
        core::arch::asm!("dec dword ptr gs:[{}]", "setz {}", const offset_of!(PerCpu, preempt_off),
            out(reg_byte) outermost, options(nostack));
    }
    outermost != 0
}

/// Whether the running CPU is to ask its scheduler.
#[inline(always)]
pub fn tick_wanted() -> bool {
    current().tick_wanted.load(Ordering::Relaxed)
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
