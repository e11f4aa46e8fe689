//! setgroups(2): changes the supplementary groups.

use crate::prelude::*;
use alloc::vec::Vec;
use task::credentials::{CAP_SETGID, GROUPS_MAX};

/// `setgroups(size, list)`.
pub struct SetGroups {
    size: usize,
    list: UserPtr<u32>,
}

impl Syscall for SetGroups {
    const NR: u32 = nr::SETGROUPS;
    const ARGS: &'static [ArgKind] = &[ArgKind::Unsigned, ArgKind::Ptr];

    fn decode(args: &RawArgs) -> CallResult<Self> {
        Ok(SetGroups { size: args.uint::<0>() as usize, list: args.ptr::<1, _>() })
    }

    fn execute(self, ctx: &mut Context<'_>) -> CallResult<u64> {
        if !ctx.process.capable(CAP_SETGID) {
            return Err(Errno::EPERM.into());
        }
        if self.size > GROUPS_MAX {
            return Err(Errno::EINVAL.into());
        }
        let mut groups = Vec::new();
        for index in 0..self.size as u64 {
            groups.push(self.list.at(index)?.read(ctx.memory())?);
        }
        ctx.process.credentials().set_groups(groups)?;
        Ok(0)
    }
}
