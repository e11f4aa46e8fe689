//! eventfd(2): as eventfd2 without flags.

use super::eventfd2::make;
use crate::prelude::*;

/// `eventfd(count)`.
pub struct EventFd {
    count: u32,
}

impl Syscall for EventFd {
    const NR: u32 = nr::EVENTFD;
    const ARGS: &'static [ArgKind] = &[ArgKind::Unsigned];

    fn decode(args: &RawArgs) -> CallResult<Self> {
        Ok(EventFd { count: args.uint::<0>() })
    }

    fn execute(self, ctx: &mut Context<'_>) -> CallResult<u64> {
        make(ctx, self.count, 0)
    }
}
