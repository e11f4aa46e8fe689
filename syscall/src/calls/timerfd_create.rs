//! timerfd_create(2): makes a timer that can be waited for as a file.

use crate::prelude::*;
use abi::{OpenFlags, general as raw};
use alloc::boxed::Box;
use alloc::sync::Arc;
use fs::OpenFile;
use fs::timer::{Clock, TimerFd};

/// `timerfd_create(clock, flags)`.
pub struct TimerFdCreate {
    clock: i32,
    flags: u32,
}

impl Syscall for TimerFdCreate {
    const NR: u32 = nr::TIMERFD_CREATE;
    const ARGS: &'static [ArgKind] =
        &[ArgKind::Value(super::clock_gettime::CLOCKS), ArgKind::Bits(names![TFD_CLOEXEC, TFD_NONBLOCK])];

    fn decode(args: &RawArgs) -> CallResult<Self> {
        let (clock, flags) = (args.int::<0>(), args.uint::<1>());
        if flags & !(raw::TFD_CLOEXEC | raw::TFD_NONBLOCK) != 0 {
            return Err(Errno::EINVAL.into());
        }
        Ok(TimerFdCreate { clock, flags })
    }

    fn execute(self, ctx: &mut Context<'_>) -> CallResult<u64> {
        let platform = ctx.platform;
        let realtime = match u32::try_from(self.clock) {
            Ok(raw::CLOCK_REALTIME | raw::CLOCK_REALTIME_ALARM) => true,
            Ok(raw::CLOCK_MONOTONIC | raw::CLOCK_BOOTTIME | raw::CLOCK_BOOTTIME_ALARM) => false,
            _ => return Err(Errno::EINVAL.into()),
        };
        let clock = Clock {
            monotonic: Box::new(|| platform.monotonic_ns()),
            own: if realtime {
                Box::new(|| platform.realtime_ns())
            } else {
                Box::new(|| platform.monotonic_ns())
            },
            times_set: if realtime { Box::new(|| platform.times_realtime_set()) } else { Box::new(|| 0) },
            id: self.clock,
        };
        let status = OpenFlags::from_bits_retain(self.flags & raw::TFD_NONBLOCK) | OpenFlags::RDWR;
        let file = OpenFile::new(Arc::new(TimerFd::new(clock)), status);
        ctx.install(file, self.flags & raw::TFD_CLOEXEC != 0)
    }
}
