//! llistxattr(2): lists the names of the extended attributes of a symbolic link itself.

use crate::prelude::*;
use crate::xattr::{self, Of};
use fs::vfs::Follow;

/// `llistxattr(path, ...)`.
pub struct LListXAttr {
    path: u64,
}

impl Syscall for LListXAttr {
    const NR: u32 = nr::LLISTXATTR;
    const ARGS: &'static [ArgKind] = &[ArgKind::Path, ArgKind::Ptr, ArgKind::Unsigned];

    fn decode(args: &RawArgs) -> CallResult<Self> {
        Ok(LListXAttr { path: args.long::<0>() })
    }

    fn execute(self, ctx: &mut Context<'_>) -> CallResult<u64> {
        xattr::names(ctx, Of::Path(self.path, Follow::No))
    }
}
