//! setreuid(2): changes the real and the effective user.

use crate::prelude::*;
use task::credentials::IdChange;

/// `setreuid(real, effective)`.
pub struct SetReUid {
    real: u32,
    effective: u32,
}

/// An id, of which -1 means that it stays as it is.
pub fn id(raw: u32) -> Option<u32> {
    (raw != u32::MAX).then_some(raw)
}

impl Syscall for SetReUid {
    const NR: u32 = nr::SETREUID;
    const ARGS: &'static [ArgKind] = &[ArgKind::Int, ArgKind::Int];

    fn decode(args: &RawArgs) -> CallResult<Self> {
        Ok(SetReUid { real: args.uint::<0>(), effective: args.uint::<1>() })
    }

    fn execute(self, ctx: &mut Context<'_>) -> CallResult<u64> {
        let change = IdChange::RealEffective(id(self.real), id(self.effective));
        ctx.process.credentials().change_user(change)?;
        Ok(0)
    }
}
