//! symlink(2): makes a symbolic link.

use crate::files;
use crate::prelude::*;

/// `symlink(target, path)`.
pub struct SymLink {
    target: u64,
    path: u64,
}

impl Syscall for SymLink {
    const NR: u32 = nr::SYMLINK;
    const ARGS: &'static [ArgKind] = &[ArgKind::Path, ArgKind::Path];

    fn decode(args: &RawArgs) -> CallResult<Self> {
        Ok(SymLink { target: args.long::<0>(), path: args.long::<1>() })
    }

    fn execute(self, ctx: &mut Context<'_>) -> CallResult<u64> {
        files::symlink(ctx, self.target, abi::AT_FDCWD, self.path)
    }
}
