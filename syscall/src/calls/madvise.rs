//! madvise(2): what the program will do with pages.

use crate::prelude::*;
use abi::general as raw;
use alloc::vec::Vec;
use mm::addr::{VirtAddr, is_page_aligned, page_ceil};
use mm::space::{AddressSpace, FaultError, MapRequest, Placement};
use mm::vma::{Backing, FileBacking, Vma};

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
    MADV_POPULATE_READ,
    MADV_POPULATE_WRITE,
];

impl Syscall for MAdvise {
    const NR: u32 = nr::MADVISE;
    const ARGS: &'static [ArgKind] = &[ArgKind::Ptr, ArgKind::Unsigned, ArgKind::Value(ADVICE)];

    fn decode(args: &RawArgs) -> CallResult<Self> {
        let (addr, len) = (args.long::<0>(), args.long::<1>());
        let len = page_ceil(len).ok_or(Errno::EINVAL)?;
        if !is_page_aligned(addr) || addr.checked_add(len).is_none() {
            return Err(Errno::EINVAL.into());
        }
        Ok(MAdvise { addr, len, advice: args.uint::<2>() })
    }

    fn execute(self, ctx: &mut Context<'_>) -> CallResult<u64> {
        let mut space = ctx.process.space();
        match self.advice {
            raw::MADV_DONTNEED => self.each(&mut space, drop_pages),
            // The pages may go at any time (madvise(2)): they go now.
            raw::MADV_FREE => self.each(&mut space, |space, vma| match vma.backing {
                Backing::Anonymous => drop_pages(space, vma),
                Backing::File(_) => Err(Errno::EINVAL.into()),
            }),
            raw::MADV_POPULATE_READ | raw::MADV_POPULATE_WRITE => {
                self.each(&mut space, |space, vma| match space.populate(VirtAddr(vma.start), vma.len()) {
                    Err(FaultError::OutOfMemory) => Err(Errno::ENOMEM.into()),
                    Err(_) => Err(Errno::EFAULT.into()),
                    Ok(()) => Ok(()),
                })
            }
            // Hints without which everything is right too.
            raw::MADV_NORMAL
            | raw::MADV_RANDOM
            | raw::MADV_SEQUENTIAL
            | raw::MADV_WILLNEED
            | raw::MADV_DONTFORK
            | raw::MADV_DOFORK
            | raw::MADV_MERGEABLE
            | raw::MADV_UNMERGEABLE
            | raw::MADV_HUGEPAGE
            | raw::MADV_NOHUGEPAGE
            | raw::MADV_DONTDUMP
            | raw::MADV_DODUMP
            | raw::MADV_WIPEONFORK
            | raw::MADV_KEEPONFORK
            | raw::MADV_COLD
            | raw::MADV_PAGEOUT => self.each(&mut space, |_, _| Ok(())),
            _ => Err(Errno::EINVAL.into()),
        }
    }
}

impl MAdvise {
    /// Applies `advise` to the parts of areas in the range; ENOMEM at the end if there were holes.
    fn each(
        &self,
        space: &mut AddressSpace,
        mut advise: impl FnMut(&mut AddressSpace, &Vma) -> CallResult<()>,
    ) -> CallResult<u64> {
        let end = self.addr.saturating_add(self.len);
        let parts: Vec<Vma> = space
            .vmas()
            .skip_while(|vma| vma.end <= self.addr)
            .take_while(|vma| vma.start < end)
            .map(|vma| cut(vma, self.addr, end))
            .collect();
        let mut covered = self.addr;
        let mut hole = false;
        for part in &parts {
            hole |= part.start > covered;
            covered = part.end;
            advise(space, part)?;
        }
        if hole || covered < end { Err(Errno::ENOMEM.into()) } else { Ok(0) }
    }
}

/// The part of an area between two addresses.
fn cut(vma: &Vma, start: u64, end: u64) -> Vma {
    let mut part = vma.clone();
    (part.start, part.end) = (vma.start.max(start), vma.end.min(end));
    if let Backing::File(file) = &vma.backing {
        let skip = part.start - vma.start;
        part.backing = Backing::File(FileBacking {
            store: file.store.clone(),
            offset: file.offset.saturating_add(skip),
            file_len: file.file_len.saturating_sub(skip).min(part.len()),
        });
    }
    part
}

/// Gives the pages of an area back, by mapping the same over it: the next access finds zeros or the file.
fn drop_pages(space: &mut AddressSpace, vma: &Vma) -> CallResult<()> {
    let Vma { start, prot, flags, name, .. } = *vma;
    let at = Placement::Fixed(VirtAddr(start));
    let backing = vma.backing.clone();
    space.map(MapRequest { at, len: vma.len(), prot, backing, flags, name })?;
    Ok(())
}
