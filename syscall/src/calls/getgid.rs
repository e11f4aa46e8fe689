//! getgid(2): the real group.

use crate::prelude::*;

/// `getgid()`.
pub struct GetGid;

impl Syscall for GetGid {
    const NR: u32 = nr::GETGID;
    const ARGS: &'static [ArgKind] = &[];

    fn decode(_: &RawArgs) -> CallResult<Self> {
        Ok(GetGid)
    }

    fn execute(self, ctx: &mut Context<'_>) -> CallResult<u64> {
        Ok(ctx.process.credentials().group.real.into())
    }
}
