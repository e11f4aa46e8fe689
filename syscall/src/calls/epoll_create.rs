//! epoll_create(2): as epoll_create1, with a size that means nothing.

use super::epoll_create1::make;
use crate::prelude::*;

/// `epoll_create(size)`.
pub struct EpollCreate;

impl Syscall for EpollCreate {
    const NR: u32 = nr::EPOLL_CREATE;
    const ARGS: &'static [ArgKind] = &[ArgKind::Int];

    fn decode(args: &RawArgs) -> CallResult<Self> {
        if args.int::<0>() <= 0 { Err(Errno::EINVAL.into()) } else { Ok(EpollCreate) }
    }

    fn execute(self, ctx: &mut Context<'_>) -> CallResult<u64> {
        make(ctx, 0)
    }
}
