//! sync(2): brings all files to where they last, which in memory they are.

use crate::prelude::*;

/// `sync()`.
pub struct Sync;

impl Syscall for Sync {
    const NR: u32 = nr::SYNC;
    const ARGS: &'static [ArgKind] = &[];

    fn decode(_args: &RawArgs) -> CallResult<Self> {
        Ok(Sync)
    }

    fn execute(self, _ctx: &mut Context<'_>) -> CallResult<u64> {
        Ok(0)
    }
}
