//! fchmodat2(2): changes the permissions of a file, also by a descriptor alone.

use super::newfstatat::FLAGS;
use crate::files;
use crate::prelude::*;
use abi::AtFlags;
use fs::NodeKind;
use fs::vfs::Follow;

/// `fchmodat2(dirfd, path, mode, flags)`.
pub struct FChModAt2 {
    dirfd: i32,
    path: u64,
    mode: u32,
    flags: AtFlags,
}

impl Syscall for FChModAt2 {
    const NR: u32 = nr::FCHMODAT2;
    const ARGS: &'static [ArgKind] = &[ArgKind::Dir, ArgKind::Path, ArgKind::Mode, ArgKind::Bits(FLAGS)];

    fn decode(args: &RawArgs) -> CallResult<Self> {
        let flags = AtFlags::from_bits_retain(args.uint::<3>());
        if !(AtFlags::SYMLINK_NOFOLLOW | AtFlags::EMPTY_PATH).contains(flags) {
            return Err(Errno::EINVAL.into());
        }
        Ok(FChModAt2 { dirfd: args.int::<0>(), path: args.long::<1>(), mode: args.uint::<2>(), flags })
    }

    fn execute(self, ctx: &mut Context<'_>) -> CallResult<u64> {
        if self.flags.contains(AtFlags::SYMLINK_NOFOLLOW) {
            let node = files::node(ctx, self.dirfd, self.path, self.flags, Follow::No)?;
            // The permissions of a symbolic link mean nothing.
            if node.kind()? == NodeKind::Symlink {
                return Err(Errno::EOPNOTSUPP.into());
            }
        }
        files::chmod(ctx, self.dirfd, self.path, self.mode, self.flags)
    }
}
