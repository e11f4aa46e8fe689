//! timerfd_settime(2): arms and disarms a timer.

use crate::prelude::*;
use crate::time::{nanoseconds, timespec};
use abi::general as raw;
use abi::structs::Timespec;
use fs::timer::Setting;

/// `timerfd_settime(fd, flags, new, old)`.
pub struct TimerFdSetTime {
    fd: i32,
    flags: u32,
    new: UserPtr<[Timespec; 2]>,
    old: UserPtr<[Timespec; 2]>,
}

/// As `struct itimerspec`: the interval comes first.
pub fn itimerspec(setting: Setting) -> [Timespec; 2] {
    [timespec(setting.interval), timespec(setting.value)]
}

impl Syscall for TimerFdSetTime {
    const NR: u32 = nr::TIMERFD_SETTIME;
    const ARGS: &'static [ArgKind] = &[
        ArgKind::Int,
        ArgKind::Bits(names![TFD_TIMER_ABSTIME, TFD_TIMER_CANCEL_ON_SET]),
        ArgKind::Ptr,
        ArgKind::Ptr,
    ];

    fn decode(args: &RawArgs) -> CallResult<Self> {
        Ok(TimerFdSetTime {
            fd: args.int::<0>(),
            flags: args.uint::<1>(),
            new: args.ptr::<2, _>(),
            old: args.ptr::<3, _>(),
        })
    }

    fn execute(self, ctx: &mut Context<'_>) -> CallResult<u64> {
        let [interval, value] = self.new.read(ctx.memory())?;
        if self.flags & !(raw::TFD_TIMER_ABSTIME | raw::TFD_TIMER_CANCEL_ON_SET) != 0 {
            return Err(Errno::EINVAL.into());
        }
        let new = Setting { value: nanoseconds(&value)?, interval: nanoseconds(&interval)? };
        let file = ctx.file(self.fd)?;
        if file.is_path_only() {
            return Err(Errno::EBADF.into());
        }
        let timer = file.file().as_timer().ok_or(Errno::EINVAL)?;
        let absolute = self.flags & raw::TFD_TIMER_ABSTIME != 0;
        // It has a meaning for times of a clock only.
        let cancel = absolute && self.flags & raw::TFD_TIMER_CANCEL_ON_SET != 0;
        let old = timer.set(new, absolute, cancel);
        if let Some(ptr) = self.old.non_null() {
            ptr.write(ctx.memory(), &itimerspec(old))?;
        }
        Ok(0)
    }
}
