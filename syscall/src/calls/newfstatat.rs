//! fstatat(2): tells about a file by its path.

use super::fstat::stat;
use crate::prelude::*;
use abi::{AtFlags, structs};
use fs::Metadata;
use fs::vfs::Follow;

/// `newfstatat(dirfd, path, buffer, flags)`.
pub struct NewFStatAt {
    dirfd: i32,
    path: u64,
    buffer: UserPtr<structs::Stat>,
    flags: AtFlags,
}

/// Flags of the stat family, for strace.
pub const FLAGS: Names =
    names![AT_SYMLINK_NOFOLLOW, AT_SYMLINK_FOLLOW, AT_NO_AUTOMOUNT, AT_EMPTY_PATH, AT_EACCESS];

impl NewFStatAt {
    /// With checked flags.
    pub fn new(dirfd: i32, path: u64, buffer: UserPtr<structs::Stat>, flags: AtFlags) -> Self {
        NewFStatAt { dirfd, path, buffer, flags }
    }
}

/// The metadata of `path` relative to `dirfd`; of `dirfd` itself for an empty path where the flags allow that.
pub fn metadata(ctx: &Context<'_>, dirfd: i32, path: u64, flags: AtFlags) -> CallResult<Metadata> {
    let mut buffer = CStrBuffer::default();
    let path = ctx.path_in(&mut buffer, path)?;
    if path.is_empty() && flags.contains(AtFlags::EMPTY_PATH) {
        return match dirfd {
            abi::AT_FDCWD => Ok(ctx.process.cwd().metadata()?),
            fd => Ok(ctx.file(fd)?.file().metadata()?),
        };
    }
    let follow = if flags.contains(AtFlags::SYMLINK_NOFOLLOW) { Follow::No } else { Follow::Yes };
    let base = ctx.base(dirfd, path)?;
    Ok(ctx.files().lookup(&base, path, follow)?.metadata()?)
}

impl Syscall for NewFStatAt {
    const NR: u32 = nr::NEWFSTATAT;
    const ARGS: &'static [ArgKind] = &[ArgKind::Dir, ArgKind::Path, ArgKind::StatOut, ArgKind::Bits(FLAGS)];

    fn decode(args: &RawArgs) -> CallResult<Self> {
        let flags = AtFlags::from_bits_retain(args.uint::<3>());
        let known = AtFlags::SYMLINK_NOFOLLOW | AtFlags::NO_AUTOMOUNT | AtFlags::EMPTY_PATH;
        if !known.contains(flags) {
            return Err(Errno::EINVAL.into());
        }
        Ok(NewFStatAt::new(args.int::<0>(), args.long::<1>(), args.ptr::<2, _>(), flags))
    }

    fn execute(self, ctx: &mut Context<'_>) -> CallResult<u64> {
        let metadata = metadata(ctx, self.dirfd, self.path, self.flags)?;
        self.buffer.write(ctx.memory(), &stat(&metadata))?;
        Ok(0)
    }
}
