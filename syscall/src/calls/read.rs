//! read(2): moves bytes from a file to program memory.

use crate::prelude::*;

/// `read(fd, buffer, count)`.
pub struct Read {
    fd: i32,
    buffer: UserSlice,
}

impl Syscall for Read {
    const NR: u32 = nr::READ;
    const ARGS: &'static [ArgKind] = &[ArgKind::Int, ArgKind::BufferOut, ArgKind::Unsigned];

    fn decode(args: &RawArgs) -> CallResult<Self> {
        Ok(Read { fd: args.int::<0>(), buffer: args.buffer::<1, 2>() })
    }

    fn execute(self, ctx: &mut Context<'_>) -> CallResult<u64> {
        let file = ctx.file(self.fd)?;
        if !file.flags().readable() {
            return Err(Errno::EBADF.into());
        }
        let segments = [checked(self.buffer)?];
        ctx.read_here(&file, &segments)
    }
}
