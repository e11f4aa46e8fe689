//! Exceptions and halts of the program: what it is told of them. Called by `arch`, on the thread's kernel stack with interrupts on.

use abi::regs::UserRegs;
use mm::space::{Access, FaultError};
use mm::user::UserMemory;
use task::fault::{Cause, Exception, TrapInfo};
use task::hlt::{self, Site};
use task::signal::deliver::Target;

use super::{Running, attend_signals, end, running};
use crate::arch::trap::Trap;
use crate::arch::{cpu, syscall_entry, usercopy, vectors};
use crate::platform::MACHINE;
use crate::threads;

const HLT: u8 = 0xf4;

/// An exception of the program, on its kernel stack with interrupts on.
pub fn trap(frame: &mut UserRegs, trap: &Trap) {
    let running = running();
    let cause = if trap.gs_moved {
        if syscall_entry::is_entry(frame.rip) {
            // The program's next instruction is what it can be told.
            frame.rip = frame.rcx;
        }
        Cause::Exception(Exception::GsChanged)
    } else if let Some(addr) = trap.page_address() {
        match running.process.fault(addr, trap.access()) {
            Ok(()) => return,
            Err(error) => Cause::Page { addr, access: trap.access(), error },
        }
    } else {
        Cause::Exception(Exception::from_vector(trap.vector))
    };
    fault(running, frame, cause, trap_info(trap, cause));
}

/// A fault of the program becomes its signal.
fn fault(running: &Running, frame: &mut UserRegs, cause: Cause, info: TrapInfo) {
    let target = Target { platform: &MACHINE, process: &running.process, thread: &running.thread };
    if let Some(status) = target.fault(frame, cause, info) {
        end(status)
    }
}

/// What a signal frame shows of a trap: as if the program ran in ring 3.
fn trap_info(trap: &Trap, cause: Cause) -> TrapInfo {
    const FROM_USER: u64 = 1 << 2;
    const PRESENT: u64 = 1;
    let mut error = u64::from(trap.error);
    if trap.page_address().is_some() {
        error |= FROM_USER;
        if trap.address >= mm::addr::USER_END {
            error |= PRESENT;
        }
    }
    let status = match cause {
        Cause::Exception(Exception::Debug) => cpu::take_debug_status(),
        Cause::Exception(Exception::X87) => vectors::x87_exceptions(),
        Cause::Exception(Exception::Simd) => vectors::simd_exceptions(),
        _ => 0,
    };
    TrapInfo { vector: trap.vector.into(), error, cr2: trap.address, status }
}

/// #GP, as whom Linux shows what ring 0 does not find by itself.
const GENERAL_PROTECTION: TrapInfo = TrapInfo { vector: 13, error: 0, cr2: 0, status: 0 };

/// A fault of the kernel on program memory, inside `usercopy`.
pub fn page_fault(addr: u64, access: Access) -> Result<(), FaultError> {
    match threads::program() {
        Some(running) => running.process.fault(addr, access),
        None => Err(FaultError::NotMapped),
    }
}

/// What [`needs_attention`] asked for, on the thread's kernel stack.
pub fn attend(frame: &mut UserRegs) {
    let running = running();
    attend_signals(frame);
    if is_behind_halt(frame.rip) && was_halted(frame) {
        // In ring 3 the instruction would not have run.
        frame.rip -= 1;
        fault(running, frame, Cause::Exception(Exception::Halt), GENERAL_PROTECTION);
    }
}

/// Whether the byte in front of `rip` could be the whole of a halt.
pub(super) fn is_behind_halt(rip: u64) -> bool {
    byte_before(rip) == Some(HLT)
}

/// The byte in front of `rip`, if it is the program's and mapped.
fn byte_before(rip: u64) -> Option<u8> {
    let at = rip.checked_sub(1).filter(|&at| at < mm::addr::USER_END)?;
    let mut byte = [0];
    (usercopy::read(at, &mut byte) == byte.len()).then_some(byte[0])
}

/// Whether the program was interrupted in a `hlt`: decided from the code around it and the flags.
fn was_halted(frame: &UserRegs) -> bool {
    const AROUND: usize = 4096;
    let memory: &dyn UserMemory = &MACHINE;
    let (mut before, mut after) = ([0; AROUND], [0; AROUND]);
    // Backwards page by page, as far as code is mapped.
    let mut known = 0;
    while known < AROUND {
        let end = frame.rip.saturating_sub(known as u64);
        let piece = ((end.saturating_sub(1) & 4095) as usize + 1).min(AROUND - known);
        let slot = &mut before[AROUND - known - piece..AROUND - known];
        if memory.read(end.saturating_sub(piece as u64), slot).is_err() {
            break;
        }
        known += piece;
    }
    let got = memory.read(frame.rip, &mut after).map_or_else(|fault| fault.done, |()| AROUND);
    let before = &before[AROUND - known..];
    hlt::was_halted(&Site { rip: frame.rip, rflags: frame.rflags, before, after: &after[..got] })
}
