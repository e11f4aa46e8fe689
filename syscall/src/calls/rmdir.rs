//! rmdir(2): removes an empty directory.

use crate::files;
use crate::prelude::*;

/// `rmdir(path)`.
pub struct RmDir {
    path: u64,
}

impl Syscall for RmDir {
    const NR: u32 = nr::RMDIR;
    const ARGS: &'static [ArgKind] = &[ArgKind::Path];

    fn decode(args: &RawArgs) -> CallResult<Self> {
        Ok(RmDir { path: args.long::<0>() })
    }

    fn execute(self, ctx: &mut Context<'_>) -> CallResult<u64> {
        files::remove_dir(ctx, abi::AT_FDCWD, self.path)
    }
}
