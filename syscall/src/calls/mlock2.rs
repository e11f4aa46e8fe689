//! mlock2(2): mlock with flags.

use super::mlock::Range;
use crate::prelude::*;
use mm::vma::VmaFlags;

/// `mlock2(address, length, flags)`.
pub struct MLock2 {
    range: Range,
    on_fault: bool,
}

/// `MLOCK_ONFAULT`: lock pages as they are fetched.
const MLOCK_ONFAULT: u32 = 1;

impl Syscall for MLock2 {
    const NR: u32 = nr::MLOCK2;
    const ARGS: &'static [ArgKind] =
        &[ArgKind::Ptr, ArgKind::Unsigned, ArgKind::Bits(&[(MLOCK_ONFAULT as u64, "MLOCK_ONFAULT")])];

    fn decode(args: &RawArgs) -> CallResult<Self> {
        let flags = args.uint::<2>();
        if flags & !MLOCK_ONFAULT != 0 {
            return Err(Errno::EINVAL.into());
        }
        Ok(MLock2 { range: Range::decode(args)?, on_fault: flags & MLOCK_ONFAULT != 0 })
    }

    fn execute(self, ctx: &mut Context<'_>) -> CallResult<u64> {
        let mut flags = VmaFlags::LOCKED;
        flags.set(VmaFlags::LOCK_ON_FAULT, self.on_fault);
        self.range.lock(ctx, flags)
    }
}
