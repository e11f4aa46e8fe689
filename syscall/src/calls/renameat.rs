//! renameat(2): moves a name.

use crate::files;
use crate::prelude::*;

/// `renameat(olddirfd, oldpath, newdirfd, newpath)`.
pub struct RenameAt {
    olddirfd: i32,
    oldpath: u64,
    newdirfd: i32,
    newpath: u64,
}

impl Syscall for RenameAt {
    const NR: u32 = nr::RENAMEAT;
    const ARGS: &'static [ArgKind] = &[ArgKind::Dir, ArgKind::Path, ArgKind::Dir, ArgKind::Path];

    fn decode(args: &RawArgs) -> CallResult<Self> {
        Ok(RenameAt {
            olddirfd: args.int::<0>(),
            oldpath: args.long::<1>(),
            newdirfd: args.int::<2>(),
            newpath: args.long::<3>(),
        })
    }

    fn execute(self, ctx: &mut Context<'_>) -> CallResult<u64> {
        files::rename(ctx, (self.olddirfd, self.oldpath), (self.newdirfd, self.newpath), 0)
    }
}
