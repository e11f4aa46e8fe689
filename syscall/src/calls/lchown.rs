//! lchown(2): changes owner and group, of a symbolic link too.

use crate::files;
use crate::prelude::*;
use abi::AtFlags;

/// `lchown(path, uid, gid)`.
pub struct LChOwn {
    path: u64,
    uid: u32,
    gid: u32,
}

impl Syscall for LChOwn {
    const NR: u32 = nr::LCHOWN;
    const ARGS: &'static [ArgKind] = &[ArgKind::Path, ArgKind::Int, ArgKind::Int];

    fn decode(args: &RawArgs) -> CallResult<Self> {
        Ok(LChOwn { path: args.long::<0>(), uid: args.uint::<1>(), gid: args.uint::<2>() })
    }

    fn execute(self, ctx: &mut Context<'_>) -> CallResult<u64> {
        files::chown(ctx, abi::AT_FDCWD, self.path, (self.uid, self.gid), AtFlags::SYMLINK_NOFOLLOW)
    }
}
