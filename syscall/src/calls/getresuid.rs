//! getresuid(2): the real, the effective and the saved user.

use crate::prelude::*;

/// `getresuid(real, effective, saved)`.
pub struct GetResUid {
    out: [UserPtr<u32>; 3],
}

impl Syscall for GetResUid {
    const NR: u32 = nr::GETRESUID;
    const ARGS: &'static [ArgKind] = &[ArgKind::IntOut, ArgKind::IntOut, ArgKind::IntOut];

    fn decode(args: &RawArgs) -> CallResult<Self> {
        Ok(GetResUid { out: [args.ptr::<0, _>(), args.ptr::<1, _>(), args.ptr::<2, _>()] })
    }

    fn execute(self, ctx: &mut Context<'_>) -> CallResult<u64> {
        let ids = ctx.process.credentials().user;
        for (out, id) in self.out.into_iter().zip([ids.real, ids.effective, ids.saved]) {
            out.write(ctx.memory(), &id)?;
        }
        Ok(0)
    }
}
