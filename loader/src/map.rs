//! Putting a plan into an address space.
//!
//! The kernel implements [`MapTarget`] over its address space; tests implement it over a model.

use crate::plan::Plan;
use crate::segment::Prot;

/// An address space under construction. Addresses and lengths are bytes; all but those of [`zero`](Self::zero)
/// are multiples of the page size. A later call replaces what an earlier one put into the same page, as
/// `MAP_FIXED | MAP_PRIVATE` does.
pub trait MapTarget {
    /// Why mapping failed.
    type Error;

    /// Maps `len` bytes of the file at `file_offset` privately. Bytes of the last page behind the end of the file
    /// read as zero.
    fn map_file(&mut self, vaddr: u64, len: u64, file_offset: u64, prot: Prot) -> Result<(), Self::Error>;

    /// Maps `len` bytes of private zeros.
    fn map_zero(&mut self, vaddr: u64, len: u64, prot: Prot) -> Result<(), Self::Error>;

    /// Clears bytes inside one page that is mapped writable already.
    fn zero(&mut self, vaddr: u64, len: u64) -> Result<(), Self::Error>;
}

impl Plan {
    /// Maps all segments in their order, each address increased by `bias` modulo 2^64: 0 for
    /// [`Kind::Exec`](crate::Kind::Exec), from [`layout`](crate::layout) otherwise.
    ///
    /// Errors: the first that `target` returns; what was mapped before stays for the caller to discard.
    pub fn map_into<T: MapTarget>(&self, bias: u64, target: &mut T) -> Result<(), T::Error> {
        for segment in &self.segments {
            let pieces = segment.pieces();
            if let Some(file) = pieces.file {
                target.map_file(file.vaddr.wrapping_add(bias), file.len, file.file_offset, file.prot)?;
            }
            if let Some(range) = pieces.clear {
                target.zero(range.start.wrapping_add(bias), range.end.saturating_sub(range.start))?;
            }
            if let Some(range) = pieces.zero {
                let len = range.end.saturating_sub(range.start);
                target.map_zero(range.start.wrapping_add(bias), len, pieces.zero_prot)?;
            }
        }
        Ok(())
    }
}
