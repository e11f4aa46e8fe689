//! unlink(2): removes a name of a file.

use crate::files;
use crate::prelude::*;

/// `unlink(path)`.
pub struct Unlink {
    path: u64,
}

impl Syscall for Unlink {
    const NR: u32 = nr::UNLINK;
    const ARGS: &'static [ArgKind] = &[ArgKind::Path];

    fn decode(args: &RawArgs) -> CallResult<Self> {
        Ok(Unlink { path: args.long::<0>() })
    }

    fn execute(self, ctx: &mut Context<'_>) -> CallResult<u64> {
        files::unlink(ctx, abi::AT_FDCWD, self.path)
    }
}
