//! setxattr(2): sets an extended attribute.

use crate::prelude::*;
use crate::xattr::{self, Of};
use fs::vfs::Follow;

/// `setxattr(path, name, ...)`.
pub struct SetXAttr {
    path: u64,
    name: u64,
}

impl Syscall for SetXAttr {
    const NR: u32 = nr::SETXATTR;
    const ARGS: &'static [ArgKind] =
        &[ArgKind::Path, ArgKind::Path, ArgKind::Ptr, ArgKind::Unsigned, ArgKind::Hex];

    fn decode(args: &RawArgs) -> CallResult<Self> {
        Ok(SetXAttr { path: args.long::<0>(), name: args.long::<1>() })
    }

    fn execute(self, ctx: &mut Context<'_>) -> CallResult<u64> {
        xattr::one(ctx, Of::Path(self.path, Follow::Yes), self.name)
    }
}
