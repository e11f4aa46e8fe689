//! stat(2): as newfstatat, relative to the current directory.

use super::newfstatat::NewFStatAt;
use crate::prelude::*;
use abi::AtFlags;

/// `stat(path, buffer)`.
pub struct Stat(NewFStatAt);

impl Syscall for Stat {
    const NR: u32 = nr::STAT;
    const ARGS: &'static [ArgKind] = &[ArgKind::Path, ArgKind::StatOut];

    fn decode(args: &RawArgs) -> CallResult<Self> {
        Ok(Stat(NewFStatAt::new(abi::AT_FDCWD, args.long::<0>(), args.ptr::<1, _>(), AtFlags::empty())))
    }

    fn execute(self, ctx: &mut Context<'_>) -> CallResult<u64> {
        self.0.execute(ctx)
    }
}
