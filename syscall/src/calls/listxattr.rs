//! listxattr(2): lists the names of the extended attributes of a file.

use crate::prelude::*;
use crate::xattr::{self, Of};
use fs::vfs::Follow;

/// `listxattr(path, buffer, size)`.
pub struct ListXAttr {
    path: u64,
    buffer: u64,
    size: usize,
}

impl Syscall for ListXAttr {
    const NR: u32 = nr::LISTXATTR;
    const ARGS: &'static [ArgKind] = &[ArgKind::Path, ArgKind::Ptr, ArgKind::Unsigned];

    fn decode(args: &RawArgs) -> CallResult<Self> {
        Ok(ListXAttr { path: args.long::<0>(), buffer: args.long::<1>(), size: args.size::<2>() })
    }

    fn execute(self, ctx: &mut Context<'_>) -> CallResult<u64> {
        xattr::list(ctx, Of::Path(self.path, Follow::Yes), self.buffer, self.size)
    }
}
