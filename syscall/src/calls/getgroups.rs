//! getgroups(2): the supplementary groups.

use crate::prelude::*;

/// `getgroups(size, list)`.
pub struct GetGroups {
    size: i32,
    list: UserPtr<u32>,
}

impl Syscall for GetGroups {
    const NR: u32 = nr::GETGROUPS;
    const ARGS: &'static [ArgKind] = &[ArgKind::Int, ArgKind::Ptr];

    fn decode(args: &RawArgs) -> CallResult<Self> {
        Ok(GetGroups { size: args.int::<0>(), list: args.ptr::<1, _>() })
    }

    fn execute(self, ctx: &mut Context<'_>) -> CallResult<u64> {
        // Shared, not copied: there may be 65536.
        let credentials = ctx.process.credentials().clone();
        let groups = credentials.groups();
        let size = usize::try_from(self.size).map_err(|_| Errno::EINVAL)?;
        if size != 0 {
            if size < groups.len() {
                return Err(Errno::EINVAL.into());
            }
            for (index, group) in (0..).zip(groups) {
                self.list.at(index)?.write(ctx.memory(), group)?;
            }
        }
        Ok(groups.len() as u64)
    }
}
