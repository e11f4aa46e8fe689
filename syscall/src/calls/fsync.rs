//! fsync(2): brings a file to where it lasts.

use crate::files;
use crate::prelude::*;

/// `fsync(fd)`.
pub struct FSync {
    fd: i32,
}

impl Syscall for FSync {
    const NR: u32 = nr::FSYNC;
    const ARGS: &'static [ArgKind] = &[ArgKind::Int];

    fn decode(args: &RawArgs) -> CallResult<Self> {
        Ok(FSync { fd: args.int::<0>() })
    }

    fn execute(self, ctx: &mut Context<'_>) -> CallResult<u64> {
        files::sync(ctx, self.fd)
    }
}
