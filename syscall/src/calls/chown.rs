//! chown(2): changes owner and group.

use crate::files;
use crate::prelude::*;
use abi::AtFlags;

/// `chown(path, uid, gid)`.
pub struct ChOwn {
    path: u64,
    uid: u32,
    gid: u32,
}

impl Syscall for ChOwn {
    const NR: u32 = nr::CHOWN;
    const ARGS: &'static [ArgKind] = &[ArgKind::Path, ArgKind::Int, ArgKind::Int];

    fn decode(args: &RawArgs) -> CallResult<Self> {
        Ok(ChOwn { path: args.long::<0>(), uid: args.uint::<1>(), gid: args.uint::<2>() })
    }

    fn execute(self, ctx: &mut Context<'_>) -> CallResult<u64> {
        files::chown(ctx, abi::AT_FDCWD, self.path, (self.uid, self.gid), AtFlags::empty())
    }
}
