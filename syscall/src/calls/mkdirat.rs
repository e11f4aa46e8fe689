//! mkdirat(2): makes a directory.

use crate::files;
use crate::prelude::*;
use abi::Mode;

/// `mkdirat(dirfd, path, mode)`.
pub struct MkDirAt {
    dirfd: i32,
    path: u64,
    mode: u32,
}

impl Syscall for MkDirAt {
    const NR: u32 = nr::MKDIRAT;
    const ARGS: &'static [ArgKind] = &[ArgKind::Dir, ArgKind::Path, ArgKind::Mode];

    fn decode(args: &RawArgs) -> CallResult<Self> {
        Ok(MkDirAt { dirfd: args.int::<0>(), path: args.long::<1>(), mode: args.uint::<2>() })
    }

    fn execute(self, ctx: &mut Context<'_>) -> CallResult<u64> {
        files::create(ctx, self.dirfd, self.path, Mode::IFDIR | self.mode & 0o1777, 0)
    }
}
