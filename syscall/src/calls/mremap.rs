//! mremap(2): grows, shrinks or moves a mapping.

use super::mlock::Allowance;
use crate::prelude::*;
use abi::general as raw;
use mm::addr::{USER_END, VirtAddr};
use mm::space::{AddressSpace, RemapRequest};
use mm::vma::VmaFlags;

/// `mremap(old, old_length, new_length, flags, new)`.
pub struct MRemap {
    old: u64,
    old_len: u64,
    new_len: u64,
    flags: u32,
    new: u64,
}

const FLAGS: Names = names![MREMAP_MAYMOVE, MREMAP_FIXED, MREMAP_DONTUNMAP];

impl Syscall for MRemap {
    const NR: u32 = nr::MREMAP;
    const ARGS: &'static [ArgKind] =
        &[ArgKind::Ptr, ArgKind::Unsigned, ArgKind::Unsigned, ArgKind::Bits(FLAGS), ArgKind::Ptr];

    fn decode(args: &RawArgs) -> CallResult<Self> {
        let flags = args.uint::<3>();
        if args.long::<3>() & !u64::from(raw::MREMAP_MAYMOVE | raw::MREMAP_FIXED | raw::MREMAP_DONTUNMAP) != 0
        {
            return Err(Errno::EINVAL.into());
        }
        Ok(MRemap {
            old: args.long::<0>(),
            old_len: args.long::<1>(),
            new_len: args.long::<2>(),
            flags,
            new: args.long::<4>(),
        })
    }

    fn execute(self, ctx: &mut Context<'_>) -> CallResult<u64> {
        let keep_old = self.flags & raw::MREMAP_DONTUNMAP != 0;
        let fixed = self.flags & raw::MREMAP_FIXED != 0;
        let request = RemapRequest {
            old: VirtAddr(self.old),
            old_len: self.old_len,
            new_len: self.new_len,
            may_move: self.flags & raw::MREMAP_MAYMOVE != 0,
            fixed: fixed.then_some(VirtAddr(self.new)),
            keep_old,
        };
        let allowance = Allowance::of(ctx);
        let mut space = ctx.process.space();
        // What a locked area grows by is locked, too.
        let more = self.new_len.saturating_sub(self.old_len);
        let locked = |space: &AddressSpace| {
            let area = space.find(request.old);
            more > 0 && area.is_some_and(|area| area.flags.contains(VmaFlags::LOCKED))
        };
        if locked(&space) && !allowance.has(space.locked_bytes(0, USER_END).saturating_add(more)) {
            return Err(Errno::EAGAIN.into());
        }
        Ok(space.remap(request)?.0)
    }
}
