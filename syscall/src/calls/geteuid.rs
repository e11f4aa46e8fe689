//! geteuid(2): the effective user.

use crate::prelude::*;

/// `geteuid()`.
pub struct GetEUid;

impl Syscall for GetEUid {
    const NR: u32 = nr::GETEUID;
    const ARGS: &'static [ArgKind] = &[];

    fn decode(_: &RawArgs) -> CallResult<Self> {
        Ok(GetEUid)
    }

    fn execute(self, ctx: &mut Context<'_>) -> CallResult<u64> {
        Ok(ctx.process.credentials().user.effective.into())
    }
}
