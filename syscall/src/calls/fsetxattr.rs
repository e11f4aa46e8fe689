//! fsetxattr(2): sets an extended attribute of an open file.

use crate::prelude::*;
use crate::xattr::{self, Of, Value};

/// `fsetxattr(fd, name, value, size, flags)`.
pub struct FSetXAttr {
    fd: i32,
    name: u64,
    value: Value,
}

impl Syscall for FSetXAttr {
    const NR: u32 = nr::FSETXATTR;
    const ARGS: &'static [ArgKind] =
        &[ArgKind::Int, ArgKind::Path, ArgKind::Ptr, ArgKind::Unsigned, ArgKind::Bits(xattr::FLAGS)];

    fn decode(args: &RawArgs) -> CallResult<Self> {
        Ok(FSetXAttr {
            fd: args.int::<0>(),
            name: args.long::<1>(),
            value: Value { at: args.long::<2>(), size: args.size::<3>(), flags: args.uint::<4>() },
        })
    }

    fn execute(self, ctx: &mut Context<'_>) -> CallResult<u64> {
        xattr::set(ctx, Of::Open(self.fd), self.name, &self.value)
    }
}
