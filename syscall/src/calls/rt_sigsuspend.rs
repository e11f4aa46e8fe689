//! sigsuspend(2): waits for a signal under another mask.

use crate::prelude::*;
use abi::SigSet;

/// `rt_sigsuspend(mask, mask size)`.
pub struct RtSigSuspend {
    mask: UserPtr<u64>,
}

impl Syscall for RtSigSuspend {
    const NR: u32 = nr::RT_SIGSUSPEND;
    const ARGS: &'static [ArgKind] = &[ArgKind::SigSet, ArgKind::Unsigned];

    fn decode(args: &RawArgs) -> CallResult<Self> {
        if args.size::<1>() != size_of::<u64>() {
            return Err(Errno::EINVAL.into());
        }
        Ok(RtSigSuspend { mask: args.ptr::<0, _>() })
    }

    fn execute(self, ctx: &mut Context<'_>) -> CallResult<u64> {
        let mask = self.mask.read(ctx.memory())?;
        // The signal is delivered under the mask of this call; the handler returns to the one before.
        ctx.thread.restore_mask_later(ctx.thread.mask());
        ctx.process.set_mask(ctx.thread, SigSet(mask));
        ctx.sleep(None, || Ok(None::<()>)).map_err(|error| error.if_interrupted(Errno::ERESTARTNOHAND))?;
        Ok(0)
    }
}
