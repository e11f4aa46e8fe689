//! getgid(2): the real group, root's.

use crate::prelude::*;

/// `getgid()`.
pub struct GetGid;

impl Syscall for GetGid {
    const NR: u32 = nr::GETGID;
    const ARGS: &'static [ArgKind] = &[];

    fn decode(_: &RawArgs) -> CallResult<Self> {
        Ok(GetGid)
    }

    fn execute(self, _: &mut Context<'_>) -> CallResult<u64> {
        Ok(0)
    }
}
