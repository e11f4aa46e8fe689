//! chmod(2): changes permissions.

use crate::files;
use crate::prelude::*;
use abi::AtFlags;

/// `chmod(path, mode)`.
pub struct ChMod {
    path: u64,
    mode: u32,
}

impl Syscall for ChMod {
    const NR: u32 = nr::CHMOD;
    const ARGS: &'static [ArgKind] = &[ArgKind::Path, ArgKind::Mode];

    fn decode(args: &RawArgs) -> CallResult<Self> {
        Ok(ChMod { path: args.long::<0>(), mode: args.uint::<1>() })
    }

    fn execute(self, ctx: &mut Context<'_>) -> CallResult<u64> {
        files::chmod(ctx, abi::AT_FDCWD, self.path, self.mode, AtFlags::empty())
    }
}
