//! timer_create(2): makes a POSIX timer.

use super::clock_gettime::CLOCKS;
use crate::prelude::*;
use crate::time::cpu_clock;
use abi::structs::SigEvent;
use abi::{Signal, general as raw};
use task::timers::Base;
use task::timers::posix::Notify;

/// `timer_create(clock, event, timer)`.
pub struct TimerCreate {
    clock: i32,
    event: UserPtr<SigEvent>,
    timer: UserPtr<i32>,
}

/// What an event asks for: EINVAL for anything unknown and for a thread that is not the process's.
fn notify(ctx: &Context<'_>, event: &SigEvent) -> Result<Notify, Errno> {
    let value = Some(event.value);
    let mut to_thread = None;
    match event.notify as u32 {
        raw::SIGEV_NONE => return Ok(Notify { signal: None, to_thread: None, value }),
        // What SIGEV_THREAD means is the C library's business.
        raw::SIGEV_SIGNAL | raw::SIGEV_THREAD => {}
        raw::SIGEV_THREAD_ID => {
            let tid = u32::try_from(event.thread).map_err(|_| Errno::EINVAL)?;
            to_thread = Some(ctx.process.thread(tid).ok_or(Errno::EINVAL)?.tid);
        }
        _ => return Err(Errno::EINVAL),
    }
    let signal = u64::try_from(event.signo).ok().and_then(Signal::new).ok_or(Errno::EINVAL)?;
    Ok(Notify { signal: Some(signal), to_thread, value })
}

impl Syscall for TimerCreate {
    const NR: u32 = nr::TIMER_CREATE;
    const ARGS: &'static [ArgKind] = &[ArgKind::Value(CLOCKS), ArgKind::Ptr, ArgKind::Ptr];

    fn decode(args: &RawArgs) -> CallResult<Self> {
        Ok(TimerCreate { clock: args.int::<0>(), event: args.ptr::<1, _>(), timer: args.ptr::<2, _>() })
    }

    fn execute(self, ctx: &mut Context<'_>) -> CallResult<u64> {
        let event = self.event.non_null().map(|ptr| ptr.read(ctx.memory())).transpose()?;
        let clock = match u32::try_from(self.clock) {
            Ok(raw::CLOCK_REALTIME | raw::CLOCK_TAI) => Base::Realtime,
            Ok(raw::CLOCK_MONOTONIC | raw::CLOCK_BOOTTIME) => Base::Monotonic,
            // These clocks can only be read; nothing here wakes a machine that sleeps.
            Ok(
                raw::CLOCK_MONOTONIC_RAW
                | raw::CLOCK_REALTIME_COARSE
                | raw::CLOCK_MONOTONIC_COARSE
                | raw::CLOCK_REALTIME_ALARM
                | raw::CLOCK_BOOTTIME_ALARM,
            ) => return Err(Errno::EOPNOTSUPP.into()),
            _ => cpu_clock(ctx, self.clock)?,
        };
        let notify = match event {
            Some(event) => notify(ctx, &event)?,
            None => Notify { signal: Some(Signal::SIGALRM), to_thread: None, value: None },
        };
        let id = ctx.process.create_timer(clock, notify)?;
        if let Err(fault) = self.timer.write(ctx.memory(), &(id as i32)) {
            ctx.process.delete_timer(ctx.platform, id)?;
            return Err(fault.into());
        }
        Ok(0)
    }
}
