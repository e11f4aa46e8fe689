//! fchown(2): changes owner and group of an open file.

use crate::files;
use crate::prelude::*;

/// `fchown(fd, uid, gid)`.
pub struct FChOwn {
    fd: i32,
    uid: u32,
    gid: u32,
}

impl Syscall for FChOwn {
    const NR: u32 = nr::FCHOWN;
    const ARGS: &'static [ArgKind] = &[ArgKind::Int, ArgKind::Int, ArgKind::Int];

    fn decode(args: &RawArgs) -> CallResult<Self> {
        Ok(FChOwn { fd: args.int::<0>(), uid: args.uint::<1>(), gid: args.uint::<2>() })
    }

    fn execute(self, ctx: &mut Context<'_>) -> CallResult<u64> {
        files::set_open(ctx, self.fd, &files::owner(self.uid, self.gid))
    }
}
