//! getpgid(2): the process group.

use crate::prelude::*;

/// `getpgid(pid)`.
pub struct GetPgid {
    pid: i32,
}

/// The group, and the session, of process `pid`: the program leads both.
pub fn group(ctx: &Context<'_>, pid: i32) -> CallResult<u64> {
    match u32::try_from(pid) {
        Ok(0) => Ok(ctx.process.pid.into()),
        Ok(pid) if pid == ctx.process.pid => Ok(pid.into()),
        // Init is in a group of its own.
        Ok(1) => Ok(1),
        _ => Err(Errno::ESRCH.into()),
    }
}

impl Syscall for GetPgid {
    const NR: u32 = nr::GETPGID;
    const ARGS: &'static [ArgKind] = &[ArgKind::Int];

    fn decode(args: &RawArgs) -> CallResult<Self> {
        Ok(GetPgid { pid: args.int::<0>() })
    }

    fn execute(self, ctx: &mut Context<'_>) -> CallResult<u64> {
        group(ctx, self.pid)
    }
}
