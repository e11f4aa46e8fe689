//! pwrite(2): as write, at a given offset.

use crate::prelude::*;
use fs::{Offset, UserSource};

/// `pwrite64(fd, buffer, count, offset)`.
pub struct PWrite64 {
    fd: i32,
    buffer: UserSlice,
    offset: Offset,
}

impl Syscall for PWrite64 {
    const NR: u32 = nr::PWRITE64;
    const ARGS: &'static [ArgKind] = &[ArgKind::Int, ArgKind::BufferIn(2), ArgKind::Unsigned, ArgKind::Long];

    fn decode(args: &RawArgs) -> CallResult<Self> {
        let offset = i64::try_from(args.long::<3>()).map_err(|_| Errno::EINVAL)?;
        Ok(PWrite64 { fd: args.int::<0>(), buffer: args.buffer::<1, 2>(), offset: Offset(offset as u64) })
    }

    fn execute(self, ctx: &mut Context<'_>) -> CallResult<u64> {
        let file = ctx.file(self.fd)?;
        let segments = [checked(self.buffer)?];
        ctx.strip_privileges(&**file.file())?;
        let source = UserSource::new(ctx.memory(), &segments, abi::MAX_RW_COUNT);
        let written = ctx.written(file.write_at(self.offset, &mut source.limited(ctx.file_size_limit())));
        ctx.refresh_mappings(&**file.file());
        ctx.count_written(Ok(written? as u64))
    }
}
