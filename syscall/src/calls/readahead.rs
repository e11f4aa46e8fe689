//! readahead(2): reads a file into the page cache, where the files of this system are anyway.

use crate::prelude::*;
use abi::Mode;

/// `readahead(fd, offset, count)`.
pub struct ReadAhead {
    fd: i32,
}

impl Syscall for ReadAhead {
    const NR: u32 = nr::READAHEAD;
    const ARGS: &'static [ArgKind] = &[ArgKind::Int, ArgKind::Long, ArgKind::Unsigned];

    fn decode(args: &RawArgs) -> CallResult<Self> {
        Ok(ReadAhead { fd: args.int::<0>() })
    }

    fn execute(self, ctx: &mut Context<'_>) -> CallResult<u64> {
        let file = ctx.file(self.fd)?;
        if file.is_path_only() || !file.flags().readable() {
            return Err(Errno::EBADF.into());
        }
        match Mode(file.file().metadata()?.mode).file_type() {
            Mode::IFREG => Ok(0),
            _ => Err(Errno::EINVAL.into()),
        }
    }
}
