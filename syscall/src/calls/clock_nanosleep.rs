//! clock_nanosleep(2): sleeps for a time of a clock, or until one.

use super::clock_gettime::CLOCKS;
use super::nanosleep::sleep_until;
use crate::prelude::*;
use crate::time;
use abi::general as raw;
use abi::structs::Timespec;

/// `clock_nanosleep(clock, flags, time, remaining)`.
pub struct ClockNanoSleep {
    clock: i32,
    absolute: bool,
    time: UserPtr<Timespec>,
    remaining: UserPtr<Timespec>,
}

/// The time is one of the clock, not a distance.
const TIMER_ABSTIME: u32 = 1;

impl Syscall for ClockNanoSleep {
    const NR: u32 = nr::CLOCK_NANOSLEEP;
    const ARGS: &'static [ArgKind] = &[
        ArgKind::Value(CLOCKS),
        ArgKind::Bits(&[(TIMER_ABSTIME as u64, "TIMER_ABSTIME")]),
        ArgKind::Time,
        ArgKind::Ptr,
    ];

    fn decode(args: &RawArgs) -> CallResult<Self> {
        Ok(ClockNanoSleep {
            clock: args.int::<0>(),
            absolute: args.uint::<1>() & TIMER_ABSTIME != 0,
            time: args.ptr::<2, _>(),
            remaining: args.ptr::<3, _>(),
        })
    }

    fn execute(self, ctx: &mut Context<'_>) -> CallResult<u64> {
        match u32::try_from(self.clock) {
            Ok(raw::CLOCK_REALTIME | raw::CLOCK_MONOTONIC | raw::CLOCK_BOOTTIME | raw::CLOCK_TAI) => {}
            // These clocks cannot be slept on (clock_nanosleep(2)).
            _ => {
                time::now(ctx, self.clock)?;
                return Err(Errno::EOPNOTSUPP.into());
            }
        }
        let ns = time::nanoseconds(&self.time.read(ctx.memory())?)?;
        if self.absolute {
            let deadline = time::deadline_at(ctx, self.clock, ns)?;
            let slept = ctx.sleep(Some(deadline), || Ok(None::<()>));
            return slept.map(|_| 0).map_err(|error| error.if_interrupted(Errno::ERESTARTNOHAND));
        }
        sleep_until(ctx, time::deadline_in(ctx, ns), self.remaining.non_null())
    }
}
