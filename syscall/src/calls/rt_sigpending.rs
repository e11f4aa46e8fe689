//! sigpending(2): the blocked signals that wait.

use crate::prelude::*;

/// `rt_sigpending(set, set size)`.
pub struct RtSigPending {
    set: UserPtr<u64>,
    size: usize,
}

impl Syscall for RtSigPending {
    const NR: u32 = nr::RT_SIGPENDING;
    const ARGS: &'static [ArgKind] = &[ArgKind::Ptr, ArgKind::Unsigned];

    fn decode(args: &RawArgs) -> CallResult<Self> {
        // A smaller set gets a part.
        if args.size::<1>() > size_of::<u64>() {
            return Err(Errno::EINVAL.into());
        }
        Ok(RtSigPending { set: args.ptr::<0, _>(), size: args.size::<1>() })
    }

    fn execute(self, ctx: &mut Context<'_>) -> CallResult<u64> {
        let waiting = ctx.thread.pending().set().0 | ctx.process.signals.pending().0;
        let bytes = (waiting & ctx.thread.mask().0).to_le_bytes();
        ctx.memory().write(self.set.addr(), bytes.get(..self.size).unwrap_or(&bytes))?;
        Ok(0)
    }
}
