//! openat(2): opens a file.

use crate::prelude::*;
use abi::{FdFlags, OpenFlags};

/// `openat(dirfd, path, flags, mode)`. The mode has no use: no file system of this tree creates files.
pub struct OpenAt {
    dirfd: i32,
    path: u64,
    flags: OpenFlags,
}

impl OpenAt {
    /// With the flags as given. A 64-bit kernel opens every file as a large one.
    pub fn new(dirfd: i32, path: u64, flags: u32) -> Self {
        let mut flags = OpenFlags::from_bits_retain(flags);
        if flags.contains(OpenFlags::PATH) {
            // With O_PATH only these count (open(2)).
            flags &= OpenFlags::PATH | OpenFlags::CLOEXEC | OpenFlags::DIRECTORY | OpenFlags::NOFOLLOW;
        } else {
            flags |= OpenFlags::LARGEFILE;
        }
        OpenAt { dirfd, path, flags }
    }
}

impl Syscall for OpenAt {
    const NR: u32 = nr::OPENAT;
    const ARGS: &'static [ArgKind] =
        &[ArgKind::Dir, ArgKind::Path, ArgKind::OpenFlags, ArgKind::CreateMode(2)];

    fn decode(args: &RawArgs) -> CallResult<Self> {
        Ok(OpenAt::new(args.int::<0>(), args.long::<1>(), args.uint::<2>()))
    }

    fn execute(self, ctx: &mut Context<'_>) -> CallResult<u64> {
        // O_TMPFILE is a bit of its own together with O_DIRECTORY.
        let tmpfile = abi::general::O_TMPFILE & !abi::general::O_DIRECTORY;
        let path = ctx.path(self.path)?;
        let base = ctx.base(self.dirfd, &path)?;
        if self.flags.bits() & tmpfile != 0 {
            if !self.flags.contains(OpenFlags::DIRECTORY) || !self.flags.writable() {
                return Err(Errno::EINVAL.into());
            }
            return Err(Errno::EOPNOTSUPP.into());
        }
        let file = ctx.process.vfs.open(&base, &path, self.flags)?;
        let flags = if self.flags.contains(OpenFlags::CLOEXEC) { FdFlags::CLOEXEC } else { FdFlags::empty() };
        let limit = ctx.fd_limit();
        Ok(ctx.process.files().insert(file, flags, 0, limit)?.into())
    }
}
