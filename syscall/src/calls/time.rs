//! time(2): the time of day in seconds.

use crate::prelude::*;
use crate::time::SECOND;

/// `time(out)`.
pub struct Time {
    out: UserPtr<i64>,
}

impl Syscall for Time {
    const NR: u32 = nr::TIME;
    const ARGS: &'static [ArgKind] = &[ArgKind::Ptr];

    fn decode(args: &RawArgs) -> CallResult<Self> {
        Ok(Time { out: args.ptr::<0, _>() })
    }

    fn execute(self, ctx: &mut Context<'_>) -> CallResult<u64> {
        let seconds = ctx.platform.realtime_ns() / SECOND;
        if let Some(out) = self.out.non_null() {
            out.write(ctx.memory(), &(seconds as i64))?;
        }
        Ok(seconds)
    }
}
