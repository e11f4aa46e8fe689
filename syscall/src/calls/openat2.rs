//! openat2(2): opens a file, with a restricted lookup and without unknown flags.

use super::openat::{OpenAt, TMPFILE};
use crate::prelude::*;
use abi::{OpenFlags, general as raw};
use fs::vfs::Resolve;
use mm::addr::PAGE_SIZE;

/// `openat2(dirfd, path, how, size)`.
pub struct OpenAt2 {
    dirfd: i32,
    path: u64,
    how: u64,
    size: usize,
}

/// `struct open_how`: flags, mode, resolve.
type How = [u64; 3];

/// The flags that open(2) knows.
const KNOWN: u32 = raw::O_ACCMODE
    | raw::O_CREAT
    | raw::O_EXCL
    | raw::O_NOCTTY
    | raw::O_TRUNC
    | raw::O_APPEND
    | raw::O_NONBLOCK
    | raw::O_SYNC
    | raw::FASYNC
    | raw::O_DIRECT
    | raw::O_LARGEFILE
    | raw::O_TMPFILE
    | raw::O_NOFOLLOW
    | raw::O_NOATIME
    | raw::O_CLOEXEC
    | raw::O_PATH;

impl Syscall for OpenAt2 {
    const NR: u32 = nr::OPENAT2;
    const ARGS: &'static [ArgKind] = &[ArgKind::Dir, ArgKind::Path, ArgKind::Ptr, ArgKind::Unsigned];

    fn decode(args: &RawArgs) -> CallResult<Self> {
        let (how, size) = (args.long::<2>(), args.size::<3>());
        if size < size_of::<How>() {
            return Err(Errno::EINVAL.into());
        }
        if size > PAGE_SIZE as usize {
            return Err(Errno::E2BIG.into());
        }
        Ok(OpenAt2 { dirfd: args.int::<0>(), path: args.long::<1>(), how, size })
    }

    fn execute(self, ctx: &mut Context<'_>) -> CallResult<u64> {
        let how: How = UserPtr::new(self.how).read(ctx.memory())?;
        self.check_extension(ctx)?;
        let (flags, mode, resolve) = checked_how(how)?;
        OpenAt::new(self.dirfd, self.path, flags, mode).restricted(resolve).execute(ctx)
    }
}

impl OpenAt2 {
    /// What a longer structure has that is not known here must be zero.
    fn check_extension(&self, ctx: &Context<'_>) -> CallResult<()> {
        let mut buffer = [0; 64];
        let mut at = size_of::<How>();
        while at < self.size {
            let part = buffer.get_mut(..(self.size - at).min(64)).unwrap_or_default();
            ctx.memory().read(self.how.wrapping_add(at as u64), part)?;
            if part.iter().any(|&byte| byte != 0) {
                return Err(Errno::E2BIG.into());
            }
            at += part.len();
        }
        Ok(())
    }
}

/// Flags, mode and restrictions, if they go together.
fn checked_how([flags, mode, resolve]: How) -> CallResult<(u32, u32, Resolve)> {
    let invalid = Err(Errno::EINVAL.into());
    let flags = u32::try_from(flags).ok().filter(|flags| flags & !KNOWN == 0).ok_or(Errno::EINVAL)?;
    let resolve = Resolve::from_bits(resolve).ok_or(Errno::EINVAL)?;
    if resolve.contains(Resolve::BENEATH | Resolve::IN_ROOT) {
        return invalid;
    }
    let open = OpenFlags::from_bits_retain(flags);
    let makes = open.contains(OpenFlags::CREAT) || flags & TMPFILE != 0;
    if mode & !0o7777 != 0 || mode != 0 && !makes {
        return invalid;
    }
    let with_path = OpenFlags::PATH | OpenFlags::CLOEXEC | OpenFlags::DIRECTORY | OpenFlags::NOFOLLOW;
    if open.contains(OpenFlags::PATH) && !with_path.contains(open) {
        return invalid;
    }
    // What changes the file system may have to wait.
    if resolve.contains(Resolve::CACHED) && (makes || open.contains(OpenFlags::TRUNC)) {
        return Err(Errno::EAGAIN.into());
    }
    Ok((flags, mode as u32, resolve))
}
