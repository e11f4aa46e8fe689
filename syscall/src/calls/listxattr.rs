//! listxattr(2): lists the names of the extended attributes.

use crate::prelude::*;
use crate::xattr::{self, Of};
use fs::vfs::Follow;

/// `listxattr(path, ...)`.
pub struct ListXAttr {
    path: u64,
}

impl Syscall for ListXAttr {
    const NR: u32 = nr::LISTXATTR;
    const ARGS: &'static [ArgKind] = &[ArgKind::Path, ArgKind::Ptr, ArgKind::Unsigned];

    fn decode(args: &RawArgs) -> CallResult<Self> {
        Ok(ListXAttr { path: args.long::<0>() })
    }

    fn execute(self, ctx: &mut Context<'_>) -> CallResult<u64> {
        xattr::names(ctx, Of::Path(self.path, Follow::Yes))
    }
}
