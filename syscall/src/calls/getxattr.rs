//! getxattr(2): reads an extended attribute of a file.

use crate::prelude::*;
use crate::xattr::{self, Of};
use fs::vfs::Follow;

/// `getxattr(path, name, buffer, size)`.
pub struct GetXAttr {
    path: u64,
    name: u64,
    buffer: u64,
    size: usize,
}

impl Syscall for GetXAttr {
    const NR: u32 = nr::GETXATTR;
    const ARGS: &'static [ArgKind] = &[ArgKind::Path, ArgKind::Path, ArgKind::Ptr, ArgKind::Unsigned];

    fn decode(args: &RawArgs) -> CallResult<Self> {
        Ok(GetXAttr {
            path: args.long::<0>(),
            name: args.long::<1>(),
            buffer: args.long::<2>(),
            size: args.size::<3>(),
        })
    }

    fn execute(self, ctx: &mut Context<'_>) -> CallResult<u64> {
        xattr::get(ctx, Of::Path(self.path, Follow::Yes), self.name, self.buffer, self.size)
    }
}
