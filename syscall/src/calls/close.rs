//! close(2): closes a descriptor.

use crate::context::descriptor;
use crate::files;
use crate::prelude::*;

/// `close(fd)`.
pub struct Close {
    fd: i32,
}

impl Syscall for Close {
    const NR: u32 = nr::CLOSE;
    const ARGS: &'static [ArgKind] = &[ArgKind::Int];

    fn decode(args: &RawArgs) -> CallResult<Self> {
        Ok(Close { fd: args.int::<0>() })
    }

    fn execute(self, ctx: &mut Context<'_>) -> CallResult<u64> {
        let closed = ctx.process.files().remove(descriptor(self.fd)?)?;
        files::closed(ctx, closed);
        Ok(0)
    }
}
