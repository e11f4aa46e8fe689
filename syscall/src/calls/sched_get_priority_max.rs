//! sched_get_priority_max(2): the highest priority of a policy.

use super::sched_setscheduler::{POLICIES, priorities};
use crate::prelude::*;

/// `sched_get_priority_max(policy)`.
pub struct SchedGetPriorityMax {
    policy: u32,
}

impl Syscall for SchedGetPriorityMax {
    const NR: u32 = nr::SCHED_GET_PRIORITY_MAX;
    const ARGS: &'static [ArgKind] = &[ArgKind::Value(POLICIES)];

    fn decode(args: &RawArgs) -> CallResult<Self> {
        Ok(SchedGetPriorityMax { policy: args.uint::<0>() })
    }

    fn execute(self, _: &mut Context<'_>) -> CallResult<u64> {
        let (_, high) = priorities(self.policy).ok_or(Errno::EINVAL)?;
        Ok(high as u64)
    }
}
