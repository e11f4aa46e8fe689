//! statx(2): as fstatat, with more fields.

use super::newfstatat::{FLAGS, metadata};
use crate::prelude::*;
use abi::structs::{Statx as Buffer, StatxTimestamp};
use abi::{AtFlags, general as raw};
use fs::device::DeviceNumber;

/// `statx(dirfd, path, flags, mask, buffer)`.
pub struct Statx {
    dirfd: i32,
    path: u64,
    flags: AtFlags,
    buffer: UserPtr<Buffer>,
}

/// Synchronisation wishes, which make no difference for local files.
const SYNC: u32 = raw::AT_STATX_SYNC_TYPE;

impl Syscall for Statx {
    const NR: u32 = nr::STATX;
    const ARGS: &'static [ArgKind] =
        &[ArgKind::Dir, ArgKind::Path, ArgKind::Bits(FLAGS), ArgKind::Hex, ArgKind::Ptr];

    fn decode(args: &RawArgs) -> CallResult<Self> {
        let bits = args.uint::<2>();
        let flags = AtFlags::from_bits_retain(bits & !SYNC);
        let known = AtFlags::SYMLINK_NOFOLLOW | AtFlags::NO_AUTOMOUNT | AtFlags::EMPTY_PATH;
        let reserved_mask = args.uint::<3>() & raw::STATX__RESERVED != 0;
        if !known.contains(flags) || bits & SYNC == SYNC || reserved_mask {
            return Err(Errno::EINVAL.into());
        }
        Ok(Statx { dirfd: args.int::<0>(), path: args.long::<1>(), flags, buffer: args.ptr::<4, _>() })
    }

    fn execute(self, ctx: &mut Context<'_>) -> CallResult<u64> {
        let metadata = metadata(ctx, self.dirfd, self.path, self.flags)?;
        let stamps = metadata.times().map(|ns| {
            let time = crate::time::timespec(ns);
            StatxTimestamp { tv_sec: time.tv_sec, tv_nsec: time.tv_nsec as u32, __reserved: 0 }
        });
        let rdev = DeviceNumber(metadata.rdev);
        let mut out: Buffer = abi::zeroed();
        out.stx_mask = raw::STATX_BASIC_STATS;
        out.stx_blksize = metadata.block_size;
        out.stx_nlink = metadata.nlink;
        out.stx_uid = metadata.uid;
        out.stx_gid = metadata.gid;
        out.stx_mode = metadata.mode as u16;
        out.stx_ino = metadata.ino;
        out.stx_size = metadata.size;
        out.stx_blocks = metadata.blocks;
        [out.stx_atime, out.stx_mtime, out.stx_ctime] = stamps;
        (out.stx_rdev_major, out.stx_rdev_minor) = (rdev.major(), rdev.minor());
        out.stx_dev_minor = metadata.dev as u32;
        self.buffer.write(ctx.memory(), &out)?;
        Ok(0)
    }
}
