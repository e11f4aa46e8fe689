//! Work on ranges that may span several areas: madvise, mlock, mincore. Called by the system calls of these names.

use alloc::sync::Arc;
use core::ops::Range;

use super::{AddressSpace, FaultError, MmError};
use crate::addr::{PAGE_SIZE, VirtAddr, page_ceil};
use crate::cache::SHARED_MEMORY;
use crate::paging::PageFlags;
use crate::store::{BackingStore, PunchError};
use crate::vma::{Backing, FileBacking, Prot, Vma, VmaFlags};

/// The part of one area that lies in a range.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Part {
    /// First address.
    pub start: u64,
    /// One past the last address.
    pub end: u64,
    /// Protection.
    pub prot: Prot,
    /// Other properties.
    pub flags: VmaFlags,
    /// Whether a file is mapped; memory that is shared counts as one.
    pub is_file: bool,
}

impl AddressSpace {
    /// Shows each part of an area in `start..end` to `act`, ascending. Returns whether the range has no holes. `act` may
    /// change the areas of its part.
    ///
    /// # Errors
    /// The first of `act`, which ends the walk.
    pub fn visit<E>(
        &mut self,
        start: u64,
        end: u64,
        mut act: impl FnMut(&mut Self, Part) -> Result<(), E>,
    ) -> Result<bool, E> {
        let (mut at, mut whole) = (start, true);
        while at < end {
            let Some(vma) = self.vmas.find_or_next(VirtAddr(at)).filter(|vma| vma.start < end) else {
                return Ok(false);
            };
            whole &= vma.start <= at;
            let part = Part {
                start: vma.start.max(at),
                end: vma.end.min(end),
                prot: vma.prot,
                flags: vma.flags,
                is_file: matches!(vma.backing, Backing::File(_)),
            };
            at = part.end;
            act(self, part)?;
        }
        Ok(whole)
    }

    /// Sets and clears flags of the areas in a range that has no holes.
    ///
    /// # Errors
    /// `NoMemory`: too many areas, or no memory for one more.
    pub fn set_flags(&mut self, part: Part, set: VmaFlags, clear: VmaFlags) -> Result<(), MmError> {
        if (part.flags - clear) | set == part.flags {
            return Ok(());
        }
        self.reserve_splits(part.start, part.end)?;
        self.vmas.set_flags(part.start, part.end, set, clear);
        Ok(())
    }

    /// Gives a range that has no holes a name, as it is to be shown, or takes it away.
    ///
    /// # Errors
    /// `NoMemory`: too many areas, or no memory for one more.
    pub fn set_given(&mut self, part: Part, given: Option<&Arc<[u8]>>) -> Result<(), MmError> {
        self.reserve_splits(part.start, part.end)?;
        self.vmas.set_given(part.start, part.end, given);
        Ok(())
    }

    /// Whether an area is memory that is shared and nobody's file (MAP_SHARED with MAP_ANONYMOUS).
    #[must_use]
    pub fn is_shared_memory(&self, part: Part) -> bool {
        self.vmas.find(VirtAddr(part.start)).is_some_and(|vma| match &vma.backing {
            Backing::File(file) => file.store.name() == SHARED_MEMORY,
            Backing::Anonymous => false,
        })
    }

    /// Flags that areas made from now on have (mlockall(2), MCL_FUTURE).
    pub fn set_future_flags(&mut self, flags: VmaFlags) {
        self.future = flags;
    }

    /// Those flags.
    #[must_use]
    pub fn future_flags(&self) -> VmaFlags {
        self.future
    }

    /// Bytes of `start..end` that are locked.
    #[must_use]
    pub fn locked_bytes(&self, start: u64, end: u64) -> u64 {
        let locked = self.vmas.iter().filter(|vma| vma.flags.contains(VmaFlags::LOCKED));
        locked.map(|vma| vma.end.min(end).saturating_sub(vma.start.max(start))).sum()
    }

    /// Takes the pages of a range out of the page tables: the next access finds zeros or the file's content.
    pub fn forget(&mut self, start: u64, end: u64) {
        self.discard(start, end);
    }

    /// Takes the pages of a file out of the page tables, from byte `range.start` up to `range.end`: after truncation
    /// (then also changed copies of private mappings, as on Linux) or, with `keep_copies`, after punching a hole.
    pub fn forget_file(&mut self, store: &dyn BackingStore, range: Range<u64>, keep_copies: bool) {
        let mut at = 0;
        while let Some(vma) = self.vmas.find_or_next(VirtAddr(at)) {
            at = vma.end;
            let Backing::File(file) = &vma.backing else { continue };
            if !core::ptr::addr_eq(Arc::as_ptr(&file.store), store) {
                continue;
            }
            let place = |byte: u64| vma.start.saturating_add(byte.saturating_sub(file.offset)).min(vma.end);
            let (start, end) = (place(page_ceil(range.start).unwrap_or(u64::MAX)), place(range.end));
            let shared = vma.flags.contains(VmaFlags::SHARED);
            if shared || !keep_copies {
                self.discard(start, end);
            } else {
                self.discard_shared(start, end);
            }
        }
    }

    /// After pages of a file have been replaced by others: private mappings let go of the old ones, which they show as long as
    /// they have not been stored to. Whoever finds nothing to do can rely on its being done.
    pub fn refresh_file(&mut self, store: &dyn BackingStore) {
        let Some(changes) = store.outdated() else { return };
        let mut at = 0;
        while let Some(vma) = self.vmas.find_or_next(VirtAddr(at)) {
            at = vma.end;
            let (start, end) = (vma.start, vma.end);
            if !vma.flags.contains(VmaFlags::SHARED)
                && matches!(&vma.backing, Backing::File(file) if core::ptr::addr_eq(Arc::as_ptr(&file.store), store))
            {
                self.discard_shared(start, end);
            }
        }
        store.refreshed(changes);
    }

    /// Takes out pages that are still the file's own.
    fn discard_shared(&mut self, start: u64, end: u64) {
        let mut at = VirtAddr(start);
        while let Some(page) = self.tables.next_mapped(at, VirtAddr(end)) {
            at = VirtAddr(page.0.saturating_add(PAGE_SIZE));
            if self
                .tables
                .query(page)
                .is_some_and(|(_, flags)| flags.intersects(PageFlags::COW | PageFlags::FOREIGN))
            {
                self.discard(page.0, at.0);
            }
        }
    }

    /// MADV_REMOVE: makes the bytes of a part of a file area a hole of the file.
    ///
    /// # Errors
    /// [`PunchError`]; for memory without file, too.
    pub fn punch(&mut self, part: Part) -> Result<(), PunchError> {
        let vma = self.vmas.find(VirtAddr(part.start)).ok_or(PunchError::NotSupported)?;
        let Backing::File(file) = &vma.backing else { return Err(PunchError::NotSupported) };
        let start = file.offset.saturating_add(part.start - vma.start);
        let range = start..start.saturating_add(part.end - part.start);
        let store = Arc::clone(&file.store);
        store.punch(range.clone())?;
        self.forget_file(&*store, range, true);
        Ok(())
    }

    /// Whether an area could change a file by plain stores: it is shared and is or may be made writable.
    #[must_use]
    pub fn shares_writable(&self, store: &dyn BackingStore) -> bool {
        self.vmas.iter().any(|vma| {
            let writable = vma.flags & (VmaFlags::SHARED | VmaFlags::NEVER_WRITE) == VmaFlags::SHARED;
            matches!(&vma.backing, Backing::File(file)
                if writable && core::ptr::addr_eq(Arc::as_ptr(&file.store), store))
        })
    }

    /// Fetches the pages of a part for reading or writing, which its protection must allow.
    ///
    /// # Errors
    /// [`FaultError`] of the first page that fails.
    pub fn fetch(&mut self, part: Part, write: bool) -> Result<(), FaultError> {
        let mut at = part.start;
        while at < part.end {
            self.fetch_page(VirtAddr(at), write)?;
            at += PAGE_SIZE;
        }
        Ok(())
    }

    /// Fetches the pages of a new range if its flags say that they are locked. Failures show when the pages are used.
    pub(super) fn fetch_locked(&mut self, start: u64, end: u64, flags: VmaFlags) {
        if flags.contains(VmaFlags::LOCKED) && !flags.contains(VmaFlags::LOCK_ON_FAULT) {
            let _ = self.populate(VirtAddr(start), end.saturating_sub(start));
        }
    }

    /// mincore(2): for each page from `start` on whether an access would find it in memory: 1 or 0.
    ///
    /// # Errors
    /// `NoMemory`: a page is not mapped.
    pub fn residency(&self, start: VirtAddr, pages: &mut [u8]) -> Result<(), MmError> {
        let mut at = start;
        for answer in pages {
            let vma = self.vmas.find(at).ok_or(MmError::NoMemory)?;
            *answer = u8::from(self.tables.query(at).is_some() || in_file_cache(vma, at));
            at = VirtAddr(at.0.saturating_add(PAGE_SIZE));
        }
        Ok(())
    }
}

/// Whether the file of an area holds the page at `at` in memory.
fn in_file_cache(vma: &Vma, at: VirtAddr) -> bool {
    let Backing::File(FileBacking { store, offset, file_len }) = &vma.backing else { return false };
    let within = at.0.saturating_sub(vma.start);
    let at = offset.saturating_add(within);
    within < *file_len && at < store.len() && store.is_resident(at / PAGE_SIZE)
}
