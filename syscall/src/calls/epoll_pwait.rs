//! epoll_pwait(2): as epoll_wait, under a signal mask.

use super::epoll_wait::{deadline, wait};
use crate::prelude::*;

/// `epoll_pwait(epoll, events, max, milliseconds, mask, mask size)`.
pub struct EpollPWait {
    epoll: i32,
    events: u64,
    max: i32,
    timeout: i32,
    mask: UserPtr<u64>,
    mask_size: usize,
}

impl Syscall for EpollPWait {
    const NR: u32 = nr::EPOLL_PWAIT;
    const ARGS: &'static [ArgKind] =
        &[ArgKind::Int, ArgKind::Ptr, ArgKind::Int, ArgKind::Int, ArgKind::SigSet, ArgKind::Unsigned];

    fn decode(args: &RawArgs) -> CallResult<Self> {
        Ok(EpollPWait {
            epoll: args.int::<0>(),
            events: args.long::<1>(),
            max: args.int::<2>(),
            timeout: args.int::<3>(),
            mask: args.ptr::<4, _>(),
            mask_size: args.size::<5>(),
        })
    }

    fn execute(self, ctx: &mut Context<'_>) -> CallResult<u64> {
        let deadline = deadline(ctx, self.timeout);
        ctx.with_mask(self.mask, self.mask_size, |ctx| wait(ctx, self.epoll, self.events, self.max, deadline))
    }
}
