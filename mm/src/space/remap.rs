//! mremap: areas grow, shrink and move. Pages move as page-table entries, large ones whole where both places are aligned; their
//! content stays where it is.

use super::{AddressSpace, MmError, Placement};
use crate::addr::{LARGE_SIZE, PAGE_SIZE, USER_END, VirtAddr, is_page_aligned, page_ceil};
use crate::paging::OutOfFrames;
use crate::vma::{Backing, Vma, VmaFlags};

/// What mremap(2) is asked for.
#[derive(Clone, Copy, Debug)]
pub struct RemapRequest {
    /// Start of the pages.
    pub old: VirtAddr,
    /// Their bytes; rounded up to pages. 0 makes another mapping of shared pages.
    pub old_len: u64,
    /// Bytes wanted; rounded up to pages.
    pub new_len: u64,
    /// May the pages be elsewhere afterwards (MREMAP_MAYMOVE)?
    pub may_move: bool,
    /// Exactly where they have to be, replacing what is there (MREMAP_FIXED).
    pub fixed: Option<VirtAddr>,
    /// Whether the old area stays, without its pages (MREMAP_DONTUNMAP).
    pub keep_old: bool,
}

/// Areas that a move may add at most, as Linux counts them.
const MOVE_AREAS: usize = 3;

impl AddressSpace {
    /// mremap(2): returns where the pages are.
    ///
    /// # Errors
    /// `Invalid`: unaligned addresses, no new length, flags that exclude each other, overlap of old and fixed range,
    /// no old length with private pages. `NotMapped`: no area at the old address, or it ends before the old length
    /// does. `NoMemory`: no room without moving, a limit, or no memory for page tables (nothing has moved then).
    pub fn remap(&mut self, request: RemapRequest) -> Result<VirtAddr, MmError> {
        let old = request.old.0;
        let (Some(old_len), Some(new_len)) = (page_ceil(request.old_len), page_ceil(request.new_len)) else {
            return Err(MmError::Invalid);
        };
        self.check_remap(&request, old_len, new_len)?;
        let area = self.vmas.find(request.old).ok_or(MmError::NotMapped)?.clone();
        let moves = request.fixed.is_some() || request.keep_old;
        if !moves && new_len <= old_len && old_len > 0 {
            if new_len < old_len {
                self.unmap(VirtAddr(old.saturating_add(new_len)), old_len - new_len)?;
            }
            return Ok(request.old);
        }
        if old_len == 0 && !area.flags.contains(VmaFlags::SHARED) {
            return Err(MmError::Invalid);
        }
        let kept = old_len.min(new_len);
        if kept > area.end - old {
            return Err(MmError::NotMapped);
        }
        let more = new_len.saturating_sub(if request.keep_old { 0 } else { old_len });
        let data = if area.is_data() { more } else { 0 };
        self.check_limits(more, data)?;
        self.check_commit(new_len - kept, area.prot, area.flags)?;
        if !moves && old_len > 0 && self.grow_in_place(&area, old, old_len, new_len)? {
            return Ok(request.old);
        }
        if !request.may_move {
            return Err(MmError::NoMemory);
        }
        self.move_area(&request, &area, old_len, new_len)
    }

    /// The checks that need no area.
    fn check_remap(&self, request: &RemapRequest, old_len: u64, new_len: u64) -> Result<(), MmError> {
        let old = request.old.0;
        if !is_page_aligned(old) || new_len == 0 || new_len > USER_END {
            return Err(MmError::Invalid);
        }
        let moves = request.fixed.is_some() || request.keep_old;
        if moves && !request.may_move || request.keep_old && old_len != new_len {
            return Err(MmError::Invalid);
        }
        if let Some(new) = request.fixed {
            let old_end = old.checked_add(old_len).ok_or(MmError::Invalid)?;
            let apart = new.0.checked_add(new_len).is_some_and(|end| end <= USER_END)
                && (new.0 >= old_end || new.0 + new_len <= old);
            if !new.is_page_aligned() || !apart {
                return Err(MmError::Invalid);
            }
        }
        if moves && self.vmas.count() + MOVE_AREAS >= self.layout.max_map_count {
            return Err(MmError::NoMemory);
        }
        Ok(())
    }

    /// Appends to an area that ends with the old range; false if there is no room behind it.
    fn grow_in_place(&mut self, area: &Vma, old: u64, old_len: u64, new_len: u64) -> Result<bool, MmError> {
        let end = old + old_len;
        let more = new_len - old_len;
        let fits = end.checked_add(more).is_some_and(|new_end| new_end <= USER_END);
        if end != area.end || !fits || !self.vmas.is_free(end, more) {
            return Ok(false);
        }
        if self.vmas.count() >= self.layout.max_map_count {
            return Err(MmError::NoMemory);
        }
        self.reserve_areas()?;
        let whole = area.len() + more;
        let grown = Vma { end: end + more, backing: area.backing_for(whole), ..area.clone() };
        check_file_end(&grown)?;
        self.vmas.insert(grown.part(end, end + more)).map_err(|_| MmError::NoMemory)?;
        self.fetch_locked(end, end + more, area.flags);
        Ok(true)
    }

    /// Makes the area elsewhere and moves its pages there.
    fn move_area(
        &mut self,
        request: &RemapRequest,
        area: &Vma,
        old_len: u64,
        new_len: u64,
    ) -> Result<VirtAddr, MmError> {
        if self.vmas.count() + MOVE_AREAS > self.layout.max_map_count {
            return Err(MmError::NoMemory);
        }
        let old = request.old.0;
        // The content of what is moved. An area that old_len = 0 duplicates goes on to its end.
        let source = area.part(old, if old_len == 0 { area.end } else { (old + old_len).min(area.end) });
        let mut moved = Vma { backing: source.backing_for(new_len), ..source };
        check_file_end(&Vma { end: moved.start.saturating_add(new_len), ..moved.clone() })?;
        let at = request.fixed.map_or(Placement::Anywhere, Placement::Fixed);
        let (new, replace) = self.place(at, new_len)?;
        self.reserve_areas()?;
        if replace {
            self.discard(new, new + new_len);
            self.vmas.remove(new, new + new_len);
            if old_len > new_len {
                self.unmap(VirtAddr(old + new_len), old_len - new_len)?;
            }
        }
        let kept = old_len.min(new_len);
        self.reserve_areas()?;
        self.settle_range(new, new + kept);
        self.join_in_flight(old, old + kept);
        let moved_all = self.move_pages(old, new, kept);
        self.note_stale();
        self.open.moved = self.has_stale();
        moved_all?;
        if kept > 0 && !request.keep_old {
            self.vmas.remove(old, old + kept);
        } else if request.keep_old {
            let lock = VmaFlags::LOCKED | VmaFlags::LOCK_ON_FAULT;
            self.vmas.set_flags(old, old + kept, VmaFlags::empty(), lock);
        }
        (moved.start, moved.end) = (new, new + new_len);
        // The heap's name belongs to the heap's place.
        moved.name = moved.name.filter(|&name| name != "[heap]");
        let flags = moved.flags;
        self.vmas.insert(moved).map_err(|_| MmError::NoMemory)?;
        self.fetch_locked(new + kept, new + new_len, flags);
        Ok(VirtAddr(new))
    }

    /// Moves the page-table entries of `len` bytes at `old` to `new`, where none are. If a table cannot be made, all are
    /// back where they were.
    fn move_pages(&mut self, old: u64, new: u64, len: u64) -> Result<(), MmError> {
        let mut at = old;
        while let Some(page) = self.tables.next_mapped(VirtAddr(at), VirtAddr(old + len)) {
            let to = VirtAddr(new + (page.0 - old));
            match self.move_large(page, to, old + len) {
                Ok(false) => {}
                Ok(true) => {
                    at = page.0 + LARGE_SIZE;
                    continue;
                }
                Err(OutOfFrames) => {
                    self.move_back(new, old, page.0 - old);
                    return Err(MmError::NoMemory);
                }
            }
            if let Some((frame, flags)) = self.tables.unmap(page)
                && self.tables.map(to, frame, flags).is_err()
            {
                // Its table was there a moment ago and stays until the space is cleared.
                let _ = self.tables.map(page, frame, flags);
                self.move_back(new, old, page.0 - old);
                return Err(MmError::NoMemory);
            }
            at = page.0 + PAGE_SIZE;
        }
        Ok(())
    }

    /// Moves a large page as it is, if one that ends by `end` begins at `from` and can begin at `to`.
    fn move_large(&mut self, from: VirtAddr, to: VirtAddr, end: u64) -> Result<bool, OutOfFrames> {
        let aligned = (from.0 | to.0).is_multiple_of(LARGE_SIZE);
        if aligned && end - from.0 >= LARGE_SIZE { self.tables.move_large(from, to) } else { Ok(false) }
    }

    /// Undoes [`move_pages`](Self::move_pages): the tables at `to` exist, so that it needs no memory.
    fn move_back(&mut self, from: u64, to: u64, len: u64) {
        let mut at = from;
        while let Some(page) = self.tables.next_mapped(VirtAddr(at), VirtAddr(from + len)) {
            let back = VirtAddr(to + (page.0 - from));
            if self.move_large(page, back, from + len) == Ok(true) {
                at = page.0 + LARGE_SIZE;
                continue;
            }
            if let Some((frame, flags)) = self.tables.unmap(page) {
                let _ = self.tables.map(back, frame, flags);
            }
            at = page.0 + PAGE_SIZE;
        }
    }
}

/// Refuses an area whose offsets in its file would exceed what a file can have.
fn check_file_end(vma: &Vma) -> Result<(), MmError> {
    match &vma.backing {
        Backing::File(file) if file.offset.checked_add(vma.end.saturating_sub(vma.start)).is_none() => {
            Err(MmError::Invalid)
        }
        _ => Ok(()),
    }
}
