//! flistxattr(2): lists the names of the extended attributes of an open file.

use crate::prelude::*;
use crate::xattr::{self, Of};

/// `flistxattr(fd, ...)`.
pub struct FListXAttr {
    fd: i32,
}

impl Syscall for FListXAttr {
    const NR: u32 = nr::FLISTXATTR;
    const ARGS: &'static [ArgKind] = &[ArgKind::Int, ArgKind::Ptr, ArgKind::Unsigned];

    fn decode(args: &RawArgs) -> CallResult<Self> {
        Ok(FListXAttr { fd: args.int::<0>() })
    }

    fn execute(self, ctx: &mut Context<'_>) -> CallResult<u64> {
        xattr::names(ctx, Of::Open(self.fd))
    }
}
