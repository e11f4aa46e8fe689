//! pidfd_getfd(2): another descriptor for an open file of the process that a descriptor stands for.

use crate::prelude::*;
use abi::FdFlags;

/// `pidfd_getfd(process, fd, flags)`.
pub struct PidFdGetFd {
    process: i32,
    fd: i32,
    flags: u32,
}

impl Syscall for PidFdGetFd {
    const NR: u32 = nr::PIDFD_GETFD;
    const ARGS: &'static [ArgKind] = &[ArgKind::Int, ArgKind::Int, ArgKind::Hex];

    fn decode(args: &RawArgs) -> CallResult<Self> {
        Ok(PidFdGetFd { process: args.int::<0>(), fd: args.int::<1>(), flags: args.uint::<2>() })
    }

    fn execute(self, ctx: &mut Context<'_>) -> CallResult<u64> {
        if self.flags != 0 {
            return Err(Errno::EINVAL.into());
        }
        super::pidfd_open::check(ctx, self.process)?;
        let file = ctx.file(self.fd)?;
        let limit = ctx.fd_limit();
        Ok(ctx.process.files().insert(file, FdFlags::CLOEXEC, 0, limit)?.into())
    }
}
