//! creat(2): makes a file, or empties it, for writing.

use super::openat::OpenAt;
use crate::prelude::*;
use abi::general as raw;

/// `creat(path, mode)`.
pub struct Creat {
    open: OpenAt,
}

const FLAGS: u32 = raw::O_CREAT | raw::O_WRONLY | raw::O_TRUNC;

impl Syscall for Creat {
    const NR: u32 = nr::CREAT;
    const ARGS: &'static [ArgKind] = &[ArgKind::Path, ArgKind::Mode];

    fn decode(args: &RawArgs) -> CallResult<Self> {
        Ok(Creat { open: OpenAt::new(abi::AT_FDCWD, args.long::<0>(), FLAGS, args.uint::<1>()) })
    }

    fn execute(self, ctx: &mut Context<'_>) -> CallResult<u64> {
        self.open.execute(ctx)
    }
}
