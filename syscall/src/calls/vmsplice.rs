//! vmsplice(2): moves bytes between program memory and a pipe.
//!
//! Linux lends the program's pages to the pipe; here they are copied, which differs only for a program that changes them before
//! they are read, as the manual page tells it not to.

use crate::pipes;
use crate::prelude::*;
use fs::{Sink, Source, UserSink, UserSource};
use mm::user::IoVecs;

/// `vmsplice(fd, vectors, count, flags)`.
pub struct VmSplice {
    fd: i32,
    vectors: u64,
    count: usize,
    flags: u32,
}

impl Syscall for VmSplice {
    const NR: u32 = nr::VMSPLICE;
    const ARGS: &'static [ArgKind] =
        &[ArgKind::Int, ArgKind::VectorIn(2), ArgKind::Unsigned, ArgKind::Bits(pipes::FLAGS)];

    fn decode(args: &RawArgs) -> CallResult<Self> {
        Ok(VmSplice {
            fd: args.int::<0>(),
            vectors: args.long::<1>(),
            count: args.uint::<2>() as usize,
            flags: args.uint::<3>(),
        })
    }

    fn execute(self, ctx: &mut Context<'_>) -> CallResult<u64> {
        pipes::check_flags(self.flags)?;
        let file = ctx.file(self.fd)?;
        if file.is_path_only() {
            return Err(Errno::EBADF.into());
        }
        let vectors = IoVecs::load(ctx.memory(), self.vectors, self.count)?;
        let memory = ctx.memory();
        let size = UserSource::new(memory, vectors.slices(), abi::MAX_RW_COUNT).remaining();
        if size == 0 {
            return Ok(0);
        }
        let pipe = file.file().as_pipe().ok_or(Errno::EBADF)?;
        // O_NONBLOCK of the description does not count here, only the flag.
        let moved = pipes::wait_on(ctx, self.flags, &[&file], || {
            if file.flags().writable() {
                let mut source = UserSource::new(memory, vectors.slices(), abi::MAX_RW_COUNT);
                pipe.splice_from(size, 0, &mut |buffer| source.take(buffer))
            } else {
                let mut sink = UserSink::new(memory, vectors.slices(), abi::MAX_RW_COUNT);
                pipe.splice_to(sink.remaining(), &mut |bytes| sink.put(bytes))
            }
        })?;
        Ok(moved as u64)
    }
}
