//! getresgid(2): the real, the effective and the saved group.

use crate::prelude::*;

/// `getresgid(real, effective, saved)`.
pub struct GetResGid {
    out: [UserPtr<u32>; 3],
}

impl Syscall for GetResGid {
    const NR: u32 = nr::GETRESGID;
    const ARGS: &'static [ArgKind] = &[ArgKind::IntOut, ArgKind::IntOut, ArgKind::IntOut];

    fn decode(args: &RawArgs) -> CallResult<Self> {
        Ok(GetResGid { out: [args.ptr::<0, _>(), args.ptr::<1, _>(), args.ptr::<2, _>()] })
    }

    fn execute(self, ctx: &mut Context<'_>) -> CallResult<u64> {
        let ids = ctx.process.credentials().group;
        for (out, id) in self.out.into_iter().zip([ids.real, ids.effective, ids.saved]) {
            out.write(ctx.memory(), &id)?;
        }
        Ok(0)
    }
}
