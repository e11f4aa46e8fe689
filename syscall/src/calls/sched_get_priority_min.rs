//! sched_get_priority_min(2): the lowest priority of a policy.

use super::sched_setscheduler::{POLICIES, priorities};
use crate::prelude::*;

/// `sched_get_priority_min(policy)`.
pub struct SchedGetPriorityMin {
    policy: u32,
}

impl Syscall for SchedGetPriorityMin {
    const NR: u32 = nr::SCHED_GET_PRIORITY_MIN;
    const ARGS: &'static [ArgKind] = &[ArgKind::Value(POLICIES)];

    fn decode(args: &RawArgs) -> CallResult<Self> {
        Ok(SchedGetPriorityMin { policy: args.uint::<0>() })
    }

    fn execute(self, _: &mut Context<'_>) -> CallResult<u64> {
        let (low, _) = priorities(self.policy).ok_or(Errno::EINVAL)?;
        Ok(low as u64)
    }
}
