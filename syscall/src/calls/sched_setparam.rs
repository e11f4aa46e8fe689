//! sched_setparam(2): changes the real-time priority.

use super::sched_setscheduler::set;
use crate::prelude::*;
use abi::general::SCHED_RESET_ON_FORK;

/// `sched_setparam(pid, parameters)`.
pub struct SchedSetParam {
    pid: i32,
    param: UserPtr<i32>,
}

impl Syscall for SchedSetParam {
    const NR: u32 = nr::SCHED_SETPARAM;
    const ARGS: &'static [ArgKind] = &[ArgKind::Int, ArgKind::Ptr];

    fn decode(args: &RawArgs) -> CallResult<Self> {
        Ok(SchedSetParam { pid: args.int::<0>(), param: args.ptr::<1, _>() })
    }

    fn execute(self, ctx: &mut Context<'_>) -> CallResult<u64> {
        let Some(param) = self.param.non_null() else { return Err(Errno::EINVAL.into()) };
        if self.pid < 0 {
            return Err(Errno::EINVAL.into());
        }
        let priority = param.read(ctx.memory())?;
        let thread = ctx.thread_of(self.pid)?;
        let scheduling = thread.scheduling();
        let reset = if scheduling.reset_on_fork { SCHED_RESET_ON_FORK } else { 0 };
        set(ctx, &thread, scheduling.policy | reset, priority)?;
        Ok(0)
    }
}
