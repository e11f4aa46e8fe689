//! pipe2(2): makes a pipe.

use crate::prelude::*;
use abi::OpenFlags;
use alloc::sync::Arc;
use fs::OpenFile;

/// `pipe2(descriptors, flags)`.
pub struct Pipe2 {
    fds: UserPtr<[i32; 2]>,
    flags: OpenFlags,
}

/// Makes a pipe and stores the descriptors of its reading and writing end.
pub fn make(ctx: &Context<'_>, fds: UserPtr<[i32; 2]>, flags: OpenFlags) -> CallResult<u64> {
    let (read, write) = fs::pipe::pipe(flags);
    install_pair(ctx, fds, read, write, flags)
}

/// Gives two files descriptors and stores these, or neither.
pub fn install_pair(
    ctx: &Context<'_>,
    fds: UserPtr<[i32; 2]>,
    first: Arc<OpenFile>,
    second: Arc<OpenFile>,
    flags: OpenFlags,
) -> CallResult<u64> {
    let cloexec = flags.contains(OpenFlags::CLOEXEC);
    let first = ctx.install(first, cloexec)?;
    let close = |fd: u64| drop(ctx.process.files().remove(fd as u32));
    let second = match ctx.install(second, cloexec) {
        Ok(second) => second,
        Err(error) => {
            close(first);
            return Err(error);
        }
    };
    if let Err(fault) = fds.write(ctx.memory(), &[first as i32, second as i32]) {
        close(first);
        close(second);
        return Err(fault.into());
    }
    Ok(0)
}

impl Syscall for Pipe2 {
    const NR: u32 = nr::PIPE2;
    const ARGS: &'static [ArgKind] =
        &[ArgKind::IntOut, ArgKind::Bits(names![O_CLOEXEC, O_NONBLOCK, O_DIRECT])];

    fn decode(args: &RawArgs) -> CallResult<Self> {
        let flags = OpenFlags::from_bits_retain(args.uint::<1>());
        if !(OpenFlags::CLOEXEC | OpenFlags::NONBLOCK | OpenFlags::DIRECT).contains(flags) {
            return Err(Errno::EINVAL.into());
        }
        Ok(Pipe2 { fds: args.ptr::<0, _>(), flags })
    }

    fn execute(self, ctx: &mut Context<'_>) -> CallResult<u64> {
        make(ctx, self.fds, self.flags)
    }
}
