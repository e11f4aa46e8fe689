//! exit of one thread; that of the last ends the process.

use crate::CallError;
use crate::prelude::*;

/// `exit(status)`.
pub struct Exit {
    status: u8,
}

impl Syscall for Exit {
    const NR: u32 = nr::EXIT;
    const ARGS: &'static [ArgKind] = &[ArgKind::Int];

    fn decode(args: &RawArgs) -> CallResult<Self> {
        Ok(Exit { status: args.uint::<0>() as u8 })
    }

    fn execute(self, ctx: &mut Context<'_>) -> CallResult<u64> {
        Err(match ctx.process.end_thread(ctx.platform, ctx.thread, self.status) {
            Some(status) => CallError::Exit(status),
            None => CallError::ThreadEnds,
        })
    }
}
