//! renameat2(2): moves a name, or swaps two.

use crate::files;
use crate::prelude::*;

/// `renameat2(olddirfd, oldpath, newdirfd, newpath, flags)`.
pub struct RenameAt2 {
    olddirfd: i32,
    oldpath: u64,
    newdirfd: i32,
    newpath: u64,
    flags: u32,
}

const FLAGS: Names = names![RENAME_NOREPLACE, RENAME_EXCHANGE, RENAME_WHITEOUT];

impl Syscall for RenameAt2 {
    const NR: u32 = nr::RENAMEAT2;
    const ARGS: &'static [ArgKind] =
        &[ArgKind::Dir, ArgKind::Path, ArgKind::Dir, ArgKind::Path, ArgKind::Bits(FLAGS)];

    fn decode(args: &RawArgs) -> CallResult<Self> {
        Ok(RenameAt2 {
            olddirfd: args.int::<0>(),
            oldpath: args.long::<1>(),
            newdirfd: args.int::<2>(),
            newpath: args.long::<3>(),
            flags: args.uint::<4>(),
        })
    }

    fn execute(self, ctx: &mut Context<'_>) -> CallResult<u64> {
        files::rename(ctx, (self.olddirfd, self.oldpath), (self.newdirfd, self.newpath), self.flags)
    }
}
