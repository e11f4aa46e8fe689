//! select(2): as pselect6, with a coarser time and without a mask.

use super::pselect6::{Sets, select};
use crate::prelude::*;
use crate::time::SECOND;
use abi::structs::Timeval;

/// `select(count, readable, writable, exceptional, timeout)`.
pub struct Select {
    sets: Sets,
    timeout: UserPtr<Timeval>,
}

impl Syscall for Select {
    const NR: u32 = nr::SELECT;
    const ARGS: &'static [ArgKind] = &[ArgKind::Int, ArgKind::Ptr, ArgKind::Ptr, ArgKind::Ptr, ArgKind::Ptr];

    fn decode(args: &RawArgs) -> CallResult<Self> {
        let addrs = [args.long::<1>(), args.long::<2>(), args.long::<3>()];
        Ok(Select { sets: Sets { count: args.int::<0>(), addrs }, timeout: args.ptr::<4, _>() })
    }

    fn execute(self, ctx: &mut Context<'_>) -> CallResult<u64> {
        let deadline = match self.timeout.non_null() {
            Some(ptr) => {
                let time = ptr.read(ctx.memory())?;
                let seconds = u64::try_from(time.tv_sec).map_err(|_| Errno::EINVAL)?;
                // More than a second of microseconds is allowed.
                let micros = u64::try_from(time.tv_usec).map_err(|_| Errno::EINVAL)?;
                let ns = seconds.saturating_mul(SECOND).saturating_add(micros.saturating_mul(1000));
                Some(crate::time::deadline_in(ctx, ns))
            }
            None => None,
        };
        let result = select(ctx, &self.sets, deadline);
        if let (Some(ptr), Some(deadline)) = (self.timeout.non_null(), deadline) {
            let left = deadline.saturating_sub(ctx.platform.monotonic_ns());
            let left = Timeval { tv_sec: (left / SECOND) as i64, tv_usec: (left % SECOND / 1000) as i64 };
            // Linux stores what is left of the time; it cannot where the program may only read.
            let _ = ptr.write(ctx.memory(), &left);
        }
        result.map_err(|error| error.if_interrupted(Errno::ERESTARTNOHAND))
    }
}
