//! sched_rr_get_interval(2): how long a thread runs before the next of its priority.

use crate::prelude::*;
use crate::time;
use abi::general as raw;
use abi::structs::Timespec;

/// `sched_rr_get_interval(pid, interval)`.
pub struct SchedRrGetInterval {
    pid: i32,
    out: UserPtr<Timespec>,
}

impl Syscall for SchedRrGetInterval {
    const NR: u32 = nr::SCHED_RR_GET_INTERVAL;
    const ARGS: &'static [ArgKind] = &[ArgKind::Int, ArgKind::TimeOut];

    fn decode(args: &RawArgs) -> CallResult<Self> {
        Ok(SchedRrGetInterval { pid: args.int::<0>(), out: args.ptr::<1, _>() })
    }

    fn execute(self, ctx: &mut Context<'_>) -> CallResult<u64> {
        let thread = ctx.thread_of(self.pid)?;
        // FIFO has no slices; round robin and the others as Linux has them by default.
        let slice = match thread.scheduling().policy {
            raw::SCHED_FIFO => 0,
            raw::SCHED_RR => 100_000_000,
            _ => 4_000_000,
        };
        self.out.write(ctx.memory(), &time::timespec(slice))?;
        Ok(0)
    }
}
