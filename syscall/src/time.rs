//! Clocks and times as the calls exchange them.

use crate::{CallResult, Context};
use abi::structs::Timespec;
use abi::{Errno, general as raw};
use mm::user::UserPtr;
use task::credentials::CAP_SYS_TIME;
use task::timers::Base;

/// Nanoseconds in a second.
pub const SECOND: u64 = 1_000_000_000;

/// The low bits of a clock that has a number in itself: time in the program's own code; no clock but a file.
const USER: i32 = 1;
const NO_CPU_CLOCK: i32 = 3;

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
        _ if is_of_thread(clock) => thread_time(ctx, clock),
        _ => match cpu_clock(ctx, clock)? {
            Base::User => Ok(ctx.process.cpu_times(ctx.platform).user),
            _ => Ok(ctx.process.run_time(ctx.platform)),
        },
    }
}

/// Whether a clock shows the processor time of one thread.
fn is_of_thread(clock: i32) -> bool {
    const PER_THREAD: i32 = 4;
    clock == raw::CLOCK_THREAD_CPUTIME_ID as i32 || clock < 0 && clock & PER_THREAD != 0
}

/// Such a clock: the caller's, or that of a thread whose number is in it (pthread_getcpuclockid(3)).
fn thread_time(ctx: &Context<'_>, clock: i32) -> CallResult<u64> {
    let number = if clock < 0 { !(clock >> 3) } else { 0 };
    let thread = ctx.thread_of(number).map_err(|_| Errno::EINVAL)?;
    match clock & 3 {
        USER if clock < 0 => Ok(thread.cpu_times(ctx.platform).user),
        NO_CPU_CLOCK if clock < 0 => Err(Errno::EINVAL.into()),
        _ => Ok(thread.run_time(ctx.platform)),
    }
}

/// The base of a clock of processor time: those with a name, and those that have the number of the process or of one of its threads
/// in themselves (clock_getcpuclockid(3), pthread_getcpuclockid(3)).
pub fn cpu_clock(ctx: &Context<'_>, clock: i32) -> Result<Base, Errno> {
    match u32::try_from(clock) {
        Ok(raw::CLOCK_PROCESS_CPUTIME_ID) => return Ok(Base::Cpu),
        Ok(raw::CLOCK_THREAD_CPUTIME_ID) => return Ok(Base::Thread(ctx.thread.tid)),
        Ok(_) => return Err(Errno::EINVAL),
        Err(_) => {}
    }
    let (number, of_thread) = (!(clock >> 3), is_of_thread(clock));
    if !of_thread && number != 0 && number.unsigned_abs() != ctx.process.pid {
        return Err(Errno::EINVAL);
    }
    let tid = if of_thread { ctx.thread_of(number).map_err(|_| Errno::EINVAL)?.tid } else { 0 };
    match (clock & 3, of_thread) {
        (NO_CPU_CLOCK, _) => Err(Errno::EINVAL),
        (USER, false) => Ok(Base::User),
        (USER, true) => Ok(Base::ThreadUser(tid)),
        (_, false) => Ok(Base::Cpu),
        (_, true) => Ok(Base::Thread(tid)),
    }
}

/// Sets the wall clock. EINVAL for what is no time or too late, whoever asks; the machine's start cannot be moved to before 1970
/// either.
pub fn set_wall_clock(ctx: &Context<'_>, time: &Timespec) -> Result<(), Errno> {
    // Linux keeps 30 years of uptime free below the largest time.
    const LAST_SECOND: u64 = i64::MAX as u64 / SECOND - 30 * 365 * 24 * 3600;
    let now = nanoseconds(time)?;
    if now / SECOND >= LAST_SECOND {
        return Err(Errno::EINVAL);
    }
    if !ctx.process.capable(CAP_SYS_TIME) {
        return Err(Errno::EPERM);
    }
    if now < ctx.platform.monotonic_ns() {
        return Err(Errno::EINVAL);
    }
    ctx.platform.set_realtime_ns(now);
    ctx.process.set_timer(ctx.platform);
    Ok(())
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

/// The monotonic deadline for a wait whose length the program gives by address; `None` without one: no end.
pub fn deadline_from(ctx: &Context<'_>, timeout: UserPtr<Timespec>) -> CallResult<Option<u64>> {
    let Some(ptr) = timeout.non_null() else { return Ok(None) };
    Ok(Some(deadline_in(ctx, nanoseconds(&ptr.read(ctx.memory())?)?)))
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
