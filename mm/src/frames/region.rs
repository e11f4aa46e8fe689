//! The table of memory regions: which frame numbers exist and where their metadata is.
//!
//! Invariants: regions are sorted, disjoint and not empty; a region's metadata is meaningful below `carved` only.

use super::meta::FrameMeta;
use super::{CHUNK, FrameError, MAX_REGIONS, NONE};
use core::cell::Cell;

/// One run of frames with its metadata.
pub(super) struct Region {
    /// Number of the first frame.
    pub(super) first: u32,
    /// First frame whose metadata is not initialised yet: a multiple of [`CHUNK`], `first` or the end.
    pub(super) carved: u32,
    metas: &'static mut [FrameMeta],
}

impl Region {
    const fn empty() -> Self {
        Self { first: 0, carved: 0, metas: &mut [] }
    }

    pub(super) fn new(first: u32, metas: &'static mut [FrameMeta]) -> Self {
        Self { first, carved: first, metas }
    }

    /// One past the last frame. Fits: `add_region` checked it.
    pub(super) fn end(&self) -> u32 {
        self.first + self.metas.len() as u32
    }

    /// Whether a frame is in it.
    #[inline]
    fn contains(&self, frame: u32) -> bool {
        frame.checked_sub(self.first).is_some_and(|offset| (offset as usize) < self.metas.len())
    }

    /// Initialises the metadata of the next chunk; returns its frames, `None` when all is carved.
    pub(super) fn carve(&mut self) -> Option<(u32, u32)> {
        let (start, limit) = (self.carved, self.end());
        if start >= limit {
            return None;
        }
        let end = ((start | (CHUNK - 1)) + 1).min(limit);
        let metas = self.metas.get_mut((start - self.first) as usize..(end - self.first) as usize)?;
        metas.fill(FrameMeta::INNER);
        self.carved = end;
        Some((start, end))
    }
}

/// The regions, in a fixed array: the allocator works before there is a heap.
pub(super) struct RegionTable {
    regions: [Region; MAX_REGIONS],
    len: usize,
    /// The region that was found last: the next question mostly is about the same one.
    recent: Cell<usize>,
}

impl RegionTable {
    pub(super) const fn new() -> Self {
        Self { regions: [const { Region::empty() }; MAX_REGIONS], len: 0, recent: Cell::new(0) }
    }

    pub(super) fn regions(&self) -> &[Region] {
        self.regions.get(..self.len).unwrap_or(&[])
    }

    pub(super) fn regions_mut(&mut self) -> &mut [Region] {
        self.regions.get_mut(..self.len).unwrap_or(&mut [])
    }

    /// Index of the region that contains a frame.
    #[inline]
    pub(super) fn locate(&self, frame: u32) -> Option<usize> {
        let recent = self.recent.get();
        if self.regions.get(recent).is_some_and(|r| r.contains(frame)) {
            return Some(recent);
        }
        if frame == NONE { None } else { self.search(frame) }
    }

    fn search(&self, frame: u32) -> Option<usize> {
        let regions = self.regions();
        let index = regions.partition_point(|r| r.first <= frame).checked_sub(1)?;
        regions.get(index).filter(|r| r.contains(frame))?;
        self.recent.set(index);
        Some(index)
    }

    /// Metadata of a carved frame.
    #[inline]
    pub(super) fn meta(&self, frame: u32) -> Option<&FrameMeta> {
        let region = self.regions.get(self.locate(frame)?)?;
        if frame >= region.carved {
            return None;
        }
        region.metas.get((frame - region.first) as usize)
    }

    /// Metadata of a carved frame, to change.
    #[inline]
    pub(super) fn meta_mut(&mut self, frame: u32) -> Option<&mut FrameMeta> {
        let index = self.locate(frame)?;
        let region = self.regions.get_mut(index)?;
        if frame >= region.carved {
            return None;
        }
        region.metas.get_mut((frame - region.first) as usize)
    }

    /// Adds a region at its place.
    pub(super) fn insert(&mut self, region: Region) -> Result<(), FrameError> {
        if region.first == region.end() {
            return Ok(());
        }
        if self.len == MAX_REGIONS {
            return Err(FrameError::TooManyRegions);
        }
        let at = self.regions().partition_point(|r| r.first < region.first);
        let before = at.checked_sub(1).and_then(|i| self.regions().get(i));
        if before.is_some_and(|r| r.end() > region.first)
            || self.regions().get(at).is_some_and(|r| r.first < region.end())
        {
            return Err(FrameError::Overlap);
        }
        // The slot after the last one is free: bring it to `at`.
        self.len += 1;
        if let Some(tail) = self.regions.get_mut(at..self.len) {
            tail.rotate_right(1);
            self.recent.set(0);
            if let Some(slot) = tail.first_mut() {
                *slot = region;
            }
        }
        Ok(())
    }

    /// Takes the frames `first..end` out of all regions; returns how many there were.
    ///
    /// # Errors
    /// `InUse` if one of them has been carved, `TooManyRegions` if a split does not fit; nothing is changed then.
    pub(super) fn remove(&mut self, first: u32, end: u32) -> Result<u64, FrameError> {
        let touched = |r: &&Region| first < r.end() && r.first < end;
        if self.regions().iter().filter(touched).any(|r| first < r.carved && r.carved > r.first) {
            return Err(FrameError::InUse);
        }
        let splits = self.regions().iter().filter(|r| r.first < first && end < r.end()).count();
        if self.len + splits > MAX_REGIONS {
            return Err(FrameError::TooManyRegions);
        }
        let mut removed = 0;
        let mut index = 0;
        while index < self.len {
            let Some(region) = self.regions.get_mut(index) else { break };
            let (low, high) = (first.max(region.first), end.min(region.end()));
            if low >= high {
                index += 1;
                continue;
            }
            removed += u64::from(high - low);
            let (old_first, old_end, carved) = (region.first, region.end(), region.carved);
            let metas = core::mem::take(&mut region.metas);
            let (front, rest) = metas.split_at_mut((low - old_first) as usize);
            let (_, back) = rest.split_at_mut((high - low) as usize);
            if let Some(tail) = self.regions.get_mut(index..self.len) {
                tail.rotate_left(1);
                self.len -= 1;
                self.recent.set(0);
            }
            if old_first < low {
                self.insert(Region { first: old_first, carved: carved.max(old_first), metas: front })?;
                index += 1;
            }
            if high < old_end {
                self.insert(Region::new(high, back))?;
                index += 1;
            }
        }
        Ok(removed)
    }
}
