//! times(2): processor time in clock ticks.

use crate::prelude::*;
use crate::time;

/// `times(buffer)`.
pub struct Times {
    out: UserPtr<[i64; 4]>,
}

impl Syscall for Times {
    const NR: u32 = nr::TIMES;
    const ARGS: &'static [ArgKind] = &[ArgKind::Ptr];

    fn decode(args: &RawArgs) -> CallResult<Self> {
        Ok(Times { out: args.ptr::<0, _>() })
    }

    fn execute(self, ctx: &mut Context<'_>) -> CallResult<u64> {
        const NS_PER_TICK: u64 = time::SECOND / 100;
        if let Some(out) = self.out.non_null() {
            // User, system, and the same of children, of which there are none.
            let used = ctx.process.cpu_times(ctx.platform);
            let ticks = [used.user / NS_PER_TICK, used.system / NS_PER_TICK];
            out.write(ctx.memory(), &[ticks[0] as i64, ticks[1] as i64, 0, 0])?;
        }
        Ok(ctx.platform.monotonic_ns() / NS_PER_TICK)
    }
}
