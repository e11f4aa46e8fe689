//! [`PageCache`]: the content of a file in frames, shared by read(), write() and all mappings of it.
//!
//! File systems that keep their content in memory own one for each file and hand its frames to mappings through
//! [`BackingStore::shared_page`]; [`SharedMemory`] is the file behind MAP_SHARED | MAP_ANONYMOUS.
//!
//! Invariants: the cache holds one reference on each of its frames and every page-table entry holds another, so a page
//! that truncation takes away stays valid until the mappings have let go of it; what a page holds behind the size is
//! zero unless a mapping stored there; the lock is never held while program memory is accessed.

use alloc::{sync::Arc, vec::Vec};
use core::fmt;
use core::ops::Range;

use hashbrown::HashMap;
use sync::Mutex;

use crate::addr::{Frame, PAGE_SIZE};
use crate::paging::FrameSource;
use crate::store::{BackingStore, PunchError, SharedPageError, StoreError};

const PAGE: usize = PAGE_SIZE as usize;

/// There is no memory for a page.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct NoMemory;

impl fmt::Display for NoMemory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("no memory for a page of a file")
    }
}

impl core::error::Error for NoMemory {}

/// A file's content. See the module's documentation.
pub struct PageCache {
    frames: &'static dyn FrameSource,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// By page index; pages without a frame are holes.
    pages: HashMap<u64, Frame>,
    size: u64,
}

impl PageCache {
    /// A file of `size` bytes that are all a hole.
    #[must_use]
    pub fn new(frames: &'static dyn FrameSource, size: u64) -> Self {
        Self { frames, state: Mutex::new(State { pages: HashMap::new(), size }) }
    }

    /// Bytes.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.state.lock().size
    }

    /// Pages that have a frame.
    #[must_use]
    pub fn page_count(&self) -> u64 {
        self.state.lock().pages.len() as u64
    }

    /// Whether page `index` has a frame.
    #[must_use]
    pub fn is_resident(&self, index: u64) -> bool {
        self.state.lock().pages.contains_key(&index)
    }

    /// The frame of page `index`, with a reference for the caller; a hole gets one.
    ///
    /// # Errors
    /// [`SharedPageError`].
    pub fn page(&self, index: u64) -> Result<Frame, SharedPageError> {
        let mut state = self.state.lock();
        if index.checked_mul(PAGE_SIZE).is_none_or(|start| start >= state.size) {
            return Err(SharedPageError::BeyondEnd);
        }
        let frame = self.make_page(&mut state, index).map_err(|NoMemory| SharedPageError::NoMemory)?;
        if self.frames.share(frame) { Ok(frame) } else { Err(SharedPageError::NoMemory) }
    }

    /// Copies from `at` on; returns how many bytes there were, at most `buf.len()`.
    pub fn read(&self, at: u64, buf: &mut [u8]) -> usize {
        let state = self.state.lock();
        let left = usize::try_from(state.size.saturating_sub(at)).unwrap_or(usize::MAX);
        let count = left.min(buf.len());
        let mut done = 0;
        for (index, offset, len) in pieces(at, count) {
            let Some(part) = buf.get_mut(done..done + len) else { break };
            match state.pages.get(&index) {
                Some(&frame) => self.frames.read(frame, offset, part),
                None => part.fill(0),
            }
            done += len;
        }
        done
    }

    /// Stores `bytes` at `at`; the file grows if it ends before. Returns how many were stored: fewer if memory ends. The
    /// caller has checked that `at` plus the length is a possible size.
    ///
    /// # Errors
    /// [`NoMemory`] if nothing could be stored.
    pub fn write(&self, at: u64, bytes: &[u8]) -> Result<usize, NoMemory> {
        let mut state = self.state.lock();
        let mut done = 0;
        if at > state.size {
            self.zero_tail(&state, state.size);
        }
        for (index, offset, len) in pieces(at, bytes.len()) {
            match self.make_page(&mut state, index) {
                Ok(frame) => {
                    self.frames.write(frame, offset, bytes.get(done..done + len).unwrap_or_default())
                }
                Err(NoMemory) if done > 0 => break,
                Err(NoMemory) => return Err(NoMemory),
            }
            done += len;
            state.size = state.size.max(at.saturating_add(done as u64));
        }
        Ok(done)
    }

    /// Cuts or extends the file. Mappings keep pages that are cut off until
    /// [`AddressSpace::forget_file`](crate::space::AddressSpace::forget_file).
    pub fn set_size(&self, size: u64) {
        let mut state = self.state.lock();
        let end = size.div_ceil(PAGE_SIZE);
        if size < state.size {
            state.pages.retain(|&index, frame| {
                let stays = index < end;
                if !stays {
                    self.frames.free(*frame);
                }
                stays
            });
        }
        self.zero_tail(&state, size.min(state.size));
        state.size = size;
    }

    /// Gives every page of `range` a frame, and the file at least the size `size`.
    ///
    /// # Errors
    /// [`NoMemory`]; nothing has changed then.
    pub fn fill(&self, range: Range<u64>, size: Option<u64>) -> Result<(), NoMemory> {
        let mut state = self.state.lock();
        let mut made: Vec<u64> = Vec::new();
        for index in range.start / PAGE_SIZE..range.end.div_ceil(PAGE_SIZE) {
            if state.pages.contains_key(&index) {
                continue;
            }
            let noted = made.try_reserve(1).map_err(|_| NoMemory);
            if noted.and_then(|()| self.make_page(&mut state, index)).is_err() {
                let frames = made.iter().filter_map(|index| state.pages.remove(index));
                frames.for_each(|frame| self.frames.free(frame));
                return Err(NoMemory);
            }
            made.push(index);
        }
        if let Some(size) = size.filter(|&size| size > state.size) {
            self.zero_tail(&state, state.size);
            state.size = size;
        }
        Ok(())
    }

    /// The first byte at or after `from` that is in a page with a frame (`data`) or in a hole; the end counts as a hole.
    /// `None` if there is none, or `from` is not before the end.
    #[must_use]
    pub fn next(&self, from: u64, data: bool) -> Option<u64> {
        let state = self.state.lock();
        if from >= state.size {
            return None;
        }
        let first = from / PAGE_SIZE;
        let index = if data {
            state.pages.keys().copied().filter(|&index| index >= first).min()?
        } else {
            let mut index = first;
            while state.pages.contains_key(&index) {
                index += 1;
            }
            index
        };
        let at = index.saturating_mul(PAGE_SIZE).max(from);
        if data { Some(at).filter(|&at| at < state.size) } else { Some(at.min(state.size)) }
    }

    /// Makes `range` a hole: whole pages go, parts of pages become zeros.
    pub fn punch(&self, range: Range<u64>) {
        let mut state = self.state.lock();
        let whole = range.start.div_ceil(PAGE_SIZE)..range.end / PAGE_SIZE;
        state.pages.retain(|index, frame| {
            let goes = whole.contains(index);
            if goes {
                self.frames.free(*frame);
            }
            !goes
        });
        let len = usize::try_from(range.end.saturating_sub(range.start)).unwrap_or(usize::MAX);
        let first = pieces(range.start, len).next();
        let last = (range.end / PAGE_SIZE, 0, (range.end % PAGE_SIZE) as usize);
        let last = Some(last).filter(|last| last.0 > range.start / PAGE_SIZE);
        for (index, offset, len) in first.into_iter().chain(last) {
            if let Some(&frame) = state.pages.get(&index) {
                self.zero(frame, offset, len);
            }
        }
    }

    /// Zeros what the page that holds `end` has from there on.
    fn zero_tail(&self, state: &State, end: u64) {
        let offset = (end % PAGE_SIZE) as usize;
        if offset > 0
            && let Some(&frame) = state.pages.get(&(end / PAGE_SIZE))
        {
            self.zero(frame, offset, PAGE - offset);
        }
    }

    fn zero(&self, frame: Frame, offset: usize, len: usize) {
        self.frames.zero(frame, offset, len);
    }

    fn make_page(&self, state: &mut State, index: u64) -> Result<Frame, NoMemory> {
        if let Some(&frame) = state.pages.get(&index) {
            return Ok(frame);
        }
        state.pages.try_reserve(1).map_err(|_| NoMemory)?;
        let frame = self.frames.alloc_zeroed().ok_or(NoMemory)?;
        state.pages.insert(index, frame);
        Ok(frame)
    }
}

impl Drop for PageCache {
    fn drop(&mut self) {
        self.state.get_mut().pages.drain().for_each(|(_, frame)| self.frames.free(frame));
    }
}

/// A byte range cut at page boundaries: page index, offset in the page, length.
fn pieces(at: u64, len: usize) -> impl Iterator<Item = (u64, usize, usize)> {
    let mut done = 0;
    core::iter::from_fn(move || {
        let here = at.checked_add(done as u64)?;
        let offset = (here % PAGE_SIZE) as usize;
        let piece = (PAGE - offset).min(len.checked_sub(done).filter(|&left| left > 0)?);
        done += piece;
        Some((here / PAGE_SIZE, offset, piece))
    })
}

/// Memory that several mappings share and no file system names: MAP_SHARED | MAP_ANONYMOUS.
pub struct SharedMemory(PageCache);

impl SharedMemory {
    /// `len` bytes of zeros.
    #[must_use]
    pub fn new(frames: &'static dyn FrameSource, len: u64) -> Arc<Self> {
        Arc::new(Self(PageCache::new(frames, len)))
    }
}

/// What memory that is shared and nobody's file is called in `/proc/self/maps`.
pub(crate) const SHARED_MEMORY: &[u8] = b"/dev/zero (deleted)";

impl BackingStore for SharedMemory {
    fn name(&self) -> &[u8] {
        SHARED_MEMORY
    }

    fn len(&self) -> u64 {
        self.0.size()
    }

    fn read_at(&self, offset: u64, buf: &mut [u8]) -> Result<usize, StoreError> {
        Ok(self.0.read(offset, buf))
    }

    fn frame_at(&self, _index: u64) -> Option<Frame> {
        None
    }

    fn is_resident(&self, index: u64) -> bool {
        self.0.is_resident(index)
    }

    fn has_shared_pages(&self) -> bool {
        true
    }

    fn shared_page(&self, index: u64) -> Option<Result<Frame, SharedPageError>> {
        Some(self.0.page(index))
    }

    fn punch(&self, range: Range<u64>) -> Result<(), PunchError> {
        self.0.punch(range);
        Ok(())
    }
}

#[cfg(test)]
mod tests;
