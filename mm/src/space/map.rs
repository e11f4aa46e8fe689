//! mmap, munmap, mprotect: errors and their order as in the man pages and, where those are silent, as in Linux.

use super::{AddressSpace, MmError};
use crate::addr::{USER_END, VirtAddr, is_page_aligned, page_ceil, page_floor};
use crate::vma::{Backing, FileBacking, Prot, Vma, VmaFlags, is_data};

/// Where mappings of MAP_32BIT go: the second GiB.
const LOW_START: u64 = 1 << 30;
const LOW_END: u64 = 2 << 30;

/// Where a mapping goes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Placement {
    /// Wherever there is room, from the mmap base downwards.
    Anywhere,
    /// At this address (rounded down to a page) if it is free, else anywhere.
    Hint(VirtAddr),
    /// Exactly here, replacing what is there (MAP_FIXED).
    Fixed(VirtAddr),
    /// Exactly here, if it is free (MAP_FIXED_NOREPLACE).
    FixedNoReplace(VirtAddr),
    /// Below 2 GiB (MAP_32BIT).
    Low,
}

/// A mapping to make.
#[derive(Clone, Debug)]
pub struct MapRequest {
    /// Where.
    pub at: Placement,
    /// Bytes; rounded up to pages.
    pub len: u64,
    /// Protection.
    pub prot: Prot,
    /// Content. `file_len` is cut to the mapping.
    pub backing: Backing,
    /// Other properties.
    pub flags: VmaFlags,
    /// Name for reports.
    pub name: Option<&'static str>,
}

impl MapRequest {
    /// Anonymous memory without name or special properties.
    #[must_use]
    pub const fn anonymous(at: Placement, len: u64, prot: Prot) -> Self {
        Self { at, len, prot, backing: Backing::Anonymous, flags: VmaFlags::empty(), name: None }
    }

    /// A private mapping of a file.
    #[must_use]
    pub const fn file(at: Placement, len: u64, prot: Prot, file: FileBacking) -> Self {
        Self { at, len, prot, backing: Backing::File(file), flags: VmaFlags::empty(), name: None }
    }
}

impl AddressSpace {
    /// mmap(2): makes a mapping and returns its start. No memory is allocated for its pages.
    ///
    /// # Errors
    /// `Invalid`: length 0, unaligned fixed address or file offset. `Overflow`: file offset plus length.
    /// `Exists`: fixed range taken. `Denied`: fixed address below the minimum. `NoMemory`: no room, or a limit.
    pub fn map(&mut self, request: MapRequest) -> Result<VirtAddr, MmError> {
        if request.len == 0 {
            return Err(MmError::Invalid);
        }
        let len = page_ceil(request.len).ok_or(MmError::NoMemory)?;
        let backing = fit_backing(request.backing, len)?;
        let (start, replace) = self.place(request.at, len)?;
        let end = start.checked_add(len).ok_or(MmError::NoMemory)?;
        let (prot, flags) = (request.prot, request.flags | self.future);

        // Above the limit not even a replacement is made, as on Linux.
        if self.vmas.total_bytes() > self.layout.limits.address_space {
            return Err(MmError::NoMemory);
        }
        let replaced = self.bytes_within(start, end);
        self.check_limits(len - replaced, if is_data(prot, flags) { len - replaced } else { 0 })?;
        self.check_commit(len, prot, flags)?;
        let holes = usize::from(self.vmas.punches_hole(start, end));
        if self.vmas.count() + holes >= self.layout.max_map_count {
            return Err(MmError::NoMemory);
        }
        self.reserve_areas()?;
        if replace {
            self.discard(start, end);
            self.vmas.remove(start, end);
        }
        let vma = Vma { start, end, prot, flags, backing, name: request.name, given: None };
        self.vmas.insert(vma).map_err(|_| MmError::NoMemory)?;
        Ok(VirtAddr(start))
    }

    /// munmap(2): unmaps the pages of a range; holes in it are fine.
    ///
    /// # Errors
    /// `Invalid`: unaligned address, length 0, range outside the program's half. `NoMemory`: one area would become
    /// two and there are too many, or there is no memory to note that.
    pub fn unmap(&mut self, addr: VirtAddr, len: u64) -> Result<(), MmError> {
        let room = USER_END.checked_sub(addr.0).ok_or(MmError::Invalid)?;
        if !addr.is_page_aligned() || len == 0 || len > room {
            return Err(MmError::Invalid);
        }
        let start = addr.0;
        let end = start + page_ceil(len).ok_or(MmError::Invalid)?;
        if self.vmas.punches_hole(start, end) && self.vmas.count() >= self.layout.max_map_count {
            return Err(MmError::NoMemory);
        }
        self.reserve_areas()?;
        self.discard(start, end);
        self.vmas.remove(start, end);
        Ok(())
    }

    /// mprotect(2): changes the protection of a range. Length 0 is accepted and does nothing.
    ///
    /// # Errors
    /// `Invalid`: unaligned address. `NoMemory`: a page of the range is not mapped (areas before the first hole
    /// have been changed, as on Linux), the range wraps around, or a limit. `Access`: a shared area of a file that was
    /// not opened for writing.
    pub fn protect(&mut self, addr: VirtAddr, len: u64, prot: Prot) -> Result<(), MmError> {
        if !addr.is_page_aligned() {
            return Err(MmError::Invalid);
        }
        if len == 0 {
            return Ok(());
        }
        let end = page_ceil(len).and_then(|len| addr.0.checked_add(len)).ok_or(MmError::NoMemory)?;
        let mut at = addr.0;
        while at < end {
            let vma = self.vmas.find(VirtAddr(at)).ok_or(MmError::NoMemory)?;
            let stop = vma.end.min(end);
            if prot.contains(Prot::WRITE) && vma.flags.contains(VmaFlags::NEVER_WRITE) {
                return Err(MmError::Access);
            }
            if vma.prot == prot {
                // Somebody else's doing, perhaps, who is not done yet.
                self.join_in_flight(at, stop);
            } else {
                let more_data = !vma.is_data() && is_data(prot, vma.flags);
                let flags = vma.flags;
                self.check_limits(0, if more_data { stop - at } else { 0 })?;
                if more_data {
                    self.check_commit(stop - at, prot, flags)?;
                }
                self.reserve_splits(at, stop)?;
                self.vmas.protect(at, stop, prot);
                if prot.is_empty() {
                    self.join_in_flight(at, stop);
                } else {
                    // Pages without rights may have been moved to where others were that a CPU still knows.
                    self.settle_range(at, stop);
                }
                self.tables.protect_range(VirtAddr(at), VirtAddr(stop), prot);
                self.note_stale();
            }
            at = stop;
        }
        Ok(())
    }

    /// Sets memory aside for a change of the areas.
    pub(super) fn reserve_areas(&mut self) -> Result<(), MmError> {
        if self.vmas.reserve() { Ok(()) } else { Err(MmError::NoMemory) }
    }

    /// As [`reserve_areas`](Self::reserve_areas), for a change of what areas have in `start..end`: may they be cut there?
    pub(super) fn reserve_splits(&mut self, start: u64, end: u64) -> Result<(), MmError> {
        if self.vmas.count() + self.vmas.splits(start, end) > self.layout.max_map_count {
            return Err(MmError::NoMemory);
        }
        self.reserve_areas()
    }

    /// Chooses the start of a mapping of `len` bytes (a multiple of the page size) and whether it replaces others.
    pub(super) fn place(&self, at: Placement, len: u64) -> Result<(u64, bool), MmError> {
        if len > USER_END {
            return Err(MmError::NoMemory);
        }
        let floor = self.layout.mmap_min_addr;
        match at {
            Placement::Fixed(addr) | Placement::FixedNoReplace(addr) => {
                if addr.0 > USER_END - len {
                    return Err(MmError::NoMemory);
                }
                if !addr.is_page_aligned() {
                    return Err(MmError::Invalid);
                }
                if addr.0 < floor {
                    return Err(MmError::Denied);
                }
                let replace = matches!(at, Placement::Fixed(_));
                if !replace && self.vmas.overlaps(addr.0, addr.0 + len) {
                    return Err(MmError::Exists);
                }
                Ok((addr.0, replace))
            }
            Placement::Hint(addr) => {
                let hint = page_floor(addr.0).max(floor);
                if addr.0 != 0 && hint <= USER_END - len && self.vmas.is_free(hint, len) {
                    return Ok((hint, false));
                }
                self.place(Placement::Anywhere, len)
            }
            Placement::Low => {
                let found = self.vmas.find_gap(len, LOW_START, LOW_END);
                found.map(|start| (start, false)).ok_or(MmError::NoMemory)
            }
            Placement::Anywhere => {
                let found = self.vmas.find_gap(len, floor, self.layout.mmap_base);
                // Between the base and the stack only when there is nothing below.
                let found = found.or_else(|| self.vmas.find_gap(len, floor, USER_END));
                found.map(|start| (start, false)).ok_or(MmError::NoMemory)
            }
        }
    }

    /// Heuristic overcommit: a single request that exceeds all memory is refused (see [`super::Limits::commit`]).
    pub(super) fn check_commit(&self, len: u64, prot: Prot, flags: VmaFlags) -> Result<(), MmError> {
        let counted = prot.contains(Prot::WRITE) && !flags.intersects(VmaFlags::NORESERVE | VmaFlags::SHARED);
        if counted && len > self.layout.limits.commit { Err(MmError::NoMemory) } else { Ok(()) }
    }

    /// Bytes mapped in `start..end`.
    pub(super) fn bytes_within(&self, start: u64, end: u64) -> u64 {
        self.vmas.overlapping(start, end).map(|vma| vma.end.min(end) - vma.start.max(start)).sum()
    }
}

/// Checks the file part of a request and cuts it to the mapping.
fn fit_backing(mut backing: Backing, len: u64) -> Result<Backing, MmError> {
    if let Backing::File(file) = &mut backing {
        if !is_page_aligned(file.offset) {
            return Err(MmError::Invalid);
        }
        if file.offset.checked_add(len).is_none() {
            return Err(MmError::Overflow);
        }
        file.file_len = file.file_len.min(len);
    }
    Ok(backing)
}
