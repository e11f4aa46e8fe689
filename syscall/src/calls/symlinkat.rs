//! symlinkat(2): makes a symbolic link.

use crate::files;
use crate::prelude::*;

/// `symlinkat(target, dirfd, path)`.
pub struct SymLinkAt {
    target: u64,
    dirfd: i32,
    path: u64,
}

impl Syscall for SymLinkAt {
    const NR: u32 = nr::SYMLINKAT;
    const ARGS: &'static [ArgKind] = &[ArgKind::Path, ArgKind::Dir, ArgKind::Path];

    fn decode(args: &RawArgs) -> CallResult<Self> {
        Ok(SymLinkAt { target: args.long::<0>(), dirfd: args.int::<1>(), path: args.long::<2>() })
    }

    fn execute(self, ctx: &mut Context<'_>) -> CallResult<u64> {
        files::symlink(ctx, self.target, self.dirfd, self.path)
    }
}
