//! setresgid(2): changes the real, the effective and the saved group.

use super::setreuid::id;
use crate::prelude::*;
use task::credentials::IdChange;

/// `setresgid(real, effective, saved)`.
pub struct SetResGid {
    new: [u32; 3],
}

impl Syscall for SetResGid {
    const NR: u32 = nr::SETRESGID;
    const ARGS: &'static [ArgKind] = &[ArgKind::Int, ArgKind::Int, ArgKind::Int];

    fn decode(args: &RawArgs) -> CallResult<Self> {
        Ok(SetResGid { new: [args.uint::<0>(), args.uint::<1>(), args.uint::<2>()] })
    }

    fn execute(self, ctx: &mut Context<'_>) -> CallResult<u64> {
        ctx.process.credentials().change_group(IdChange::All(self.new.map(id)))?;
        Ok(0)
    }
}
