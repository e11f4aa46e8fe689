//! nanosleep(2): sleeps for a time.

use crate::prelude::*;
use crate::{CallError, time};
use abi::structs::Timespec;
use task::RestartBlock;

/// `nanosleep(time, remaining)`.
pub struct NanoSleep {
    time: UserPtr<Timespec>,
    remaining: UserPtr<Timespec>,
}

/// Sleeps until `deadline` (monotonic). If a signal ends the sleep, stores what was left into `remaining`; unless a handler runs,
/// the sleep goes on through restart_syscall.
pub fn sleep_until(
    ctx: &Context<'_>,
    deadline: u64,
    remaining: Option<UserPtr<Timespec>>,
) -> CallResult<u64> {
    match ctx.sleep(Some(deadline), || Ok(None::<()>)) {
        Err(CallError::Errno(Errno::EINTR)) => {
            if let Some(remaining) = remaining {
                let left = deadline.saturating_sub(ctx.platform.monotonic_ns());
                remaining.write(ctx.memory(), &time::timespec(left))?;
            }
            let remaining = remaining.map_or(0, UserPtr::addr);
            ctx.thread.restart_with(RestartBlock::Sleep { deadline, remaining });
            Err(Errno::ERESTART_RESTARTBLOCK.into())
        }
        other => other.map(|_| 0),
    }
}

impl Syscall for NanoSleep {
    const NR: u32 = nr::NANOSLEEP;
    const ARGS: &'static [ArgKind] = &[ArgKind::Time, ArgKind::Ptr];

    fn decode(args: &RawArgs) -> CallResult<Self> {
        Ok(NanoSleep { time: args.ptr::<0, _>(), remaining: args.ptr::<1, _>() })
    }

    fn execute(self, ctx: &mut Context<'_>) -> CallResult<u64> {
        let ns = time::nanoseconds(&self.time.read(ctx.memory())?)?;
        sleep_until(ctx, time::deadline_in(ctx, ns), self.remaining.non_null())
    }
}
