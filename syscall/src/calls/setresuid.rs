//! setresuid(2): changes the real, the effective and the saved user.

use super::setreuid::id;
use crate::prelude::*;
use task::credentials::IdChange;

/// `setresuid(real, effective, saved)`.
pub struct SetResUid {
    new: [u32; 3],
}

impl Syscall for SetResUid {
    const NR: u32 = nr::SETRESUID;
    const ARGS: &'static [ArgKind] = &[ArgKind::Int, ArgKind::Int, ArgKind::Int];

    fn decode(args: &RawArgs) -> CallResult<Self> {
        Ok(SetResUid { new: [args.uint::<0>(), args.uint::<1>(), args.uint::<2>()] })
    }

    fn execute(self, ctx: &mut Context<'_>) -> CallResult<u64> {
        ctx.process.credentials().change_user(IdChange::All(self.new.map(id)))?;
        Ok(0)
    }
}
