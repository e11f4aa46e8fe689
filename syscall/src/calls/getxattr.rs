//! getxattr(2): reads an extended attribute.

use crate::prelude::*;
use crate::xattr::{self, Of};
use fs::vfs::Follow;

/// `getxattr(path, name, ...)`.
pub struct GetXAttr {
    path: u64,
    name: u64,
}

impl Syscall for GetXAttr {
    const NR: u32 = nr::GETXATTR;
    const ARGS: &'static [ArgKind] = &[ArgKind::Path, ArgKind::Path, ArgKind::Ptr, ArgKind::Unsigned];

    fn decode(args: &RawArgs) -> CallResult<Self> {
        Ok(GetXAttr { path: args.long::<0>(), name: args.long::<1>() })
    }

    fn execute(self, ctx: &mut Context<'_>) -> CallResult<u64> {
        xattr::one(ctx, Of::Path(self.path, Follow::Yes), self.name)
    }
}
