//! setfsgid(2): changes the group whose files may be used; never fails.

use super::setreuid::id;
use crate::prelude::*;

/// `setfsgid(gid)`.
pub struct SetFsGid {
    id: u32,
}

impl Syscall for SetFsGid {
    const NR: u32 = nr::SETFSGID;
    const ARGS: &'static [ArgKind] = &[ArgKind::Int];

    fn decode(args: &RawArgs) -> CallResult<Self> {
        Ok(SetFsGid { id: args.uint::<0>() })
    }

    fn execute(self, ctx: &mut Context<'_>) -> CallResult<u64> {
        Ok(ctx.process.credentials().set_fs_group(id(self.id)).into())
    }
}
