//! sync_file_range(2): brings part of a file to where it lasts.

use crate::prelude::*;
use abi::Mode;

/// `sync_file_range(fd, offset, length, flags)`.
pub struct SyncFileRange {
    fd: i32,
    offset: i64,
    length: i64,
    flags: u32,
}

const FLAGS: Names = names![SYNC_FILE_RANGE_WAIT_BEFORE, SYNC_FILE_RANGE_WRITE, SYNC_FILE_RANGE_WAIT_AFTER];

impl Syscall for SyncFileRange {
    const NR: u32 = nr::SYNC_FILE_RANGE;
    const ARGS: &'static [ArgKind] = &[ArgKind::Int, ArgKind::Long, ArgKind::Long, ArgKind::Bits(FLAGS)];

    fn decode(args: &RawArgs) -> CallResult<Self> {
        Ok(SyncFileRange {
            fd: args.int::<0>(),
            offset: args.long::<1>() as i64,
            length: args.long::<2>() as i64,
            flags: args.uint::<3>(),
        })
    }

    fn execute(self, ctx: &mut Context<'_>) -> CallResult<u64> {
        let file = ctx.file(self.fd)?;
        if file.is_path_only() {
            return Err(Errno::EBADF.into());
        }
        let end = self.offset.checked_add(self.length).ok_or(Errno::EINVAL)?;
        if self.flags & !7 != 0 || self.offset < 0 || end < self.offset {
            return Err(Errno::EINVAL.into());
        }
        match Mode(file.file().metadata()?.mode).file_type() {
            Mode::IFREG | Mode::IFBLK | Mode::IFDIR | Mode::IFLNK => Ok(0),
            _ => Err(Errno::ESPIPE.into()),
        }
    }
}
