//! fsync(2): brings a file to where it lasts.

use crate::prelude::*;

/// `fsync(fd)`.
pub struct FSync {
    fd: i32,
}

impl Syscall for FSync {
    const NR: u32 = nr::FSYNC;
    const ARGS: &'static [ArgKind] = &[ArgKind::Int];

    fn decode(args: &RawArgs) -> CallResult<Self> {
        Ok(FSync { fd: args.int::<0>() })
    }

    fn execute(self, ctx: &mut Context<'_>) -> CallResult<u64> {
        let file = ctx.file(self.fd)?;
        if file.is_path_only() {
            return Err(Errno::EBADF.into());
        }
        file.file().sync()?;
        Ok(0)
    }
}
