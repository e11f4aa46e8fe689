//! sched_setscheduler(2): changes policy and priority, and what all calls that change the scheduling share.

use crate::prelude::*;
use abi::general as raw;
use task::Thread;
use task::attributes::Scheduling;
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

/// What a thread's scheduling is to be.
pub struct Change {
    /// `SCHED_*`.
    pub policy: u32,
    /// 0 but for the real-time policies.
    pub priority: u32,
    /// For the policies that have it.
    pub nice: i32,
    /// SCHED_RESET_ON_FORK.
    pub reset_on_fork: bool,
    /// Whether the times of a deadline, if that is the policy, make sense.
    pub possible_deadline: bool,
    /// Whether bounds of the utilisation are wanted, which there are none of.
    pub clamps: bool,
}

/// Changes policy and priority, and keeps the nice value.
pub fn set(ctx: &Context<'_>, thread: &Thread, policy: u32, priority: i32) -> Result<(), Errno> {
    let plain = policy & !raw::SCHED_RESET_ON_FORK;
    let priority = u32::try_from(priority).map_err(|_| Errno::EINVAL)?;
    let nice = thread.scheduling().nice;
    let reset_on_fork = policy != plain;
    change(
        ctx,
        thread,
        &Change { policy: plain, priority, nice, reset_on_fork, possible_deadline: false, clamps: false },
    )
}

/// Changes the scheduling. A deadline is never promised: EBUSY, as when its bandwidth is not free.
pub fn change(ctx: &Context<'_>, thread: &Thread, wanted: &Change) -> Result<(), Errno> {
    let (low, high) = priorities(wanted.policy).ok_or(Errno::EINVAL)?;
    if !i32::try_from(wanted.priority).is_ok_and(|priority| (low..=high).contains(&priority)) {
        return Err(Errno::EINVAL);
    }
    let capable = ctx.process.capable(CAP_SYS_NICE);
    if wanted.policy == raw::SCHED_DEADLINE {
        return Err(match (wanted.possible_deadline, capable) {
            (false, _) => Errno::EINVAL,
            (true, false) => Errno::EPERM,
            (true, true) => Errno::EBUSY,
        });
    }
    if wanted.priority > 0 && !capable {
        // RLIMIT_RTPRIO says how far a process without the capability may go.
        let (limit, now) = (ctx.process.limits().soft(raw::RLIMIT_RTPRIO), thread.scheduling());
        let higher = wanted.priority > now.priority && u64::from(wanted.priority) > limit;
        if higher || wanted.policy != now.policy && limit == 0 {
            return Err(Errno::EPERM);
        }
    }
    // RLIMIT_NICE says how far a process without the capability may go: 1 is 19, 40 is -20.
    let within = ctx.process.limits().soft(raw::RLIMIT_NICE) >= u64::from((20 - wanted.nice).unsigned_abs());
    let has_nice = matches!(wanted.policy, raw::SCHED_NORMAL | raw::SCHED_BATCH);
    let mut scheduling = thread.scheduling();
    if has_nice && wanted.nice < scheduling.nice && !within && !capable {
        return Err(Errno::EPERM);
    }
    if scheduling.reset_on_fork && !wanted.reset_on_fork && !capable {
        return Err(Errno::EPERM);
    }
    if wanted.clamps {
        return Err(Errno::EOPNOTSUPP);
    }
    scheduling.policy = wanted.policy;
    scheduling.priority = wanted.priority;
    if has_nice {
        scheduling.nice = wanted.nice;
    }
    scheduling.reset_on_fork = wanted.reset_on_fork;
    apply(ctx, thread, scheduling);
    Ok(())
}

/// Makes a thread compete like this.
pub fn apply(ctx: &Context<'_>, thread: &Thread, scheduling: Scheduling) {
    thread.set_scheduling(scheduling);
    if let Some(runner) = thread.runner() {
        ctx.platform.set_scheduling(runner, scheduling);
    }
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
        let thread = ctx.thread_of(self.pid)?;
        set(ctx, &thread, self.policy, priority)?;
        Ok(0)
    }
}
