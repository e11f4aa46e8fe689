//! clock_gettime(2): reads a clock.

use crate::prelude::*;
use crate::time;
use abi::structs::Timespec;

/// `clock_gettime(clock, time)`.
pub struct ClockGetTime {
    clock: i32,
    out: UserPtr<Timespec>,
}

/// Clocks, for strace.
pub const CLOCKS: Names = names![
    CLOCK_REALTIME,
    CLOCK_MONOTONIC,
    CLOCK_PROCESS_CPUTIME_ID,
    CLOCK_THREAD_CPUTIME_ID,
    CLOCK_MONOTONIC_RAW,
    CLOCK_REALTIME_COARSE,
    CLOCK_MONOTONIC_COARSE,
    CLOCK_BOOTTIME,
    CLOCK_TAI,
];

impl Syscall for ClockGetTime {
    const NR: u32 = nr::CLOCK_GETTIME;
    const ARGS: &'static [ArgKind] = &[ArgKind::Value(CLOCKS), ArgKind::TimeOut];

    fn decode(args: &RawArgs) -> CallResult<Self> {
        Ok(ClockGetTime { clock: args.int::<0>(), out: args.ptr::<1, _>() })
    }

    fn execute(self, ctx: &mut Context<'_>) -> CallResult<u64> {
        let now = time::now(ctx, self.clock)?;
        self.out.write(ctx.memory(), &time::timespec(now))?;
        Ok(0)
    }
}
