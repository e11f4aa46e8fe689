//! [`AddressSpace`]: what one program sees as memory.
//!
//! `task` owns one per process, behind its mutex; exec fills it through [`AddressSpace::map`] and
//! [`AddressSpace::write_initial`], the system calls of the mmap family change it, the page-fault handler calls
//! [`AddressSpace::fault`].
//!
//! Invariants: a page is in the page tables only inside an area, with no more rights than the area gives; a frame in
//! the tables without [`PageFlags::FOREIGN`] has a reference of this space, which drops it when the page goes; memory
//! is allocated at the first access, never by mapping.

mod access;
mod areas;
mod brk;
mod fault;
mod flush;
mod layout;
mod map;
mod remap;
#[cfg(test)]
mod tests;
mod usage;

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::fmt;

use crate::addr::{PAGE_SIZE, PhysAddr, USER_END, VirtAddr};
#[cfg(doc)]
use crate::paging::PageFlags;
use crate::paging::{FrameBatch, FrameSource, PageTables};
use crate::vma::{Vma, VmaFlags, VmaMap};
pub use areas::Part;
pub use fault::{Access, FaultError};
use flush::{InFlight, Open};
pub use layout::{Layout, Limits, MAX_MAP_COUNT, MMAP_MIN_ADDR};
pub use map::{MapRequest, Placement};
pub use remap::RemapRequest;
pub use usage::Usage;

/// Why a change of the mappings is refused.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum MmError {
    /// Unaligned address, length 0, or a range outside the program's half (EINVAL).
    Invalid,
    /// No room, a limit, or nothing mapped where something must be (ENOMEM).
    NoMemory,
    /// The range is taken (EEXIST, MAP_FIXED_NOREPLACE).
    Exists,
    /// Below the lowest address that may be mapped (EPERM).
    Denied,
    /// File offset plus length is too large (EOVERFLOW).
    Overflow,
    /// Nothing is mapped where the mapping to move must be, or not all of it (EFAULT).
    NotMapped,
    /// The file was not opened for what is asked (EACCES).
    Access,
}

impl fmt::Display for MmError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Invalid => "invalid address or length",
            Self::NoMemory => "not enough memory or address space",
            Self::Exists => "address range is in use",
            Self::Denied => "address is too low to be mapped",
            Self::Overflow => "file offset is too large",
            Self::NotMapped => "no such mapping",
            Self::Access => "the mapped file does not allow it",
        })
    }
}

impl core::error::Error for MmError {}

/// One program's memory. See the module's documentation.
pub struct AddressSpace {
    tables: Box<dyn PageTables>,
    frames: &'static dyn FrameSource,
    vmas: VmaMap,
    layout: Layout,
    start_brk: u64,
    brk: u64,
    resident: u64,
    peak_resident: u64,
    /// Faults that were resolved.
    faults: u64,
    /// What mlockall(MCL_FUTURE) gives to new areas.
    future: VmaFlags,
    open: Open,
    /// Flushes that are under way.
    in_flight: Vec<InFlight>,
    next_flush: u64,
}

impl fmt::Debug for AddressSpace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AddressSpace").field("vmas", &self.vmas).finish_non_exhaustive()
    }
}

impl AddressSpace {
    /// An empty address space. `tables` map nothing below [`USER_END`].
    #[must_use]
    pub fn new(tables: Box<dyn PageTables>, frames: &'static dyn FrameSource, layout: Layout) -> Self {
        Self {
            tables,
            frames,
            vmas: VmaMap::new(),
            layout,
            start_brk: 0,
            brk: 0,
            resident: 0,
            peak_resident: 0,
            faults: 0,
            future: VmaFlags::empty(),
            open: Open::default(),
            in_flight: Vec::new(),
            next_flush: 0,
        }
    }

    /// What the CPU loads to use this address space.
    #[must_use]
    pub fn root(&self) -> PhysAddr {
        self.tables.root()
    }

    /// The layout.
    #[must_use]
    pub fn layout(&self) -> &Layout {
        &self.layout
    }

    /// Changes the resource limits (setrlimit(2)). What exists already stays.
    pub fn set_limits(&mut self, limits: Limits) {
        self.layout.limits = limits;
    }

    /// The area that contains `addr`.
    #[must_use]
    pub fn find(&self, addr: VirtAddr) -> Option<&Vma> {
        self.vmas.find(addr)
    }

    /// The nearest areas wholly below and wholly above `addr`, for fault reports.
    #[must_use]
    pub fn neighbours(&self, addr: VirtAddr) -> (Option<&Vma>, Option<&Vma>) {
        self.vmas.neighbours(addr)
    }

    /// All areas in ascending order, for `/proc/self/maps`.
    pub fn vmas(&self) -> impl DoubleEndedIterator<Item = &Vma> {
        self.vmas.iter()
    }

    /// Bytes mapped.
    #[must_use]
    pub fn mapped_bytes(&self) -> u64 {
        self.vmas.total_bytes()
    }

    /// Pages present in the page tables.
    #[must_use]
    pub fn resident_pages(&self) -> u64 {
        self.resident
    }

    /// Page faults that were resolved, of the program and of copies from and to its memory.
    #[must_use]
    pub fn fault_count(&self) -> u64 {
        self.faults
    }

    /// Unmaps everything and frees every owned frame and page table. The heap is gone, too.
    pub fn clear(&mut self) {
        self.discard(0, USER_END);
        self.settle();
        self.tables.clear();
        self.vmas.clear();
        (self.start_brk, self.brk) = (0, 0);
        self.future = VmaFlags::empty();
    }

    /// Empties the page tables of `start..end` and frees the frames as soon as no CPU can use them.
    fn discard(&mut self, start: u64, end: u64) {
        self.join_in_flight(start, end);
        let mut batch = FrameBatch::new();
        let mut at = VirtAddr(start);
        while at.0 < end {
            at = self.tables.unmap_range(at, VirtAddr(end), &mut batch);
            self.resident = self.resident.saturating_sub(batch.pages());
            self.note_stale();
            batch.drain(|frame| self.retire(frame));
        }
    }

    /// Whether `bytes` more may be mapped, `data` of them as data.
    fn check_limits(&self, bytes: u64, data: u64) -> Result<(), MmError> {
        let fits = |used: u64, more: u64, limit: u64| {
            more == 0 || used.checked_add(more).is_some_and(|sum| sum <= limit & !(PAGE_SIZE - 1))
        };
        let limits = &self.layout.limits;
        if fits(self.vmas.total_bytes(), bytes, limits.address_space)
            && fits(self.vmas.data_bytes(), data, limits.data)
        {
            Ok(())
        } else {
            Err(MmError::NoMemory)
        }
    }
}

impl Drop for AddressSpace {
    fn drop(&mut self) {
        self.clear();
    }
}
