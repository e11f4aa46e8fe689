//! dup(2): another descriptor for the same open file.

use crate::prelude::*;
use abi::FdFlags;

/// `dup(fd)`.
pub struct Dup {
    fd: i32,
}

impl Syscall for Dup {
    const NR: u32 = nr::DUP;
    const ARGS: &'static [ArgKind] = &[ArgKind::Int];

    fn decode(args: &RawArgs) -> CallResult<Self> {
        Ok(Dup { fd: args.int::<0>() })
    }

    fn execute(self, ctx: &mut Context<'_>) -> CallResult<u64> {
        let file = ctx.file(self.fd)?;
        let limit = ctx.fd_limit();
        Ok(ctx.process.files().insert(file, FdFlags::empty(), 0, limit)?.into())
    }
}
