//! clock_settime(2): sets the wall clock.

use super::clock_gettime::CLOCKS;
use crate::prelude::*;
use crate::time;
use abi::general as raw;
use abi::structs::Timespec;

/// `clock_settime(clock, time)`.
pub struct ClockSetTime {
    clock: i32,
    time: UserPtr<Timespec>,
}

impl Syscall for ClockSetTime {
    const NR: u32 = nr::CLOCK_SETTIME;
    const ARGS: &'static [ArgKind] = &[ArgKind::Value(CLOCKS), ArgKind::Time];

    fn decode(args: &RawArgs) -> CallResult<Self> {
        Ok(ClockSetTime { clock: args.int::<0>(), time: args.ptr::<1, _>() })
    }

    fn execute(self, ctx: &mut Context<'_>) -> CallResult<u64> {
        time::now(ctx, self.clock)?;
        if self.clock as u32 != raw::CLOCK_REALTIME {
            return Err(Errno::EINVAL.into());
        }
        let time = self.time.read(ctx.memory())?;
        time::set_wall_clock(ctx, &time)?;
        Ok(0)
    }
}
