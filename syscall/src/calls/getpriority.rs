//! getpriority(2): 20 less the nice value.

use crate::prelude::*;
use abi::general as raw;
use alloc::sync::Arc;
use alloc::{vec, vec::Vec};
use task::Thread;

/// `getpriority(which, who)`.
pub struct GetPriority {
    which: u32,
    who: u32,
}

/// What a nice value belongs to, for strace.
pub const WHICH: Names = names![PRIO_PROCESS, PRIO_PGRP, PRIO_USER];

/// Those who are meant: one thread, or all of the process as those of its group or of its user. ESRCH for others.
pub fn threads(ctx: &Context<'_>, which: u32, who: u32) -> CallResult<Vec<Arc<Thread>>> {
    let mine = match which {
        raw::PRIO_PROCESS => {
            let tid = i32::try_from(who).map_err(|_| Errno::ESRCH)?;
            return Ok(vec![ctx.thread_of(tid)?]);
        }
        raw::PRIO_PGRP => ctx.process.pid,
        raw::PRIO_USER => ctx.process.credentials().user.real,
        _ => return Err(Errno::EINVAL.into()),
    };
    if who != 0 && who != mine {
        return Err(Errno::ESRCH.into());
    }
    let (mut all, mut short) = (Vec::new(), false);
    ctx.process.for_each_thread(|thread| match all.try_reserve(1) {
        Ok(()) => all.push(thread.clone()),
        Err(_) => short = true,
    });
    if short { Err(Errno::ENOMEM.into()) } else { Ok(all) }
}

impl Syscall for GetPriority {
    const NR: u32 = nr::GETPRIORITY;
    const ARGS: &'static [ArgKind] = &[ArgKind::Value(WHICH), ArgKind::Int];

    fn decode(args: &RawArgs) -> CallResult<Self> {
        Ok(GetPriority { which: args.uint::<0>(), who: args.uint::<1>() })
    }

    fn execute(self, ctx: &mut Context<'_>) -> CallResult<u64> {
        let threads = threads(ctx, self.which, self.who)?;
        let nice = threads.iter().map(|thread| thread.scheduling().nice).min().ok_or(Errno::ESRCH)?;
        Ok((20 - nice) as u64)
    }
}
