//! Frames before there is a frame allocator: a bump pointer in the free memory behind the image.
//!
//! Used at boot only, for the page tables of the direct map. What it gave out never comes back.

use crate::arch::layout::BOOT_MAP_END;
use crate::arch::paging::phys_to_virt;

/// A range of free physical memory, page-aligned, from which single frames are taken.
pub struct EarlyFrames {
    next: u64,
    end: u64,
}

impl EarlyFrames {
    /// Takes frames from `start..end`, as far as the boot page tables reach.
    pub fn new(start: u64, end: u64) -> Self {
        Self { next: start, end: end.min(BOOT_MAP_END) }
    }

    /// A zeroed frame: its physical address.
    pub fn take(&mut self) -> Option<u64> {
        let frame = self.next;
        if frame + 4096 > self.end {
            return None;
        }
        self.next = frame + 4096;
        // SAFETY: the frame is free memory below 4 GiB, which the boot tables map at the direct map's
        // address, and it is given out once.
        unsafe { phys_to_virt(frame).cast::<[u64; 512]>().write([0; 512]) };
        Some(frame)
    }

    /// The first byte that was not given out.
    pub fn position(&self) -> u64 {
        self.next
    }
}
