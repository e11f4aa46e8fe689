//! sigaltstack(2): the stack that handlers may run on.

use crate::prelude::*;
use abi::general as raw;
use abi::structs::StackT;
use task::signal::frame;

/// `sigaltstack(new, old)`.
pub struct SigAltStack {
    new: UserPtr<StackT>,
    old: UserPtr<StackT>,
}

impl Syscall for SigAltStack {
    const NR: u32 = nr::SIGALTSTACK;
    const ARGS: &'static [ArgKind] = &[ArgKind::Ptr, ArgKind::Ptr];

    fn decode(args: &RawArgs) -> CallResult<Self> {
        Ok(SigAltStack { new: args.ptr::<0, _>(), old: args.ptr::<1, _>() })
    }

    fn execute(self, ctx: &mut Context<'_>) -> CallResult<u64> {
        let new = self.new.non_null().map(|ptr| ptr.read(ctx.memory())).transpose()?;
        let before = *ctx.thread.alt_stack.lock();
        let flags = frame::alt_stack_flags(&before, ctx.regs.rsp) | before.flags as u32 & raw::SS_AUTODISARM;
        if let Some(new) = new {
            ctx.thread.set_alt_stack(new, ctx.regs.rsp)?;
        }
        if let Some(old) = self.old.non_null() {
            old.write(ctx.memory(), &StackT { flags: flags as i32, ..before })?;
        }
        Ok(0)
    }
}
