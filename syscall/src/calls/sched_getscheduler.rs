//! sched_getscheduler(2): the scheduling policy.

use crate::prelude::*;
use abi::general as raw;

/// `sched_getscheduler(pid)`.
pub struct SchedGetScheduler {
    pid: i32,
}

/// ESRCH for any thread but the caller, EINVAL for a number that none can have.
pub fn own_thread(ctx: &Context<'_>, pid: i32) -> Result<(), Errno> {
    match u32::try_from(pid) {
        Err(_) => Err(Errno::EINVAL),
        Ok(pid) if pid == 0 || pid == ctx.thread.tid => Ok(()),
        Ok(_) => Err(Errno::ESRCH),
    }
}

impl Syscall for SchedGetScheduler {
    const NR: u32 = nr::SCHED_GETSCHEDULER;
    const ARGS: &'static [ArgKind] = &[ArgKind::Int];

    fn decode(args: &RawArgs) -> CallResult<Self> {
        Ok(SchedGetScheduler { pid: args.int::<0>() })
    }

    fn execute(self, ctx: &mut Context<'_>) -> CallResult<u64> {
        own_thread(ctx, self.pid)?;
        let scheduling = ctx.process.attributes().scheduling;
        let reset = if scheduling.reset_on_fork { raw::SCHED_RESET_ON_FORK } else { 0 };
        Ok((scheduling.policy | reset).into())
    }
}
