//! open(2): as openat, relative to the current directory.

use super::openat::OpenAt;
use crate::prelude::*;

/// `open(path, flags, mode)`.
pub struct Open(OpenAt);

impl Syscall for Open {
    const NR: u32 = nr::OPEN;
    const ARGS: &'static [ArgKind] = &[ArgKind::Path, ArgKind::OpenFlags, ArgKind::CreateMode(1)];

    fn decode(args: &RawArgs) -> CallResult<Self> {
        Ok(Open(OpenAt::new(abi::AT_FDCWD, args.long::<0>(), args.uint::<1>(), args.uint::<2>())))
    }

    fn execute(self, ctx: &mut Context<'_>) -> CallResult<u64> {
        self.0.execute(ctx)
    }
}
