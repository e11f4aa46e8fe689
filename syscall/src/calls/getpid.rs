//! getpid(2): the process's number.

use crate::prelude::*;

/// `getpid()`.
pub struct GetPid;

impl Syscall for GetPid {
    const NR: u32 = nr::GETPID;
    const ARGS: &'static [ArgKind] = &[];

    fn decode(_: &RawArgs) -> CallResult<Self> {
        Ok(GetPid)
    }

    fn execute(self, ctx: &mut Context<'_>) -> CallResult<u64> {
        Ok(ctx.process.pid.into())
    }
}
