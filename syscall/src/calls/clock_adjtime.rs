//! clock_adjtime(2): how a clock is disciplined. Only the wall clock could be.

use super::adjtimex::{Timex, adjust};
use super::clock_gettime::CLOCKS;
use crate::prelude::*;
use crate::time;
use abi::general as raw;

/// `clock_adjtime(clock, timex)`.
pub struct ClockAdjTime {
    clock: i32,
    timex: UserPtr<Timex>,
}

impl Syscall for ClockAdjTime {
    const NR: u32 = nr::CLOCK_ADJTIME;
    const ARGS: &'static [ArgKind] = &[ArgKind::Value(CLOCKS), ArgKind::Ptr];

    fn decode(args: &RawArgs) -> CallResult<Self> {
        Ok(ClockAdjTime { clock: args.int::<0>(), timex: args.ptr::<1, _>() })
    }

    fn execute(self, ctx: &mut Context<'_>) -> CallResult<u64> {
        self.timex.read(ctx.memory())?;
        // Reading it checks that it exists.
        time::now(ctx, self.clock)?;
        if self.clock as u32 != raw::CLOCK_REALTIME {
            return Err(Errno::EOPNOTSUPP.into());
        }
        adjust(ctx, self.timex)
    }
}
