//! [`Pages`]: the content of a regular file, page by page, over content of the archive that has not been changed.
//!
//! Pages are frames, which mappings of the file share with read() and write(): a mapping has its own reference on each.
//!
//! Invariants: what a page holds behind the size is zero, unless a mapping stored there, and becomes zero before the file grows
//! over it; `base` is never longer than the size, and a page in the map hides it. The budget counts every page of the map that
//! has memory.

use crate::FsError;
use alloc::collections::BTreeMap;
use core::ops::Range;
use mm::addr::Frame;
use mm::paging::FrameSource;
use mm::store::SharedPageError;

/// Bytes of a page.
pub(super) const PAGE: u64 = mm::addr::PAGE_SIZE;
/// Largest size of a file (the largest `off_t`).
pub(super) const MAX_SIZE: u64 = i64::MAX as u64;

/// Pages that a file system may use.
#[derive(Debug)]
pub(super) struct Budget {
    pub(super) used: u64,
    pub(super) limit: u64,
}

impl Budget {
    fn take(&mut self) -> Result<(), FsError> {
        if self.used >= self.limit {
            return Err(FsError::NoSpace);
        }
        self.used += 1;
        Ok(())
    }

    fn give(&mut self, pages: u64) {
        self.used = self.used.saturating_sub(pages);
    }
}

/// A run of content.
pub(super) enum Chunk {
    /// So many bytes, which are in the buffer now.
    Copied(usize),
    /// Unchanged content.
    Base(&'static [u8]),
    /// A hole.
    Zeros(usize),
}

/// A file's content.
pub(super) struct Pages {
    frames: &'static dyn FrameSource,
    /// `None` is a hole over the base.
    map: BTreeMap<u64, Option<Frame>>,
    /// Pages of the map that have memory.
    own: u64,
    base: &'static [u8],
    size: u64,
    /// Pages of the base that were hidden, or cut, and how many of these no mapping shows any more.
    replaced: u64,
    refreshed: u64,
}

impl Pages {
    /// The content of an unchanged file.
    pub(super) fn over(frames: &'static dyn FrameSource, base: &'static [u8]) -> Self {
        Pages {
            frames,
            map: BTreeMap::new(),
            own: 0,
            base,
            size: base.len() as u64,
            replaced: 0,
            refreshed: 0,
        }
    }

    pub(super) fn size(&self) -> u64 {
        self.size
    }

    /// 512-byte units: of the pages, and of unchanged content.
    pub(super) fn blocks(&self) -> u64 {
        let base_pages = (self.base.len() as u64).div_ceil(PAGE);
        let hidden = self.map.range(..base_pages).count() as u64;
        (self.own + base_pages.saturating_sub(hidden)) * (PAGE / 512)
    }

    /// The unchanged bytes of page `index`.
    fn base_page(&self, index: u64) -> &'static [u8] {
        let start = usize::try_from(index.saturating_mul(PAGE)).unwrap_or(usize::MAX);
        let rest = self.base.get(start..).unwrap_or_default();
        rest.get(..rest.len().min(PAGE as usize)).unwrap_or_default()
    }

    /// The content from `at` on, at most `max` bytes of it and, of pages, what `buffer` holds; `None` at the end.
    pub(super) fn chunk(&self, at: u64, max: usize, buffer: &mut [u8]) -> Option<Chunk> {
        let left = usize::try_from(self.size.checked_sub(at)?).unwrap_or(usize::MAX).min(max);
        if left == 0 {
            return None;
        }
        let (index, offset) = (at / PAGE, (at % PAGE) as usize);
        let n = left.min(PAGE as usize - offset);
        match self.map.get(&index) {
            Some(&Some(frame)) => Some(Chunk::Copied(match buffer.get_mut(..n) {
                Some(part) if n == left || part.len() == PAGE as usize => {
                    self.frames.read(frame, offset, part);
                    n
                }
                _ => self.copy_out(at, left, buffer),
            })),
            Some(None) => Some(Chunk::Zeros(n)),
            None => {
                let at = usize::try_from(at).unwrap_or(usize::MAX);
                // A file without changes is one run.
                let n = if self.map.is_empty() { left } else { n };
                match self.base.get(at..).filter(|rest| !rest.is_empty()) {
                    Some(rest) => Some(Chunk::Base(rest.get(..rest.len().min(n)).unwrap_or_default())),
                    None => Some(Chunk::Zeros(n)),
                }
            }
        }
    }

    /// Fills `buffer` with at most `max` bytes from `at` on, as far as there are pages with memory.
    fn copy_out(&self, at: u64, max: usize, buffer: &mut [u8]) -> usize {
        let want = max.min(buffer.len());
        let mut done = 0;
        for (index, page) in self.map.range(at / PAGE..) {
            let here = at.saturating_add(done as u64);
            let (Some(frame), true) = (page, *index == here / PAGE && done < want) else { break };
            let offset = (here % PAGE) as usize;
            let n = (want - done).min(PAGE as usize - offset);
            let Some(part) = buffer.get_mut(done..done + n) else { break };
            self.frames.read(*frame, offset, part);
            done += n;
        }
        done
    }

    /// Page `index`, with memory. Content is kept unless `whole` says that all of it will be overwritten.
    fn page_mut(&mut self, index: u64, whole: bool, budget: &mut Budget) -> Result<Frame, FsError> {
        let base = match self.map.get(&index) {
            Some(&Some(frame)) => return Ok(frame),
            Some(None) => &[],
            None if whole => &[],
            None => self.base_page(index),
        };
        budget.take()?;
        let all = whole || base.len() == PAGE as usize;
        let frame = if all { self.frames.alloc_uninit() } else { self.frames.alloc_zeroed() };
        let Some(frame) = frame else {
            budget.give(1);
            return Err(FsError::NoSpace);
        };
        if !base.is_empty() {
            self.frames.write(frame, 0, base);
        }
        self.hide(index);
        self.map.insert(index, Some(frame));
        self.own += 1;
        Ok(frame)
    }

    /// Counts page `index` if it is the base's up to now.
    fn hide(&mut self, index: u64) {
        self.replaced += u64::from(self.base_len(index) > 0);
    }

    /// How many pages of the base have been replaced, if mappings may still show one of them.
    pub(super) fn outdated(&self) -> Option<u64> {
        Some(self.replaced).filter(|&replaced| replaced != self.refreshed)
    }

    /// No mapping shows the first so many pages that were replaced.
    pub(super) fn refreshed(&mut self, replaced: u64) {
        self.refreshed = self.refreshed.max(replaced);
    }

    /// The frame of page `index` for a mapping, with a reference for it.
    fn shared(&self, frame: Frame) -> Result<Frame, SharedPageError> {
        if self.frames.share(frame) { Ok(frame) } else { Err(SharedPageError::NoMemory) }
    }

    /// The frame of page `index` for a mapping that must see every change, with a reference for it.
    pub(super) fn shared_page(&mut self, index: u64, budget: &mut Budget) -> Result<Frame, SharedPageError> {
        if index.checked_mul(PAGE).is_none_or(|start| start >= self.size) {
            return Err(SharedPageError::BeyondEnd);
        }
        let frame = self.page_mut(index, false, budget).map_err(|_| SharedPageError::Io)?;
        self.shared(frame)
    }

    /// Bytes of page `index` that are unchanged content of the archive.
    pub(super) fn base_len(&self, index: u64) -> usize {
        if self.map.contains_key(&index) { 0 } else { self.base_page(index).len() }
    }

    fn zero(&self, frame: Frame, range: Range<usize>) {
        self.frames.zero(frame, range.start, range.len());
    }

    /// Zeros what a mapping stored behind the end, before the file grows over it.
    fn zero_tail(&self) {
        let offset = (self.size % PAGE) as usize;
        if offset > 0
            && let Some(&Some(frame)) = self.map.get(&(self.size / PAGE))
        {
            self.zero(frame, offset..PAGE as usize);
        }
    }

    fn free(&mut self, pages: impl IntoIterator<Item = Option<Frame>>, budget: &mut Budget) {
        for frame in pages.into_iter().flatten() {
            self.frames.free(frame);
            self.own = self.own.saturating_sub(1);
            budget.give(1);
        }
    }

    /// Stores `bytes` at `at`; returns how many, fewer only when there is no room for the rest.
    pub(super) fn write(&mut self, at: u64, bytes: &[u8], budget: &mut Budget) -> Result<usize, FsError> {
        let mut done = 0;
        if at > self.size && !bytes.is_empty() {
            self.zero_tail();
        }
        while done < bytes.len() {
            let here =
                at.checked_add(done as u64).filter(|&here| here < MAX_SIZE).ok_or(FsError::TooLarge)?;
            let offset = (here % PAGE) as usize;
            let n = (bytes.len() - done).min(PAGE as usize - offset);
            let page = match self.page_mut(here / PAGE, n == PAGE as usize, budget) {
                Ok(page) => page,
                Err(_) if done > 0 => break,
                Err(error) => return Err(error),
            };
            self.frames.write(page, offset, bytes.get(done..done + n).unwrap_or_default());
            done += n;
            self.size = self.size.max(here + n as u64);
        }
        Ok(done)
    }

    /// Cuts or extends.
    pub(super) fn truncate(&mut self, size: u64, budget: &mut Budget) -> Result<(), FsError> {
        if size > MAX_SIZE {
            return Err(FsError::TooLarge);
        }
        if size < self.size {
            if !size.is_multiple_of(PAGE) && self.map.contains_key(&(size / PAGE)) {
                self.zero_part(size / PAGE, (size % PAGE) as usize..PAGE as usize, budget)?;
            }
            let gone = self.map.split_off(&size.div_ceil(PAGE));
            self.free(gone.into_values(), budget);
            let keep = usize::try_from(size).unwrap_or(usize::MAX).min(self.base.len());
            if keep < self.base.len() {
                self.hide(size / PAGE);
            }
            self.base = self.base.get(..keep).unwrap_or_default();
        } else {
            self.zero_tail();
        }
        self.size = size;
        Ok(())
    }

    /// Drops all content; returns it to the budget.
    pub(super) fn clear(&mut self, budget: &mut Budget) {
        // Cutting at a page's start changes no page, so it cannot fail.
        let _ = self.truncate(0, budget);
    }

    /// Zeros part of a page, if it is not zero anyway.
    fn zero_part(&mut self, index: u64, range: Range<usize>, budget: &mut Budget) -> Result<(), FsError> {
        let is_hole = match self.map.get(&index) {
            Some(content) => content.is_none(),
            None => self.base_page(index).is_empty(),
        };
        if !is_hole {
            let frame = self.page_mut(index, false, budget)?;
            self.zero(frame, range);
        }
        Ok(())
    }

    /// Makes `range` read as zeros and gives back its whole pages. The size stays.
    pub(super) fn punch(&mut self, range: Range<u64>, budget: &mut Budget) -> Result<(), FsError> {
        let (first, last) = (range.start / PAGE, range.end / PAGE);
        let (head, tail) = ((range.start % PAGE) as usize, (range.end % PAGE) as usize);
        if first == last {
            return self.zero_part(first, head..tail, budget);
        }
        if head > 0 {
            self.zero_part(first, head..PAGE as usize, budget)?;
        }
        if tail > 0 {
            self.zero_part(last, 0..tail, budget)?;
        }
        let whole = range.start.div_ceil(PAGE)..last;
        if whole.is_empty() {
            return Ok(());
        }
        // One by one: a list of them would take memory, of which there may be none.
        while let Some((&index, _)) = self.map.range(whole.clone()).next() {
            let gone = self.map.remove(&index);
            self.free(gone, budget);
        }
        for index in whole.start..whole.end.min((self.base.len() as u64).div_ceil(PAGE)) {
            self.hide(index);
            self.map.insert(index, None);
        }
        Ok(())
    }

    /// Gives every page of `range` memory, and the file at least the size `size`.
    pub(super) fn fill(
        &mut self,
        range: Range<u64>,
        size: Option<u64>,
        budget: &mut Budget,
    ) -> Result<(), FsError> {
        let pages = range.start / PAGE..range.end.div_ceil(PAGE);
        let there = self.map.range(pages.clone()).filter(|(_, page)| page.is_some()).count() as u64;
        // All or nothing, before the first page is taken.
        if (pages.end - pages.start).saturating_sub(there) > budget.limit.saturating_sub(budget.used) {
            return Err(FsError::NoSpace);
        }
        for index in pages {
            if !matches!(self.map.get(&index), Some(Some(_))) && self.base_page(index).is_empty() {
                self.page_mut(index, false, budget)?;
            }
        }
        if let Some(size) = size.filter(|&size| size > self.size) {
            self.zero_tail();
            self.size = size;
        }
        Ok(())
    }

    /// Whether page `index` has content, be it zeros that were written.
    pub(super) fn is_data(&self, index: u64) -> bool {
        self.map.get(&index).map_or_else(|| !self.base_page(index).is_empty(), Option::is_some)
    }

    /// The first offset at or after `from` that is data (`data`) or in a hole; the end of the file counts as a hole.
    pub(super) fn next(&self, from: u64, data: bool) -> Result<u64, FsError> {
        if from >= self.size {
            return Err(FsError::BeyondEnd);
        }
        let end = self.size.div_ceil(PAGE);
        let mut index = from / PAGE;
        while index < end {
            if self.is_data(index) == data {
                return Ok((index * PAGE).max(from));
            }
            // A run of holes ends at the next page of the map, or where the base begins.
            index = if data && index >= (self.base.len() as u64).div_ceil(PAGE) {
                self.map.range(index + 1..).next().map_or(end, |(&next, _)| next)
            } else {
                index + 1
            };
        }
        if data { Err(FsError::BeyondEnd) } else { Ok(self.size) }
    }
}

impl Drop for Pages {
    fn drop(&mut self) {
        self.map.values().flatten().for_each(|&frame| self.frames.free(frame));
    }
}

#[cfg(test)]
mod tests;
