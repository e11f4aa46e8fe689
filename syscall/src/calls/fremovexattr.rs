//! fremovexattr(2): removes an extended attribute of an open file.

use crate::prelude::*;
use crate::xattr::{self, Of};

/// `fremovexattr(fd, name)`.
pub struct FRemoveXAttr {
    fd: i32,
    name: u64,
}

impl Syscall for FRemoveXAttr {
    const NR: u32 = nr::FREMOVEXATTR;
    const ARGS: &'static [ArgKind] = &[ArgKind::Int, ArgKind::Path];

    fn decode(args: &RawArgs) -> CallResult<Self> {
        Ok(FRemoveXAttr { fd: args.int::<0>(), name: args.long::<1>() })
    }

    fn execute(self, ctx: &mut Context<'_>) -> CallResult<u64> {
        xattr::remove(ctx, Of::Open(self.fd), self.name)
    }
}
