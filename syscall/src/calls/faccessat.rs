//! faccessat as the kernel has it: three arguments, no flags.

use super::faccessat2::{FAccessAt2, MODES};
use crate::prelude::*;

/// `faccessat(dirfd, path, mode)`.
pub struct FAccessAt(FAccessAt2);

impl Syscall for FAccessAt {
    const NR: u32 = nr::FACCESSAT;
    const ARGS: &'static [ArgKind] = &[ArgKind::Dir, ArgKind::Path, ArgKind::Bits(MODES)];

    fn decode(args: &RawArgs) -> CallResult<Self> {
        Ok(FAccessAt(FAccessAt2::new(args.int::<0>(), args.long::<1>(), args.uint::<2>(), 0)?))
    }

    fn execute(self, ctx: &mut Context<'_>) -> CallResult<u64> {
        self.0.execute(ctx)
    }
}
