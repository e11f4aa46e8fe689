//! The hardware behind an address space: page tables and physical memory, as traits.
//!
//! `kernel` implements them over real tables and its direct map, `mm::fake` over maps. [`crate::space`] is the
//! only caller.
//!
//! Invariant: a frame that a table entry no longer names is freed only after no TLB can hold the entry. Tables therefore
//! remember what other CPUs may still hold, and the address space makes a [`Flush`](crate::flush::Flush) of it.

use core::fmt;

use bitflags::bitflags;

use crate::addr::{Frame, LARGE_PAGES, PAGE_SIZE, PhysAddr, VirtAddr};
use crate::flush::{OneCpu, Shootdown, Stale};
use crate::vma::Prot;

bitflags! {
    /// What a page-table entry allows, and what the address space remembers in its software bits.
    ///
    /// An entry with none of `READ`, `WRITE`, `EXEC` keeps its frame but allows no access (`PROT_NONE`): hardware
    /// tables hold it as "not present". On x86 any of the three allows reading.
    #[derive(Clone, Copy, PartialEq, Eq, Debug)]
    pub struct PageFlags: u32 {
        /// Loads are allowed.
        const READ = 1;
        /// Stores are allowed.
        const WRITE = 2;
        /// Instruction fetches are allowed.
        const EXEC = 4;
        /// Software: the frame has other users; a store copies it first. Excludes `WRITE`.
        const COW = 8;
        /// Software: the frame belongs to a backing store; it is never freed, and a store copies it first.
        /// Excludes `WRITE`.
        const FOREIGN = 16;
    }
}

impl PageFlags {
    /// The same page under another protection. `WRITE` is withheld from frames that must be copied first; what may
    /// only be stored to stays readable then, because "no access" would make each load fault for ever.
    #[must_use]
    pub fn with_prot(self, prot: Prot) -> Self {
        let software = self & (Self::COW | Self::FOREIGN);
        let access = Self::from(prot);
        if software.is_empty() {
            return access;
        }
        let readable = if prot.contains(Prot::WRITE) { Self::READ } else { Self::empty() };
        software | readable | (access - Self::WRITE)
    }
}

impl From<Prot> for PageFlags {
    fn from(prot: Prot) -> Self {
        let mut flags = Self::empty();
        flags.set(Self::READ, prot.contains(Prot::READ));
        flags.set(Self::WRITE, prot.contains(Prot::WRITE));
        flags.set(Self::EXEC, prot.contains(Prot::EXEC));
        flags
    }
}

/// There was no frame for a page table.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct OutOfFrames;

impl fmt::Display for OutOfFrames {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("out of page frames")
    }
}

impl core::error::Error for OutOfFrames {}

/// Frames that have left the page tables; other CPUs may still have them in their TLBs.
pub struct FrameBatch {
    frames: [Option<Frame>; Self::CAPACITY],
    len: usize,
    pages: u64,
}

impl Default for FrameBatch {
    fn default() -> Self {
        Self::new()
    }
}

impl FrameBatch {
    /// Owned frames a batch holds.
    pub const CAPACITY: usize = 64;

    /// An empty batch.
    #[must_use]
    pub const fn new() -> Self {
        Self { frames: [None; Self::CAPACITY], len: 0, pages: 0 }
    }

    /// Whether no further page can be added.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.len == Self::CAPACITY
    }

    /// Notes a page that was unmapped. Its frame is kept unless it is foreign. The batch must not be full.
    pub fn push(&mut self, frame: Frame, flags: PageFlags) {
        self.pages += 1;
        if flags.contains(PageFlags::FOREIGN) {
            return;
        }
        debug_assert!(!self.is_full(), "frame batch overflow");
        if let Some(slot) = self.frames.get_mut(self.len) {
            *slot = Some(frame);
            self.len += 1;
        }
    }

    /// Notes a large page that was unmapped, by its first frame. The batch must not be full.
    pub fn push_large(&mut self, frame: Frame, flags: PageFlags) {
        self.push(frame, flags);
        self.pages += LARGE_PAGES - 1;
    }

    /// Pages unmapped, foreign ones included, since the last [`drain`](Self::drain).
    #[must_use]
    pub fn pages(&self) -> u64 {
        self.pages
    }

    /// Hands each owned frame to `free` and empties the batch.
    pub fn drain(&mut self, mut free: impl FnMut(Frame)) {
        let held = self.frames.get_mut(..self.len).unwrap_or(&mut []);
        held.iter_mut().filter_map(Option::take).for_each(&mut free);
        self.len = 0;
        self.pages = 0;
    }
}

/// The page tables of the lower half of one address space.
///
/// Addresses are page-aligned and below [`USER_END`](crate::addr::USER_END). When a method returns, the TLB of this
/// CPU no longer holds what was changed; others may, see [`take_stale`](Self::take_stale).
pub trait PageTables: Send {
    /// What the CPU loads to use these tables (on x86-64 the physical address for CR3).
    fn root(&self) -> PhysAddr;

    /// What was taken away or narrowed since the last call, if a CPU besides this one may still have it in its TLB.
    fn take_stale(&mut self) -> Stale {
        Stale::NONE
    }

    /// How the other CPUs are told.
    fn cpus(&self) -> &'static dyn Shootdown {
        &OneCpu
    }

    /// Whether there are no other CPUs.
    fn one_cpu(&self) -> bool {
        true
    }

    /// Maps a page, replacing what was mapped there. The caller has already taken care of a replaced frame;
    /// replacing needs no memory and does not fail.
    ///
    /// # Errors
    /// [`OutOfFrames`] if a table is missing and cannot be allocated. The page stays unmapped.
    fn map(&mut self, va: VirtAddr, frame: Frame, flags: PageFlags) -> Result<(), OutOfFrames>;

    /// Maps a large page: `va` is aligned to it, `frame` begins a block of
    /// [`alloc_large_zeroed`](FrameSource::alloc_large_zeroed), and no page of its range is mapped. Tables split it, and
    /// the block with it, when something is done to a part of it; that needs no memory. The other methods show it as
    /// the pages it consists of.
    ///
    /// # Errors
    /// [`OutOfFrames`] if a table is missing, or these tables have no large pages.
    fn map_large(&mut self, _va: VirtAddr, _frame: Frame, _flags: PageFlags) -> Result<(), OutOfFrames> {
        Err(OutOfFrames)
    }

    /// Moves the large page that begins at `from`, if there is a whole one, to `to`: aligned to it, with no page of its range
    /// mapped. Returns whether it has; moving it back does not fail.
    ///
    /// # Errors
    /// [`OutOfFrames`] if a table is missing; nothing has changed then.
    fn move_large(&mut self, _from: VirtAddr, _to: VirtAddr) -> Result<bool, OutOfFrames> {
        Ok(false)
    }

    /// Removes the mapping of a page and returns it.
    fn unmap(&mut self, va: VirtAddr) -> Option<(Frame, PageFlags)>;

    /// Sets the flags of a mapped page, software bits included. Returns whether it is mapped.
    fn protect(&mut self, va: VirtAddr, flags: PageFlags) -> bool;

    /// The mapping of a page.
    fn query(&self, va: VirtAddr) -> Option<(Frame, PageFlags)>;

    /// The lowest mapped page in `from..end`.
    fn next_mapped(&self, from: VirtAddr, end: VirtAddr) -> Option<VirtAddr>;

    /// How many pages of `from..end` are mapped, and how many of these are [`PageFlags::FOREIGN`].
    fn count_mapped(&self, from: VirtAddr, end: VirtAddr) -> (u64, u64) {
        let (mut mapped, mut foreign, mut at) = (0, 0, from);
        while let Some(page) = self.next_mapped(at, end) {
            mapped += 1;
            let is_foreign = self.query(page).is_some_and(|(_, flags)| flags.contains(PageFlags::FOREIGN));
            foreign += u64::from(is_foreign);
            at = VirtAddr(page.0.saturating_add(PAGE_SIZE));
        }
        (mapped, foreign)
    }

    /// Frees all tables below the root. No page is mapped any more.
    fn clear(&mut self);

    /// Unmaps the pages of `from..end` in ascending order until the range is done or `batch` (empty at the call) is
    /// full. Returns where it stopped, `end` when done.
    fn unmap_range(&mut self, from: VirtAddr, end: VirtAddr, batch: &mut FrameBatch) -> VirtAddr {
        let mut at = from;
        while let Some(va) = self.next_mapped(at, end) {
            if batch.is_full() {
                return va;
            }
            if let Some((frame, flags)) = self.unmap(va) {
                batch.push(frame, flags);
            }
            at = VirtAddr(va.0.saturating_add(PAGE_SIZE));
        }
        end
    }

    /// Puts the mapped pages of `from..end` under another protection, see [`PageFlags::with_prot`].
    fn protect_range(&mut self, from: VirtAddr, end: VirtAddr, prot: Prot) {
        let mut at = from;
        while let Some(va) = self.next_mapped(at, end) {
            if let Some((_, flags)) = self.query(va) {
                self.protect(va, flags.with_prot(prot));
            }
            at = VirtAddr(va.0.saturating_add(PAGE_SIZE));
        }
    }
}

/// Physical memory: allocation of single frames and access to their content.
///
/// Content access is for frames this source allocated and for frames that a
/// [`BackingStore`](crate::store::BackingStore) named; `offset` plus length is at most one page.
pub trait FrameSource: Sync {
    /// A frame of zeros with one reference.
    fn alloc_zeroed(&self) -> Option<Frame>;
    /// As [`alloc_zeroed`](Self::alloc_zeroed), and `None` also if memory is no longer plentiful.
    fn alloc_zeroed_if_plenty(&self) -> Option<Frame>;
    /// A frame of arbitrary content with one reference, for callers that overwrite all of it.
    fn alloc_uninit(&self) -> Option<Frame>;
    /// The one frame of zeros that is mapped, [`FOREIGN`](PageFlags::FOREIGN), wherever memory is read before it is
    /// written. `None` if there is no memory for it.
    fn zero_frame(&self) -> Option<Frame>;
    /// Adds a reference to an allocated frame. False, and nothing changed, if it has as many as can be counted.
    fn share(&self, frame: Frame) -> bool;
    /// A block for a large page, zeroed, with one reference, that [`free`](Self::free) frees as a whole by its first
    /// frame. `None` if there is none, or memory is no longer plentiful.
    fn alloc_large_zeroed(&self) -> Option<Frame>;
    /// Drops a reference; the last one frees the frame.
    fn free(&self, frame: Frame);
    /// Copies out of a frame.
    fn read(&self, frame: Frame, offset: usize, dst: &mut [u8]);
    /// Copies into a frame.
    fn write(&self, frame: Frame, offset: usize, src: &[u8]);
    /// Zeros a part of a frame.
    fn zero(&self, frame: Frame, offset: usize, len: usize) {
        static ZEROS: [u8; PAGE_SIZE as usize] = [0; PAGE_SIZE as usize];
        self.write(frame, offset, ZEROS.get(..len).unwrap_or_default());
    }
    /// Copies a whole frame.
    fn copy(&self, from: Frame, to: Frame);
}
