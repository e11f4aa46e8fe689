//! fchdir(2): makes an open directory the current one.

use super::chdir::enter;
use crate::prelude::*;

/// `fchdir(fd)`.
pub struct FChDir {
    fd: i32,
}

impl Syscall for FChDir {
    const NR: u32 = nr::FCHDIR;
    const ARGS: &'static [ArgKind] = &[ArgKind::Int];

    fn decode(args: &RawArgs) -> CallResult<Self> {
        Ok(FChDir { fd: args.int::<0>() })
    }

    fn execute(self, ctx: &mut Context<'_>) -> CallResult<u64> {
        let file = ctx.file(self.fd)?;
        let node = file.file().node().ok_or(Errno::ENOTDIR)?;
        enter(ctx, node.clone())
    }
}
