//! Exceptions and interrupts, behind the stubs of entry.S.
//!
//! A trap arrives on a stack of its own (IST). An exception moves off it at once, to the kernel stack
//! of the running thread, because the next one restarts at the top of the same IST stack. "Came from
//! the kernel" means that RSP lay in the thread's kernel stack. Interrupt handlers acknowledge, mark
//! and wake; what needs thread context makes them move to the thread's stack on the way out.

use core::sync::atomic::Ordering;

use abi::regs::UserRegs;
use mm::space::Access;

use super::gdt::{KERNEL_CS, KERNEL_SS};
use super::layout::UPPER_HALF;
use super::percpu::{self, PerCpu};
use super::{apic, cpu, ipi, usercopy};
use crate::{panic, program, threads};

/// Set in the high half of `orig_rax` by [`trap_move`]: the program had moved GS.
const GS_MOVED: u64 = 1 << 63;
/// Set in the high half of `orig_rax` by [`trap_interrupt`]: another thread is to run.
const SWITCH: u64 = 1 << 62;
/// What must stay free on a kernel stack for a frame to be put there.
const STACK_RESERVE: u64 = 2048;
const FLAG_IF: u64 = 1 << 9;

/// RFLAGS of a program's first instruction: interrupts on, everything else clear.
pub const INITIAL_FLAGS: u64 = FLAG_IF | 1 << 1;
/// CS of the program: the kernel's, as both run in ring 0.
pub const PROGRAM_CS: u64 = KERNEL_CS as u64;
/// SS of the program.
pub const PROGRAM_SS: u64 = KERNEL_SS as u64;

const VECTOR_NMI: u8 = 2;
const VECTOR_GENERAL_PROTECTION: u8 = 13;
const VECTOR_PAGE_FAULT: u8 = 14;

/// What the CPU reported with a trap.
#[derive(Clone, Copy, Debug)]
pub struct Trap {
    /// Vector number, 0 to 255.
    pub vector: u8,
    /// Error code, 0 where the vector has none.
    pub error: u32,
    /// CR2 for a page fault, else 0.
    pub address: u64,
    /// The program changed GS before the trap.
    pub gs_moved: bool,
}

impl Trap {
    /// Decodes what the stub left in the frame. CR2 is read for page faults, so call it before the next.
    fn of(frame: &UserRegs) -> Self {
        let vector = (frame.orig_rax >> 32) as u8;
        let address =
            if vector == VECTOR_PAGE_FAULT { x86_64::registers::control::Cr2::read_raw() } else { 0 };
        Self { vector, error: frame.orig_rax as u32, address, gs_moved: frame.orig_rax & GS_MOVED != 0 }
    }

    /// The address of a page fault; `None` for another trap.
    pub fn page_address(&self) -> Option<u64> {
        (self.vector == VECTOR_PAGE_FAULT).then_some(self.address)
    }

    /// What a page fault tried to do.
    pub fn access(&self) -> Access {
        if self.error & 1 << 4 != 0 {
            Access::Exec
        } else if self.error & 1 << 1 != 0 {
            Access::Write
        } else {
            Access::Read
        }
    }

    /// The exception's name in Intel's manuals.
    pub fn name(&self) -> &'static str {
        const NAMES: [&str; 22] = [
            "#DE divide error",
            "#DB debug",
            "NMI",
            "#BP breakpoint",
            "#OF overflow",
            "#BR bound range",
            "#UD invalid opcode",
            "#NM no FPU",
            "#DF double fault",
            "coprocessor overrun",
            "#TS invalid TSS",
            "#NP segment not present",
            "#SS stack segment",
            "#GP general protection",
            "#PF page fault",
            "reserved",
            "#MF x87 error",
            "#AC alignment check",
            "#MC machine check",
            "#XM SIMD error",
            "#VE virtualization",
            "#CP control protection",
        ];
        NAMES.get(usize::from(self.vector)).copied().unwrap_or("interrupt")
    }
}

/// Where a trap came from, by the stack that it interrupted.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Origin {
    /// The running thread's kernel stack.
    Kernel,
    /// Another stack of the kernel: a trap handler, or the boot stack before there are threads.
    Handler,
    /// The program.
    Program,
}

fn origin(frame: &UserRegs, cpu: &PerCpu) -> Origin {
    let (bottom, end) = cpu.kernel_stack();
    if frame.rsp > bottom && frame.rsp <= end {
        Origin::Kernel
    } else if frame.rip >= UPPER_HALF && frame.rsp >= UPPER_HALF {
        Origin::Handler
    } else {
        Origin::Program
    }
}

/// The per-CPU area's address, which lies on the trap stack behind the frame.
fn expected_gs(frame: *const UserRegs) -> u64 {
    // SAFETY: gdt::set_trap_stack put the word there; the CPU starts frames right below it.
    unsafe { frame.add(1).cast::<u64>().read() }
}

fn copy_frame(from: &UserRegs, to: u64) -> *mut UserRegs {
    let to = core::ptr::with_exposed_provenance_mut::<UserRegs>(to as usize);
    // SAFETY: the callers computed `to` inside the thread's kernel stack, below everything in use.
    unsafe { to.write(*from) };
    to
}

/// First step of an exception, on the fault stack with interrupts masked: repairs GS and copies the
/// frame to where it is handled. Stays on the fault stack if the kernel stack has overflowed or the
/// trap came from another handler; [`trap_handle`] reports that.
#[unsafe(no_mangle)]
extern "C" fn trap_move(frame: &mut UserRegs) -> *mut UserRegs {
    if percpu::repair_gs(expected_gs(frame)) {
        frame.orig_rax |= GS_MOVED;
    }
    let cpu = percpu::current();
    let (bottom, end) = cpu.kernel_stack();
    let size = size_of::<UserRegs>() as u64;
    match origin(frame, cpu) {
        Origin::Program => copy_frame(frame, end - 8 - size),
        Origin::Kernel if frame.rsp >= bottom + STACK_RESERVE => copy_frame(frame, (frame.rsp - size) & !15),
        _ => frame,
    }
}

/// Second step of an exception, where [`trap_move`] put the frame.
#[unsafe(no_mangle)]
extern "C" fn trap_handle(frame: &mut UserRegs) {
    let trap = Trap::of(frame);
    let cpu = percpu::current();
    let origin = origin(frame, cpu);
    let fixup = usercopy::fixup(frame.rip).filter(|_| trap.address < UPPER_HALF);
    if origin == Origin::Handler {
        match fixup {
            Some(rip) => frame.rip = rip,
            None => panic::kernel_trap(frame, &trap, overflowed(frame, &trap, cpu)),
        }
        return;
    }
    if origin == Origin::Kernel
        && (overflowed(frame, &trap, cpu) || !(trap.vector == VECTOR_PAGE_FAULT && fixup.is_some()))
    {
        panic::kernel_trap(frame, &trap, overflowed(frame, &trap, cpu));
    }
    if frame.rflags & FLAG_IF != 0 {
        cpu::enable_interrupts();
    }
    if origin == Origin::Program {
        program::trap(frame, &trap);
        program::before_return(frame);
    } else if (!usercopy::may_page(frame.rip) || program::page_fault(trap.address, trap.access()).is_err())
        && let Some(rip) = fixup
    {
        frame.rip = rip;
    }
}

/// Whether a kernel stack ran over: RSP or the faulting address is in its guard page or just above.
fn overflowed(frame: &UserRegs, trap: &Trap, cpu: &PerCpu) -> bool {
    let (bottom, _) = cpu.kernel_stack();
    let guard = bottom - 4096..bottom;
    guard.contains(&trap.address) || guard.contains(&frame.rsp)
}

/// NMI, double fault, machine check: on per-CPU stacks; runs nothing that can fault or sleep.
#[unsafe(no_mangle)]
extern "C" fn trap_critical(frame: &mut UserRegs) {
    percpu::repair_gs(expected_gs(frame));
    let trap = Trap::of(frame);
    if trap.vector != VECTOR_NMI {
        let address = x86_64::registers::control::Cr2::read_raw();
        let overflow = overflowed(frame, &Trap { address, ..trap }, percpu::current());
        panic::kernel_trap(frame, &Trap { address, ..trap }, overflow);
    }
    if !ipi::on_nmi() {
        log::warn!("non-maskable interrupt at {:#x}", frame.rip);
    }
}

/// Interrupts, on the interrupt stack, masked throughout. Returns the frame, moved to the thread's
/// kernel stack, when something has to be done in thread context; null otherwise.
#[unsafe(no_mangle)]
extern "C" fn trap_interrupt(frame: &mut UserRegs) -> *mut UserRegs {
    percpu::repair_gs(expected_gs(frame));
    let trap = Trap::of(frame);
    let cpu = percpu::current();
    cpu.count(&cpu.interrupts);
    let from_device = apic::is_device_vector(trap.vector);
    if from_device {
        cpu.in_interrupt.store(true, Ordering::Relaxed);
        apic::handle(trap.vector);
        cpu.in_interrupt.store(false, Ordering::Relaxed);
    }
    let (bottom, end) = cpu.kernel_stack();
    let size = size_of::<UserRegs>() as u64;
    let origin = origin(frame, cpu);
    if trap.vector == apic::TIMER_VECTOR && threads::runs_thread(cpu) {
        program::sample(origin == Origin::Program);
    }
    let (to, attend) = match origin {
        Origin::Program => (end - 8 - size, !from_device || program::needs_attention(frame)),
        // An overflow is found when it comes; here it only puts the switch off.
        Origin::Kernel if frame.rsp >= bottom + STACK_RESERVE => ((frame.rsp - size) & !15, false),
        _ => return core::ptr::null_mut(),
    };
    let switch = threads::preemptible(cpu) && threads::should_switch(cpu);
    if !switch && !attend {
        return core::ptr::null_mut();
    }
    if switch {
        frame.orig_rax |= SWITCH;
    }
    copy_frame(frame, to)
}

/// The rest of an interrupt that found something to do for the thread, on its kernel stack.
#[unsafe(no_mangle)]
extern "C" fn trap_deferred(frame: &mut UserRegs) {
    let trap = Trap::of(frame);
    if frame.orig_rax & SWITCH != 0 {
        frame.orig_rax &= !SWITCH;
        threads::preempt();
    }
    if origin(frame, percpu::current()) != Origin::Program {
        return;
    }
    if apic::is_device_vector(trap.vector) {
        if program::needs_attention(frame) {
            cpu::enable_interrupts();
            program::attend(frame);
        }
        program::before_return(frame);
    } else {
        cpu::enable_interrupts();
        // An `int` instruction, which would not be allowed outside of ring 0.
        // There it faults with the vector in the error code, and RIP at its two bytes.
        frame.rip = frame.rip.wrapping_sub(2);
        let error = u32::from(trap.vector) << 3 | 2;
        program::trap(frame, &Trap { vector: VECTOR_GENERAL_PROTECTION, error, ..trap });
        program::before_return(frame);
    }
}
