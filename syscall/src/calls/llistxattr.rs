//! llistxattr(2): lists the names of the extended attributes of a symbolic link itself.

use crate::prelude::*;
use crate::xattr::{self, Of};
use fs::vfs::Follow;

/// `llistxattr(path, buffer, size)`.
pub struct LListXAttr {
    path: u64,
    buffer: u64,
    size: usize,
}

impl Syscall for LListXAttr {
    const NR: u32 = nr::LLISTXATTR;
    const ARGS: &'static [ArgKind] = &[ArgKind::Path, ArgKind::Ptr, ArgKind::Unsigned];

    fn decode(args: &RawArgs) -> CallResult<Self> {
        Ok(LListXAttr { path: args.long::<0>(), buffer: args.long::<1>(), size: args.size::<2>() })
    }

    fn execute(self, ctx: &mut Context<'_>) -> CallResult<u64> {
        xattr::list(ctx, Of::Path(self.path, Follow::No), self.buffer, self.size)
    }
}
