//! write(2): moves bytes from program memory to a file.

use crate::prelude::*;

/// `write(fd, buffer, count)`.
pub struct Write {
    fd: i32,
    buffer: UserSlice,
}

impl Syscall for Write {
    const NR: u32 = nr::WRITE;
    const ARGS: &'static [ArgKind] = &[ArgKind::Int, ArgKind::BufferIn(2), ArgKind::Unsigned];

    fn decode(args: &RawArgs) -> CallResult<Self> {
        Ok(Write { fd: args.int::<0>(), buffer: args.buffer::<1, 2>() })
    }

    fn execute(self, ctx: &mut Context<'_>) -> CallResult<u64> {
        let file = ctx.file(self.fd)?;
        if !file.flags().writable() {
            return Err(Errno::EBADF.into());
        }
        let segments = [checked(self.buffer)?];
        ctx.write_here(&file, &segments)
    }
}
