//! setuid(2): changes the user.

use crate::prelude::*;
use task::credentials::IdChange;

/// `setuid(uid)`.
pub struct SetUid {
    id: u32,
}

impl Syscall for SetUid {
    const NR: u32 = nr::SETUID;
    const ARGS: &'static [ArgKind] = &[ArgKind::Int];

    fn decode(args: &RawArgs) -> CallResult<Self> {
        Ok(SetUid { id: args.uint::<0>() })
    }

    fn execute(self, ctx: &mut Context<'_>) -> CallResult<u64> {
        // (uid_t)-1 stands for "no change" in the other calls and is no id.
        if self.id == u32::MAX {
            return Err(Errno::EINVAL.into());
        }
        ctx.process.credentials().change_user(IdChange::Set(self.id))?;
        Ok(0)
    }
}
