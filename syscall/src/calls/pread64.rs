//! pread(2): as read, at a given offset.

use crate::prelude::*;
use fs::{Offset, UserSink};

/// `pread64(fd, buffer, count, offset)`.
pub struct PRead64 {
    fd: i32,
    buffer: UserSlice,
    offset: Offset,
}

impl Syscall for PRead64 {
    const NR: u32 = nr::PREAD64;
    const ARGS: &'static [ArgKind] = &[ArgKind::Int, ArgKind::BufferOut, ArgKind::Unsigned, ArgKind::Long];

    fn decode(args: &RawArgs) -> CallResult<Self> {
        let offset = i64::try_from(args.long::<3>()).map_err(|_| Errno::EINVAL)?;
        Ok(PRead64 { fd: args.int::<0>(), buffer: args.buffer::<1, 2>(), offset: Offset(offset as u64) })
    }

    fn execute(self, ctx: &mut Context<'_>) -> CallResult<u64> {
        let file = ctx.file(self.fd)?;
        let segments = [checked(self.buffer)?];
        let mut sink = UserSink::new(ctx.memory(), &segments, abi::MAX_RW_COUNT);
        let read = file.read_at(self.offset, &mut sink);
        ctx.count_read(Ok(read? as u64))
    }
}
