//! sched_setscheduler(2): changes policy and priority.

use super::sched_getscheduler::own_thread;
use crate::prelude::*;
use abi::general as raw;
use task::credentials::CAP_SYS_NICE;

/// `sched_setscheduler(pid, policy, parameters)`.
pub struct SchedSetScheduler {
    pid: i32,
    policy: u32,
    param: UserPtr<i32>,
}

/// Policies, for strace.
pub const POLICIES: Names = names![SCHED_FIFO, SCHED_RR, SCHED_BATCH, SCHED_IDLE, SCHED_DEADLINE];

/// The priorities of a policy, lowest and highest; `None` for an unknown policy.
pub fn priorities(policy: u32) -> Option<(i32, i32)> {
    match policy {
        raw::SCHED_FIFO | raw::SCHED_RR => Some((1, 99)),
        raw::SCHED_NORMAL | raw::SCHED_BATCH | raw::SCHED_IDLE | raw::SCHED_DEADLINE => Some((0, 0)),
        _ => None,
    }
}

/// Changes policy and priority. A deadline is never promised: EBUSY, as when its bandwidth is not free.
pub fn set(ctx: &Context<'_>, policy: u32, priority: i32) -> Result<(), Errno> {
    let plain = policy & !raw::SCHED_RESET_ON_FORK;
    let (low, high) = priorities(plain).ok_or(Errno::EINVAL)?;
    if !(low..=high).contains(&priority) {
        return Err(Errno::EINVAL);
    }
    if plain == raw::SCHED_DEADLINE {
        return Err(Errno::EBUSY);
    }
    if priority > 0 && !ctx.process.capable(CAP_SYS_NICE) {
        return Err(Errno::EPERM);
    }
    let mut attributes = ctx.process.attributes();
    attributes.scheduling.policy = plain;
    attributes.scheduling.priority = priority.unsigned_abs();
    attributes.scheduling.reset_on_fork = policy != plain;
    Ok(())
}

impl Syscall for SchedSetScheduler {
    const NR: u32 = nr::SCHED_SETSCHEDULER;
    const ARGS: &'static [ArgKind] = &[ArgKind::Int, ArgKind::Value(POLICIES), ArgKind::Ptr];

    fn decode(args: &RawArgs) -> CallResult<Self> {
        Ok(SchedSetScheduler { pid: args.int::<0>(), policy: args.uint::<1>(), param: args.ptr::<2, _>() })
    }

    fn execute(self, ctx: &mut Context<'_>) -> CallResult<u64> {
        let Some(param) = self.param.non_null() else { return Err(Errno::EINVAL.into()) };
        if (self.policy as i32) < 0 || self.pid < 0 {
            return Err(Errno::EINVAL.into());
        }
        let priority = param.read(ctx.memory())?;
        own_thread(ctx, self.pid)?;
        set(ctx, self.policy, priority)?;
        Ok(0)
    }
}
