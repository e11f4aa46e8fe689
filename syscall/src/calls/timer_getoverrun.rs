//! timer_getoverrun(2): how often a POSIX timer had expired beyond the signal that was taken last.

use crate::prelude::*;

/// `timer_getoverrun(timer)`.
pub struct TimerGetOverrun {
    timer: u32,
}

impl Syscall for TimerGetOverrun {
    const NR: u32 = nr::TIMER_GETOVERRUN;
    const ARGS: &'static [ArgKind] = &[ArgKind::Int];

    fn decode(args: &RawArgs) -> CallResult<Self> {
        Ok(TimerGetOverrun { timer: args.uint::<0>() })
    }

    fn execute(self, ctx: &mut Context<'_>) -> CallResult<u64> {
        Ok(ctx.process.timer_overrun(self.timer)?.into())
    }
}
