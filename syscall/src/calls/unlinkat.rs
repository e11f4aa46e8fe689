//! unlinkat(2): removes a name of a file, or an empty directory.

use crate::files;
use crate::prelude::*;

/// `unlinkat(dirfd, path, flags)`.
pub struct UnlinkAt {
    dirfd: i32,
    path: u64,
    flags: u32,
}

impl Syscall for UnlinkAt {
    const NR: u32 = nr::UNLINKAT;
    const ARGS: &'static [ArgKind] = &[ArgKind::Dir, ArgKind::Path, ArgKind::Bits(names![AT_REMOVEDIR])];

    fn decode(args: &RawArgs) -> CallResult<Self> {
        Ok(UnlinkAt { dirfd: args.int::<0>(), path: args.long::<1>(), flags: args.uint::<2>() })
    }

    fn execute(self, ctx: &mut Context<'_>) -> CallResult<u64> {
        match self.flags {
            0 => files::unlink(ctx, self.dirfd, self.path),
            abi::general::AT_REMOVEDIR => files::remove_dir(ctx, self.dirfd, self.path),
            _ => Err(Errno::EINVAL.into()),
        }
    }
}
