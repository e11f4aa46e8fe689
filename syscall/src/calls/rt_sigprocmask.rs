//! sigprocmask(2): the blocked signals of the thread.

use crate::prelude::*;
use abi::{SigSet, general as raw};

/// `rt_sigprocmask(how, set, old, set size)`.
pub struct RtSigProcMask {
    how: u32,
    set: UserPtr<u64>,
    old: UserPtr<u64>,
}

impl Syscall for RtSigProcMask {
    const NR: u32 = nr::RT_SIGPROCMASK;
    const ARGS: &'static [ArgKind] = &[
        ArgKind::Value(names![SIG_BLOCK, SIG_UNBLOCK, SIG_SETMASK]),
        ArgKind::SigSet,
        ArgKind::Ptr,
        ArgKind::Unsigned,
    ];

    fn decode(args: &RawArgs) -> CallResult<Self> {
        if args.size::<3>() != size_of::<u64>() {
            return Err(Errno::EINVAL.into());
        }
        Ok(RtSigProcMask { how: args.uint::<0>(), set: args.ptr::<1, _>(), old: args.ptr::<2, _>() })
    }

    fn execute(self, ctx: &mut Context<'_>) -> CallResult<u64> {
        let before = ctx.thread.mask();
        if let Some(set) = self.set.non_null() {
            let set = set.read(ctx.memory())?;
            let new = match self.how {
                raw::SIG_BLOCK => before.0 | set,
                raw::SIG_UNBLOCK => before.0 & !set,
                raw::SIG_SETMASK => set,
                _ => return Err(Errno::EINVAL.into()),
            };
            ctx.process.set_mask(ctx.thread, SigSet(new));
        }
        if let Some(old) = self.old.non_null() {
            old.write(ctx.memory(), &before.0)?;
        }
        Ok(0)
    }
}
