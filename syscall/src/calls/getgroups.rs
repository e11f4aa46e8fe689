//! getgroups(2): supplementary groups, of which there are none.

use crate::prelude::*;

/// `getgroups(size, list)`.
pub struct GetGroups {
    size: i32,
}

impl Syscall for GetGroups {
    const NR: u32 = nr::GETGROUPS;
    const ARGS: &'static [ArgKind] = &[ArgKind::Int, ArgKind::Ptr];

    fn decode(args: &RawArgs) -> CallResult<Self> {
        Ok(GetGroups { size: args.int::<0>() })
    }

    fn execute(self, _: &mut Context<'_>) -> CallResult<u64> {
        if self.size < 0 { Err(Errno::EINVAL.into()) } else { Ok(0) }
    }
}
