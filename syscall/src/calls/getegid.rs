//! getegid(2): the effective group.

use crate::prelude::*;

/// `getegid()`.
pub struct GetEGid;

impl Syscall for GetEGid {
    const NR: u32 = nr::GETEGID;
    const ARGS: &'static [ArgKind] = &[];

    fn decode(_: &RawArgs) -> CallResult<Self> {
        Ok(GetEGid)
    }

    fn execute(self, ctx: &mut Context<'_>) -> CallResult<u64> {
        Ok(ctx.process.credentials().group.effective.into())
    }
}
