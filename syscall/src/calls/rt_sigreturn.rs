//! sigreturn(2): the end of a signal handler.

use crate::CallError;
use crate::prelude::*;
use abi::Signal;
use abi::structs::SigInfo;
use task::fault::Cause;
use task::signal::{SI_KERNEL, frame};

/// `rt_sigreturn()`, with the frame on the stack. Runs with the full register set.
pub struct RtSigReturn;

impl Syscall for RtSigReturn {
    const NR: u32 = nr::RT_SIGRETURN;
    const ARGS: &'static [ArgKind] = &[];
    const ALL_REGISTERS: bool = true;

    fn decode(_: &RawArgs) -> CallResult<Self> {
        Ok(RtSigReturn)
    }

    fn execute(self, ctx: &mut Context<'_>) -> CallResult<u64> {
        let before = ctx.thread.mask();
        if frame::pop(ctx.platform, ctx.thread, ctx.regs).is_err() {
            ctx.regs.orig_rax = frame::NO_CALL;
            let info = SigInfo::new(Signal::SIGSEGV, SI_KERNEL);
            if let Some(status) = ctx.target().force(ctx.regs, Cause::BadFrame, &info) {
                return Err(CallError::Exit(status));
            }
        }
        ctx.process.mask_changed(ctx.thread, before);
        // RAX is the interrupted program's, not a result.
        Ok(ctx.regs.rax)
    }
}
