//! sched_getaffinity(2): the CPUs a thread may run on.

use crate::prelude::*;

/// `sched_getaffinity(pid, size, mask)`.
pub struct SchedGetAffinity {
    pid: i32,
    size: usize,
    mask: u64,
}

/// Bytes of a mask word.
const WORD: usize = size_of::<u64>();

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
        if self.pid != 0 && u32::try_from(self.pid) != Ok(ctx.thread.tid) {
            return Err(Errno::ESRCH.into());
        }
        for word in 0..words {
            let bits = (cpus - word * 64).min(64);
            let mask = u64::MAX.checked_shr(64 - bits as u32).unwrap_or(0);
            UserPtr::new(self.mask).at(word as u64)?.write(ctx.memory(), &mask)?;
        }
        Ok((words * WORD) as u64)
    }
}
