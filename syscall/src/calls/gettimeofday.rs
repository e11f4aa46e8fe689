//! gettimeofday(2): the time of day in microseconds.

use crate::prelude::*;
use crate::time;
use abi::structs::{Timeval, Timezone};

/// `gettimeofday(time, zone)`.
pub struct GetTimeOfDay {
    time: UserPtr<Timeval>,
    zone: UserPtr<Timezone>,
}

impl Syscall for GetTimeOfDay {
    const NR: u32 = nr::GETTIMEOFDAY;
    const ARGS: &'static [ArgKind] = &[ArgKind::Ptr, ArgKind::Ptr];

    fn decode(args: &RawArgs) -> CallResult<Self> {
        Ok(GetTimeOfDay { time: args.ptr::<0, _>(), zone: args.ptr::<1, _>() })
    }

    fn execute(self, ctx: &mut Context<'_>) -> CallResult<u64> {
        if let Some(out) = self.time.non_null() {
            let now = time::timespec(ctx.platform.realtime_ns());
            out.write(ctx.memory(), &Timeval { tv_sec: now.tv_sec, tv_usec: now.tv_nsec / 1000 })?;
        }
        if let Some(out) = self.zone.non_null() {
            let (tz_minuteswest, tz_dsttime) = ctx.process.attributes().timezone;
            out.write(ctx.memory(), &Timezone { tz_minuteswest, tz_dsttime })?;
        }
        Ok(0)
    }
}
