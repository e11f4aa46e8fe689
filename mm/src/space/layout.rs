//! Where things go in an address space, and how much of them there may be.

use crate::addr::{PAGE_SIZE, USER_END, page_floor};
use crate::vma::STACK_GUARD_GAP;

/// Lowest address a program may map: the Linux default of `vm.mmap_min_addr`.
pub const MMAP_MIN_ADDR: u64 = 0x1_0000;
/// Most areas in one address space: the Linux default of `vm.max_map_count`.
pub const MAX_MAP_COUNT: usize = 65530;

/// Random pages Linux takes off the stack top at most, plus one: 16 GiB.
const STACK_RANDOM_PAGES: u64 = 1 << 22;
/// Random pages Linux takes off the mmap base at most, plus one (`vm.mmap_rnd_bits` = 28).
const MMAP_RANDOM_PAGES: u64 = 1 << 28;

/// Resource limits in bytes, as setrlimit(2) has them; `u64::MAX` is no limit.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Limits {
    /// RLIMIT_AS: all mappings.
    pub address_space: u64,
    /// RLIMIT_DATA: private writable mappings that are not stacks; also the length of the heap.
    pub data: u64,
    /// RLIMIT_STACK: how far a stack grows.
    pub stack: u64,
    /// Largest single private writable mapping without MAP_NORESERVE, as Linux's heuristic overcommit refuses what
    /// cannot fit memory at all. Set it to the size of memory.
    pub commit: u64,
}

impl Limits {
    /// No limits.
    pub const UNLIMITED: Self =
        Self { address_space: u64::MAX, data: u64::MAX, stack: u64::MAX, commit: u64::MAX };
}

/// Addresses that are chosen once, when a program starts.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Layout {
    /// Mappings without a fixed address are placed below this.
    pub mmap_base: u64,
    /// No mapping lies below this.
    pub mmap_min_addr: u64,
    /// End of the initial stack: for the loader, nothing is mapped here.
    pub stack_top: u64,
    /// Most areas.
    pub max_map_count: usize,
    /// Resource limits.
    pub limits: Limits,
}

impl Layout {
    /// The layout Linux chooses on x86-64. `stack_random` and `mmap_random` are random numbers, of which 22 and 28
    /// bits are used; 0 for both means no randomisation. Room for the stack below `stack_top` follows
    /// `limits.stack`, at least 128 MiB.
    #[must_use]
    pub const fn linux(limits: Limits, stack_random: u64, mmap_random: u64) -> Self {
        const GAP_MIN: u64 = 128 << 20;
        const GAP_MAX: u64 = USER_END / 6 * 5;
        let stack_top = USER_END - stack_random % STACK_RANDOM_PAGES * PAGE_SIZE;
        let wanted = limits.stack.saturating_add(STACK_RANDOM_PAGES * PAGE_SIZE + STACK_GUARD_GAP);
        let gap = if wanted < GAP_MIN {
            GAP_MIN
        } else if wanted > GAP_MAX {
            GAP_MAX
        } else {
            wanted
        };
        let mmap_base = page_floor(USER_END - gap - mmap_random % MMAP_RANDOM_PAGES * PAGE_SIZE);
        Self { mmap_base, mmap_min_addr: MMAP_MIN_ADDR, stack_top, max_map_count: MAX_MAP_COUNT, limits }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_stack_never_reaches_the_mappings() {
        let limits = Limits { stack: 8 << 20, ..Limits::UNLIMITED };
        for (stack, mmap) in [(0, 0), (u64::MAX, 0), (0, u64::MAX), (u64::MAX, u64::MAX), (12345, 678)] {
            let layout = Layout::linux(limits, stack, mmap);
            assert!(layout.stack_top <= USER_END && layout.stack_top.is_multiple_of(PAGE_SIZE));
            assert!(layout.mmap_base.is_multiple_of(PAGE_SIZE));
            assert!(layout.stack_top - layout.mmap_base >= limits.stack + STACK_GUARD_GAP);
        }
        let endless = Layout::linux(Limits::UNLIMITED, 0, u64::MAX);
        assert!(endless.mmap_base > 1 << 40, "room for mappings is left: {:#x}", endless.mmap_base);
    }
}
