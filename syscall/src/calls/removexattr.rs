//! removexattr(2): removes an extended attribute of a file.

use crate::prelude::*;
use crate::xattr::{self, Of};
use fs::vfs::Follow;

/// `removexattr(path, name)`.
pub struct RemoveXAttr {
    path: u64,
    name: u64,
}

impl Syscall for RemoveXAttr {
    const NR: u32 = nr::REMOVEXATTR;
    const ARGS: &'static [ArgKind] = &[ArgKind::Path, ArgKind::Path];

    fn decode(args: &RawArgs) -> CallResult<Self> {
        Ok(RemoveXAttr { path: args.long::<0>(), name: args.long::<1>() })
    }

    fn execute(self, ctx: &mut Context<'_>) -> CallResult<u64> {
        xattr::remove(ctx, Of::Path(self.path, Follow::Yes), self.name)
    }
}
