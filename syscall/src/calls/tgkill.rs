//! tgkill(2): sends a signal to a thread of a given process.

use super::kill::{send_to_thread, signal_number};
use crate::prelude::*;

/// `tgkill(process, thread, signal)`.
pub struct TgKill {
    pid: i32,
    tid: i32,
    signal: i32,
}

impl Syscall for TgKill {
    const NR: u32 = nr::TGKILL;
    const ARGS: &'static [ArgKind] = &[ArgKind::Int, ArgKind::Int, ArgKind::Signal];

    fn decode(args: &RawArgs) -> CallResult<Self> {
        let (pid, tid, signal) = (args.int::<0>(), args.int::<1>(), args.int::<2>());
        if pid <= 0 || tid <= 0 {
            return Err(Errno::EINVAL.into());
        }
        Ok(TgKill { pid, tid, signal })
    }

    fn execute(self, ctx: &mut Context<'_>) -> CallResult<u64> {
        if u32::try_from(self.pid) != Ok(ctx.process.pid) {
            return Err(Errno::ESRCH.into());
        }
        let thread = ctx.thread_of(self.tid)?;
        if let Some(signal) = signal_number(self.signal)? {
            send_to_thread(ctx, &thread, signal)?;
        }
        Ok(0)
    }
}
