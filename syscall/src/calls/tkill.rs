//! tkill(2): sends a signal to a thread.

use super::kill::{send_to_thread, signal_number};
use crate::prelude::*;

/// `tkill(tid, signal)`.
pub struct TKill {
    tid: i32,
    signal: i32,
}

impl Syscall for TKill {
    const NR: u32 = nr::TKILL;
    const ARGS: &'static [ArgKind] = &[ArgKind::Int, ArgKind::Signal];

    fn decode(args: &RawArgs) -> CallResult<Self> {
        let (tid, signal) = (args.int::<0>(), args.int::<1>());
        if tid <= 0 {
            return Err(Errno::EINVAL.into());
        }
        Ok(TKill { tid, signal })
    }

    fn execute(self, ctx: &mut Context<'_>) -> CallResult<u64> {
        let signal = signal_number(self.signal)?;
        let thread = ctx.thread_of(self.tid)?;
        if let Some(signal) = signal {
            send_to_thread(ctx, &thread, signal)?;
        }
        Ok(0)
    }
}
