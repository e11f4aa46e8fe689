//! Virtual memory areas: what a program has mapped, independent of page tables.
//!
//! [`Vma`] describes one range, [`VmaMap`] holds those of one address space. [`crate::space`] is the only writer;
//! `/proc/self/maps` and fault reports read.

mod gap;
mod map;
#[cfg(test)]
mod tests;
mod tree;

use alloc::sync::Arc;
use core::fmt;

use bitflags::bitflags;

use crate::addr::{PAGE_SIZE, VirtAddr};
use crate::store::BackingStore;
pub use map::{Overlap, VmaMap};

/// Bytes kept free below an area that grows down, unless the program insists with MAP_FIXED: 256 pages, the Linux
/// default of `stack_guard_gap`.
pub const STACK_GUARD_GAP: u64 = 256 * PAGE_SIZE;

bitflags! {
    /// What a program may do with a page, with the values of PROT_READ, PROT_WRITE, PROT_EXEC.
    #[derive(Clone, Copy, PartialEq, Eq, Debug)]
    pub struct Prot: u32 {
        /// Load.
        const READ = 1;
        /// Store.
        const WRITE = 2;
        /// Execute.
        const EXEC = 4;
    }

    /// Properties of an area beside its protection.
    #[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
    pub struct VmaFlags: u32 {
        /// A fault below the area extends it downwards (stacks; MAP_GROWSDOWN).
        const GROWSDOWN = 1;
        /// Not counted against the commit limit (MAP_NORESERVE).
        const NORESERVE = 2;
        /// Stores are seen by everybody who maps the same pages (MAP_SHARED).
        const SHARED = 4;
        /// Can never be made writable: shared, of a file that was not opened for writing.
        const NEVER_WRITE = 8;
        /// Its pages stay (mlock(2)).
        const LOCKED = 16;
        /// With [`LOCKED`](Self::LOCKED): pages stay from their first access on, nobody fetches them (MLOCK_ONFAULT).
        const LOCK_ON_FAULT = 32;
        /// fork leaves it out (MADV_DONTFORK).
        const DONT_FORK = 64;
        /// A child finds zeros (MADV_WIPEONFORK).
        const WIPE_ON_FORK = 128;
        /// Not part of a core dump (MADV_DONTDUMP).
        const DONT_DUMP = 256;
        /// Large pages are wanted (MADV_HUGEPAGE).
        const HUGE_PAGES = 512;
        /// Large pages are not wanted (MADV_NOHUGEPAGE).
        const NO_HUGE_PAGES = 1024;
        /// Equal pages may be merged (MADV_MERGEABLE).
        const MERGEABLE = 2048;
    }
}

impl From<abi::Prot> for Prot {
    /// Keeps the access bits and drops the others.
    fn from(prot: abi::Prot) -> Self {
        Self::from_bits_truncate(prot.bits())
    }
}

/// The file part of a mapping.
#[derive(Clone)]
pub struct FileBacking {
    /// The file.
    pub store: Arc<dyn BackingStore>,
    /// Offset in the file of the area's first byte, a multiple of the page size.
    pub offset: u64,
    /// Bytes of the area that come from the file; those after them are zero.
    pub file_len: u64,
}

/// Where the initial content of an area comes from.
#[derive(Clone)]
pub enum Backing {
    /// Zeros.
    Anonymous,
    /// A file. Changes stay in the address space unless the area is [`VmaFlags::SHARED`].
    File(FileBacking),
}

impl fmt::Debug for Backing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Anonymous => f.write_str("Anonymous"),
            Self::File(file) => write!(f, "File({:#x}, {:#x})", file.offset, file.file_len),
        }
    }
}

impl Backing {
    /// The backing of the part of an area that starts `skip` bytes in and is `len` bytes long.
    fn part(&self, skip: u64, len: u64) -> Self {
        match self {
            Self::Anonymous => Self::Anonymous,
            Self::File(file) => Self::File(FileBacking {
                store: Arc::clone(&file.store),
                offset: file.offset.saturating_add(skip),
                file_len: file.file_len.saturating_sub(skip).min(len),
            }),
        }
    }

    /// Whether `next`, right after an area of `len` bytes with this backing, continues it.
    fn continues(&self, len: u64, next: &Self) -> bool {
        match (self, next) {
            (Self::Anonymous, Self::Anonymous) => true,
            (Self::File(a), Self::File(b)) => {
                Arc::ptr_eq(&a.store, &b.store)
                    && a.offset.checked_add(len) == Some(b.offset)
                    && (a.file_len == len || b.file_len == 0)
            }
            _ => false,
        }
    }
}

/// One mapped range. `start` and `end` are page-aligned, `start < end <= USER_END`.
#[derive(Clone, Debug)]
pub struct Vma {
    /// First address.
    pub start: u64,
    /// One past the last address.
    pub end: u64,
    /// Protection.
    pub prot: Prot,
    /// Other properties.
    pub flags: VmaFlags,
    /// Origin of the content.
    pub backing: Backing,
    /// Name for reports where the backing has none: `[heap]`, `[stack]`, ...
    pub name: Option<&'static str>,
    /// What the program calls memory that is no file's (PR_SET_VMA_ANON_NAME), as it is shown: `[anon:...]`.
    pub given: Option<Arc<[u8]>>,
}

impl Vma {
    /// Length in bytes.
    #[must_use]
    pub fn len(&self) -> u64 {
        self.end - self.start
    }

    /// Whether there are no bytes: never, for an area of a [`VmaMap`].
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.start >= self.end
    }

    /// Whether `addr` lies in the area.
    #[must_use]
    pub fn contains(&self, addr: VirtAddr) -> bool {
        (self.start..self.end).contains(&addr.0)
    }

    /// What `/proc/self/maps` shows in its last column: the file's path, the name, or nothing.
    #[must_use]
    pub fn label(&self) -> &[u8] {
        match (&self.backing, self.name, &self.given) {
            (_, Some(name), _) => name.as_bytes(),
            (_, None, Some(given)) => given,
            (Backing::File(file), None, None) => file.store.name(),
            (Backing::Anonymous, None, None) => b"",
        }
    }

    /// Offset in the file of the first byte; 0 for anonymous memory.
    #[must_use]
    pub fn file_offset(&self) -> u64 {
        match &self.backing {
            Backing::File(file) => file.offset,
            Backing::Anonymous => 0,
        }
    }

    /// Lowest address that new mappings may reach up to: the start, less the guard gap of a stack.
    #[must_use]
    pub fn guarded_start(&self) -> u64 {
        if self.flags.contains(VmaFlags::GROWSDOWN) {
            self.start.saturating_sub(STACK_GUARD_GAP)
        } else {
            self.start
        }
    }

    /// Whether the area counts as data for RLIMIT_DATA: private, writable and not a stack (getrlimit(2)).
    #[must_use]
    pub fn is_data(&self) -> bool {
        is_data(self.prot, self.flags)
    }

    /// The backing of `len` bytes from the area's start on, and for more than there are: files go on, zeros too.
    pub(crate) fn backing_for(&self, len: u64) -> Backing {
        let mut backing = self.backing.part(0, len);
        if let (Backing::File(old), Backing::File(new)) = (&self.backing, &mut backing)
            && old.file_len >= self.len()
        {
            new.file_len = len;
        }
        backing
    }

    /// The sub-range `start..end`, which must lie inside the area.
    pub(crate) fn part(&self, start: u64, end: u64) -> Self {
        let backing = self.backing.part(start - self.start, end - start);
        let given = self.given.clone();
        Self { start, end, prot: self.prot, flags: self.flags, backing, name: self.name, given }
    }

    /// Whether `next` starts where this area ends and differs from it in nothing else.
    fn can_join(&self, next: &Self) -> bool {
        self.end == next.start
            && self.prot == next.prot
            && self.flags == next.flags
            && self.name == next.name
            && self.given == next.given
            && self.backing.continues(self.len(), &next.backing)
    }

    /// Appends `next`, for which [`can_join`](Self::can_join) holds.
    fn join(&mut self, next: &Self) {
        if let (Backing::File(file), Backing::File(more)) = (&mut self.backing, &next.backing) {
            file.file_len = file.file_len.saturating_add(more.file_len);
        }
        self.end = next.end;
    }
}

/// Whether private memory of this kind counts as data for RLIMIT_DATA.
pub(crate) fn is_data(prot: Prot, flags: VmaFlags) -> bool {
    prot.contains(Prot::WRITE) && !flags.intersects(VmaFlags::GROWSDOWN | VmaFlags::SHARED)
}
