//! ioprio_set(2): the priority of input and output, which is kept and told. Nothing here waits for a disk in an order.

use super::ioprio_get::{BEST_EFFORT, CLASS_SHIFT, IDLE, NONE, REAL_TIME, WHICH, own};
use crate::prelude::*;
use task::credentials::{CAP_SYS_ADMIN, CAP_SYS_NICE};

/// `ioprio_set(which, who, priority)`.
pub struct IoPrioSet {
    which: u32,
    who: u32,
    priority: u32,
}

impl Syscall for IoPrioSet {
    const NR: u32 = nr::IOPRIO_SET;
    const ARGS: &'static [ArgKind] = &[ArgKind::Value(WHICH), ArgKind::Int, ArgKind::Hex];

    fn decode(args: &RawArgs) -> CallResult<Self> {
        Ok(IoPrioSet { which: args.uint::<0>(), who: args.uint::<1>(), priority: args.uint::<2>() })
    }

    fn execute(self, ctx: &mut Context<'_>) -> CallResult<u64> {
        // The class and below it a level and hints, 16 bits in all.
        let priority = self.priority as u16;
        match priority >> CLASS_SHIFT {
            REAL_TIME if !ctx.process.capable(CAP_SYS_ADMIN) && !ctx.process.capable(CAP_SYS_NICE) => {
                return Err(Errno::EPERM.into());
            }
            REAL_TIME | BEST_EFFORT | IDLE => {}
            NONE if priority == 0 => {}
            _ => return Err(Errno::EINVAL.into()),
        }
        own(ctx, self.which, self.who)?;
        ctx.process.attributes().io_priority = priority;
        Ok(0)
    }
}
