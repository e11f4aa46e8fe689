//! fgetxattr(2): reads an extended attribute of an open file.

use crate::prelude::*;
use crate::xattr::{self, Of};

/// `fgetxattr(fd, name, buffer, size)`.
pub struct FGetXAttr {
    fd: i32,
    name: u64,
    buffer: u64,
    size: usize,
}

impl Syscall for FGetXAttr {
    const NR: u32 = nr::FGETXATTR;
    const ARGS: &'static [ArgKind] = &[ArgKind::Int, ArgKind::Path, ArgKind::Ptr, ArgKind::Unsigned];

    fn decode(args: &RawArgs) -> CallResult<Self> {
        Ok(FGetXAttr {
            fd: args.int::<0>(),
            name: args.long::<1>(),
            buffer: args.long::<2>(),
            size: args.size::<3>(),
        })
    }

    fn execute(self, ctx: &mut Context<'_>) -> CallResult<u64> {
        xattr::get(ctx, Of::Open(self.fd), self.name, self.buffer, self.size)
    }
}
