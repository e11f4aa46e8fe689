//! setgid(2): changes the group.

use crate::prelude::*;
use task::credentials::IdChange;

/// `setgid(gid)`.
pub struct SetGid {
    id: u32,
}

impl Syscall for SetGid {
    const NR: u32 = nr::SETGID;
    const ARGS: &'static [ArgKind] = &[ArgKind::Int];

    fn decode(args: &RawArgs) -> CallResult<Self> {
        Ok(SetGid { id: args.uint::<0>() })
    }

    fn execute(self, ctx: &mut Context<'_>) -> CallResult<u64> {
        // (uid_t)-1 stands for "no change" in the other calls and is no id.
        if self.id == u32::MAX {
            return Err(Errno::EINVAL.into());
        }
        ctx.process.credentials().change_group(IdChange::Set(self.id))?;
        Ok(0)
    }
}
