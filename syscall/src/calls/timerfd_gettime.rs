//! timerfd_gettime(2): what is left of a timer.

use super::timerfd_settime::itimerspec;
use crate::prelude::*;
use abi::structs::Timespec;

/// `timerfd_gettime(fd, current)`.
pub struct TimerFdGetTime {
    fd: i32,
    current: UserPtr<[Timespec; 2]>,
}

impl Syscall for TimerFdGetTime {
    const NR: u32 = nr::TIMERFD_GETTIME;
    const ARGS: &'static [ArgKind] = &[ArgKind::Int, ArgKind::Ptr];

    fn decode(args: &RawArgs) -> CallResult<Self> {
        Ok(TimerFdGetTime { fd: args.int::<0>(), current: args.ptr::<1, _>() })
    }

    fn execute(self, ctx: &mut Context<'_>) -> CallResult<u64> {
        let file = ctx.file(self.fd)?;
        if file.is_path_only() {
            return Err(Errno::EBADF.into());
        }
        let timer = file.file().as_timer().ok_or(Errno::EINVAL)?;
        self.current.write(ctx.memory(), &itimerspec(timer.get()))?;
        Ok(0)
    }
}
