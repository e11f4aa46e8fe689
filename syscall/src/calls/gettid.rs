//! gettid(2): the thread's number.

use crate::prelude::*;

/// `gettid()`.
pub struct GetTid;

impl Syscall for GetTid {
    const NR: u32 = nr::GETTID;
    const ARGS: &'static [ArgKind] = &[];

    fn decode(_: &RawArgs) -> CallResult<Self> {
        Ok(GetTid)
    }

    fn execute(self, ctx: &mut Context<'_>) -> CallResult<u64> {
        Ok(ctx.thread.tid.into())
    }
}
