//! The page frame allocator: a binary buddy system over blocks of 4 KiB to 4 MiB.
//!
//! The kernel owns one, behind its mutex, and implements [`crate::paging::FrameSource`] with it.
//!
//! - Metadata (16 bytes per frame) lives in slices the caller provides; free lists are linked by frame number inside
//!   it. There is no pointer and no allocation, so the allocator works before the heap does.
//! - Regions are carved lazily: 4 MiB at a time, and only when the free lists cannot serve a request. Adding memory
//!   costs the same whatever its size, and frames that nobody needs are never touched.
//! - Placement: regions are carved from the lowest address upwards, the smallest sufficient free block is split, its
//!   lower half is handed out first, and a list is last-in first-out (recently freed frames are likely in cache).
//! - Up to [`HOT_FRAMES`] single frames that were freed last are kept as they are, and handed out first: joining and splitting
//!   for each page that comes and goes costs more than all else about it. A request that finds no block joins them.
//! - Blocks are naturally aligned by physical address and never span two regions.
//!
//! Cost: O(orders) list steps per operation, each with a binary search over at most [`MAX_REGIONS`] regions;
//! [`FrameAllocator::alloc_exact`] above 4 MiB walks the chunks.

mod exact;
mod meta;
mod region;
#[cfg(test)]
mod tests;

use core::fmt;

use crate::addr::Frame;
pub use meta::FrameMeta;
use meta::{Blocks, FREE, HOT, NONE, TAIL, USED};
use region::{Region, RegionTable};

/// log2 of the frames in the largest block: 1024 frames, 4 MiB.
pub const MAX_ORDER: u8 = 10;
/// Regions a [`FrameAllocator`] can hold, including those that [`FrameAllocator::reserve`] splits off.
pub const MAX_REGIONS: usize = 64;
/// Frames carved at once.
const CHUNK: u32 = 1 << MAX_ORDER;
/// Free frames that are kept unjoined at most.
const HOT_FRAMES: u32 = 512;
/// Frame numbers stay below this (16 TiB less some), so that block arithmetic cannot overflow.
const FRAME_LIMIT: u64 = (u32::MAX - 2 * CHUNK) as u64;

/// Why an operation was refused. The allocator is unchanged then.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum FrameError {
    /// The frame belongs to no region.
    Foreign,
    /// The frame is free already.
    DoubleFree,
    /// The frame lies inside an allocated block, but does not start it.
    NotFirst,
    /// The block was allocated with another order.
    WrongOrder,
    /// Others still hold references to the block.
    Shared,
    /// The reference count is at its maximum.
    Saturated,
    /// No room in the region table.
    TooManyRegions,
    /// The region overlaps one that was added before.
    Overlap,
    /// The range to reserve may have been handed out already.
    InUse,
    /// Frame numbers beyond what the metadata can hold (16 TiB).
    OutOfRange,
}

impl fmt::Display for FrameError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Foreign => "frame does not belong to the allocator",
            Self::DoubleFree => "frame is already free",
            Self::NotFirst => "frame is inside an allocated block",
            Self::WrongOrder => "block was allocated with another size",
            Self::Shared => "block still has other users",
            Self::Saturated => "too many references to a frame",
            Self::TooManyRegions => "too many memory regions",
            Self::Overlap => "memory regions overlap",
            Self::InUse => "range is already in use",
            Self::OutOfRange => "physical address is too high",
        })
    }
}

impl core::error::Error for FrameError {}

/// Figures in frames.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct FrameStats {
    /// Frames in all regions, without those reserved.
    pub total: u64,
    /// Frames that are not allocated, carved or not.
    pub free: u64,
}

/// The allocator. See the module's documentation.
pub struct FrameAllocator {
    table: RegionTable,
    /// First free block of each order, a frame number.
    heads: [u32; MAX_ORDER as usize + 1],
    total: u64,
    free: u64,
    /// First of the single frames that are kept unjoined; they count as free.
    hot: u32,
    /// How many they are.
    hot_len: u32,
}

impl Default for FrameAllocator {
    fn default() -> Self {
        Self::new()
    }
}

impl FrameAllocator {
    /// An allocator without memory.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            table: RegionTable::new(),
            heads: [NONE; MAX_ORDER as usize + 1],
            total: 0,
            free: 0,
            hot: NONE,
            hot_len: 0,
        }
    }

    /// Adds the frames from `first` on, one for each element of `metas`. The metadata needs no initialisation and is
    /// not written now. An empty slice is accepted and ignored.
    ///
    /// # Errors
    /// `Overlap`, `TooManyRegions`, `OutOfRange`.
    pub fn add_region(&mut self, first: Frame, metas: &'static mut [FrameMeta]) -> Result<(), FrameError> {
        let count = metas.len() as u64;
        if first.number().checked_add(count).is_none_or(|end| end > FRAME_LIMIT) {
            return Err(FrameError::OutOfRange);
        }
        self.table.insert(Region::new(first.number() as u32, metas))?;
        self.total += count;
        self.free += count;
        Ok(())
    }

    /// Takes `count` frames from `first` on out of the allocator for good (kernel image, boot archive, devices).
    /// Frames of the range that belong to no region are ignored. Returns how many were taken.
    ///
    /// # Errors
    /// `InUse` if a part may have been handed out: reserve before allocating. `TooManyRegions`.
    pub fn reserve(&mut self, first: Frame, count: u64) -> Result<u64, FrameError> {
        self.join_hot();
        let end = first.number().saturating_add(count).min(FRAME_LIMIT);
        let start = first.number().min(end);
        let removed = self.table.remove(start as u32, end as u32)?;
        self.total -= removed;
        self.free -= removed;
        Ok(removed)
    }

    /// Frames in total and free.
    #[must_use]
    pub fn stats(&self) -> FrameStats {
        FrameStats { total: self.total, free: self.free }
    }

    /// Allocates a block of `2^order` frames, aligned to its size, with one reference. The content is arbitrary.
    /// `None` if there is no such block or `order` exceeds [`MAX_ORDER`].
    pub fn alloc(&mut self, order: u8) -> Option<Frame> {
        if order > MAX_ORDER {
            return None;
        }
        let hot = if order == 0 { self.take_hot() } else { None };
        let first = match hot {
            Some(first) => first,
            None => loop {
                match self.take(order) {
                    Some(first) => break first,
                    None if self.hot_len > 0 => self.join_hot(),
                    None => self.carve_next()?,
                }
            },
        };
        self.mark_used(first, order);
        self.free -= 1 << order;
        Frame::new(u64::from(first))
    }

    /// Frees a block. It must have exactly one reference.
    ///
    /// # Errors
    /// `Foreign`, `DoubleFree`, `NotFirst`, `WrongOrder`, `Shared`.
    pub fn free(&mut self, frame: Frame, order: u8) -> Result<(), FrameError> {
        let (first, meta) = self.used(frame)?;
        if meta.order != order {
            return Err(FrameError::WrongOrder);
        }
        if meta.refs != 1 {
            return Err(FrameError::Shared);
        }
        self.release(first, order);
        Ok(())
    }

    /// Adds a reference to an allocated block.
    ///
    /// # Errors
    /// `Foreign`, `DoubleFree` (it is free), `NotFirst`, `Saturated`.
    pub fn get(&mut self, frame: Frame) -> Result<(), FrameError> {
        let (first, meta) = self.used(frame)?;
        let refs = meta.refs.checked_add(1).ok_or(FrameError::Saturated)?;
        if let Some(meta) = self.table.meta_mut(first) {
            meta.refs = refs;
        }
        Ok(())
    }

    /// Drops a reference to an allocated block and frees the block with the last one. Returns whether it was freed.
    ///
    /// # Errors
    /// `Foreign`, `DoubleFree`, `NotFirst`.
    pub fn put(&mut self, frame: Frame) -> Result<bool, FrameError> {
        let (first, meta) = self.used(frame)?;
        if meta.refs <= 1 {
            self.release(first, meta.order);
            return Ok(true);
        }
        if let Some(meta) = self.table.meta_mut(first) {
            meta.refs -= 1;
        }
        Ok(false)
    }

    /// Turns an allocated block into as many blocks of one frame, each with one reference.
    ///
    /// # Errors
    /// `Foreign`, `DoubleFree` (it is free), `NotFirst`, `Shared`.
    pub fn split(&mut self, frame: Frame) -> Result<(), FrameError> {
        let (first, meta) = self.used(frame)?;
        if meta.refs != 1 {
            return Err(FrameError::Shared);
        }
        for block in first..first + (1 << meta.order) {
            self.mark_used(block, 0);
        }
        Ok(())
    }

    /// References to an allocated block.
    ///
    /// # Errors
    /// `Foreign`, `DoubleFree` (it is free), `NotFirst`.
    pub fn refs(&self, frame: Frame) -> Result<u32, FrameError> {
        self.used(frame).map(|(_, meta)| meta.refs)
    }

    /// The metadata of an allocated block by its first frame, or what is wrong with it.
    fn used(&self, frame: Frame) -> Result<(u32, FrameMeta), FrameError> {
        let number = u32::try_from(frame.number()).map_err(|_| FrameError::Foreign)?;
        match self.table.meta(number) {
            Some(meta) if meta.state == USED => Ok((number, *meta)),
            Some(meta) if meta.state == TAIL && !self.inside_free(number) => Err(FrameError::NotFirst),
            None if self.table.locate(number).is_none() => Err(FrameError::Foreign),
            // Free, inside a free block, or never handed out.
            _ => Err(FrameError::DoubleFree),
        }
    }

    /// Whether a frame that starts no block lies in a free one.
    fn inside_free(&self, frame: u32) -> bool {
        (1..=MAX_ORDER).any(|order| {
            let first = frame & !((1 << order) - 1);
            self.table.meta(first).is_some_and(|m| m.state == FREE && m.order >= order)
        })
    }

    /// Takes a block out of the free lists, splitting a larger one if needed. Its state is left to the caller.
    fn take(&mut self, order: u8) -> Option<u32> {
        let found = (order..=MAX_ORDER).find(|&o| self.head(o) != NONE)?;
        let first = self.head(found);
        self.unlink(first);
        for upper in (order..found).rev() {
            self.push(first + (1 << upper), upper);
        }
        Some(first)
    }

    /// Brings the next chunk of never used memory into the free lists; `None` if there is no more.
    fn carve_next(&mut self) -> Option<()> {
        let (start, end) = self.table.regions_mut().iter_mut().find_map(Region::carve)?;
        self.push_range(start, end);
        Some(())
    }

    /// Gives the frames `start..end`, none of them in a block, to the free lists.
    fn push_range(&mut self, start: u32, end: u32) {
        for (first, order) in Blocks::new(start, end) {
            self.push(first, order);
        }
    }

    /// Frees a block: keeps it for the next request, or joins it.
    fn release(&mut self, block: u32, order: u8) {
        self.free += 1 << order;
        if order > 0 || self.hot_len >= HOT_FRAMES {
            return self.join(block, order);
        }
        if let Some(meta) = self.table.meta_mut(block) {
            *meta = FrameMeta { state: HOT, next: self.hot, ..FrameMeta::INNER };
            self.hot = block;
            self.hot_len += 1;
        }
    }

    /// Takes the frame that was kept last.
    fn take_hot(&mut self) -> Option<u32> {
        let first = self.hot;
        self.hot = self.table.meta(first)?.next;
        self.hot_len -= 1;
        Some(first)
    }

    /// Joins all frames that were kept.
    fn join_hot(&mut self) {
        while let Some(frame) = self.take_hot() {
            self.join(frame, 0);
        }
    }

    /// Puts a block into the free lists, joined with its free buddies.
    fn join(&mut self, block: u32, block_order: u8) {
        let (mut first, mut order) = (block, block_order);
        let Some((low, high)) =
            self.table.locate(block).and_then(|i| self.table.regions().get(i)).map(|r| (r.first, r.carved))
        else {
            return;
        };
        while order < MAX_ORDER {
            let buddy = first ^ (1 << order);
            let free = (low..high).contains(&buddy)
                && self.table.meta(buddy).is_some_and(|m| m.state == FREE && m.order == order);
            if !free {
                break;
            }
            self.unlink(buddy);
            self.set_inner(buddy);
            self.set_inner(first);
            first = first.min(buddy);
            order += 1;
        }
        self.push(first, order);
    }

    fn head(&self, order: u8) -> u32 {
        self.heads.get(usize::from(order)).copied().unwrap_or(NONE)
    }

    fn set_head(&mut self, order: u8, frame: u32) {
        if let Some(head) = self.heads.get_mut(usize::from(order)) {
            *head = frame;
        }
    }

    fn set_inner(&mut self, frame: u32) {
        if let Some(meta) = self.table.meta_mut(frame) {
            *meta = FrameMeta::INNER;
        }
    }

    fn mark_used(&mut self, frame: u32, order: u8) {
        if let Some(meta) = self.table.meta_mut(frame) {
            *meta = FrameMeta { state: USED, order, refs: 1, ..FrameMeta::INNER };
        }
    }

    /// Puts a block at the head of its list.
    fn push(&mut self, frame: u32, order: u8) {
        let next = self.head(order);
        if let Some(meta) = self.table.meta_mut(frame) {
            *meta = FrameMeta { state: FREE, order, next, ..FrameMeta::INNER };
        }
        if let Some(meta) = self.table.meta_mut(next) {
            meta.prev = frame;
        }
        self.set_head(order, frame);
    }

    /// Takes a free block out of its list.
    fn unlink(&mut self, frame: u32) {
        let Some(&FrameMeta { next, prev, order, .. }) = self.table.meta(frame) else { return };
        match self.table.meta_mut(prev) {
            Some(meta) => meta.next = next,
            None => self.set_head(order, next),
        }
        if let Some(meta) = self.table.meta_mut(next) {
            meta.prev = prev;
        }
    }
}
