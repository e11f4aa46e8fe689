//! ppoll(2): as poll, with a finer time and a signal mask.

use super::poll::poll;
use crate::prelude::*;
use abi::SigSet;
use abi::structs::{PollFd, Timespec};

/// `ppoll(descriptors, count, timeout, mask, mask size)`.
pub struct PPoll {
    fds: UserPtr<PollFd>,
    count: u64,
    timeout: UserPtr<Timespec>,
    mask: UserPtr<u64>,
    mask_size: usize,
}

impl Syscall for PPoll {
    const NR: u32 = nr::PPOLL;
    const ARGS: &'static [ArgKind] =
        &[ArgKind::Polls(1), ArgKind::Unsigned, ArgKind::Time, ArgKind::SigSet, ArgKind::Unsigned];

    fn decode(args: &RawArgs) -> CallResult<Self> {
        Ok(PPoll {
            fds: args.ptr::<0, _>(),
            count: args.uint::<1>().into(),
            timeout: args.ptr::<2, _>(),
            mask: args.ptr::<3, _>(),
            mask_size: args.size::<4>(),
        })
    }

    fn execute(self, ctx: &mut Context<'_>) -> CallResult<u64> {
        let deadline = match self.timeout.non_null() {
            Some(ptr) => {
                let ns = crate::time::nanoseconds(&ptr.read(ctx.memory())?)?;
                Some(crate::time::deadline_in(ctx, ns))
            }
            None => None,
        };
        let Some(mask) = self.mask.non_null() else {
            let result = poll(ctx, self.fds, self.count, deadline);
            return result.map_err(|error| error.if_interrupted(Errno::ERESTARTNOHAND));
        };
        if self.mask_size != size_of::<u64>() {
            return Err(Errno::EINVAL.into());
        }
        let before = ctx.thread.mask();
        ctx.thread.set_mask(SigSet(mask.read(ctx.memory())?));
        let result = poll(ctx, self.fds, self.count, deadline);
        if result == Err(Errno::EINTR.into()) {
            // The signal is delivered under the mask of this call.
            ctx.thread.restore_mask_later(before);
        } else {
            ctx.thread.set_mask(before);
        }
        result.map_err(|error| error.if_interrupted(Errno::ERESTARTNOHAND))
    }
}
