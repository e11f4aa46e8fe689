//! fstatfs(2): tells about the file system of an open file.

use crate::files;
use crate::prelude::*;
use abi::structs::StatFs as Buffer;

/// `fstatfs(fd, buffer)`.
pub struct FStatFs {
    fd: i32,
    buffer: UserPtr<Buffer>,
}

impl Syscall for FStatFs {
    const NR: u32 = nr::FSTATFS;
    const ARGS: &'static [ArgKind] = &[ArgKind::Int, ArgKind::Ptr];

    fn decode(args: &RawArgs) -> CallResult<Self> {
        Ok(FStatFs { fd: args.int::<0>(), buffer: args.ptr::<1, _>() })
    }

    fn execute(self, ctx: &mut Context<'_>) -> CallResult<u64> {
        let file = ctx.file(self.fd)?;
        let node = file.file().node().ok_or(Errno::ENOSYS)?;
        self.buffer.write(ctx.memory(), &files::statistics(node))?;
        Ok(0)
    }
}
