//! lseek(2): moves a file's position.

use crate::prelude::*;
use abi::general as raw;
use fs::SeekFrom;

/// `lseek(fd, offset, whence)`.
pub struct LSeek {
    fd: i32,
    offset: i64,
    whence: u32,
}

impl Syscall for LSeek {
    const NR: u32 = nr::LSEEK;
    const ARGS: &'static [ArgKind] = &[
        ArgKind::Int,
        ArgKind::Long,
        ArgKind::Value(names![SEEK_SET, SEEK_CUR, SEEK_END, SEEK_DATA, SEEK_HOLE]),
    ];

    fn decode(args: &RawArgs) -> CallResult<Self> {
        Ok(LSeek { fd: args.int::<0>(), offset: args.long::<1>() as i64, whence: args.uint::<2>() })
    }

    fn execute(self, ctx: &mut Context<'_>) -> CallResult<u64> {
        let file = ctx.file(self.fd)?;
        let to = match self.whence {
            raw::SEEK_SET => SeekFrom::Start(self.offset),
            raw::SEEK_CUR => SeekFrom::Current(self.offset),
            raw::SEEK_END => SeekFrom::End(self.offset),
            raw::SEEK_DATA => SeekFrom::Data(self.offset),
            raw::SEEK_HOLE => SeekFrom::Hole(self.offset),
            _ => return Err(Errno::EINVAL.into()),
        };
        Ok(file.seek(to)?)
    }
}
