//! setpriority(2): changes the nice value.

use super::getpriority::{WHICH, threads};
use super::sched_setscheduler::apply;
use crate::prelude::*;
use abi::general as raw;
use task::credentials::CAP_SYS_NICE;

/// `setpriority(which, who, nice)`.
pub struct SetPriority {
    which: u32,
    who: u32,
    nice: i32,
}

impl Syscall for SetPriority {
    const NR: u32 = nr::SETPRIORITY;
    const ARGS: &'static [ArgKind] = &[ArgKind::Value(WHICH), ArgKind::Int, ArgKind::Int];

    fn decode(args: &RawArgs) -> CallResult<Self> {
        Ok(SetPriority { which: args.uint::<0>(), who: args.uint::<1>(), nice: args.int::<2>() })
    }

    fn execute(self, ctx: &mut Context<'_>) -> CallResult<u64> {
        let threads = threads(ctx, self.which, self.who)?;
        let nice = self.nice.clamp(-20, 19);
        // RLIMIT_NICE says how far a process without the capability may go: 1 is 19, 40 is -20.
        let allowed = ctx.process.limits().soft(raw::RLIMIT_NICE);
        let within = allowed >= (20 - nice) as u64;
        let capable = ctx.process.capable(CAP_SYS_NICE);
        for thread in threads {
            let mut scheduling = thread.scheduling();
            if nice < scheduling.nice && !within && !capable {
                return Err(Errno::EACCES.into());
            }
            scheduling.nice = nice;
            apply(ctx, &thread, scheduling);
        }
        Ok(0)
    }
}
