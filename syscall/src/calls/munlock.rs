//! munlock(2): takes back mlock.

use super::mlock::Range;
use crate::prelude::*;
use mm::vma::VmaFlags;

/// `munlock(address, length)`.
pub struct MUnlock {
    range: Range,
}

impl Syscall for MUnlock {
    const NR: u32 = nr::MUNLOCK;
    const ARGS: &'static [ArgKind] = &[ArgKind::Ptr, ArgKind::Unsigned];

    fn decode(args: &RawArgs) -> CallResult<Self> {
        Ok(MUnlock { range: Range::decode(args)? })
    }

    fn execute(self, ctx: &mut Context<'_>) -> CallResult<u64> {
        self.range.apply(&mut ctx.process.space(), VmaFlags::empty())
    }
}
