//! Contiguous runs of any length: heap growth, device rings, page-aligned boot objects.
//!
//! A run is a sequence of blocks, the same for allocation and release: [`Blocks`] of its range.

use super::meta::{Blocks, FREE};
use super::{CHUNK, FrameAllocator, FrameError, MAX_ORDER};
use crate::addr::Frame;

impl FrameAllocator {
    /// Allocates `count` contiguous frames; free them with [`free_exact`](Self::free_exact). The run is aligned to
    /// `count` rounded up to a power of two, at most 4 MiB; what exceeds `count` goes back at once. Runs of more than
    /// 4 MiB are looked for in whole free 4 MiB chunks. `None` if there is no such run or `count` is 0.
    pub fn alloc_exact(&mut self, count: u64) -> Option<Frame> {
        let count = u32::try_from(count).ok().filter(|&count| count > 0)?;
        if count > CHUNK {
            return self.alloc_chunks(count);
        }
        let order = count.next_power_of_two().ilog2() as u8;
        let frame = self.alloc(order)?;
        let first = frame.number() as u32;
        self.keep(first, count, 1 << order);
        Some(frame)
    }

    /// Frees a run that [`alloc_exact`](Self::alloc_exact) returned, whole.
    ///
    /// # Errors
    /// As [`free`](Self::free), for any block of the run; nothing is freed then.
    pub fn free_exact(&mut self, frame: Frame, count: u64) -> Result<(), FrameError> {
        let first = u32::try_from(frame.number()).map_err(|_| FrameError::Foreign)?;
        let end = u32::try_from(count).ok().and_then(|count| first.checked_add(count));
        let end = end.ok_or(FrameError::Foreign)?;
        for (block, order) in Blocks::new(first, end) {
            let (_, meta) = self.used(Frame::new(u64::from(block)).ok_or(FrameError::Foreign)?)?;
            if meta.order != order {
                return Err(FrameError::WrongOrder);
            }
            if meta.refs != 1 {
                return Err(FrameError::Shared);
            }
        }
        for (block, order) in Blocks::new(first, end) {
            self.release(block, order);
        }
        Ok(())
    }

    /// Of `taken` frames that left the free lists and the free count, keeps `count` as used blocks.
    fn keep(&mut self, first: u32, count: u32, taken: u32) {
        for (block, order) in Blocks::new(first, first + count) {
            self.mark_used(block, order);
        }
        self.push_range(first + count, first + taken);
        self.free += u64::from(taken - count);
    }

    /// A run of more than one chunk.
    fn alloc_chunks(&mut self, count: u32) -> Option<Frame> {
        self.join_hot();
        let (region, first, end) = self.find_chunks(count)?;
        while self.table.regions().get(region).is_some_and(|r| r.carved < end) {
            let (start, stop) = self.table.regions_mut().get_mut(region)?.carve()?;
            self.push_range(start, stop);
        }
        for chunk in (first..end).step_by(CHUNK as usize) {
            self.unlink(chunk);
            self.set_inner(chunk);
        }
        self.free -= u64::from(end - first);
        self.keep(first, count, end - first);
        Frame::new(u64::from(first))
    }

    /// The lowest run of whole free chunks that holds `count` frames: its region, first frame and end.
    fn find_chunks(&self, count: u32) -> Option<(usize, u32, u32)> {
        for (index, region) in self.table.regions().iter().enumerate() {
            let mut start = region.first.next_multiple_of(CHUNK);
            let mut at = start;
            while at.checked_add(CHUNK).is_some_and(|next| next <= region.end()) {
                let free = at >= region.carved
                    || self.table.meta(at).is_some_and(|m| m.state == FREE && m.order == MAX_ORDER);
                at += CHUNK;
                if !free {
                    start = at;
                } else if at - start >= count {
                    return Some((index, start, at));
                }
            }
        }
        None
    }
}
