//! mlock(2): keeps pages in memory. All pages stay anyway; what remains is that they are fetched now.

use crate::prelude::*;
use abi::general as raw;
use mm::addr::{USER_END, page_ceil, page_floor};
use mm::space::{AddressSpace, FaultError, Part};
use mm::vma::{Prot, VmaFlags};
use task::credentials::CAP_IPC_LOCK;

/// `mlock(address, length)`.
pub struct MLock {
    range: Range,
}

impl Syscall for MLock {
    const NR: u32 = nr::MLOCK;
    const ARGS: &'static [ArgKind] = &[ArgKind::Ptr, ArgKind::Unsigned];

    fn decode(args: &RawArgs) -> CallResult<Self> {
        Ok(MLock { range: Range::decode(args)? })
    }

    fn execute(self, ctx: &mut Context<'_>) -> CallResult<u64> {
        self.range.lock(ctx, VmaFlags::LOCKED)
    }
}

/// What may still be locked.
pub(super) struct Allowance {
    /// Bytes, beside what is locked; `None` is no limit.
    limit: Option<u64>,
}

impl Allowance {
    /// That of the caller: RLIMIT_MEMLOCK, unless it has CAP_IPC_LOCK.
    pub(super) fn of(ctx: &Context<'_>) -> Self {
        let free = ctx.process.capable(CAP_IPC_LOCK);
        Allowance { limit: (!free).then(|| ctx.process.limits().soft(raw::RLIMIT_MEMLOCK)) }
    }

    /// EPERM for who may lock nothing at all.
    pub(super) fn check(&self) -> Result<(), Errno> {
        if self.limit == Some(0) { Err(Errno::EPERM) } else { Ok(()) }
    }

    /// Whether so many bytes may be locked.
    pub(super) fn has(&self, bytes: u64) -> bool {
        self.limit.is_none_or(|limit| bytes <= limit)
    }
}

/// What locks and unlocks are made of.
const LOCKS: VmaFlags = VmaFlags::LOCKED.union(VmaFlags::LOCK_ON_FAULT);

/// The pages that a byte range touches, as the calls of this family take it.
pub(super) struct Range {
    start: u64,
    end: u64,
}

impl Range {
    /// From the first two arguments.
    pub(super) fn decode(args: &RawArgs) -> CallResult<Self> {
        let (addr, len) = (args.long::<0>(), args.long::<1>());
        let start = page_floor(addr);
        // A length that wraps to 0 pages is no length, as Linux counts.
        let len = page_ceil(len.wrapping_add(addr - start)).unwrap_or(0);
        let end = start.checked_add(len).ok_or(Errno::EINVAL)?;
        Ok(Range { start, end })
    }

    /// Sets `flags` on the areas and, unless they say otherwise, fetches the pages.
    pub(super) fn lock(&self, ctx: &Context<'_>, flags: VmaFlags) -> CallResult<u64> {
        let allowance = Allowance::of(ctx);
        allowance.check()?;
        let space = &mut *ctx.process.space();
        // What is locked already does not count twice.
        let outside = space.locked_bytes(0, USER_END) - space.locked_bytes(self.start, self.end);
        if !allowance.has(outside.saturating_add(self.end - self.start)) {
            return Err(Errno::ENOMEM.into());
        }
        self.apply(space, flags)?;
        if flags.contains(VmaFlags::LOCK_ON_FAULT) {
            return Ok(0);
        }
        // mlock(2): pages that cannot be fetched are ENOMEM, lack of memory is EAGAIN.
        space.visit(self.start, self.end, |space, part| match fetch(space, part) {
            Err(FaultError::OutOfMemory) => Err(Errno::EAGAIN),
            Err(_) => Err(Errno::ENOMEM),
            Ok(()) => Ok(()),
        })?;
        Ok(0)
    }

    /// Replaces the locks of the areas by `flags`, up to the first hole.
    pub(super) fn apply(&self, space: &mut AddressSpace, flags: VmaFlags) -> CallResult<u64> {
        let mut next = self.start;
        let whole = space.visit(self.start, self.end, |space, part| {
            if part.start > next {
                return Err(Errno::ENOMEM.into());
            }
            next = part.end;
            space.set_flags(part, flags, LOCKS).map_err(crate::CallError::from)
        })?;
        if whole { Ok(0) } else { Err(Errno::ENOMEM.into()) }
    }
}

/// Sets the locks of all areas (mlockall(2), munlockall(2)).
pub(super) fn apply_to_all(space: &mut AddressSpace, flags: VmaFlags) -> CallResult<()> {
    space.visit(0, mm::addr::USER_END, |space, part| {
        space.set_flags(part, flags, LOCKS).map_err(crate::CallError::from)
    })?;
    Ok(())
}

/// Fetches the pages of a part as its owner would use them.
pub(super) fn fetch(space: &mut AddressSpace, part: Part) -> Result<(), FaultError> {
    if part.prot.is_empty() {
        return Err(FaultError::Protection);
    }
    space.fetch(part, part.prot.contains(Prot::WRITE))
}
