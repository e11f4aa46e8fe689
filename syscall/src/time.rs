//! Clocks and times as the calls exchange them.

use crate::{CallResult, Context};
use abi::structs::Timespec;
use abi::{Errno, general as raw};

/// Nanoseconds in a second.
pub const SECOND: u64 = 1_000_000_000;

/// Reads a clock: nanoseconds since its start.
pub fn now(ctx: &Context<'_>, clock: i32) -> CallResult<u64> {
    match u32::try_from(clock) {
        Ok(raw::CLOCK_REALTIME | raw::CLOCK_REALTIME_COARSE) => Ok(ctx.platform.realtime_ns()),
        // UTC and TAI are kept apart by a number that nobody has set, as on a Linux without ntpd.
        Ok(raw::CLOCK_TAI) => Ok(ctx.platform.realtime_ns()),
        Ok(
            raw::CLOCK_MONOTONIC
            | raw::CLOCK_MONOTONIC_RAW
            | raw::CLOCK_MONOTONIC_COARSE
            | raw::CLOCK_BOOTTIME,
        ) => Ok(ctx.platform.monotonic_ns()),
        Ok(raw::CLOCK_PROCESS_CPUTIME_ID | raw::CLOCK_THREAD_CPUTIME_ID) => {
            let elapsed = ctx.platform.monotonic_ns().saturating_sub(ctx.process.start_ns);
            let idle = ctx.platform.idle_ns().saturating_sub(ctx.process.start_idle_ns);
            Ok(elapsed.saturating_sub(idle))
        }
        _ => Err(Errno::EINVAL.into()),
    }
}

/// As a structure.
pub fn timespec(ns: u64) -> Timespec {
    Timespec { tv_sec: (ns / SECOND) as i64, tv_nsec: (ns % SECOND) as i64 }
}

/// A structure as nanoseconds; EINVAL for what is no time. Times beyond 584 years count as that.
pub fn nanoseconds(time: &Timespec) -> Result<u64, Errno> {
    let seconds = u64::try_from(time.tv_sec).map_err(|_| Errno::EINVAL)?;
    let part = u64::try_from(time.tv_nsec).map_err(|_| Errno::EINVAL)?;
    if part >= SECOND {
        return Err(Errno::EINVAL);
    }
    Ok(seconds.saturating_mul(SECOND).saturating_add(part))
}

/// The monotonic deadline for a wait of `ns` from now.
pub fn deadline_in(ctx: &Context<'_>, ns: u64) -> u64 {
    ctx.platform.monotonic_ns().saturating_add(ns)
}

/// The monotonic deadline for a time of `clock`.
pub fn deadline_at(ctx: &Context<'_>, clock: i32, ns: u64) -> CallResult<u64> {
    let left = ns.saturating_sub(now(ctx, clock)?);
    Ok(deadline_in(ctx, left))
}
