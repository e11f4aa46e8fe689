//! lremovexattr(2): removes an extended attribute of a symbolic link itself.

use crate::prelude::*;
use crate::xattr::{self, Of};
use fs::vfs::Follow;

/// `lremovexattr(path, name)`.
pub struct LRemoveXAttr {
    path: u64,
    name: u64,
}

impl Syscall for LRemoveXAttr {
    const NR: u32 = nr::LREMOVEXATTR;
    const ARGS: &'static [ArgKind] = &[ArgKind::Path, ArgKind::Path];

    fn decode(args: &RawArgs) -> CallResult<Self> {
        Ok(LRemoveXAttr { path: args.long::<0>(), name: args.long::<1>() })
    }

    fn execute(self, ctx: &mut Context<'_>) -> CallResult<u64> {
        xattr::remove(ctx, Of::Path(self.path, Follow::No), self.name)
    }
}
