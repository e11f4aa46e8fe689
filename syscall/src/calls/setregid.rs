//! setregid(2): changes the real and the effective group.

use super::setreuid::id;
use crate::prelude::*;
use task::credentials::IdChange;

/// `setregid(real, effective)`.
pub struct SetReGid {
    real: u32,
    effective: u32,
}

impl Syscall for SetReGid {
    const NR: u32 = nr::SETREGID;
    const ARGS: &'static [ArgKind] = &[ArgKind::Int, ArgKind::Int];

    fn decode(args: &RawArgs) -> CallResult<Self> {
        Ok(SetReGid { real: args.uint::<0>(), effective: args.uint::<1>() })
    }

    fn execute(self, ctx: &mut Context<'_>) -> CallResult<u64> {
        let change = IdChange::RealEffective(id(self.real), id(self.effective));
        ctx.process.credentials().change_group(change)?;
        Ok(0)
    }
}
