//! syncfs(2): brings a file system to where it lasts, which in memory it is.

use crate::prelude::*;

/// `syncfs(fd)`.
pub struct SyncFs {
    fd: i32,
}

impl Syscall for SyncFs {
    const NR: u32 = nr::SYNCFS;
    const ARGS: &'static [ArgKind] = &[ArgKind::Int];

    fn decode(args: &RawArgs) -> CallResult<Self> {
        Ok(SyncFs { fd: args.int::<0>() })
    }

    fn execute(self, ctx: &mut Context<'_>) -> CallResult<u64> {
        let file = ctx.file(self.fd)?;
        if file.is_path_only() {
            return Err(Errno::EBADF.into());
        }
        Ok(0)
    }
}
