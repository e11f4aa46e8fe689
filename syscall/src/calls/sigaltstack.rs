//! sigaltstack(2): the stack that handlers may run on.

use crate::prelude::*;
use abi::general as raw;
use abi::structs::StackT;

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
        if let Some(new) = new {
            *ctx.thread.alt_stack.lock() = check(new)?;
        }
        if let Some(old) = self.old.non_null() {
            old.write(ctx.memory(), &before)?;
        }
        Ok(0)
    }
}

/// What is kept of a new stack.
fn check(new: StackT) -> CallResult<StackT> {
    let flags = new.flags as u32;
    // SS_ONSTACK as input is accepted and means nothing, as on Linux.
    match flags & !raw::SS_AUTODISARM {
        raw::SS_DISABLE => Ok(StackT { sp: 0, size: 0, flags: new.flags, pad: 0 }),
        0 | raw::SS_ONSTACK if new.size < u64::from(raw::MINSIGSTKSZ) => Err(Errno::ENOMEM.into()),
        0 | raw::SS_ONSTACK => Ok(StackT { flags: (flags & raw::SS_AUTODISARM) as i32, pad: 0, ..new }),
        _ => Err(Errno::EINVAL.into()),
    }
}
