//! fdatasync(2): brings the content of a file to where it lasts.

use crate::files;
use crate::prelude::*;

/// `fdatasync(fd)`.
pub struct FDataSync {
    fd: i32,
}

impl Syscall for FDataSync {
    const NR: u32 = nr::FDATASYNC;
    const ARGS: &'static [ArgKind] = &[ArgKind::Int];

    fn decode(args: &RawArgs) -> CallResult<Self> {
        Ok(FDataSync { fd: args.int::<0>() })
    }

    fn execute(self, ctx: &mut Context<'_>) -> CallResult<u64> {
        files::sync(ctx, self.fd)
    }
}
