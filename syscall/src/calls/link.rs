//! link(2): gives a file one more name.

use crate::files;
use crate::prelude::*;
use abi::AtFlags;

/// `link(oldpath, newpath)`.
pub struct Link {
    oldpath: u64,
    newpath: u64,
}

impl Syscall for Link {
    const NR: u32 = nr::LINK;
    const ARGS: &'static [ArgKind] = &[ArgKind::Path, ArgKind::Path];

    fn decode(args: &RawArgs) -> CallResult<Self> {
        Ok(Link { oldpath: args.long::<0>(), newpath: args.long::<1>() })
    }

    fn execute(self, ctx: &mut Context<'_>) -> CallResult<u64> {
        let cwd = abi::AT_FDCWD;
        files::link(ctx, (cwd, self.oldpath), (cwd, self.newpath), AtFlags::empty())
    }
}
