//! getsid(2): the session.

use super::getpgid::group;
use crate::prelude::*;

/// `getsid(pid)`.
pub struct GetSid {
    pid: i32,
}

impl Syscall for GetSid {
    const NR: u32 = nr::GETSID;
    const ARGS: &'static [ArgKind] = &[ArgKind::Int];

    fn decode(args: &RawArgs) -> CallResult<Self> {
        Ok(GetSid { pid: args.int::<0>() })
    }

    fn execute(self, ctx: &mut Context<'_>) -> CallResult<u64> {
        group(ctx, self.pid)
    }
}
