//! readv(2): as read, into several buffers.

use crate::prelude::*;
use mm::user::IoVecs;

/// `readv(fd, vectors, count)`.
pub struct ReadV {
    fd: i32,
    vectors: u64,
    count: usize,
}

impl Syscall for ReadV {
    const NR: u32 = nr::READV;
    const ARGS: &'static [ArgKind] = &[ArgKind::Int, ArgKind::VectorOut(2), ArgKind::Int];

    fn decode(args: &RawArgs) -> CallResult<Self> {
        Ok(ReadV { fd: args.int::<0>(), vectors: args.long::<1>(), count: args.uint::<2>() as usize })
    }

    fn execute(self, ctx: &mut Context<'_>) -> CallResult<u64> {
        let file = ctx.file(self.fd)?;
        if !file.flags().readable() {
            return Err(Errno::EBADF.into());
        }
        let vectors = IoVecs::load(ctx.memory(), self.vectors, self.count)?;
        if vectors.total() == 0 {
            return Ok(0);
        }
        ctx.read_file(&file, vectors.slices())
    }
}
