//! getpriority(2): 20 less the nice value.

use crate::prelude::*;
use abi::general as raw;

/// `getpriority(which, who)`.
pub struct GetPriority {
    which: u32,
    who: u32,
}

/// What a nice value belongs to, for strace.
pub const WHICH: Names = names![PRIO_PROCESS, PRIO_PGRP, PRIO_USER];

/// ESRCH unless the process is meant: as such, as its group, or by its user.
pub fn own(ctx: &Context<'_>, which: u32, who: u32) -> Result<(), Errno> {
    let mine = match which {
        raw::PRIO_PROCESS | raw::PRIO_PGRP => ctx.process.pid,
        raw::PRIO_USER => ctx.process.credentials().user.real,
        _ => return Err(Errno::EINVAL),
    };
    if who == 0 || who == mine { Ok(()) } else { Err(Errno::ESRCH) }
}

impl Syscall for GetPriority {
    const NR: u32 = nr::GETPRIORITY;
    const ARGS: &'static [ArgKind] = &[ArgKind::Value(WHICH), ArgKind::Int];

    fn decode(args: &RawArgs) -> CallResult<Self> {
        Ok(GetPriority { which: args.uint::<0>(), who: args.uint::<1>() })
    }

    fn execute(self, ctx: &mut Context<'_>) -> CallResult<u64> {
        own(ctx, self.which, self.who)?;
        Ok((20 - ctx.process.attributes().scheduling.nice) as u64)
    }
}
