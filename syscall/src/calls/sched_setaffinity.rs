//! sched_setaffinity(2): the CPUs a thread may run on; at least one must be there.

use super::sched_getaffinity::thread_of;
use crate::prelude::*;
use alloc::vec::Vec;

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
        let mut words: Vec<u64> = Vec::new();
        words.try_reserve_exact(cpus.div_ceil(64)).map_err(|_| Errno::ENOMEM)?;
        words.resize(cpus.div_ceil(64), 0);
        for (index, first) in (0..cpus).step_by(8).enumerate().take(self.size) {
            let byte = u64::from(self.mask.at(index as u64)?.read(ctx.memory())?);
            // CPUs that do not exist do not count.
            let there = u64::MAX >> (64 - (cpus - first).min(8));
            if let Some(word) = words.get_mut(first / 64) {
                *word |= (byte & there) << (first % 64);
            }
        }
        let thread = thread_of(ctx, self.pid)?;
        if words.iter().all(|&word| word == 0) {
            return Err(Errno::EINVAL.into());
        }
        if let Some(runner) = thread.runner() {
            ctx.platform.set_affinity(runner, &words).map_err(|_| Errno::ENOMEM)?;
        }
        Ok(0)
    }
}
