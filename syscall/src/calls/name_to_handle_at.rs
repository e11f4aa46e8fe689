//! name_to_handle_at(2): a name for a file that lasts, which no file system here has.

use super::newfstatat::FLAGS;
use crate::files;
use crate::prelude::*;
use abi::{AtFlags, general as raw};
use fs::vfs::Follow;

/// `name_to_handle_at(dirfd, path, handle, mount, flags)`.
pub struct NameToHandleAt {
    dirfd: i32,
    path: u64,
    handle: UserPtr<u32>,
    flags: AtFlags,
}

/// MAX_HANDLE_SZ.
const MAX_HANDLE: u32 = 128;

impl Syscall for NameToHandleAt {
    const NR: u32 = nr::NAME_TO_HANDLE_AT;
    const ARGS: &'static [ArgKind] =
        &[ArgKind::Dir, ArgKind::Path, ArgKind::Ptr, ArgKind::Ptr, ArgKind::Bits(FLAGS)];

    fn decode(args: &RawArgs) -> CallResult<Self> {
        // AT_HANDLE_FID and AT_HANDLE_MNT_ID_UNIQUE make no difference.
        let known = raw::AT_SYMLINK_FOLLOW | raw::AT_EMPTY_PATH | 0x200 | 1;
        let flags = args.uint::<4>();
        if flags & !known != 0 {
            return Err(Errno::EINVAL.into());
        }
        let flags = AtFlags::from_bits_retain(flags);
        Ok(NameToHandleAt {
            dirfd: args.int::<0>(),
            path: args.long::<1>(),
            handle: args.ptr::<2, _>(),
            flags,
        })
    }

    fn execute(self, ctx: &mut Context<'_>) -> CallResult<u64> {
        let follow = if self.flags.contains(AtFlags::SYMLINK_FOLLOW) { Follow::Yes } else { Follow::No };
        files::node(ctx, self.dirfd, self.path, self.flags, follow)?;
        if self.handle.read(ctx.memory())? > MAX_HANDLE {
            return Err(Errno::EINVAL.into());
        }
        Err(Errno::EOPNOTSUPP.into())
    }
}
