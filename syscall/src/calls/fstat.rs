//! fstat(2): tells about an open file.

use crate::prelude::*;
use abi::structs::Stat;
use fs::Metadata;

/// `fstat(fd, buffer)`.
pub struct FStat {
    fd: i32,
    buffer: UserPtr<Stat>,
}

/// The structure of stat(2).
pub fn stat(metadata: &Metadata) -> Stat {
    let mut stat: Stat = abi::zeroed();
    stat.st_dev = metadata.dev;
    stat.st_ino = metadata.ino;
    stat.st_nlink = metadata.nlink.into();
    stat.st_mode = metadata.mode;
    stat.st_uid = metadata.uid;
    stat.st_gid = metadata.gid;
    stat.st_rdev = metadata.rdev;
    stat.st_size = metadata.size as i64;
    stat.st_blksize = metadata.block_size.into();
    stat.st_blocks = metadata.blocks as i64;
    let [atime, mtime, ctime] = metadata.times().map(crate::time::timespec);
    (stat.st_atime, stat.st_atime_nsec) = (atime.tv_sec as u64, atime.tv_nsec as u64);
    (stat.st_mtime, stat.st_mtime_nsec) = (mtime.tv_sec as u64, mtime.tv_nsec as u64);
    (stat.st_ctime, stat.st_ctime_nsec) = (ctime.tv_sec as u64, ctime.tv_nsec as u64);
    stat
}

impl Syscall for FStat {
    const NR: u32 = nr::FSTAT;
    const ARGS: &'static [ArgKind] = &[ArgKind::Int, ArgKind::StatOut];

    fn decode(args: &RawArgs) -> CallResult<Self> {
        Ok(FStat { fd: args.int::<0>(), buffer: args.ptr::<1, _>() })
    }

    fn execute(self, ctx: &mut Context<'_>) -> CallResult<u64> {
        let metadata = ctx.file(self.fd)?.file().metadata()?;
        self.buffer.write(ctx.memory(), &stat(&metadata))?;
        Ok(0)
    }
}
