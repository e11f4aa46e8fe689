//! access(2): as faccessat, relative to the current directory.

use super::faccessat2::{FAccessAt2, MODES};
use crate::prelude::*;

/// `access(path, mode)`.
pub struct Access(FAccessAt2);

impl Syscall for Access {
    const NR: u32 = nr::ACCESS;
    const ARGS: &'static [ArgKind] = &[ArgKind::Path, ArgKind::Bits(MODES)];

    fn decode(args: &RawArgs) -> CallResult<Self> {
        Ok(Access(FAccessAt2::new(abi::AT_FDCWD, args.long::<0>(), args.uint::<1>(), 0)?))
    }

    fn execute(self, ctx: &mut Context<'_>) -> CallResult<u64> {
        self.0.execute(ctx)
    }
}
