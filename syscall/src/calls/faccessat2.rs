//! faccessat2(2): whether the program may use a file.

use super::newfstatat::FLAGS;
use crate::prelude::*;
use abi::{AtFlags, general as raw};
use fs::NodeKind;
use fs::access::Want;
use fs::vfs::Follow;

/// `faccessat2(dirfd, path, mode, flags)`.
pub struct FAccessAt2 {
    dirfd: i32,
    path: u64,
    mode: u32,
    flags: AtFlags,
}

/// What can be asked for, for strace.
pub const MODES: Names = names![F_OK, R_OK, W_OK, X_OK];

impl FAccessAt2 {
    /// With checked mode and flags.
    pub fn new(dirfd: i32, path: u64, mode: u32, flags: u32) -> CallResult<Self> {
        let flags = AtFlags::from_bits_retain(flags);
        let known = AtFlags::EACCESS | AtFlags::SYMLINK_NOFOLLOW | AtFlags::EMPTY_PATH;
        if mode & !(raw::R_OK | raw::W_OK | raw::X_OK) != 0 || !known.contains(flags) {
            return Err(Errno::EINVAL.into());
        }
        Ok(FAccessAt2 { dirfd, path, mode, flags })
    }
}

impl Syscall for FAccessAt2 {
    const NR: u32 = nr::FACCESSAT2;
    const ARGS: &'static [ArgKind] =
        &[ArgKind::Dir, ArgKind::Path, ArgKind::Bits(MODES), ArgKind::Bits(FLAGS)];

    fn decode(args: &RawArgs) -> CallResult<Self> {
        FAccessAt2::new(args.int::<0>(), args.long::<1>(), args.uint::<2>(), args.uint::<3>())
    }

    fn execute(self, ctx: &mut Context<'_>) -> CallResult<u64> {
        let want = Want::from_bits_truncate(self.mode);
        let who = if self.flags.contains(AtFlags::EACCESS) {
            ctx.process.credentials().subject()
        } else {
            ctx.process.credentials().real_subject()
        };
        let files = ctx.process.vfs.view(who);
        let mut buffer = CStrBuffer::default();
        let path = ctx.path_in(&mut buffer, self.path)?;
        let node = if path.is_empty() && self.flags.contains(AtFlags::EMPTY_PATH) {
            match self.dirfd {
                abi::AT_FDCWD => ctx.process.cwd(),
                fd => {
                    let file = ctx.file(fd)?;
                    // What has no place in the tree has a mode all the same.
                    let Some(node) = file.file().node() else {
                        files.who().check_mode(&file.file().metadata()?, want)?;
                        return Ok(0);
                    };
                    node.clone()
                }
            }
        } else {
            let no_follow = self.flags.contains(AtFlags::SYMLINK_NOFOLLOW);
            let base = ctx.base(self.dirfd, path)?;
            files.lookup(&base, path, if no_follow { Follow::No } else { Follow::Yes })?
        };
        let kind = node.kind()?;
        let stored = matches!(kind, NodeKind::Regular | NodeKind::Directory | NodeKind::Symlink);
        if want.contains(Want::WRITE) && stored && node.fs.is_read_only() {
            return Err(Errno::EROFS.into());
        }
        files.who().check(&node, want)?;
        Ok(0)
    }
}
