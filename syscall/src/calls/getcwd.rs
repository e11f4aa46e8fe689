//! getcwd(2): the current directory's path.

use crate::prelude::*;

/// `getcwd(buffer, size)`.
pub struct GetCwd {
    buffer: UserSlice,
}

impl Syscall for GetCwd {
    const NR: u32 = nr::GETCWD;
    const ARGS: &'static [ArgKind] = &[ArgKind::BufferOut, ArgKind::Unsigned];

    fn decode(args: &RawArgs) -> CallResult<Self> {
        Ok(GetCwd { buffer: args.buffer::<0, 1>() })
    }

    fn execute(self, ctx: &mut Context<'_>) -> CallResult<u64> {
        let mut path = ctx.process.vfs.path_of(&ctx.process.cwd())?;
        path.push(0);
        if path.len() > self.buffer.len {
            return Err(Errno::ERANGE.into());
        }
        self.buffer.write_at(ctx.memory(), 0, &path)?;
        Ok(path.len() as u64)
    }
}
