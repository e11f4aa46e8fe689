//! pidfd_open(2): the process as a file.

use crate::prelude::*;
use abi::OpenFlags;
use alloc::sync::Arc;
use fs::OpenFile;
use task::pidfd::PidFd;

/// `pidfd_open(pid, flags)`.
pub struct PidFdOpen {
    pid: i32,
    flags: OpenFlags,
}

/// EBADF if a descriptor is not one of a process.
pub fn check(ctx: &Context<'_>, fd: i32) -> CallResult<()> {
    let file = ctx.file(fd)?;
    let process = file.file().as_any().and_then(|file| file.downcast_ref::<PidFd>());
    process.map(|_| ()).ok_or_else(|| Errno::EBADF.into())
}

impl Syscall for PidFdOpen {
    const NR: u32 = nr::PIDFD_OPEN;
    const ARGS: &'static [ArgKind] =
        &[ArgKind::Int, ArgKind::Bits(&[(OpenFlags::NONBLOCK.bits() as u64, "PIDFD_NONBLOCK")])];

    fn decode(args: &RawArgs) -> CallResult<Self> {
        Ok(PidFdOpen { pid: args.int::<0>(), flags: OpenFlags::from_bits_retain(args.uint::<1>()) })
    }

    fn execute(self, ctx: &mut Context<'_>) -> CallResult<u64> {
        if self.pid <= 0 || !OpenFlags::NONBLOCK.contains(self.flags) {
            return Err(Errno::EINVAL.into());
        }
        if u32::try_from(self.pid) != Ok(ctx.process.pid) {
            // A thread that is not the first has a number, but is no process.
            ctx.thread_of(self.pid)?;
            return Err(Errno::EINVAL.into());
        }
        let file = Arc::new(PidFd::new(ctx.process.pid));
        ctx.install(OpenFile::new(file, self.flags | OpenFlags::RDWR), true)
    }
}
