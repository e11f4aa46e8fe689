//! sched_getparam(2): the real-time priority.

use super::sched_getscheduler::scheduling_of;
use crate::prelude::*;

/// `sched_getparam(pid, parameters)`.
pub struct SchedGetParam {
    pid: i32,
    param: UserPtr<i32>,
}

impl Syscall for SchedGetParam {
    const NR: u32 = nr::SCHED_GETPARAM;
    const ARGS: &'static [ArgKind] = &[ArgKind::Int, ArgKind::Ptr];

    fn decode(args: &RawArgs) -> CallResult<Self> {
        Ok(SchedGetParam { pid: args.int::<0>(), param: args.ptr::<1, _>() })
    }

    fn execute(self, ctx: &mut Context<'_>) -> CallResult<u64> {
        let Some(param) = self.param.non_null() else { return Err(Errno::EINVAL.into()) };
        let priority = scheduling_of(ctx, self.pid)?.priority;
        param.write(ctx.memory(), &(priority as i32))?;
        Ok(0)
    }
}
