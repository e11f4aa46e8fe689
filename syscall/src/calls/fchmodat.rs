//! fchmodat(2): changes permissions.

use crate::files;
use crate::prelude::*;
use abi::AtFlags;

/// `fchmodat(dirfd, path, mode)`.
pub struct FChModAt {
    dirfd: i32,
    path: u64,
    mode: u32,
}

impl Syscall for FChModAt {
    const NR: u32 = nr::FCHMODAT;
    const ARGS: &'static [ArgKind] = &[ArgKind::Dir, ArgKind::Path, ArgKind::Mode];

    fn decode(args: &RawArgs) -> CallResult<Self> {
        Ok(FChModAt { dirfd: args.int::<0>(), path: args.long::<1>(), mode: args.uint::<2>() })
    }

    fn execute(self, ctx: &mut Context<'_>) -> CallResult<u64> {
        files::chmod(ctx, self.dirfd, self.path, self.mode, AtFlags::empty())
    }
}
