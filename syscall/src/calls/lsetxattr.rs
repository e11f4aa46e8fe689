//! lsetxattr(2): sets an extended attribute of a symbolic link itself.

use crate::prelude::*;
use crate::xattr::{self, Of};
use fs::vfs::Follow;

/// `lsetxattr(path, name, ...)`.
pub struct LSetXAttr {
    path: u64,
    name: u64,
}

impl Syscall for LSetXAttr {
    const NR: u32 = nr::LSETXATTR;
    const ARGS: &'static [ArgKind] =
        &[ArgKind::Path, ArgKind::Path, ArgKind::Ptr, ArgKind::Unsigned, ArgKind::Hex];

    fn decode(args: &RawArgs) -> CallResult<Self> {
        Ok(LSetXAttr { path: args.long::<0>(), name: args.long::<1>() })
    }

    fn execute(self, ctx: &mut Context<'_>) -> CallResult<u64> {
        xattr::one(ctx, Of::Path(self.path, Follow::No), self.name)
    }
}
