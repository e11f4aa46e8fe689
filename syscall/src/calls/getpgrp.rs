//! getpgrp(2): the process group, which the program leads.

use crate::prelude::*;

/// `getpgrp()`.
pub struct GetPgrp;

impl Syscall for GetPgrp {
    const NR: u32 = nr::GETPGRP;
    const ARGS: &'static [ArgKind] = &[];

    fn decode(_: &RawArgs) -> CallResult<Self> {
        Ok(GetPgrp)
    }

    fn execute(self, ctx: &mut Context<'_>) -> CallResult<u64> {
        Ok(ctx.process.pid.into())
    }
}
