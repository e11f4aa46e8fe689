//! setpgid(2): changes the process group; a session leader cannot.

use crate::prelude::*;

/// `setpgid(pid, group)`.
pub struct SetPgid {
    pid: i32,
    group: i32,
}

impl Syscall for SetPgid {
    const NR: u32 = nr::SETPGID;
    const ARGS: &'static [ArgKind] = &[ArgKind::Int, ArgKind::Int];

    fn decode(args: &RawArgs) -> CallResult<Self> {
        Ok(SetPgid { pid: args.int::<0>(), group: args.int::<1>() })
    }

    fn execute(self, ctx: &mut Context<'_>) -> CallResult<u64> {
        let group = if self.group == 0 { self.pid } else { self.group };
        if group < 0 {
            return Err(Errno::EINVAL.into());
        }
        match u32::try_from(self.pid) {
            Ok(pid) if pid == 0 || pid == ctx.process.pid => Err(Errno::EPERM.into()),
            _ => Err(Errno::ESRCH.into()),
        }
    }
}
