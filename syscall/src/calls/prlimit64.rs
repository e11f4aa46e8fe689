//! prlimit(2): reads and changes resource limits.

use crate::prelude::*;
use abi::structs::Rlimit;
use task::credentials::CAP_SYS_RESOURCE;

/// `prlimit64(pid, resource, new, old)`.
pub struct PrLimit64 {
    pid: i32,
    resource: u32,
    new: UserPtr<Rlimit>,
    old: UserPtr<Rlimit>,
}

/// Resources, for strace.
pub const RESOURCES: Names = names![
    RLIMIT_CPU,
    RLIMIT_FSIZE,
    RLIMIT_DATA,
    RLIMIT_STACK,
    RLIMIT_CORE,
    RLIMIT_RSS,
    RLIMIT_NPROC,
    RLIMIT_NOFILE,
    RLIMIT_MEMLOCK,
    RLIMIT_AS,
    RLIMIT_LOCKS,
    RLIMIT_SIGPENDING,
    RLIMIT_MSGQUEUE,
    RLIMIT_NICE,
    RLIMIT_RTPRIO,
    RLIMIT_RTTIME,
];

impl PrLimit64 {
    /// For the calling process.
    pub fn own(resource: u32, new: UserPtr<Rlimit>, old: UserPtr<Rlimit>) -> Self {
        PrLimit64 { pid: 0, resource, new, old }
    }
}

impl Syscall for PrLimit64 {
    const NR: u32 = nr::PRLIMIT64;
    const ARGS: &'static [ArgKind] =
        &[ArgKind::Int, ArgKind::Value(RESOURCES), ArgKind::Limit, ArgKind::LimitOut];

    fn decode(args: &RawArgs) -> CallResult<Self> {
        let (new, old) = (args.ptr::<2, _>(), args.ptr::<3, _>());
        Ok(PrLimit64 { pid: args.int::<0>(), resource: args.uint::<1>(), new, old })
    }

    fn execute(self, ctx: &mut Context<'_>) -> CallResult<u64> {
        let new = self.new.non_null().map(|ptr| ptr.read(ctx.memory())).transpose()?;
        if self.pid != 0 && u32::try_from(self.pid) != Ok(ctx.process.pid) {
            return Err(Errno::ESRCH.into());
        }
        let before = ctx.process.limits().get(self.resource).ok_or(Errno::EINVAL)?;
        if let Some(new) = new {
            let may_raise = ctx.process.capable(CAP_SYS_RESOURCE);
            let mut limits = ctx.process.limits();
            limits.set(self.resource, new, may_raise)?;
            let for_memory = limits.for_memory(ctx.platform.memory().total);
            drop(limits);
            ctx.process.space().set_limits(for_memory);
            if self.resource == abi::general::RLIMIT_CPU {
                ctx.process.set_cpu_limit(ctx.platform, new.rlim_cur)?;
            }
        }
        if let Some(old) = self.old.non_null() {
            old.write(ctx.memory(), &before)?;
        }
        Ok(0)
    }
}
