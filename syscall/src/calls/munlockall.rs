//! munlockall(2): takes back mlockall.

use super::mlock::apply_to_all;
use crate::prelude::*;
use mm::vma::VmaFlags;

/// `munlockall()`.
pub struct MUnlockAll;

impl Syscall for MUnlockAll {
    const NR: u32 = nr::MUNLOCKALL;
    const ARGS: &'static [ArgKind] = &[];

    fn decode(_args: &RawArgs) -> CallResult<Self> {
        Ok(MUnlockAll)
    }

    fn execute(self, ctx: &mut Context<'_>) -> CallResult<u64> {
        let mut space = ctx.process.space();
        space.set_future_flags(VmaFlags::empty());
        apply_to_all(&mut space, VmaFlags::empty())?;
        Ok(0)
    }
}
