//! How much of an address space is present, for `/proc/self/{statm,status,smaps}`.

use super::AddressSpace;
use crate::addr::VirtAddr;
use crate::vma::Vma;

/// The pages of an area that are present.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// All.
    pub present: u64,
    /// Those that show a file's own frames.
    pub file: u64,
}

impl AddressSpace {
    /// Counts the present pages of an area. The cost grows with those, not with the area.
    #[must_use]
    pub fn usage(&self, vma: &Vma) -> Usage {
        let (present, file) = self.tables.count_mapped(VirtAddr(vma.start), VirtAddr(vma.end));
        Usage { present, file }
    }

    /// The most pages that were ever present at once.
    #[must_use]
    pub fn peak_resident_pages(&self) -> u64 {
        self.peak_resident
    }

    /// The most bytes that were ever mapped at once.
    #[must_use]
    pub fn peak_mapped_bytes(&self) -> u64 {
        self.vmas.peak_bytes()
    }
}
