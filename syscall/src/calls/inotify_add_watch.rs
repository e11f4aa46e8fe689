//! inotify_add_watch(2): watches a file or directory, or changes what is watched of it.

use crate::prelude::*;
use abi::{AT_FDCWD, general as raw};
use alloc::sync::Arc;
use fs::NodeKind;
use fs::access::Want;
use fs::inotify::Inotify;
use fs::vfs::Follow;

/// `inotify_add_watch(fd, path, mask)`.
pub struct InotifyAddWatch {
    fd: i32,
    path: u64,
    mask: u32,
}

const MASK: Names = names![
    IN_ACCESS,
    IN_MODIFY,
    IN_ATTRIB,
    IN_CLOSE_WRITE,
    IN_CLOSE_NOWRITE,
    IN_OPEN,
    IN_MOVED_FROM,
    IN_MOVED_TO,
    IN_CREATE,
    IN_DELETE,
    IN_DELETE_SELF,
    IN_MOVE_SELF,
    IN_ONLYDIR,
    IN_DONT_FOLLOW,
    IN_EXCL_UNLINK,
    IN_MASK_CREATE,
    IN_MASK_ADD,
    IN_ONESHOT
];

/// Every bit that a mask may have beside those that are ignored; one of them is needed.
const KNOWN: u32 = raw::IN_ALL_EVENTS
    | raw::IN_UNMOUNT
    | raw::IN_Q_OVERFLOW
    | raw::IN_IGNORED
    | raw::IN_ONLYDIR
    | raw::IN_DONT_FOLLOW
    | raw::IN_EXCL_UNLINK
    | raw::IN_MASK_ADD
    | raw::IN_MASK_CREATE
    | raw::IN_ISDIR
    | raw::IN_ONESHOT;

/// The instance of a descriptor: EINVAL if it is none.
pub fn instance(ctx: &Context<'_>, fd: i32) -> CallResult<Arc<Inotify>> {
    let file = ctx.file(fd)?;
    if file.is_path_only() {
        return Err(Errno::EBADF.into());
    }
    Ok(file.file().clone().as_inotify().ok_or(Errno::EINVAL)?)
}

impl Syscall for InotifyAddWatch {
    const NR: u32 = nr::INOTIFY_ADD_WATCH;
    const ARGS: &'static [ArgKind] = &[ArgKind::Int, ArgKind::Path, ArgKind::Bits(MASK)];

    fn decode(args: &RawArgs) -> CallResult<Self> {
        let mask = args.uint::<2>();
        if mask & KNOWN == 0 {
            return Err(Errno::EINVAL.into());
        }
        Ok(InotifyAddWatch { fd: args.int::<0>(), path: args.long::<1>(), mask })
    }

    fn execute(self, ctx: &mut Context<'_>) -> CallResult<u64> {
        let file = ctx.file(self.fd)?;
        const BOTH: u32 = raw::IN_MASK_ADD | raw::IN_MASK_CREATE;
        if self.mask & BOTH == BOTH {
            return Err(Errno::EINVAL.into());
        }
        drop(file);
        let inotify = instance(ctx, self.fd)?;
        let path = ctx.path(self.path)?;
        let base = ctx.base(AT_FDCWD, &path)?;
        let follow = if self.mask & raw::IN_DONT_FOLLOW != 0 { Follow::No } else { Follow::Yes };
        let files = ctx.files();
        let node = files.lookup(&base, &path, follow)?;
        if self.mask & raw::IN_ONLYDIR != 0 && node.kind()? != NodeKind::Directory {
            return Err(Errno::ENOTDIR.into());
        }
        files.who().check(&node, Want::READ)?;
        Ok(inotify.add_watch(&node, self.mask)? as u64)
    }
}
