//! lgetxattr(2): reads an extended attribute of a symbolic link itself.

use crate::prelude::*;
use crate::xattr::{self, Of};
use fs::vfs::Follow;

/// `lgetxattr(path, name, buffer, size)`.
pub struct LGetXAttr {
    path: u64,
    name: u64,
    buffer: u64,
    size: usize,
}

impl Syscall for LGetXAttr {
    const NR: u32 = nr::LGETXATTR;
    const ARGS: &'static [ArgKind] = &[ArgKind::Path, ArgKind::Path, ArgKind::Ptr, ArgKind::Unsigned];

    fn decode(args: &RawArgs) -> CallResult<Self> {
        Ok(LGetXAttr {
            path: args.long::<0>(),
            name: args.long::<1>(),
            buffer: args.long::<2>(),
            size: args.size::<3>(),
        })
    }

    fn execute(self, ctx: &mut Context<'_>) -> CallResult<u64> {
        xattr::get(ctx, Of::Path(self.path, Follow::No), self.name, self.buffer, self.size)
    }
}
