//! flistxattr(2): lists the names of the extended attributes of an open file.

use crate::prelude::*;
use crate::xattr::{self, Of};

/// `flistxattr(fd, buffer, size)`.
pub struct FListXAttr {
    fd: i32,
    buffer: u64,
    size: usize,
}

impl Syscall for FListXAttr {
    const NR: u32 = nr::FLISTXATTR;
    const ARGS: &'static [ArgKind] = &[ArgKind::Int, ArgKind::Ptr, ArgKind::Unsigned];

    fn decode(args: &RawArgs) -> CallResult<Self> {
        Ok(FListXAttr { fd: args.int::<0>(), buffer: args.long::<1>(), size: args.size::<2>() })
    }

    fn execute(self, ctx: &mut Context<'_>) -> CallResult<u64> {
        xattr::list(ctx, Of::Open(self.fd), self.buffer, self.size)
    }
}
