//! sched_getaffinity(2): the CPUs a thread may run on.

use crate::prelude::*;
use alloc::sync::Arc;
use task::Thread;

/// `sched_getaffinity(pid, size, mask)`.
pub struct SchedGetAffinity {
    pid: i32,
    size: usize,
    mask: u64,
}

/// Bytes of a mask word.
const WORD: usize = size_of::<u64>();

/// The thread with a number; there is none with a negative one.
pub fn thread_of(ctx: &Context<'_>, pid: i32) -> CallResult<Arc<Thread>> {
    if pid < 0 { Err(Errno::ESRCH.into()) } else { ctx.thread_of(pid) }
}

impl Syscall for SchedGetAffinity {
    const NR: u32 = nr::SCHED_GETAFFINITY;
    const ARGS: &'static [ArgKind] = &[ArgKind::Int, ArgKind::Unsigned, ArgKind::Ptr];

    fn decode(args: &RawArgs) -> CallResult<Self> {
        Ok(SchedGetAffinity { pid: args.int::<0>(), size: args.uint::<1>() as usize, mask: args.long::<2>() })
    }

    fn execute(self, ctx: &mut Context<'_>) -> CallResult<u64> {
        let cpus = ctx.platform.cpu_count() as usize;
        let words = cpus.div_ceil(64);
        if self.size < words * WORD || !self.size.is_multiple_of(WORD) {
            return Err(Errno::EINVAL.into());
        }
        let thread = thread_of(ctx, self.pid)?;
        for word in 0..words {
            let mut mask = 0;
            for cpu in (word * 64..cpus).take(64) {
                let allowed =
                    thread.runner().is_none_or(|runner| ctx.platform.may_run_on(runner, cpu as u32));
                mask |= u64::from(allowed) << (cpu % 64);
            }
            UserPtr::new(self.mask).at(word as u64)?.write(ctx.memory(), &mask)?;
        }
        Ok((words * WORD) as u64)
    }
}
