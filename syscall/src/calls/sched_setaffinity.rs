//! sched_setaffinity(2): the CPUs a thread may run on; at least one must be there.

use crate::prelude::*;

/// `sched_setaffinity(pid, size, mask)`.
pub struct SchedSetAffinity {
    pid: i32,
    size: usize,
    mask: UserPtr<u8>,
}

impl Syscall for SchedSetAffinity {
    const NR: u32 = nr::SCHED_SETAFFINITY;
    const ARGS: &'static [ArgKind] = &[ArgKind::Int, ArgKind::Unsigned, ArgKind::Ptr];

    fn decode(args: &RawArgs) -> CallResult<Self> {
        Ok(SchedSetAffinity {
            pid: args.int::<0>(),
            size: args.uint::<1>() as usize,
            mask: args.ptr::<2, _>(),
        })
    }

    fn execute(self, ctx: &mut Context<'_>) -> CallResult<u64> {
        let cpus = ctx.platform.cpu_count() as usize;
        let mut any = false;
        for (index, first) in (0..cpus).step_by(8).enumerate().take(self.size) {
            let byte = self.mask.at(index as u64)?.read(ctx.memory())?;
            any |= (first..cpus).take(8).any(|cpu| byte >> (cpu - first) & 1 != 0);
        }
        if self.pid != 0 && u32::try_from(self.pid) != Ok(ctx.thread.tid) {
            return Err(Errno::ESRCH.into());
        }
        if any { Ok(0) } else { Err(Errno::EINVAL.into()) }
    }
}
