//! sched_yield(2): there is nobody else to run.

use crate::prelude::*;

/// `sched_yield()`.
pub struct SchedYield;

impl Syscall for SchedYield {
    const NR: u32 = nr::SCHED_YIELD;
    const ARGS: &'static [ArgKind] = &[];

    fn decode(_: &RawArgs) -> CallResult<Self> {
        Ok(SchedYield)
    }

    fn execute(self, _: &mut Context<'_>) -> CallResult<u64> {
        Ok(0)
    }
}
