//! utimensat(2): sets the times of a file.

use super::newfstatat::FLAGS;
use crate::files;
use crate::prelude::*;
use abi::AtFlags;
use abi::structs::Timespec;
use fs::SetAttributes;
use fs::vfs::Follow;

/// `utimensat(dirfd, path, times, flags)`.
pub struct UTimeNsAt {
    dirfd: i32,
    path: u64,
    times: u64,
    flags: AtFlags,
}

impl Syscall for UTimeNsAt {
    const NR: u32 = nr::UTIMENSAT;
    const ARGS: &'static [ArgKind] = &[ArgKind::Dir, ArgKind::Path, ArgKind::Ptr, ArgKind::Bits(FLAGS)];

    fn decode(args: &RawArgs) -> CallResult<Self> {
        Ok(UTimeNsAt {
            dirfd: args.int::<0>(),
            path: args.long::<1>(),
            times: args.long::<2>(),
            flags: AtFlags::from_bits_retain(args.uint::<3>()),
        })
    }

    fn execute(self, ctx: &mut Context<'_>) -> CallResult<u64> {
        let times = UserPtr::<[Timespec; 2]>::new(self.times).non_null();
        let set = match times.map(|times| times.read(ctx.memory())).transpose()? {
            Some(times) => files::times(&times),
            None => Ok(files::present()),
        };
        if matches!(set, Ok(SetAttributes { atime: None, mtime: None, .. })) {
            return Ok(0);
        }
        if !(AtFlags::SYMLINK_NOFOLLOW | AtFlags::EMPTY_PATH).contains(self.flags) {
            return Err(Errno::EINVAL.into());
        }
        // futimens(3): no path at all means the descriptor.
        if self.path == 0 && self.dirfd != abi::AT_FDCWD {
            if !self.flags.is_empty() {
                return Err(Errno::EINVAL.into());
            }
            ctx.file(self.dirfd)?;
            return files::set_open(ctx, self.dirfd, &set?);
        }
        // That the file is missing comes before what is wrong with the times.
        if set.is_err() {
            files::place(ctx, self.dirfd, self.path, self.flags, Follow::Yes)?;
        }
        files::set(ctx, self.dirfd, self.path, self.flags, &set?)
    }
}
