//! setfsuid(2): changes the user whose files may be used; never fails.

use super::setreuid::id;
use crate::prelude::*;

/// `setfsuid(uid)`.
pub struct SetFsUid {
    id: u32,
}

impl Syscall for SetFsUid {
    const NR: u32 = nr::SETFSUID;
    const ARGS: &'static [ArgKind] = &[ArgKind::Int];

    fn decode(args: &RawArgs) -> CallResult<Self> {
        Ok(SetFsUid { id: args.uint::<0>() })
    }

    fn execute(self, ctx: &mut Context<'_>) -> CallResult<u64> {
        Ok(ctx.process.credentials().set_fs_user(id(self.id)).into())
    }
}
