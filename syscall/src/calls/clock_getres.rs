//! clock_getres(2): how fine a clock is.

use super::clock_gettime::CLOCKS;
use crate::prelude::*;
use crate::time;
use abi::general as raw;
use abi::structs::Timespec;

/// `clock_getres(clock, resolution)`.
pub struct ClockGetRes {
    clock: i32,
    out: UserPtr<Timespec>,
}

/// The resolution of the coarse clocks: one tick of a Linux that ticks 250 times a second.
const COARSE_NS: u64 = 4_000_000;

impl Syscall for ClockGetRes {
    const NR: u32 = nr::CLOCK_GETRES;
    const ARGS: &'static [ArgKind] = &[ArgKind::Value(CLOCKS), ArgKind::TimeOut];

    fn decode(args: &RawArgs) -> CallResult<Self> {
        Ok(ClockGetRes { clock: args.int::<0>(), out: args.ptr::<1, _>() })
    }

    fn execute(self, ctx: &mut Context<'_>) -> CallResult<u64> {
        // Reading it checks that it exists.
        time::now(ctx, self.clock)?;
        let coarse = matches!(self.clock as u32, raw::CLOCK_REALTIME_COARSE | raw::CLOCK_MONOTONIC_COARSE);
        let ns = if coarse { COARSE_NS } else { ctx.platform.clock_resolution_ns() };
        if let Some(out) = self.out.non_null() {
            out.write(ctx.memory(), &time::timespec(ns))?;
        }
        Ok(0)
    }
}
