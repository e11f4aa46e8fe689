//! lsetxattr(2): sets an extended attribute of a symbolic link itself.

use crate::prelude::*;
use crate::xattr::{self, Of, Value};
use fs::vfs::Follow;

/// `lsetxattr(path, name, value, size, flags)`.
pub struct LSetXAttr {
    path: u64,
    name: u64,
    value: Value,
}

impl Syscall for LSetXAttr {
    const NR: u32 = nr::LSETXATTR;
    const ARGS: &'static [ArgKind] =
        &[ArgKind::Path, ArgKind::Path, ArgKind::Ptr, ArgKind::Unsigned, ArgKind::Bits(xattr::FLAGS)];

    fn decode(args: &RawArgs) -> CallResult<Self> {
        Ok(LSetXAttr {
            path: args.long::<0>(),
            name: args.long::<1>(),
            value: Value { at: args.long::<2>(), size: args.size::<3>(), flags: args.uint::<4>() },
        })
    }

    fn execute(self, ctx: &mut Context<'_>) -> CallResult<u64> {
        xattr::set(ctx, Of::Path(self.path, Follow::No), self.name, &self.value)
    }
}
