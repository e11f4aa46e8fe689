//! preadv(2): as readv, at a given offset.

use crate::prelude::*;
use fs::{Offset, UserSink};
use mm::user::IoVecs;

/// `preadv(fd, vectors, count, low, high)`: the offset is all in `low`.
pub struct PReadV {
    fd: i32,
    vectors: u64,
    count: usize,
    offset: Offset,
}

impl Syscall for PReadV {
    const NR: u32 = nr::PREADV;
    const ARGS: &'static [ArgKind] = &[ArgKind::Int, ArgKind::VectorOut(2), ArgKind::Int, ArgKind::Long];

    fn decode(args: &RawArgs) -> CallResult<Self> {
        let offset = i64::try_from(args.long::<3>()).map_err(|_| Errno::EINVAL)?;
        Ok(PReadV {
            fd: args.int::<0>(),
            vectors: args.long::<1>(),
            count: args.size::<2>(),
            offset: Offset(offset as u64),
        })
    }

    fn execute(self, ctx: &mut Context<'_>) -> CallResult<u64> {
        let file = ctx.file(self.fd)?;
        if !file.file().has_position() {
            return Err(Errno::ESPIPE.into());
        }
        if !file.flags().readable() {
            return Err(Errno::EBADF.into());
        }
        let vectors = IoVecs::load(ctx.memory(), self.vectors, self.count)?;
        let mut buffers = UserSink::new(ctx.memory(), vectors.slices(), vectors.total());
        Ok(file.read_at(self.offset, &mut buffers)? as u64)
    }
}
