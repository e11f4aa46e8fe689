//! munmap(2): unmaps pages.

use crate::prelude::*;
use mm::addr::VirtAddr;

/// `munmap(address, length)`.
pub struct MUnmap {
    addr: u64,
    len: u64,
}

impl Syscall for MUnmap {
    const NR: u32 = nr::MUNMAP;
    const ARGS: &'static [ArgKind] = &[ArgKind::Ptr, ArgKind::Unsigned];

    fn decode(args: &RawArgs) -> CallResult<Self> {
        Ok(MUnmap { addr: args.long::<0>(), len: args.long::<1>() })
    }

    fn execute(self, ctx: &mut Context<'_>) -> CallResult<u64> {
        ctx.process.space().unmap(VirtAddr(self.addr), self.len)?;
        Ok(0)
    }
}
