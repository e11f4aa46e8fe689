//! The kernel heap: talc behind the kernel's mutex, fed with blocks of frames as it grows.
//!
//! Much of what a system call allocates is small and cannot be refused in the middle of the call: a node of a map, a
//! counted object. For that an allocation is kept in reserve. When no other memory is left it is freed, and until
//! there is another one ([`refill`]) calls that take memory are refused at their beginning. What is large is allocated
//! fallibly everywhere, and never gets the reserve.

use core::alloc::Layout;
use core::ptr::{self, NonNull};
use core::sync::atomic::{AtomicPtr, Ordering};

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

/// The reserve: far more than one call takes in small pieces.
const RESERVE: Layout = match Layout::from_size_align(64 << 10, 16) {
    Ok(layout) => layout,
    Err(_) => panic!("a wrong layout"),
};
/// What is larger than this is allocated fallibly, and never from the reserve.
const SMALL: usize = 2048;

/// The reserved allocation; null if there is none.
static RESERVED: AtomicPtr<u8> = AtomicPtr::new(ptr::null_mut());

/// Whether the heap has used its reserve.
pub fn is_low() -> bool {
    RESERVED.load(Ordering::Relaxed).is_null()
}

/// Sets memory aside for when it runs out, from the heap or from free frames. Returns whether there is some now. Called at
/// boot, and before system calls while the heap is low.
pub fn refill() -> bool {
    if !is_low() {
        return true;
    }
    // SAFETY: the layout is not empty.
    let block = unsafe { alloc::alloc::alloc(RESERVE) };
    if block.is_null() {
        return false;
    }
    if RESERVED.compare_exchange(ptr::null_mut(), block, Ordering::AcqRel, Ordering::Relaxed).is_err() {
        // Another thread was first.
        // SAFETY: allocated above with this layout, and nobody else knows it.
        unsafe { alloc::alloc::dealloc(block, RESERVE) };
    }
    true
}

/// Free frames for a heap that needs `bytes`, and their order: as many as it likes to grow by, else as many as it must.
fn grow(bytes: usize) -> Option<(u64, u8)> {
    let order = bytes.div_ceil(4096).next_power_of_two().ilog2() as u8;
    [order.max(MIN_ORDER), order]
        .into_iter()
        .find_map(|order| frames::alloc_block(order).map(|block| (block, order)))
}

/// Feeds the heap from the frame allocator.
#[derive(Debug)]
pub struct FrameBlocks;

// SAFETY: `acquire` uses the frame allocator, which does not use the heap, and `talc` itself.
unsafe impl Source for FrameBlocks {
    fn acquire<B: Binning>(talc: &mut Talc<Self, B>, layout: Layout) -> Result<(), ()> {
        let bytes =
            layout.size().checked_add(layout.align()).and_then(|n| n.checked_add(OVERHEAD)).ok_or(())?;
        let Some((block, order)) = grow(bytes) else {
            let reserve = if layout.size() <= SMALL {
                RESERVED.swap(ptr::null_mut(), Ordering::AcqRel)
            } else {
                ptr::null_mut()
            };
            // SAFETY: it was allocated from this heap with this layout, and whoever swaps it out owns it.
            return NonNull::new(reserve)
                .map(|block| unsafe { talc.deallocate(block.as_ptr(), RESERVE) })
                .ok_or(());
        };
        // SAFETY: the block is free memory in the direct map, given to the heap for good.
        unsafe { talc.claim(phys_to_virt(block), 4096 << order) }.map(|_| ()).ok_or(())
    }
}

#[global_allocator]
static HEAP: TalcLock<sync::RawMutex, FrameBlocks> = TalcLock::new(FrameBlocks);
