//! The physical memory map, and what of it is free.

use core::ops::Range;

/// Ranges that a map can hold.
const MAX_REGIONS: usize = 64;
/// Below this the firmware keeps its own data; the kernel starts here.
const LOW_MEMORY_END: u64 = 0x10_0000;

/// RAM, as the boot loader listed it: page-aligned, sorted, not overlapping.
pub struct MemoryMap {
    regions: [(u64, u64); MAX_REGIONS],
    len: usize,
}

impl MemoryMap {
    /// A map without memory.
    pub const fn new() -> Self {
        Self { regions: [(0, 0); MAX_REGIONS], len: 0 }
    }

    /// Adds the whole pages of `start..start + size`. A range that overlaps an earlier one is cut; one
    /// that does not fit into the map is left out (returns false).
    pub fn add(&mut self, start: u64, size: u64) -> bool {
        let Some(end) = start.checked_add(size) else { return false };
        let Some(mut start) = start.checked_next_multiple_of(4096) else { return true };
        let end = end & !4095;
        let mut at = 0;
        while at < self.len && self.regions[at].0 <= start {
            start = start.max(self.regions[at].1);
            at += 1;
        }
        let end = if at < self.len { end.min(self.regions[at].0) } else { end };
        if start >= end {
            return true;
        }
        if self.len == MAX_REGIONS {
            return false;
        }
        self.regions.copy_within(at..self.len, at + 1);
        self.regions[at] = (start, end);
        self.len += 1;
        true
    }

    /// The ranges of RAM, ascending.
    pub fn ram(&self) -> impl Iterator<Item = Range<u64>> + '_ {
        self.regions[..self.len].iter().map(|&(start, end)| start..end)
    }

    /// RAM in bytes.
    pub fn total(&self) -> u64 {
        self.ram().map(|range| range.end - range.start).sum()
    }

    /// Whether `pa..pa + len` is RAM throughout.
    pub fn covers(&self, pa: u64, len: u64) -> bool {
        let Some(end) = pa.checked_add(len) else { return false };
        self.ram().any(|range| range.start <= pa && end <= range.end)
    }

    /// RAM above the first MiB without `taken` (the kernel and its payload).
    pub fn free(&self, taken: Range<u64>) -> impl Iterator<Item = Range<u64>> + '_ {
        self.ram().flat_map(move |range| {
            let range = range.start.max(LOW_MEMORY_END)..range.end;
            let below = range.start..range.end.min(taken.start);
            let above = range.start.max(taken.end)..range.end;
            [below, above].into_iter().filter(|part| part.start < part.end)
        })
    }
}

impl Default for MemoryMap {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn sorted_cut_and_rounded() {
        let mut map = MemoryMap::new();
        assert!(map.add(0x10_0000, 0x7f0_0000));
        assert!(map.add(0x0, 0x9_fc00));
        assert!(map.add(0x700_0000, 0x200_0000)); // overlaps the first
        assert_eq!(
            map.ram().collect::<Vec<_>>(),
            [0..0x9_f000, 0x10_0000..0x800_0000, 0x800_0000..0x900_0000]
        );
        assert!(map.covers(0x10_0000, 0x1000));
        assert!(!map.covers(0x9_f000, 1));
        assert!(!map.covers(u64::MAX, 2));
    }

    #[test]
    fn free_leaves_out_low_memory_and_the_image() {
        let mut map = MemoryMap::new();
        map.add(0, 0x9_f000);
        map.add(0x10_0000, 0xf0_0000);
        map.add(0x1_0000_0000, 0x10_0000);
        let free: Vec<_> = map.free(0x10_0000..0x30_0000).collect();
        assert_eq!(free, [0x30_0000..0x100_0000, 0x1_0000_0000..0x1_0010_0000]);
    }

    #[test]
    fn a_full_map_says_so() {
        let mut map = MemoryMap::new();
        for index in 0..MAX_REGIONS as u64 {
            assert!(map.add(index * 0x10_0000, 0x1000));
        }
        assert!(!map.add(0x1_0000_0000, 0x1000));
    }

    proptest! {
        #[test]
        fn ranges_stay_sorted_and_disjoint(adds in proptest::collection::vec((0u64..1 << 20, 0u64..1 << 18), 0..80)) {
            let mut map = MemoryMap::new();
            for (start, size) in adds {
                map.add(start, size);
            }
            let ranges: Vec<_> = map.ram().collect();
            for range in &ranges {
                prop_assert!(range.start < range.end && range.start.is_multiple_of(4096) && range.end.is_multiple_of(4096));
            }
            for pair in ranges.windows(2) {
                prop_assert!(pair[0].end <= pair[1].start);
            }
        }

        #[test]
        fn any_numbers_are_survived(adds in proptest::collection::vec((any::<u64>(), any::<u64>()), 0..80)) {
            let mut map = MemoryMap::new();
            for (start, size) in adds {
                map.add(start, size);
            }
            let _ = map.total();
        }
    }
}
