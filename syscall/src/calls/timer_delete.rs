//! timer_delete(2): ends a POSIX timer.

use crate::prelude::*;

/// `timer_delete(timer)`.
pub struct TimerDelete {
    timer: u32,
}

impl Syscall for TimerDelete {
    const NR: u32 = nr::TIMER_DELETE;
    const ARGS: &'static [ArgKind] = &[ArgKind::Int];

    fn decode(args: &RawArgs) -> CallResult<Self> {
        Ok(TimerDelete { timer: args.uint::<0>() })
    }

    fn execute(self, ctx: &mut Context<'_>) -> CallResult<u64> {
        ctx.process.delete_timer(ctx.platform, self.timer)?;
        Ok(0)
    }
}
