//! fgetxattr(2): reads an extended attribute of an open file.

use crate::prelude::*;
use crate::xattr::{self, Of};

/// `fgetxattr(fd, name, ...)`.
pub struct FGetXAttr {
    fd: i32,
    name: u64,
}

impl Syscall for FGetXAttr {
    const NR: u32 = nr::FGETXATTR;
    const ARGS: &'static [ArgKind] = &[ArgKind::Int, ArgKind::Path, ArgKind::Ptr, ArgKind::Unsigned];

    fn decode(args: &RawArgs) -> CallResult<Self> {
        Ok(FGetXAttr { fd: args.int::<0>(), name: args.long::<1>() })
    }

    fn execute(self, ctx: &mut Context<'_>) -> CallResult<u64> {
        xattr::one(ctx, Of::Open(self.fd), self.name)
    }
}
