//! rename(2): moves a name.

use crate::files;
use crate::prelude::*;

/// `rename(oldpath, newpath)`.
pub struct Rename {
    oldpath: u64,
    newpath: u64,
}

impl Syscall for Rename {
    const NR: u32 = nr::RENAME;
    const ARGS: &'static [ArgKind] = &[ArgKind::Path, ArgKind::Path];

    fn decode(args: &RawArgs) -> CallResult<Self> {
        Ok(Rename { oldpath: args.long::<0>(), newpath: args.long::<1>() })
    }

    fn execute(self, ctx: &mut Context<'_>) -> CallResult<u64> {
        files::rename(ctx, (abi::AT_FDCWD, self.oldpath), (abi::AT_FDCWD, self.newpath), 0)
    }
}
