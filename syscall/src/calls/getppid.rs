//! getppid(2): the parent's number.

use crate::prelude::*;

/// `getppid()`.
pub struct GetPPid;

impl Syscall for GetPPid {
    const NR: u32 = nr::GETPPID;
    const ARGS: &'static [ArgKind] = &[];

    fn decode(_: &RawArgs) -> CallResult<Self> {
        Ok(GetPPid)
    }

    fn execute(self, ctx: &mut Context<'_>) -> CallResult<u64> {
        Ok(ctx.process.ppid.into())
    }
}
