//! getitimer(2): what is left of an interval timer.

use crate::prelude::*;
use crate::time::SECOND;
use abi::general as raw;
use abi::structs::{ITimerVal, Timeval};
use task::timers::{Interval, Setting};

/// `getitimer(which, current)`.
pub struct GetITimer {
    which: i32,
    current: UserPtr<ITimerVal>,
}

/// Interval timers, for strace.
pub const TIMERS: Names = names![ITIMER_REAL, ITIMER_VIRTUAL, ITIMER_PROF];

/// The timer of a number.
pub fn interval(which: i32) -> Result<Interval, Errno> {
    match u32::try_from(which) {
        Ok(raw::ITIMER_REAL) => Ok(Interval::Real),
        Ok(raw::ITIMER_VIRTUAL) => Ok(Interval::Virtual),
        Ok(raw::ITIMER_PROF) => Ok(Interval::Prof),
        _ => Err(Errno::EINVAL),
    }
}

/// As a structure. What is left of an armed timer is not shown as nothing.
pub fn itimerval(setting: Setting) -> ITimerVal {
    let timeval = |ns: u64| {
        let micros = ns.div_ceil(1000);
        Timeval { tv_sec: (micros / (SECOND / 1000)) as i64, tv_usec: (micros % (SECOND / 1000)) as i64 }
    };
    ITimerVal { interval: timeval(setting.interval), value: timeval(setting.value) }
}

impl Syscall for GetITimer {
    const NR: u32 = nr::GETITIMER;
    const ARGS: &'static [ArgKind] = &[ArgKind::Value(TIMERS), ArgKind::Ptr];

    fn decode(args: &RawArgs) -> CallResult<Self> {
        Ok(GetITimer { which: args.int::<0>(), current: args.ptr::<1, _>() })
    }

    fn execute(self, ctx: &mut Context<'_>) -> CallResult<u64> {
        let setting = ctx.process.interval_timer(ctx.platform, interval(self.which)?);
        self.current.write(ctx.memory(), &itimerval(setting))?;
        Ok(0)
    }
}
