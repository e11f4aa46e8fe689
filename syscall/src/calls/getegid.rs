//! getegid(2): the effective group, root's.

use crate::prelude::*;

/// `getegid()`.
pub struct GetEGid;

impl Syscall for GetEGid {
    const NR: u32 = nr::GETEGID;
    const ARGS: &'static [ArgKind] = &[];

    fn decode(_: &RawArgs) -> CallResult<Self> {
        Ok(GetEGid)
    }

    fn execute(self, _: &mut Context<'_>) -> CallResult<u64> {
        Ok(0)
    }
}
