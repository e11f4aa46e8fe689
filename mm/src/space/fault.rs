//! Page faults: the first access to a page gives it a frame; the first store to a shared frame copies it.

use alloc::sync::Arc;
use core::fmt;

use super::AddressSpace;
use crate::addr::{Frame, LARGE_PAGES, LARGE_SIZE, PAGE_SIZE, USER_END, VirtAddr};
use crate::paging::{FrameSource, PageFlags};
use crate::store::{BackingStore, SharedPageError};
use crate::vma::{Backing, FileBacking, Prot, STACK_GUARD_GAP, Vma, VmaFlags};

/// Pages around a fault in a file that are mapped with it (64 KiB, as on Linux): a power of two.
const AROUND: u64 = 16;

/// What an access wanted.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Access {
    /// Load.
    Read,
    /// Store.
    Write,
    /// Fetch instructions.
    Exec,
}

impl Access {
    /// Whether memory under `prot` allows it. On x86 whatever is accessible is readable.
    fn allowed(self, prot: Prot) -> bool {
        match self {
            Self::Read => !prot.is_empty(),
            Self::Write => prot.contains(Prot::WRITE),
            Self::Exec => prot.contains(Prot::EXEC),
        }
    }
}

/// Why an access cannot succeed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum FaultError {
    /// No area there (SIGSEGV, SEGV_MAPERR).
    NotMapped,
    /// The area does not allow it (SIGSEGV, SEGV_ACCERR).
    Protection,
    /// Below a stack that cannot grow: its limit, the limit on all memory, or another area is in the way (SIGSEGV,
    /// SEGV_MAPERR).
    StackLimit,
    /// No frame (SIGKILL, or ENOMEM and EFAULT in a system call).
    OutOfMemory,
    /// In a file mapping, past the page that holds the end of the file (SIGBUS, BUS_ADRERR).
    BeyondFile,
    /// The file cannot be read (SIGBUS, BUS_ADRERR).
    Io,
}

impl fmt::Display for FaultError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotMapped => "address is not mapped",
            Self::Protection => "access is not permitted",
            Self::StackLimit => "stack cannot grow further",
            Self::OutOfMemory => "out of memory",
            Self::BeyondFile => "beyond the end of the mapped file",
            Self::Io => "mapped file cannot be read",
        })
    }
}

impl core::error::Error for FaultError {}

impl From<SharedPageError> for FaultError {
    fn from(error: SharedPageError) -> Self {
        match error {
            SharedPageError::BeyondEnd => Self::BeyondFile,
            SharedPageError::NoMemory => Self::OutOfMemory,
            SharedPageError::Io => Self::Io,
        }
    }
}

impl AddressSpace {
    /// Makes the access possible, or says why it is not. Repeating the access after `Ok` succeeds, unless
    /// [`has_stale`](Self::has_stale): then after another fault behind the flush. A fault that has been resolved meanwhile is
    /// `Ok`, too.
    ///
    /// # Errors
    /// [`FaultError`]; nothing has changed then, except that a stack may have grown.
    pub fn fault(&mut self, addr: VirtAddr, access: Access) -> Result<(), FaultError> {
        let page = addr.page();
        let prot = self.reach(page)?;
        if !access.allowed(prot) {
            return Err(FaultError::Protection);
        }
        self.ensure_page(page, access == Access::Write)?;
        if !self.has_stale() {
            self.faults = self.faults.saturating_add(1);
        }
        Ok(())
    }

    /// The protection of a page's area, after growing a stack down to it if that is what it takes.
    pub(super) fn reach(&mut self, page: VirtAddr) -> Result<Prot, FaultError> {
        if page.0 >= USER_END {
            return Err(FaultError::NotMapped);
        }
        let next = self.vmas.find_or_next(page).ok_or(FaultError::NotMapped)?;
        if next.contains(page) {
            return Ok(next.prot);
        }
        if !next.flags.contains(VmaFlags::GROWSDOWN) {
            return Err(FaultError::NotMapped);
        }
        let (start, end) = (next.start, next.end);
        self.grow_stack(start, end, page.0)?;
        self.vmas.find(page).map(|vma| vma.prot).ok_or(FaultError::NotMapped)
    }

    /// Extends the stack `start..end` down to `page`.
    fn grow_stack(&mut self, start: u64, end: u64, page: u64) -> Result<(), FaultError> {
        let below = self.vmas.neighbours(VirtAddr(page)).0;
        // An inaccessible area serves as guard itself; one that grows down has been warned.
        let too_close = below.is_some_and(|vma| {
            !vma.flags.contains(VmaFlags::GROWSDOWN)
                && !vma.prot.is_empty()
                && page - vma.end < STACK_GUARD_GAP
        });
        let allowed = page >= self.layout.mmap_min_addr
            && !too_close
            && end - page <= self.layout.limits.stack
            && self.check_limits(start - page, 0).is_ok();
        self.reserve_areas().map_err(|_| FaultError::OutOfMemory)?;
        if !allowed || self.vmas.grow_down(start, page).is_err() {
            return Err(FaultError::StackLimit);
        }
        Ok(())
    }

    /// Gives a page of an area a frame and the area's rights. With `own`, a frame that only this space uses.
    pub(super) fn ensure_page(&mut self, page: VirtAddr, own: bool) -> Result<Frame, FaultError> {
        self.settle_range(page.0, page.0.saturating_add(PAGE_SIZE));
        let mut large = own;
        // Looking an area up is what costs most here: once, and again only after an attempt at a large page.
        loop {
            let present = self.tables.query(page);
            large &= present.is_none_or(|(frame, _)| self.frames.zero_frame() == Some(frame));
            let vma = self.vmas.find(page).ok_or(FaultError::NotMapped)?;
            let window = if large { large_window(vma, page) } else { None };
            let Some(window) = window else {
                let prot = vma.prot;
                let Some((old, flags)) = present else {
                    let early = !self.tables.one_cpu();
                    let (frame, flags) = first_frame(self.frames, vma, page, own, early)?;
                    let outdated = outdated(vma);
                    let mapped = self.map_first(page, frame, flags);
                    if let Some(store) = outdated {
                        self.refresh_file(&*store);
                    }
                    return mapped;
                };
                return self.renew(page, own, prot, old, flags);
            };
            let prot = vma.prot;
            if let Some(frame) = self.map_large(window, prot) {
                return Frame::new(frame.number() + page.0 % LARGE_SIZE / PAGE_SIZE).ok_or(FaultError::Io);
            }
            large = false;
        }
    }

    /// Maps the first frame of a page.
    fn map_first(&mut self, page: VirtAddr, frame: Frame, flags: PageFlags) -> Result<Frame, FaultError> {
        if self.tables.map(page, frame, flags).is_err() {
            self.give_back(frame, flags);
            return Err(FaultError::OutOfMemory);
        }
        self.resident += 1;
        self.peak_resident = self.peak_resident.max(self.resident);
        if flags.contains(PageFlags::FOREIGN) {
            self.map_around(page);
        }
        Ok(frame)
    }

    /// Gives a page that has the frame `old` the rights `prot`, with `own` a copy if others use the frame.
    fn renew(
        &mut self,
        page: VirtAddr,
        own: bool,
        prot: Prot,
        old: Frame,
        flags: PageFlags,
    ) -> Result<Frame, FaultError> {
        if !own || !flags.intersects(PageFlags::COW | PageFlags::FOREIGN) {
            let wanted = flags.with_prot(prot);
            if wanted != flags {
                self.tables.protect(page, wanted);
            }
            return Ok(old);
        }
        let copy = if self.frames.zero_frame() == Some(old) {
            self.frames.alloc_zeroed().ok_or(FaultError::OutOfMemory)?
        } else {
            let copy = self.frames.alloc_uninit().ok_or(FaultError::OutOfMemory)?;
            self.frames.copy(old, copy);
            copy
        };
        self.replace(page, copy, prot.into())?;
        if !flags.contains(PageFlags::FOREIGN) {
            self.retire(old);
        }
        Ok(copy)
    }

    /// Maps `copy` in the place of another frame. While CPUs may still see that one, the page allows no access: the next fault,
    /// after the flush, gives it its rights.
    fn replace(&mut self, page: VirtAddr, copy: Frame, flags: PageFlags) -> Result<(), FaultError> {
        let first = if self.tables.one_cpu() { flags } else { PageFlags::empty() };
        if self.tables.map(page, copy, first).is_err() {
            self.frames.free(copy);
            return Err(FaultError::OutOfMemory);
        }
        self.note_stale();
        if first != flags && !self.open.stale.overlaps(page.0, page.0.saturating_add(PAGE_SIZE)) {
            self.tables.protect(page, flags);
        }
        Ok(())
    }

    /// Gives 2 MiB that nobody has written yet one large page, while memory is plentiful: a fault instead of 512.
    fn map_large(&mut self, start: VirtAddr, prot: Prot) -> Option<Frame> {
        let end = VirtAddr(start.0.saturating_add(LARGE_SIZE));
        let zero = self.frames.zero_frame();
        let mut at = start;
        while let Some(page) = self.tables.next_mapped(at, end) {
            if self.tables.query(page).map(|(frame, _)| frame) != zero {
                return None;
            }
            at = VirtAddr(page.0.saturating_add(PAGE_SIZE));
        }
        let frame = self.frames.alloc_large_zeroed()?;
        self.discard(start.0, end.0);
        self.settle_range(start.0, end.0);
        let mapped = self.tables.map_large(start, frame, prot.into());
        // The table of the small pages may be used elsewhere from now on.
        self.note_stale();
        self.settle_range(start.0, end.0);
        if mapped.is_err() {
            self.frames.free(frame);
            return None;
        }
        self.resident += LARGE_PAGES;
        Some(frame)
    }

    /// Maps the pages around a page of a file that the file itself holds, too: programs run through their code, and
    /// each page that is there already is a fault less. Stops at the first page that would cost memory.
    fn map_around(&mut self, page: VirtAddr) {
        let Some(vma) = self.vmas.find(page) else { return };
        let Backing::File(file) = &vma.backing else { return };
        let window = page.0 & !(AROUND * PAGE_SIZE - 1);
        let file_end =
            vma.start.saturating_add(file.file_len.min(file.store.len().saturating_sub(file.offset)));
        let end = (window + AROUND * PAGE_SIZE).min(vma.end).min(file_end & !(PAGE_SIZE - 1));
        let flags = PageFlags::FOREIGN.with_prot(vma.prot);
        let mut at = window.max(vma.start);
        while at < end {
            let index = (file.offset + (at - vma.start)) / PAGE_SIZE;
            if self.tables.query(VirtAddr(at)).is_none()
                && !self.is_unsettled(at, at + PAGE_SIZE)
                && let Some(frame) = file.store.frame_at(index)
            {
                if self.tables.map(VirtAddr(at), frame, flags).is_err() {
                    return;
                }
                self.resident += 1;
            }
            at += PAGE_SIZE;
        }
    }

    fn give_back(&self, frame: Frame, flags: PageFlags) {
        if !flags.contains(PageFlags::FOREIGN) {
            self.frames.free(frame);
        }
    }
}

/// The file of a shared area whose first page may have replaced what private mappings of the file show.
fn outdated(vma: &Vma) -> Option<Arc<dyn BackingStore>> {
    let Backing::File(file) = &vma.backing else { return None };
    let shared = vma.flags.contains(VmaFlags::SHARED);
    (shared && file.store.outdated().is_some()).then(|| Arc::clone(&file.store))
}

/// The 2 MiB around a page, if they lie in private memory of one kind that may have large pages.
fn large_window(vma: &Vma, page: VirtAddr) -> Option<VirtAddr> {
    let start = page.0 & !(LARGE_SIZE - 1);
    let refused = VmaFlags::NO_HUGE_PAGES | VmaFlags::GROWSDOWN | VmaFlags::SHARED | VmaFlags::LOCK_ON_FAULT;
    let fits = start >= vma.start && start.saturating_add(LARGE_SIZE) <= vma.end;
    let anonymous = matches!(vma.backing, Backing::Anonymous);
    (fits && anonymous && !vma.flags.intersects(refused)).then_some(VirtAddr(start))
}

/// The frame of a page that has none yet, and the flags to map it with. `early`: what may be written later gets its own frame
/// while memory is plentiful, because exchanging the frame would mean to wait for all CPUs.
fn first_frame(
    frames: &dyn FrameSource,
    vma: &Vma,
    page: VirtAddr,
    own: bool,
    early: bool,
) -> Result<(Frame, PageFlags), FaultError> {
    let flags = PageFlags::from(vma.prot);
    let zeroed = || frames.alloc_zeroed().map(|frame| (frame, flags)).ok_or(FaultError::OutOfMemory);
    let Backing::File(file) = &vma.backing else {
        if own {
            return zeroed();
        }
        // A large page takes the place of 512 with one flush.
        let early = early && vma.prot.contains(Prot::WRITE) && large_window(vma, page).is_none();
        let mine = if early { frames.alloc_zeroed_if_plenty().map(|frame| (frame, flags)) } else { None };
        // What is only read is the same zeros for everybody.
        let zero = || frames.zero_frame().map(|frame| (frame, PageFlags::FOREIGN.with_prot(vma.prot)));
        return mine.or_else(zero).map_or_else(zeroed, Ok);
    };
    let within = page.0 - vma.start;
    let wanted = file.file_len.saturating_sub(within).min(PAGE_SIZE);
    if wanted == 0 {
        return zeroed();
    }
    let offset = file.offset.checked_add(within).ok_or(FaultError::BeyondFile)?;
    let bytes = file.store.len().saturating_sub(offset).min(wanted);
    if bytes == 0 {
        return Err(FaultError::BeyondFile);
    }
    // A page that ends in zeros which are not the file's cannot be the file's own.
    let index = offset / PAGE_SIZE;
    let cached = if vma.flags.contains(VmaFlags::SHARED) {
        file.store.shared_page(index)
    } else if wanted == PAGE_SIZE {
        file.store.private_page(index)
    } else {
        None
    };
    if let Some(page) = cached {
        return cached_frame(frames, vma, page?, own);
    }
    let whole = bytes == PAGE_SIZE;
    let direct = if whole { file.store.frame_at(index) } else { None };
    match direct {
        Some(frame) if !own => Ok((frame, PageFlags::FOREIGN.with_prot(vma.prot))),
        Some(source) => {
            let frame = frames.alloc_uninit().ok_or(FaultError::OutOfMemory)?;
            frames.copy(source, frame);
            Ok((frame, flags))
        }
        None => {
            // The bytes after the file's part must be zero.
            let frame = if whole { frames.alloc_uninit() } else { frames.alloc_zeroed() };
            let frame = frame.ok_or(FaultError::OutOfMemory)?;
            if let Err(error) = read_into(frames, file, offset, bytes, frame) {
                frames.free(frame);
                return Err(error);
            }
            Ok((frame, flags))
        }
    }
}

/// How a page of a page cache is mapped; the reference that came with `frame` goes to the mapping or away.
fn cached_frame(
    frames: &dyn FrameSource,
    vma: &Vma,
    frame: Frame,
    own: bool,
) -> Result<(Frame, PageFlags), FaultError> {
    if vma.flags.contains(VmaFlags::SHARED) {
        return Ok((frame, vma.prot.into()));
    }
    if !own {
        return Ok((frame, PageFlags::COW.with_prot(vma.prot)));
    }
    let copy = frames.alloc_uninit();
    if let Some(copy) = copy {
        frames.copy(frame, copy);
    }
    frames.free(frame);
    copy.map(|copy| (copy, vma.prot.into())).ok_or(FaultError::OutOfMemory)
}

/// Reads `bytes` (at most a page) of a file from `offset` on into a frame.
fn read_into(
    frames: &dyn FrameSource,
    file: &FileBacking,
    offset: u64,
    bytes: u64,
    frame: Frame,
) -> Result<(), FaultError> {
    /// Small, for it lies on a kernel stack.
    const PIECE: usize = 1024;
    let store: &dyn BackingStore = &*file.store;
    let mut buffer = [0; PIECE];
    let mut done = 0;
    while done < bytes {
        let want = usize::try_from(bytes - done).unwrap_or(PIECE).min(PIECE);
        let piece = buffer.get_mut(..want).unwrap_or(&mut []);
        let count = store.read_at(offset.saturating_add(done), piece).map_err(|_| FaultError::Io)?;
        // The file has become shorter than it said.
        let data = piece.get(..count).filter(|data| !data.is_empty()).ok_or(FaultError::Io)?;
        frames.write(frame, done as usize, data);
        done += count as u64;
    }
    Ok(())
}
