//! sched_getscheduler(2): the scheduling policy.

use crate::prelude::*;
use abi::general as raw;
use task::attributes::Scheduling;

/// The parent of the program, which the kernel plays.
const INIT: i32 = 1;

/// `sched_getscheduler(pid)`.
pub struct SchedGetScheduler {
    pid: i32,
}

/// The scheduling of a thread, or that of process 1, which nobody changes.
pub fn scheduling_of(ctx: &Context<'_>, pid: i32) -> CallResult<Scheduling> {
    if pid == INIT {
        return Ok(Scheduling::default());
    }
    Ok(ctx.thread_of(pid)?.scheduling())
}

impl Syscall for SchedGetScheduler {
    const NR: u32 = nr::SCHED_GETSCHEDULER;
    const ARGS: &'static [ArgKind] = &[ArgKind::Int];

    fn decode(args: &RawArgs) -> CallResult<Self> {
        Ok(SchedGetScheduler { pid: args.int::<0>() })
    }

    fn execute(self, ctx: &mut Context<'_>) -> CallResult<u64> {
        let scheduling = scheduling_of(ctx, self.pid)?;
        let reset = if scheduling.reset_on_fork { raw::SCHED_RESET_ON_FORK } else { 0 };
        Ok((scheduling.policy | reset).into())
    }
}
