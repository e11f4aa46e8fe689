//! madvise(2): what the program will do with pages.

use crate::prelude::*;
use abi::general as raw;
use mm::addr::{is_page_aligned, page_ceil};
use mm::space::{AddressSpace, FaultError, Part};
use mm::vma::{Prot, VmaFlags};

/// `madvise(address, length, advice)`.
pub struct MAdvise {
    addr: u64,
    len: u64,
    advice: u32,
}

const ADVICE: Names = names![
    MADV_NORMAL,
    MADV_RANDOM,
    MADV_SEQUENTIAL,
    MADV_WILLNEED,
    MADV_DONTNEED,
    MADV_FREE,
    MADV_REMOVE,
    MADV_DONTFORK,
    MADV_DOFORK,
    MADV_MERGEABLE,
    MADV_UNMERGEABLE,
    MADV_HUGEPAGE,
    MADV_NOHUGEPAGE,
    MADV_DONTDUMP,
    MADV_DODUMP,
    MADV_WIPEONFORK,
    MADV_KEEPONFORK,
    MADV_COLD,
    MADV_PAGEOUT,
    MADV_DONTNEED_LOCKED,
    MADV_POPULATE_READ,
    MADV_POPULATE_WRITE,
];

impl Syscall for MAdvise {
    const NR: u32 = nr::MADVISE;
    const ARGS: &'static [ArgKind] = &[ArgKind::Ptr, ArgKind::Unsigned, ArgKind::Value(ADVICE)];

    fn decode(args: &RawArgs) -> CallResult<Self> {
        let (addr, len, advice) = (args.long::<0>(), args.long::<1>(), args.uint::<2>());
        if !ADVICE.iter().any(|&(value, _)| value == u64::from(advice)) {
            return Err(Errno::EINVAL.into());
        }
        let len = page_ceil(len).ok_or(Errno::EINVAL)?;
        if !is_page_aligned(addr) || addr.checked_add(len).is_none() {
            return Err(Errno::EINVAL.into());
        }
        Ok(MAdvise { addr, len, advice })
    }

    fn execute(self, ctx: &mut Context<'_>) -> CallResult<u64> {
        let end = self.addr.saturating_add(self.len);
        let fetching = matches!(self.advice, raw::MADV_POPULATE_READ | raw::MADV_POPULATE_WRITE);
        let mut hole = false;
        let mut next = self.addr;
        let whole = ctx.process.space().visit(self.addr, end, |space, part| {
            // Fetching stops at the first hole; everything else goes on behind it.
            hole |= part.start > next;
            next = part.end;
            if fetching && hole {
                return Err(Errno::ENOMEM.into());
            }
            self.advise(space, part)
        })?;
        if whole { Ok(0) } else { Err(Errno::ENOMEM.into()) }
    }
}

impl MAdvise {
    /// Applies the advice to the part of one area.
    fn advise(&self, space: &mut AddressSpace, part: Part) -> CallResult<()> {
        let locked = part.flags.contains(VmaFlags::LOCKED);
        let private = !part.flags.contains(VmaFlags::SHARED);
        let none = VmaFlags::empty();
        let (set, clear) = match self.advice {
            raw::MADV_DONTNEED | raw::MADV_FREE | raw::MADV_COLD | raw::MADV_PAGEOUT | raw::MADV_REMOVE
                if locked =>
            {
                return Err(Errno::EINVAL.into());
            }
            raw::MADV_DONTNEED | raw::MADV_DONTNEED_LOCKED => {
                space.forget(part.start, part.end);
                return Ok(());
            }
            raw::MADV_FREE if part.is_file => return Err(Errno::EINVAL.into()),
            raw::MADV_FREE => {
                // The pages may go at any time (madvise(2)): they go now.
                space.forget(part.start, part.end);
                return Ok(());
            }
            raw::MADV_REMOVE => return remove(space, part),
            raw::MADV_POPULATE_READ => return fetch(space, part, false),
            raw::MADV_POPULATE_WRITE => return fetch(space, part, true),
            raw::MADV_DONTFORK => (VmaFlags::DONT_FORK, none),
            raw::MADV_DOFORK => (none, VmaFlags::DONT_FORK),
            raw::MADV_WIPEONFORK if part.is_file || !private => return Err(Errno::EINVAL.into()),
            raw::MADV_WIPEONFORK => (VmaFlags::WIPE_ON_FORK, none),
            raw::MADV_KEEPONFORK => (none, VmaFlags::WIPE_ON_FORK),
            raw::MADV_DONTDUMP => (VmaFlags::DONT_DUMP, none),
            raw::MADV_DODUMP => (none, VmaFlags::DONT_DUMP),
            raw::MADV_MERGEABLE => (VmaFlags::MERGEABLE, none),
            raw::MADV_UNMERGEABLE => (none, VmaFlags::MERGEABLE),
            raw::MADV_HUGEPAGE => (VmaFlags::HUGE_PAGES, VmaFlags::NO_HUGE_PAGES),
            raw::MADV_NOHUGEPAGE => (VmaFlags::NO_HUGE_PAGES, VmaFlags::HUGE_PAGES),
            // Hints about the order of accesses and about swapping: without disk there is nothing to gain.
            _ => (none, none),
        };
        Ok(space.set_flags(part, set, clear)?)
    }
}

/// MADV_POPULATE_READ, MADV_POPULATE_WRITE.
fn fetch(space: &mut AddressSpace, part: Part, write: bool) -> CallResult<()> {
    let allowed = if write { part.prot.contains(Prot::WRITE) } else { !part.prot.is_empty() };
    if !allowed {
        return Err(Errno::EINVAL.into());
    }
    match space.fetch(part, write) {
        Err(FaultError::OutOfMemory) => Err(Errno::ENOMEM.into()),
        Err(_) => Err(Errno::EFAULT.into()),
        Ok(()) => Ok(()),
    }
}

/// MADV_REMOVE: punches a hole into a shared file.
fn remove(space: &mut AddressSpace, part: Part) -> CallResult<()> {
    let writable = part.flags.contains(VmaFlags::SHARED) && !part.flags.contains(VmaFlags::NEVER_WRITE);
    match (part.is_file, writable) {
        (false, _) => Err(Errno::EINVAL.into()),
        (true, false) => Err(Errno::EACCES.into()),
        (true, true) => Ok(space.punch(part)?),
    }
}
