//! The kernel heap: talc behind the kernel's mutex, fed with blocks of frames as it grows.

use core::alloc::Layout;

use talc::TalcLock;
use talc::base::Talc;
use talc::base::binning::Binning;
use talc::source::Source;

use super::frames;
use crate::arch::paging::phys_to_virt;

/// Blocks of at least 64 KiB are claimed.
const MIN_ORDER: u8 = 4;
/// What talc needs beside an allocation in a heap of its own, generously.
const OVERHEAD: usize = 4096;

/// Feeds the heap from the frame allocator.
#[derive(Debug)]
pub struct FrameBlocks;

// SAFETY: `acquire` uses the frame allocator only, which does not use the heap.
unsafe impl Source for FrameBlocks {
    fn acquire<B: Binning>(talc: &mut Talc<Self, B>, layout: Layout) -> Result<(), ()> {
        let bytes =
            layout.size().checked_add(layout.align()).and_then(|n| n.checked_add(OVERHEAD)).ok_or(())?;
        let order = (bytes.div_ceil(4096).next_power_of_two().ilog2() as u8).max(MIN_ORDER);
        let block = frames::alloc_block(order).ok_or(())?;
        // SAFETY: the block is free memory in the direct map, given to the heap for good.
        unsafe { talc.claim(phys_to_virt(block), 4096 << order) }.map(|_| ()).ok_or(())
    }
}

#[global_allocator]
static HEAP: TalcLock<sync::RawMutex, FrameBlocks> = TalcLock::new(FrameBlocks);
