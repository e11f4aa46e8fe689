//! setitimer(2): sets an interval timer.

use super::getitimer::{TIMERS, interval, itimerval};
use crate::prelude::*;
use crate::time::SECOND;
use abi::structs::{ITimerVal, Timeval};
use task::timers::Setting;

/// `setitimer(which, new, old)`.
pub struct SetITimer {
    which: i32,
    new: UserPtr<ITimerVal>,
    old: UserPtr<ITimerVal>,
}

/// A structure as nanoseconds; EINVAL for what is no time. Times beyond 584 years count as that.
fn nanoseconds(time: Timeval) -> Result<u64, Errno> {
    let seconds = u64::try_from(time.tv_sec).map_err(|_| Errno::EINVAL)?;
    let micros =
        u64::try_from(time.tv_usec).ok().filter(|&micros| micros < 1_000_000).ok_or(Errno::EINVAL)?;
    Ok(seconds.saturating_mul(SECOND).saturating_add(micros * 1000))
}

impl Syscall for SetITimer {
    const NR: u32 = nr::SETITIMER;
    const ARGS: &'static [ArgKind] = &[ArgKind::Value(TIMERS), ArgKind::Ptr, ArgKind::Ptr];

    fn decode(args: &RawArgs) -> CallResult<Self> {
        Ok(SetITimer { which: args.int::<0>(), new: args.ptr::<1, _>(), old: args.ptr::<2, _>() })
    }

    fn execute(self, ctx: &mut Context<'_>) -> CallResult<u64> {
        // Without a new value Linux disarms the timer.
        let new = match self.new.non_null() {
            Some(ptr) => {
                let new = ptr.read(ctx.memory())?;
                Setting { value: nanoseconds(new.value)?, interval: nanoseconds(new.interval)? }
            }
            None => Setting::default(),
        };
        let old = ctx.process.set_interval_timer(ctx.platform, interval(self.which)?, new)?;
        if let Some(ptr) = self.old.non_null() {
            ptr.write(ctx.memory(), &itimerval(old))?;
        }
        Ok(0)
    }
}
