//! timer_settime(2): arms and disarms a POSIX timer.

use crate::prelude::*;
use crate::time::{nanoseconds, timespec};
use abi::general as raw;
use abi::structs::ITimerSpec;
use task::timers::Setting;

/// `timer_settime(timer, flags, new, old)`.
pub struct TimerSetTime {
    timer: u32,
    flags: u32,
    new: UserPtr<ITimerSpec>,
    old: UserPtr<ITimerSpec>,
}

/// As a structure.
pub fn itimerspec(setting: Setting) -> ITimerSpec {
    ITimerSpec { interval: timespec(setting.interval), value: timespec(setting.value) }
}

impl Syscall for TimerSetTime {
    const NR: u32 = nr::TIMER_SETTIME;
    const ARGS: &'static [ArgKind] =
        &[ArgKind::Int, ArgKind::Bits(names![TIMER_ABSTIME]), ArgKind::Ptr, ArgKind::Ptr];

    fn decode(args: &RawArgs) -> CallResult<Self> {
        let (timer, flags) = (args.uint::<0>(), args.uint::<1>());
        Ok(TimerSetTime { timer, flags, new: args.ptr::<2, _>(), old: args.ptr::<3, _>() })
    }

    fn execute(self, ctx: &mut Context<'_>) -> CallResult<u64> {
        let new = self.new.non_null().ok_or(Errno::EINVAL)?.read(ctx.memory())?;
        let new = Setting { value: nanoseconds(&new.value)?, interval: nanoseconds(&new.interval)? };
        let absolute = self.flags & raw::TIMER_ABSTIME != 0;
        let old = ctx.process.set_posix_timer(ctx.platform, self.timer, new, absolute)?;
        if let Some(ptr) = self.old.non_null() {
            ptr.write(ctx.memory(), &itimerspec(old))?;
        }
        Ok(0)
    }
}
