//! linkat(2): gives a file one more name.

use super::newfstatat::FLAGS;
use crate::files;
use crate::prelude::*;
use abi::AtFlags;

/// `linkat(olddirfd, oldpath, newdirfd, newpath, flags)`.
pub struct LinkAt {
    olddirfd: i32,
    oldpath: u64,
    newdirfd: i32,
    newpath: u64,
    flags: AtFlags,
}

impl Syscall for LinkAt {
    const NR: u32 = nr::LINKAT;
    const ARGS: &'static [ArgKind] =
        &[ArgKind::Dir, ArgKind::Path, ArgKind::Dir, ArgKind::Path, ArgKind::Bits(FLAGS)];

    fn decode(args: &RawArgs) -> CallResult<Self> {
        Ok(LinkAt {
            olddirfd: args.int::<0>(),
            oldpath: args.long::<1>(),
            newdirfd: args.int::<2>(),
            newpath: args.long::<3>(),
            flags: AtFlags::from_bits_retain(args.uint::<4>()),
        })
    }

    fn execute(self, ctx: &mut Context<'_>) -> CallResult<u64> {
        if !(AtFlags::SYMLINK_FOLLOW | AtFlags::EMPTY_PATH).contains(self.flags) {
            return Err(Errno::EINVAL.into());
        }
        files::link(ctx, (self.olddirfd, self.oldpath), (self.newdirfd, self.newpath), self.flags)
    }
}
