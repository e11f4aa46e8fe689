//! epoll_pwait2(2): as epoll_pwait, with a finer time.

use super::epoll_wait::wait;
use crate::prelude::*;
use abi::structs::Timespec;

/// `epoll_pwait2(epoll, events, max, timeout, mask, mask size)`.
pub struct EpollPWait2 {
    epoll: i32,
    events: u64,
    max: i32,
    timeout: UserPtr<Timespec>,
    mask: UserPtr<u64>,
    mask_size: usize,
}

impl Syscall for EpollPWait2 {
    const NR: u32 = nr::EPOLL_PWAIT2;
    const ARGS: &'static [ArgKind] =
        &[ArgKind::Int, ArgKind::Ptr, ArgKind::Int, ArgKind::Time, ArgKind::SigSet, ArgKind::Unsigned];

    fn decode(args: &RawArgs) -> CallResult<Self> {
        Ok(EpollPWait2 {
            epoll: args.int::<0>(),
            events: args.long::<1>(),
            max: args.int::<2>(),
            timeout: args.ptr::<3, _>(),
            mask: args.ptr::<4, _>(),
            mask_size: args.size::<5>(),
        })
    }

    fn execute(self, ctx: &mut Context<'_>) -> CallResult<u64> {
        let deadline = crate::time::deadline_from(ctx, self.timeout)?;
        ctx.with_mask(self.mask, self.mask_size, |ctx| wait(ctx, self.epoll, self.events, self.max, deadline))
    }
}
