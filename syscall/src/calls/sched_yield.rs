//! sched_yield(2): lets other threads run.

use crate::prelude::*;

/// `sched_yield()`.
pub struct SchedYield;

impl Syscall for SchedYield {
    const NR: u32 = nr::SCHED_YIELD;
    const ARGS: &'static [ArgKind] = &[];

    fn decode(_: &RawArgs) -> CallResult<Self> {
        Ok(SchedYield)
    }

    fn execute(self, ctx: &mut Context<'_>) -> CallResult<u64> {
        ctx.platform.yield_now();
        Ok(0)
    }
}
