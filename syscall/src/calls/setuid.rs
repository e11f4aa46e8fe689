//! setuid(2): root stays root.

use crate::prelude::*;

/// `setuid(uid)`. Other users do not exist here, as in a user namespace that maps only root: EINVAL.
pub struct SetUid {
    uid: u32,
}

impl Syscall for SetUid {
    const NR: u32 = nr::SETUID;
    const ARGS: &'static [ArgKind] = &[ArgKind::Int];

    fn decode(args: &RawArgs) -> CallResult<Self> {
        Ok(SetUid { uid: args.uint::<0>() })
    }

    fn execute(self, _: &mut Context<'_>) -> CallResult<u64> {
        if self.uid == 0 { Ok(0) } else { Err(Errno::EINVAL.into()) }
    }
}
