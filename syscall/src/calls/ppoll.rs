//! ppoll(2): as poll, with a finer time and a signal mask.

use super::poll::poll;
use crate::prelude::*;
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
        let deadline = crate::time::deadline_from(ctx, self.timeout)?;
        let result =
            ctx.with_mask(self.mask, self.mask_size, |ctx| poll(ctx, self.fds, self.count, deadline));
        result.map_err(|error| error.if_interrupted(Errno::ERESTARTNOHAND))
    }
}
