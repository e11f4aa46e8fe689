//! Signal frames: how a handler's stack is built, and how rt_sigreturn(2) takes the program back.
//!
//! Called by delivery and by the `rt_sigreturn` call. Nothing that comes from program memory is trusted: the program gets its
//! registers back, but not the segments, and of the flags only those that it may own.

use crate::vector;
use crate::{Platform, Thread};
use abi::general as raw;
use abi::sigframe::*;
use abi::structs::{SigAction, SigInfo, StackT};
use abi::{SigSet, UserRegs, bytes_of};
use mm::addr::USER_END;
use mm::user::UserPtr;

/// The System V ABI's area below RSP that belongs to the interrupted function.
const RED_ZONE: u64 = 128;
/// Flags that a handler starts without: TF, DF, RF.
const FLAGS_CLEARED: u64 = 0x1_0500;
/// Flags that rt_sigreturn takes from the frame: CF PF AF ZF SF TF DF OF RF AC.
const FLAGS_RESTORED: u64 = 0x5_0dd5;
/// In place of a call's number in `orig_rax`: no call that could be restarted.
pub const NO_CALL: u64 = u64::MAX;

/// A frame cannot be written or read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BadFrame;

/// Whether `sp` lies on the alternate stack. One that disarms itself is never found in use.
pub fn on_alt_stack(stack: &StackT, sp: u64) -> bool {
    stack.flags as u32 & raw::SS_AUTODISARM == 0 && within(stack, sp)
}

fn within(stack: &StackT, sp: u64) -> bool {
    sp > stack.sp && sp - stack.sp <= stack.size
}

/// The flags of `stack` as sigaltstack(2) tells them to a thread whose RSP is `sp`.
pub fn alt_stack_flags(stack: &StackT, sp: u64) -> u32 {
    if stack.size == 0 {
        raw::SS_DISABLE
    } else if on_alt_stack(stack, sp) {
        raw::SS_ONSTACK
    } else {
        0
    }
}

/// Where the parts of a frame go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Place {
    frame: u64,
    vectors: u64,
}

fn place(sp: u64, stack: &StackT, on_stack: bool, vector_size: u64) -> Result<Place, BadFrame> {
    let nested = on_alt_stack(stack, sp);
    let mut top = sp.wrapping_sub(RED_ZONE);
    let entering = on_stack && alt_stack_flags(stack, top) == 0;
    if entering {
        top = stack.sp.wrapping_add(stack.size);
    }
    let vectors = top.wrapping_sub(vector_size) & !(vector::ALIGN as u64 - 1);
    // As if the handler had been called: RSP + 8 is a multiple of 16.
    let frame = (vectors.wrapping_sub(size_of::<RtSigFrame>() as u64) & !15).wrapping_sub(8);
    if (nested || entering) && !within(stack, frame) {
        return Err(BadFrame);
    }
    Ok(Place { frame, vectors })
}

/// Makes the program run the handler of `action`: builds the frame and changes the registers. `mask` is what rt_sigreturn
/// goes back to.
///
/// # Errors
/// [`BadFrame`] if the stack has no room or the handler is no address of a program. Memory may have been written.
pub fn push(
    platform: &dyn Platform,
    thread: &Thread,
    regs: &mut UserRegs,
    action: &SigAction,
    info: &SigInfo,
    mask: SigSet,
) -> Result<(), BadFrame> {
    let stack = *thread.alt_stack.lock();
    let layout = platform.vector_layout();
    let on_stack = action.flags & u64::from(raw::SA_ONSTACK) != 0;
    let place = place(regs.rsp, &stack, on_stack, layout.frame_size())?;
    // A 64-bit program must say how its handlers return.
    if action.flags & u64::from(raw::SA_RESTORER) == 0 || action.handler >= USER_END {
        return Err(BadFrame);
    }
    let trap = thread.trap();
    let mcontext = SigContext {
        cs: USER_CS,
        ss: USER_SS,
        err: trap.error,
        trapno: trap.vector,
        oldmask: mask.0,
        cr2: trap.cr2,
        fpstate: place.vectors,
        ..context_of(regs)
    };
    let xstate = if layout.features != 0 { UC_FP_XSTATE } else { 0 };
    let flags = xstate | UC_SIGCONTEXT_SS | UC_STRICT_RESTORE_SS;
    let frame = RtSigFrame {
        pretcode: action.restorer,
        uc: UContext { flags, link: 0, stack, mcontext, sigmask: mask.0 },
        info: *info,
    };
    let memory = platform.user_memory();
    memory.write(place.frame, bytes_of(&frame)).map_err(|_| BadFrame)?;
    thread.with_vectors(|buffer| buffer.save(platform, place.vectors)).map_err(|_| BadFrame)?;
    if stack.flags as u32 & raw::SS_AUTODISARM != 0 {
        *thread.alt_stack.lock() = StackT { flags: raw::SS_DISABLE as i32, ..StackT::default() };
    }
    regs.rip = action.handler;
    regs.rsp = place.frame;
    regs.rdi = info.signo as u64;
    regs.rsi = place.frame + core::mem::offset_of!(RtSigFrame, info) as u64;
    regs.rdx = place.frame + core::mem::offset_of!(RtSigFrame, uc) as u64;
    regs.rax = 0;
    regs.rflags &= !FLAGS_CLEARED;
    Ok(())
}

fn context_of(regs: &UserRegs) -> SigContext {
    SigContext {
        r8: regs.r8,
        r9: regs.r9,
        r10: regs.r10,
        r11: regs.r11,
        r12: regs.r12,
        r13: regs.r13,
        r14: regs.r14,
        r15: regs.r15,
        rdi: regs.rdi,
        rsi: regs.rsi,
        rbp: regs.rbp,
        rbx: regs.rbx,
        rdx: regs.rdx,
        rax: regs.rax,
        rcx: regs.rcx,
        rsp: regs.rsp,
        rip: regs.rip,
        rflags: regs.rflags,
        ..SigContext::default()
    }
}

/// rt_sigreturn(2): the program goes on where the frame above RSP says, with the mask, the alternate stack and the vector
/// registers that it has there.
///
/// # Errors
/// [`BadFrame`] if it cannot be read or holds what no program can have; registers may have changed in part.
pub fn pop(platform: &dyn Platform, thread: &Thread, regs: &mut UserRegs) -> Result<(), BadFrame> {
    let memory = platform.user_memory();
    // The handler's `ret` has taken the first word.
    let uc = UserPtr::<UContext>::new(regs.rsp).read(memory).map_err(|_| BadFrame)?;
    let from = &uc.mcontext;
    // iretq would fault on these in the kernel.
    if from.rip >= USER_END || from.rsp > USER_END {
        return Err(BadFrame);
    }
    thread.set_mask(SigSet(uc.sigmask));
    *regs = UserRegs {
        r8: from.r8,
        r9: from.r9,
        r10: from.r10,
        r11: from.r11,
        r12: from.r12,
        r13: from.r13,
        r14: from.r14,
        r15: from.r15,
        rdi: from.rdi,
        rsi: from.rsi,
        rbp: from.rbp,
        rbx: from.rbx,
        rdx: from.rdx,
        rax: from.rax,
        rcx: from.rcx,
        rsp: from.rsp,
        rip: from.rip,
        rflags: regs.rflags & !FLAGS_RESTORED | from.rflags & FLAGS_RESTORED,
        orig_rax: NO_CALL,
        cs: regs.cs,
        ss: regs.ss,
    };
    // A wait that the handler interrupted is over.
    thread.forget_restart();
    let restored = thread.with_vectors(|buffer| match from.fpstate {
        0 => buffer.reset(platform),
        addr => buffer.restore(platform, addr),
    });
    restored.map_err(|_| BadFrame)?;
    // A stack that sigaltstack would refuse is left as it is.
    let _ = thread.set_alt_stack(uc.stack, regs.rsp);
    Ok(())
}

#[cfg(test)]
mod tests;
