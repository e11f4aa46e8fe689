//! setsid(2): makes a new session; the program leads one already.

use crate::prelude::*;

/// `setsid()`.
pub struct SetSid;

impl Syscall for SetSid {
    const NR: u32 = nr::SETSID;
    const ARGS: &'static [ArgKind] = &[];

    fn decode(_: &RawArgs) -> CallResult<Self> {
        Ok(SetSid)
    }

    fn execute(self, _: &mut Context<'_>) -> CallResult<u64> {
        Err(Errno::EPERM.into())
    }
}
