//! Choosing an address for a new area: top-down, as Linux does by default on x86-64.

use super::VmaMap;
use crate::addr::VirtAddr;

impl VmaMap {
    /// Start of the highest free range of `len` bytes inside `floor..ceiling`, which also keeps out of the guard gap
    /// below areas that grow down. `len` is a multiple of the page size and not 0. O(log n).
    #[must_use]
    pub fn find_gap(&self, len: u64, floor: u64, ceiling: u64) -> Option<u64> {
        self.areas.find_gap(len, floor, ceiling)
    }

    /// Whether `start..start + len` is free and clear of the guard gap above it.
    #[must_use]
    pub fn is_free(&self, start: u64, len: u64) -> bool {
        let Some(end) = start.checked_add(len) else { return false };
        self.find_or_next(VirtAddr(start)).is_none_or(|vma| end <= vma.guarded_start())
    }
}
