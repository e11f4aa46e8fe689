//! writev(2): as write, from several buffers.

use crate::prelude::*;
use mm::user::IoVecs;

/// `writev(fd, vectors, count)`.
pub struct WriteV {
    fd: i32,
    vectors: u64,
    count: usize,
}

impl Syscall for WriteV {
    const NR: u32 = nr::WRITEV;
    const ARGS: &'static [ArgKind] = &[ArgKind::Int, ArgKind::VectorIn(2), ArgKind::Int];

    fn decode(args: &RawArgs) -> CallResult<Self> {
        Ok(WriteV { fd: args.int::<0>(), vectors: args.long::<1>(), count: args.uint::<2>() as usize })
    }

    fn execute(self, ctx: &mut Context<'_>) -> CallResult<u64> {
        let file = ctx.file(self.fd)?;
        if !file.flags().writable() {
            return Err(Errno::EBADF.into());
        }
        let vectors = IoVecs::load(ctx.memory(), self.vectors, self.count)?;
        ctx.write_file(&file, vectors.slices())
    }
}
