//! fsetxattr(2): sets an extended attribute of an open file.

use crate::prelude::*;
use crate::xattr::{self, Of};

/// `fsetxattr(fd, name, ...)`.
pub struct FSetXAttr {
    fd: i32,
    name: u64,
}

impl Syscall for FSetXAttr {
    const NR: u32 = nr::FSETXATTR;
    const ARGS: &'static [ArgKind] =
        &[ArgKind::Int, ArgKind::Path, ArgKind::Ptr, ArgKind::Unsigned, ArgKind::Hex];

    fn decode(args: &RawArgs) -> CallResult<Self> {
        Ok(FSetXAttr { fd: args.int::<0>(), name: args.long::<1>() })
    }

    fn execute(self, ctx: &mut Context<'_>) -> CallResult<u64> {
        xattr::one(ctx, Of::Open(self.fd), self.name)
    }
}
