//! Choosing an address for a new area: top-down, as Linux does by default on x86-64.

use super::VmaMap;
use crate::addr::VirtAddr;

impl VmaMap {
    /// Start of the highest free range of `len` bytes inside `floor..ceiling`, which also keeps out of the guard gap
    /// below areas that grow down. `len` is a multiple of the page size and not 0. Walks the areas from the top: the
    /// cost is the number of areas above the gap.
    #[must_use]
    pub fn find_gap(&self, len: u64, floor: u64, ceiling: u64) -> Option<u64> {
        let above = self.areas.range(ceiling..).next().map_or(ceiling, |(_, vma)| vma.guarded_start());
        let mut limit = ceiling.min(above);
        for vma in self.areas.range(..ceiling).rev().map(|(_, vma)| vma) {
            let bottom = vma.end.max(floor);
            if limit.checked_sub(bottom).is_some_and(|room| room >= len) {
                return Some(limit - len);
            }
            limit = limit.min(vma.guarded_start());
            if limit <= floor {
                return None;
            }
        }
        limit.checked_sub(floor).filter(|&room| room >= len).map(|_| limit - len)
    }

    /// Whether `start..start + len` is free and clear of the guard gap above it.
    #[must_use]
    pub fn is_free(&self, start: u64, len: u64) -> bool {
        let Some(end) = start.checked_add(len) else { return false };
        self.find_or_next(VirtAddr(start)).is_none_or(|vma| end <= vma.guarded_start())
    }
}
