//! The `syscall` instruction: MSRs, and the Rust side of the entry in entry.S.
//!
//! The fast way back restores what the System V ABI lets a call clobber; a call that changes the whole
//! register set returns through [`syscall_slow`] and iretq.

use abi::regs::UserRegs;

use super::cpu::{MSR_FMASK, MSR_LSTAR, MSR_STAR, wrmsr};
use super::gdt::KERNEL_CS;
use crate::program;

/// Flags that `syscall` clears: IF TF DF IOPL NT AC and the arithmetic ones, as Linux does.
const FLAGS_CLEARED: u64 = 0x0025_7fd5;

unsafe extern "C" {
    static syscall_entry: u8;
    fn enter_program(frame: *mut UserRegs) -> !;
}

/// Sets this CPU up for `syscall`.
pub fn init() {
    // SAFETY: the registers exist on every 64-bit CPU; CS and SS follow each other in the GDT, and the
    // entry point keeps the contract of entry.S.
    unsafe {
        wrmsr(MSR_STAR, u64::from(KERNEL_CS) << 32 | u64::from(KERNEL_CS) << 48);
        wrmsr(MSR_LSTAR, (&raw const syscall_entry).addr() as u64);
        wrmsr(MSR_FMASK, FLAGS_CLEARED);
    }
}

/// Whether `rip` is at the first instructions of the entry: where a program that moved GS faults.
pub fn is_entry(rip: u64) -> bool {
    let entry = (&raw const syscall_entry).addr() as u64;
    (entry..entry + 32).contains(&rip)
}

/// Starts the program with the registers of `regs`. Called on the thread's kernel stack.
pub fn start_program(regs: &UserRegs) -> ! {
    super::cpu::disable_interrupts();
    let (_, end) = super::percpu::current().kernel_stack();
    let at = core::ptr::with_exposed_provenance_mut::<UserRegs>((end - 8) as usize).wrapping_sub(1);
    // SAFETY: the frame goes to the end of the thread's kernel stack, which new threads leave free; enter_program loads it and never comes back here.
    unsafe {
        at.write(*regs);
        enter_program(at)
    }
}

/// Runs the call in `frame`. Returns 0 for the fast way back, 1 when all registers are needed.
#[unsafe(no_mangle)]
extern "C" fn syscall_dispatch(frame: &mut UserRegs) -> u32 {
    u32::from(program::system_call(frame))
}

/// Finishes a call with the full register set in `frame`.
#[unsafe(no_mangle)]
extern "C" fn syscall_slow(frame: &mut UserRegs) {
    program::system_call_full(frame);
    program::before_return(frame);
}

/// After a call, with interrupts masked: returns 1 when something is to be done before the program goes on.
#[unsafe(no_mangle)]
extern "C" fn syscall_look() -> u32 {
    u32::from(program::look())
}

/// Does what [`syscall_look`] found, with the full register set in `frame`. Returns with interrupts masked.
#[unsafe(no_mangle)]
extern "C" fn syscall_late(frame: &mut UserRegs) {
    program::before_return(frame);
}
