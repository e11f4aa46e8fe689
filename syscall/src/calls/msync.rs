//! msync(2): writes changes of mapped files back. Files live in memory, so there is nothing to write.

use crate::prelude::*;
use abi::general as raw;
use mm::addr::{is_page_aligned, page_ceil};
use mm::vma::VmaFlags;

/// `msync(address, length, flags)`.
pub struct MSync {
    addr: u64,
    end: u64,
    flags: u32,
}

impl Syscall for MSync {
    const NR: u32 = nr::MSYNC;
    const ARGS: &'static [ArgKind] =
        &[ArgKind::Ptr, ArgKind::Unsigned, ArgKind::Bits(names![MS_ASYNC, MS_INVALIDATE, MS_SYNC])];

    fn decode(args: &RawArgs) -> CallResult<Self> {
        let (addr, flags) = (args.long::<0>(), args.uint::<2>());
        let both = raw::MS_ASYNC | raw::MS_SYNC;
        if flags & !(both | raw::MS_INVALIDATE) != 0 || flags & both == both || !is_page_aligned(addr) {
            return Err(Errno::EINVAL.into());
        }
        // A length that wraps to 0 pages is no length, as Linux counts.
        let len = page_ceil(args.long::<1>()).unwrap_or(0);
        let end = addr.checked_add(len).ok_or(Errno::ENOMEM)?;
        Ok(MSync { addr, end, flags })
    }

    fn execute(self, ctx: &mut Context<'_>) -> CallResult<u64> {
        let invalidate = self.flags & raw::MS_INVALIDATE != 0;
        let whole = ctx.process.space().visit(self.addr, self.end, |_, part| {
            let busy = invalidate && part.flags.contains(VmaFlags::LOCKED);
            if busy { Err(Errno::EBUSY) } else { Ok(()) }
        })?;
        if whole { Ok(0) } else { Err(Errno::ENOMEM.into()) }
    }
}
