//! statfs(2): tells about the file system of a file.

use crate::files;
use crate::prelude::*;
use abi::structs::StatFs as Buffer;
use fs::vfs::Follow;

/// `statfs(path, buffer)`.
pub struct StatFs {
    path: u64,
    buffer: UserPtr<Buffer>,
}

impl Syscall for StatFs {
    const NR: u32 = nr::STATFS;
    const ARGS: &'static [ArgKind] = &[ArgKind::Path, ArgKind::Ptr];

    fn decode(args: &RawArgs) -> CallResult<Self> {
        Ok(StatFs { path: args.long::<0>(), buffer: args.ptr::<1, _>() })
    }

    fn execute(self, ctx: &mut Context<'_>) -> CallResult<u64> {
        let path = ctx.path(self.path)?;
        let node = ctx.files().lookup(&ctx.process.cwd(), &path, Follow::Yes)?;
        self.buffer.write(ctx.memory(), &files::statistics(&node))?;
        Ok(0)
    }
}
