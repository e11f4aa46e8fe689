//! timer_gettime(2): what is left of a POSIX timer.

use super::timer_settime::itimerspec;
use crate::prelude::*;
use abi::structs::ITimerSpec;

/// `timer_gettime(timer, current)`.
pub struct TimerGetTime {
    timer: u32,
    current: UserPtr<ITimerSpec>,
}

impl Syscall for TimerGetTime {
    const NR: u32 = nr::TIMER_GETTIME;
    const ARGS: &'static [ArgKind] = &[ArgKind::Int, ArgKind::Ptr];

    fn decode(args: &RawArgs) -> CallResult<Self> {
        Ok(TimerGetTime { timer: args.uint::<0>(), current: args.ptr::<1, _>() })
    }

    fn execute(self, ctx: &mut Context<'_>) -> CallResult<u64> {
        let setting = ctx.process.timer(ctx.platform, self.timer)?;
        self.current.write(ctx.memory(), &itimerspec(setting))?;
        Ok(0)
    }
}
