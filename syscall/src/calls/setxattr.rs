//! setxattr(2): sets an extended attribute of a file.

use crate::prelude::*;
use crate::xattr::{self, Of, Value};
use fs::vfs::Follow;

/// `setxattr(path, name, value, size, flags)`.
pub struct SetXAttr {
    path: u64,
    name: u64,
    value: Value,
}

impl Syscall for SetXAttr {
    const NR: u32 = nr::SETXATTR;
    const ARGS: &'static [ArgKind] =
        &[ArgKind::Path, ArgKind::Path, ArgKind::Ptr, ArgKind::Unsigned, ArgKind::Bits(xattr::FLAGS)];

    fn decode(args: &RawArgs) -> CallResult<Self> {
        Ok(SetXAttr {
            path: args.long::<0>(),
            name: args.long::<1>(),
            value: Value { at: args.long::<2>(), size: args.size::<3>(), flags: args.uint::<4>() },
        })
    }

    fn execute(self, ctx: &mut Context<'_>) -> CallResult<u64> {
        xattr::set(ctx, Of::Path(self.path, Follow::Yes), self.name, &self.value)
    }
}
