//! sched_setattr(2): changes policy, nice value and priority in one structure that may grow.

use super::sched_getattr::{Attr, RESET_ON_FORK, SIZE, SIZE_FIRST, SIZE_MAX};
use super::sched_setscheduler::{Change, change};
use crate::prelude::*;
use abi::general as raw;

/// `sched_setattr(pid, attributes, flags)`.
pub struct SchedSetAttr {
    pid: i32,
    attr: UserPtr<u64>,
    flags: u32,
}

impl Syscall for SchedSetAttr {
    const NR: u32 = nr::SCHED_SETATTR;
    const ARGS: &'static [ArgKind] = &[ArgKind::Int, ArgKind::Ptr, ArgKind::Hex];

    fn decode(args: &RawArgs) -> CallResult<Self> {
        Ok(SchedSetAttr { pid: args.int::<0>(), attr: args.ptr::<1, _>(), flags: args.uint::<2>() })
    }

    fn execute(self, ctx: &mut Context<'_>) -> CallResult<u64> {
        let sane = self.flags == 0 && self.pid >= 0;
        let Some(attr) = self.attr.non_null().filter(|_| sane) else { return Err(Errno::EINVAL.into()) };
        let (size, attr) = copy(ctx, attr)?;
        let [first, flags, niceness, runtime, deadline, period, _] = attr;
        let policy = (first >> 32) as u32;
        let clamps = flags & u64::from(raw::SCHED_FLAG_UTIL_CLAMP) != 0;
        if (policy as i32) < 0 || clamps && size < SIZE {
            return Err(Errno::EINVAL.into());
        }
        let thread = ctx.thread_of(self.pid)?;
        if flags & !u64::from(raw::SCHED_FLAG_ALL) != 0 {
            return Err(Errno::EINVAL.into());
        }
        let keeps = |flag: u32| flags & u64::from(flag) != 0;
        let now = thread.scheduling();
        let (nice, priority) = if keeps(raw::SCHED_FLAG_KEEP_PARAMS) {
            (now.nice, now.priority)
        } else {
            ((niceness as i32).clamp(-20, 19), (niceness >> 32) as u32)
        };
        let keep = keeps(raw::SCHED_FLAG_KEEP_POLICY);
        let wanted = Change {
            policy: if keep { now.policy } else { policy },
            priority,
            nice,
            // The flag goes with the policy.
            reset_on_fork: if keep { now.reset_on_fork } else { flags & RESET_ON_FORK != 0 },
            // What no deadline could be scheduled with: none, or less time until it than it needs.
            possible_deadline: deadline != 0 && runtime <= deadline && (period == 0 || deadline <= period),
            clamps,
        };
        change(ctx, &thread, &wanted)?;
        Ok(0)
    }
}

/// The structure, of whatever version: what is missing is 0, what is unknown must be. The size that is known goes back to a
/// caller whose size is not.
fn copy(ctx: &Context<'_>, attr: UserPtr<u64>) -> CallResult<(u32, Attr)> {
    let first = UserPtr::<u32>::new(attr.addr());
    let size = match first.read(ctx.memory())? {
        0 => SIZE_FIRST,
        size => size,
    };
    let too_big = || -> CallResult<(u32, Attr)> {
        first.write(ctx.memory(), &SIZE)?;
        Err(Errno::E2BIG.into())
    };
    if !(SIZE_FIRST..=SIZE_MAX).contains(&size) {
        return too_big();
    }
    let mut all: Attr = [0; 7];
    for (index, word) in (0..size / 8).zip(all.iter_mut()) {
        *word = attr.at(index.into())?.read(ctx.memory())?;
    }
    for offset in SIZE.min(size)..size {
        if UserPtr::<u8>::new(attr.addr().wrapping_add(offset.into())).read(ctx.memory())? != 0 {
            return too_big();
        }
    }
    Ok((size, all))
}
