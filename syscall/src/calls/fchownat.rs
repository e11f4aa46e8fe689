//! fchownat(2): changes owner and group.

use super::newfstatat::FLAGS;
use crate::files;
use crate::prelude::*;
use abi::AtFlags;

/// `fchownat(dirfd, path, uid, gid, flags)`.
pub struct FChOwnAt {
    dirfd: i32,
    path: u64,
    uid: u32,
    gid: u32,
    flags: AtFlags,
}

impl Syscall for FChOwnAt {
    const NR: u32 = nr::FCHOWNAT;
    const ARGS: &'static [ArgKind] =
        &[ArgKind::Dir, ArgKind::Path, ArgKind::Int, ArgKind::Int, ArgKind::Bits(FLAGS)];

    fn decode(args: &RawArgs) -> CallResult<Self> {
        Ok(FChOwnAt {
            dirfd: args.int::<0>(),
            path: args.long::<1>(),
            uid: args.uint::<2>(),
            gid: args.uint::<3>(),
            flags: AtFlags::from_bits_retain(args.uint::<4>()),
        })
    }

    fn execute(self, ctx: &mut Context<'_>) -> CallResult<u64> {
        if !(AtFlags::SYMLINK_NOFOLLOW | AtFlags::EMPTY_PATH).contains(self.flags) {
            return Err(Errno::EINVAL.into());
        }
        files::chown(ctx, self.dirfd, self.path, (self.uid, self.gid), self.flags)
    }
}
