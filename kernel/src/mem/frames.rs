//! The machine's frames: the one frame allocator, and access to their contents through the direct map.

use core::ops::Range;

use mm::addr::{Frame, LARGE_PAGES, PhysAddr};
use mm::frames::{FrameAllocator, FrameError, FrameMeta, FrameStats};
use mm::paging::FrameSource;
use sync::{Mutex, SetOnce};

use crate::arch::paging::phys_to_virt;

static FRAMES: Mutex<FrameAllocator> = Mutex::new(FrameAllocator::new());

/// log2 of the frames in a large page.
const LARGE_ORDER: u8 = LARGE_PAGES.ilog2() as u8;
/// Memory is plentiful while more than one part in so many is free.
const PLENTY: u64 = 8;

/// A block of `1 << order` frames if memory is plentiful: a machine that is nearly full needs its frames where they are written.
fn alloc_if_plenty(order: u8) -> Option<Frame> {
    let mut frames = FRAMES.lock();
    let stats = frames.stats();
    (stats.free >= stats.total / PLENTY + LARGE_PAGES).then(|| frames.alloc(order)).flatten()
}

/// Makes the block of a large page single frames.
pub fn split_large(frame: Frame) {
    if let Err(error) = FRAMES.lock().split(frame) {
        log::error!("splitting the large page at {:#x}: {error}", frame.phys().0);
    }
}

/// Gives the free physical memory `range` (page-aligned) to the allocator. Its first pages hold the
/// metadata of the rest.
pub fn add_region(range: Range<u64>) -> Result<(), FrameError> {
    const META: u64 = size_of::<FrameMeta>() as u64;
    let pages = (range.end - range.start) / 4096;
    // As many frames as fit together with 16 bytes of metadata each.
    let frames = pages * 4096 / (4096 + META);
    let meta_pages = (frames * META).div_ceil(4096);
    let frames = frames.min(pages - meta_pages.min(pages));
    if frames == 0 {
        return Ok(());
    }
    let first = Frame::containing(PhysAddr(range.start + meta_pages * 4096));
    // SAFETY: the range is free RAM in the direct map, given away here once and for all; the metadata
    // is plain old data for which any memory content is valid, and is aligned to a page.
    let metas = unsafe {
        core::slice::from_raw_parts_mut(phys_to_virt(range.start).cast::<FrameMeta>(), frames as usize)
    };
    FRAMES.lock().add_region(first, metas)
}

/// How many frames there are and how many are free.
pub fn stats() -> FrameStats {
    FRAMES.lock().stats()
}

/// A block of `1 << order` frames: its physical address. The content is arbitrary.
pub fn alloc_block(order: u8) -> Option<u64> {
    FRAMES.lock().alloc(order).map(|frame| frame.phys().0)
}

/// A frame with arbitrary content.
pub fn alloc_frame() -> Option<u64> {
    alloc_block(0)
}

/// Gives back a frame that [`table_frame`] or [`alloc_frame`] gave.
pub fn free_frame(pa: u64) {
    MachineFrames.free(Frame::containing(PhysAddr(pa)));
}

/// A zeroed frame for a page table.
pub fn table_frame() -> Option<u64> {
    MachineFrames.alloc_zeroed().map(|frame| frame.phys().0)
}

/// The machine's memory as `mm` sees it.
pub struct MachineFrames;

impl MachineFrames {
    fn at(frame: Frame, offset: usize, len: usize) -> *mut u8 {
        assert!(offset.checked_add(len).is_some_and(|end| end <= 4096), "access crosses a frame");
        phys_to_virt(frame.phys().0 + offset as u64)
    }

    /// Zeroes a frame that was just allocated.
    fn clear(frame: Frame) {
        // SAFETY: the frame was just allocated, so nobody else uses it, and the direct map covers it.
        unsafe { Self::at(frame, 0, 4096).cast::<[u64; 512]>().write([0; 512]) };
    }
}

impl FrameSource for MachineFrames {
    fn alloc_zeroed(&self) -> Option<Frame> {
        let frame = self.alloc_uninit()?;
        Self::clear(frame);
        Some(frame)
    }

    fn alloc_zeroed_if_plenty(&self) -> Option<Frame> {
        let frame = alloc_if_plenty(0)?;
        Self::clear(frame);
        Some(frame)
    }

    fn alloc_uninit(&self) -> Option<Frame> {
        FRAMES.lock().alloc(0)
    }

    fn zero_frame(&self) -> Option<Frame> {
        static ZERO: SetOnce<Frame> = SetOnce::new();
        if let Some(&frame) = ZERO.get() {
            return Some(frame);
        }
        let frame = self.alloc_zeroed()?;
        match ZERO.set(frame) {
            Ok(()) => Some(frame),
            Err(_) => {
                // Somebody else was first.
                self.free(frame);
                ZERO.get().copied()
            }
        }
    }

    fn alloc_large_zeroed(&self) -> Option<Frame> {
        let frame = alloc_if_plenty(LARGE_ORDER)?;
        // SAFETY: the block was just allocated, so nobody else uses it, and the direct map covers it.
        unsafe { phys_to_virt(frame.phys().0).cast::<[u64; 512 * 512]>().write_bytes(0, 1) };
        Some(frame)
    }

    fn share(&self, frame: Frame) -> bool {
        FRAMES.lock().get(frame).is_ok()
    }

    fn free(&self, frame: Frame) {
        if let Err(error) = FRAMES.lock().put(frame) {
            // The allocator refused and is unchanged: a bug of the kernel, which costs one frame.
            log::error!("freeing frame {:#x}: {error}", frame.phys().0);
        }
    }

    fn read(&self, frame: Frame, offset: usize, dst: &mut [u8]) {
        let src = Self::at(frame, offset, dst.len());
        // SAFETY: `src` is inside one frame of RAM; `dst` is kernel memory, never that frame.
        unsafe { core::ptr::copy_nonoverlapping(src, dst.as_mut_ptr(), dst.len()) };
    }

    fn write(&self, frame: Frame, offset: usize, src: &[u8]) {
        let dst = Self::at(frame, offset, src.len());
        // SAFETY: as for `read`; frames given to an address space hold no kernel objects.
        unsafe { core::ptr::copy_nonoverlapping(src.as_ptr(), dst, src.len()) };
    }

    fn copy(&self, from: Frame, to: Frame) {
        let (from, to) = (Self::at(from, 0, 4096), Self::at(to, 0, 4096));
        // SAFETY: two different frames of RAM, whole.
        unsafe { core::ptr::copy(from, to, 4096) };
    }
}
