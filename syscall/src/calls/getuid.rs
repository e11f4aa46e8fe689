//! getuid(2): the real user.

use crate::prelude::*;

/// `getuid()`.
pub struct GetUid;

impl Syscall for GetUid {
    const NR: u32 = nr::GETUID;
    const ARGS: &'static [ArgKind] = &[];

    fn decode(_: &RawArgs) -> CallResult<Self> {
        Ok(GetUid)
    }

    fn execute(self, ctx: &mut Context<'_>) -> CallResult<u64> {
        Ok(ctx.process.credentials().user.real.into())
    }
}
