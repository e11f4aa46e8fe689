//! settimeofday(2): sets the wall clock and the time zone.

use crate::prelude::*;
use crate::time;
use abi::structs::{Timespec, Timeval, Timezone};
use task::credentials::CAP_SYS_TIME;

/// `settimeofday(time, zone)`.
pub struct SetTimeOfDay {
    time: UserPtr<Timeval>,
    zone: UserPtr<Timezone>,
}

impl Syscall for SetTimeOfDay {
    const NR: u32 = nr::SETTIMEOFDAY;
    const ARGS: &'static [ArgKind] = &[ArgKind::Ptr, ArgKind::Ptr];

    fn decode(args: &RawArgs) -> CallResult<Self> {
        Ok(SetTimeOfDay { time: args.ptr::<0, _>(), zone: args.ptr::<1, _>() })
    }

    fn execute(self, ctx: &mut Context<'_>) -> CallResult<u64> {
        let time = self.time.non_null().map(|time| time.read(ctx.memory())).transpose()?;
        let zone = self.zone.non_null().map(|zone| zone.read(ctx.memory())).transpose()?;
        let time = match time {
            Some(time) if !(0..1_000_000).contains(&time.tv_usec) => return Err(Errno::EINVAL.into()),
            Some(time) => Some(Timespec { tv_sec: time.tv_sec, tv_nsec: time.tv_usec * 1000 }),
            None => None,
        };
        if !ctx.process.capable(CAP_SYS_TIME) {
            return Err(Errno::EPERM.into());
        }
        // Zones are at most 15 hours from Greenwich.
        if zone.is_some_and(|zone| zone.tz_minuteswest.unsigned_abs() > 15 * 60) {
            return Err(Errno::EINVAL.into());
        }
        if let Some(time) = time {
            time::set_wall_clock(ctx, &time)?;
        }
        if let Some(zone) = zone {
            ctx.process.attributes().timezone = (zone.tz_minuteswest, zone.tz_dsttime);
        }
        Ok(0)
    }
}
