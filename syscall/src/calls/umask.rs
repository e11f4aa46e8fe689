//! umask(2): the file creation mask.

use crate::prelude::*;
use core::sync::atomic::Ordering;

/// `umask(mask)`.
pub struct Umask {
    mask: u32,
}

impl Syscall for Umask {
    const NR: u32 = nr::UMASK;
    const ARGS: &'static [ArgKind] = &[ArgKind::Mode];

    fn decode(args: &RawArgs) -> CallResult<Self> {
        Ok(Umask { mask: args.uint::<0>() & 0o777 })
    }

    fn execute(self, ctx: &mut Context<'_>) -> CallResult<u64> {
        Ok(ctx.process.umask.swap(self.mask, Ordering::Relaxed).into())
    }
}
