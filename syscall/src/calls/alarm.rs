//! alarm(2): a signal after some seconds.

use crate::prelude::*;
use crate::time::SECOND;
use task::timers::{Interval, Setting};

/// `alarm(seconds)`.
pub struct Alarm {
    seconds: u32,
}

impl Syscall for Alarm {
    const NR: u32 = nr::ALARM;
    const ARGS: &'static [ArgKind] = &[ArgKind::Unsigned];

    fn decode(args: &RawArgs) -> CallResult<Self> {
        Ok(Alarm { seconds: args.uint::<0>() })
    }

    fn execute(self, ctx: &mut Context<'_>) -> CallResult<u64> {
        let new = Setting { value: u64::from(self.seconds) * SECOND, interval: 0 };
        let old = ctx.process.set_interval_timer(ctx.platform, Interval::Real, new)?.value;
        // To the nearest second, but what is armed is not shown as nothing.
        let rounded = old.saturating_add(SECOND / 2) / SECOND;
        Ok(if old > 0 { rounded.max(1) } else { 0 })
    }
}
