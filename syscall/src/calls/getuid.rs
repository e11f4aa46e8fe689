//! getuid(2): the real user, root.

use crate::prelude::*;

/// `getuid()`.
pub struct GetUid;

impl Syscall for GetUid {
    const NR: u32 = nr::GETUID;
    const ARGS: &'static [ArgKind] = &[];

    fn decode(_: &RawArgs) -> CallResult<Self> {
        Ok(GetUid)
    }

    fn execute(self, _: &mut Context<'_>) -> CallResult<u64> {
        Ok(0)
    }
}
