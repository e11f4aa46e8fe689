//! readlinkat(2): the target of a symbolic link.

use crate::prelude::*;
use alloc::vec::Vec;
use fs::NodeKind;
use fs::vfs::Follow;

/// `readlinkat(dirfd, path, buffer, size)`.
pub struct ReadLinkAt {
    dirfd: i32,
    path: u64,
    buffer: u64,
    size: usize,
}

impl ReadLinkAt {
    /// With a checked size.
    pub fn new(dirfd: i32, path: u64, buffer: u64, size: i32) -> CallResult<Self> {
        let size = usize::try_from(size).ok().filter(|&size| size > 0).ok_or(Errno::EINVAL)?;
        Ok(ReadLinkAt { dirfd, path, buffer, size })
    }
}

impl Syscall for ReadLinkAt {
    const NR: u32 = nr::READLINKAT;
    const ARGS: &'static [ArgKind] = &[ArgKind::Dir, ArgKind::Path, ArgKind::BufferOut, ArgKind::Unsigned];

    fn decode(args: &RawArgs) -> CallResult<Self> {
        ReadLinkAt::new(args.int::<0>(), args.long::<1>(), args.long::<2>(), args.int::<3>())
    }

    fn execute(self, ctx: &mut Context<'_>) -> CallResult<u64> {
        let mut buffer = CStrBuffer::default();
        let path = ctx.path_in(&mut buffer, self.path)?;
        let node = if path.is_empty() && self.dirfd != abi::AT_FDCWD {
            // A link opened with O_PATH and O_NOFOLLOW.
            let node = ctx.file(self.dirfd)?.file().node().ok_or(Errno::ENOENT)?.clone();
            if node.kind()? != NodeKind::Symlink {
                return Err(Errno::ENOENT.into());
            }
            node
        } else {
            let base = ctx.base(self.dirfd, path)?;
            ctx.files().lookup(&base, path, Follow::No)?
        };
        let mut target = Vec::new();
        node.fs.read_link(node.id, &mut target)?;
        target.truncate(self.size);
        ctx.memory().write(self.buffer, &target)?;
        Ok(target.len() as u64)
    }
}
