//! mkdir(2): makes a directory.

use crate::files;
use crate::prelude::*;
use abi::Mode;

/// `mkdir(path, mode)`.
pub struct MkDir {
    path: u64,
    mode: u32,
}

impl Syscall for MkDir {
    const NR: u32 = nr::MKDIR;
    const ARGS: &'static [ArgKind] = &[ArgKind::Path, ArgKind::Mode];

    fn decode(args: &RawArgs) -> CallResult<Self> {
        Ok(MkDir { path: args.long::<0>(), mode: args.uint::<1>() })
    }

    fn execute(self, ctx: &mut Context<'_>) -> CallResult<u64> {
        files::create(ctx, abi::AT_FDCWD, self.path, Mode::IFDIR | self.mode & 0o1777, 0)
    }
}
