//! setgid(2): as setuid, for the group.

use crate::prelude::*;

/// `setgid(gid)`. Other groups do not exist here: EINVAL.
pub struct SetGid {
    gid: u32,
}

impl Syscall for SetGid {
    const NR: u32 = nr::SETGID;
    const ARGS: &'static [ArgKind] = &[ArgKind::Int];

    fn decode(args: &RawArgs) -> CallResult<Self> {
        Ok(SetGid { gid: args.uint::<0>() })
    }

    fn execute(self, _: &mut Context<'_>) -> CallResult<u64> {
        if self.gid == 0 { Ok(0) } else { Err(Errno::EINVAL.into()) }
    }
}
