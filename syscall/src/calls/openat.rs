//! openat(2): opens a file.

use crate::files;
use crate::prelude::*;
use abi::{FdFlags, Mode, OpenFlags, general as raw};
use fs::vfs::Resolve;

/// O_TMPFILE is a bit of its own together with O_DIRECTORY.
pub const TMPFILE: u32 = raw::O_TMPFILE & !raw::O_DIRECTORY;

/// `openat(dirfd, path, flags, mode)`.
pub struct OpenAt {
    dirfd: i32,
    path: u64,
    flags: OpenFlags,
    mode: u32,
    resolve: Resolve,
}

impl OpenAt {
    /// With the flags as given. A 64-bit kernel opens every file as a large one.
    pub fn new(dirfd: i32, path: u64, flags: u32, mode: u32) -> Self {
        let mut flags = OpenFlags::from_bits_retain(flags);
        if flags.contains(OpenFlags::PATH) {
            // With O_PATH only these count (open(2)).
            flags &= OpenFlags::PATH | OpenFlags::CLOEXEC | OpenFlags::DIRECTORY | OpenFlags::NOFOLLOW;
        } else {
            flags |= OpenFlags::LARGEFILE;
        }
        OpenAt { dirfd, path, flags, mode, resolve: Resolve::empty() }
    }
}

impl OpenAt {
    /// With a restricted lookup (openat2(2)).
    pub fn restricted(self, resolve: Resolve) -> Self {
        OpenAt { resolve, ..self }
    }
}

impl Syscall for OpenAt {
    const NR: u32 = nr::OPENAT;
    const ARGS: &'static [ArgKind] =
        &[ArgKind::Dir, ArgKind::Path, ArgKind::OpenFlags, ArgKind::CreateMode(2)];

    fn decode(args: &RawArgs) -> CallResult<Self> {
        Ok(OpenAt::new(args.int::<0>(), args.long::<1>(), args.uint::<2>(), args.uint::<3>()))
    }

    fn execute(self, ctx: &mut Context<'_>) -> CallResult<u64> {
        let unnamed = self.flags.bits() & TMPFILE != 0;
        let directory_or_new = OpenFlags::DIRECTORY | OpenFlags::CREAT;
        if unnamed && (self.flags & directory_or_new != OpenFlags::DIRECTORY || !self.flags.writable())
            || !unnamed && self.flags.contains(directory_or_new)
        {
            return Err(Errno::EINVAL.into());
        }
        let mut buffer = CStrBuffer::default();
        let path = ctx.path_in(&mut buffer, self.path)?;
        if path.is_empty() {
            return Err(Errno::ENOENT.into());
        }
        // Before anything is looked up or made, so that nothing is made in vain.
        let limit = ctx.fd_limit();
        ctx.process.files().check_room(limit)?;
        // With a root of its own, an absolute path begins at the descriptor too.
        let in_root = self.resolve.contains(Resolve::IN_ROOT);
        let base = ctx.base(self.dirfd, if in_root { b"." } else { path })?;
        let files = ctx.files().restricted(self.resolve);
        let new = files::new_node(ctx, Mode::IFREG | self.mode & 0o7777, 0, b"");
        let file = if unnamed {
            files.open_unnamed(&base, path, self.flags.difference(OpenFlags::DIRECTORY), &new)?
        } else {
            files.open(&base, path, self.flags, &new)?
        };
        if self.flags.contains(OpenFlags::TRUNC) {
            ctx.forget_beyond_end(&**file.file());
        }
        files::wait_until_open(ctx, &file)?;
        let flags = if self.flags.contains(OpenFlags::CLOEXEC) { FdFlags::CLOEXEC } else { FdFlags::empty() };
        Ok(ctx.process.files().insert(file, flags, 0, limit)?.into())
    }
}
