//! [`MemFile`]: an open regular file in memory, and [`Contents`], the same for mappings.
//!
//! Bytes pass between program memory and a page through a buffer, which is filled or emptied under the file system's lock.

use super::inode::{Content, Inode};
use super::pages::{Chunk, MAX_SIZE, PAGE, Pages};
use super::{MemFs, State};
use crate::file::{Allocate, seek_in};
use crate::io::write_end;
use crate::{File, FsError, Metadata, NodeRef, Offset, Pinned, SeekFrom, Sink, Source};
use abi::OpenFlags;
use alloc::{sync::Arc, vec::Vec};
use core::ops::Range;
use core::sync::atomic::{AtomicBool, Ordering};
use mm::addr::Frame;
use mm::store::{BackingStore, PunchError, SharedPageError, StoreError};
use sync::Mutex;

/// What is found at an offset of a file.
struct Found {
    /// The next run of content; `None` at the end.
    chunk: Option<Chunk>,
    /// Bytes to the end of the file.
    left: u64,
}

/// An open regular file.
pub(super) struct MemFile {
    fs: Arc<MemFs>,
    node: Pinned,
    /// Held during a write, so that it happens in one piece.
    order: Arc<Mutex<()>>,
    /// A change made through it may have left mappings outdated. Changes under the file system's lock.
    outdates: AtomicBool,
}

impl MemFs {
    /// The content from `at` on, at most `max` bytes, partly in `buffer`. With a time it counts as a read at that time.
    fn chunk(
        &self,
        id: u64,
        at: u64,
        max: usize,
        buffer: &mut [u8],
        read_at: Option<u64>,
    ) -> Result<Found, FsError> {
        let mut state = self.state();
        let Some(inode) = state.inodes.get_mut(&id) else {
            // A file that was never changed has no access time of its own.
            let rest = self.lower()?.contents(id)?.get(usize::try_from(at).unwrap_or(usize::MAX)..);
            let rest = rest.unwrap_or_default();
            let bytes = rest.get(..rest.len().min(max)).unwrap_or_default();
            let chunk = (!bytes.is_empty()).then_some(Chunk::Base(bytes));
            return Ok(Found { chunk, left: rest.len() as u64 });
        };
        if let Some(now) = read_at {
            inode.accessed(now);
        }
        let Content::File(pages) = &inode.content else { return Err(FsError::Invalid) };
        Ok(Found { chunk: pages.chunk(at, max, buffer), left: pages.size().saturating_sub(at) })
    }

    /// Runs `operation` on the pages of a file, which is taken over from the archive for it.
    fn with_pages<'s, T>(
        &self,
        state: &'s mut State,
        id: u64,
        operation: impl FnOnce(&mut Pages, &mut super::Budget) -> Result<T, FsError>,
    ) -> Result<(T, &'s mut Inode), FsError> {
        let State { inodes, budget, .. } = state;
        let inode = self.own_of(inodes, id)?;
        let Content::File(pages) = &mut inode.content else { return Err(FsError::Invalid) };
        Ok((operation(pages, budget)?, inode))
    }

    /// The content of a file that is mapped.
    fn mapped(&self, id: u64) -> Option<Arc<Contents>> {
        self.state().pins.get(&id).and_then(|pin| pin.store.upgrade())
    }

    /// The content of a file for mappings: one object, however often it is mapped at a time.
    fn store(self: &Arc<Self>, node: &NodeRef) -> Arc<Contents> {
        if let Some(store) = self.mapped(node.id) {
            return store;
        }
        let name = self.name_of(node.id);
        let store = Arc::new(Contents { fs: self.clone(), node: Pinned::new(node.clone()), name });
        let mut state = self.state();
        let Some(pin) = state.pins.get_mut(&node.id) else { return store };
        let other = pin.store.upgrade();
        if other.is_none() {
            pin.store = Arc::downgrade(&store);
        }
        // Letting go of a store takes the lock.
        drop(state);
        other.unwrap_or(store)
    }

    fn len(&self, id: u64) -> Result<u64, FsError> {
        match self.state().inodes.get(&id) {
            Some(Inode { content: Content::File(pages), .. }) => Ok(pages.size()),
            Some(_) => Err(FsError::Invalid),
            None => Ok(self.lower()?.contents(id)?.len() as u64),
        }
    }
}

impl MemFile {
    pub(super) fn new(fs: Arc<MemFs>, node: Pinned, order: Arc<Mutex<()>>) -> Self {
        MemFile { fs, node, order, outdates: AtomicBool::new(false) }
    }

    /// Runs a change of the content, and records when it was.
    fn change<T>(
        &self,
        change: impl FnOnce(&mut Pages, &mut super::Budget) -> Result<T, FsError>,
    ) -> Result<T, FsError> {
        let now = self.fs.clock.now_ns();
        let state = &mut *self.fs.state();
        let ((done, outdates), inode) = self.fs.with_pages(state, self.node.id, |pages, budget| {
            let done = change(pages, budget);
            Ok((done, pages.outdated().is_some()))
        })?;
        if outdates {
            self.outdates.store(true, Ordering::Relaxed);
        }
        let done = done?;
        (inode.mtime, inode.ctime) = (now, now);
        Ok(done)
    }

    fn write_from(&self, at: u64, src: &mut dyn Source) -> Result<usize, FsError> {
        let wanted = src.remaining();
        if wanted == 0 {
            return Ok(0);
        }
        let end = write_end(src, at, MAX_SIZE)?;
        let mut buffer = self.fs.buffers.take(wanted)?;
        let mut done = 0;
        while done < wanted {
            let left = wanted - done;
            let here = at.saturating_add(done as u64);
            let limit = usize::try_from(end.saturating_sub(here)).unwrap_or(usize::MAX);
            // To the end of a page first, so that the following pieces are whole pages.
            let aligned = buffer.len().saturating_sub((here % PAGE) as usize);
            let size = if aligned > 0 && aligned < left { aligned } else { buffer.len() };
            let size = size.min(left).min(limit).min(buffer.len());
            let piece = buffer.get_mut(..size).unwrap_or_default();
            let result = src.take(piece).and_then(|got| {
                self.change(|pages, budget| pages.write(here, piece.get(..got).unwrap_or_default(), budget))
            });
            match result {
                Ok(0) => break,
                Ok(n) => {
                    done += n;
                    if n < size {
                        break;
                    }
                }
                Err(_) if done > 0 => break,
                Err(error) => return Err(error),
            }
        }
        Ok(done)
    }
}

impl File for MemFile {
    fn metadata(&self) -> Result<Metadata, FsError> {
        self.node.metadata()
    }

    fn has_position(&self) -> bool {
        true
    }

    fn read(&self, at: Offset, dst: &mut dyn Sink, flags: OpenFlags) -> Result<usize, FsError> {
        // A page at first, as the file may be short.
        let wanted = dst.remaining();
        let mut buffer = self.fs.buffers.take(wanted.min(PAGE as usize))?;
        let mut read_at = (!flags.contains(OpenFlags::NOATIME)).then(|| self.fs.clock.now_ns());
        let mut done = 0;
        loop {
            let (here, max) = (at.0.saturating_add(done as u64), wanted.saturating_sub(done));
            let Found { chunk, left } =
                self.fs.chunk(self.node.id, here, max, &mut buffer, read_at.take())?;
            let (found, result) = match chunk {
                Some(Chunk::Copied(n)) => (n, dst.put(buffer.get(..n).unwrap_or_default())),
                Some(Chunk::Base(bytes)) => (bytes.len(), dst.put(bytes)),
                Some(Chunk::Zeros(n)) => (n, dst.put_zeros(n)),
                None => return Ok(done),
            };
            match result {
                Ok(n) => {
                    done += n;
                    if n < found || n == max || n as u64 == left {
                        return Ok(done);
                    }
                }
                Err(_) if done > 0 => return Ok(done),
                Err(error) => return Err(error),
            }
            let next = usize::try_from(left).unwrap_or(usize::MAX).min(max).saturating_sub(found);
            if next > PAGE as usize && buffer.len() <= PAGE as usize {
                // The page will do, if there is no more.
                buffer = self.fs.buffers.take(next).unwrap_or(buffer);
            }
        }
    }

    fn write(&self, at: Offset, src: &mut dyn Source, flags: OpenFlags) -> Result<usize, FsError> {
        // pwrite(2): with O_APPEND Linux appends whatever the offset.
        if flags.contains(OpenFlags::APPEND) {
            return Ok(self.append(src, flags)?.0);
        }
        let _order = self.order.lock();
        self.write_from(at.0, src)
    }

    fn append(&self, src: &mut dyn Source, _flags: OpenFlags) -> Result<(usize, u64), FsError> {
        let _order = self.order.lock();
        let end = self.fs.len(self.node.id)?;
        let n = self.write_from(end, src)?;
        Ok((n, end.saturating_add(n as u64)))
    }

    fn truncate(&self, size: u64) -> Result<(), FsError> {
        let _order = self.order.lock();
        self.change(|pages, budget| pages.truncate(size, budget))
    }

    fn allocate(&self, how: Allocate, range: Range<u64>) -> Result<(), FsError> {
        if range.end > MAX_SIZE {
            return Err(FsError::TooLarge);
        }
        let _order = self.order.lock();
        self.change(|pages, budget| match how {
            Allocate::Extend => pages.fill(range.clone(), Some(range.end), budget),
            Allocate::KeepSize => pages.fill(range, None, budget),
            Allocate::PunchHole => pages.punch(range, budget),
            Allocate::Zero | Allocate::ZeroKeepSize => {
                pages.punch(range.clone(), budget)?;
                pages.fill(range.clone(), (how == Allocate::Zero).then_some(range.end), budget)
            }
        })
    }

    fn seek(&self, to: SeekFrom, position: u64) -> Result<u64, FsError> {
        if let SeekFrom::Data(offset) | SeekFrom::Hole(offset) = to {
            let offset = u64::try_from(offset).map_err(|_| FsError::BeyondEnd)?;
            let data = matches!(to, SeekFrom::Data(_));
            return match self.fs.state().inodes.get(&self.node.id) {
                Some(Inode { content: Content::File(pages), .. }) => pages.next(offset, data),
                Some(_) => Err(FsError::Invalid),
                None => {
                    let base = self.fs.lower()?.contents(self.node.id)?;
                    Pages::over(self.fs.frames, base).next(offset, data)
                }
            };
        }
        seek_in(self.fs.len(self.node.id)?, to, position)
    }

    fn node(&self) -> Option<&NodeRef> {
        Some(self.node.node())
    }

    fn backing(&self) -> Option<Arc<dyn BackingStore>> {
        Some(self.fs.store(self.node.node()))
    }

    fn mapped(&self) -> Option<Arc<dyn BackingStore>> {
        Some(self.fs.mapped(self.node.id)?)
    }

    fn outdated(&self) -> Option<Arc<dyn BackingStore>> {
        // Whoever changes the content asks, so changes through other descriptions do not matter.
        if !self.outdates.load(Ordering::Relaxed) {
            return None;
        }
        let state = self.fs.state();
        match state.inodes.get(&self.node.id) {
            Some(Inode { content: Content::File(pages), .. }) if pages.outdated().is_some() => {
                Some(state.pins.get(&self.node.id)?.store.upgrade()?)
            }
            _ => {
                self.outdates.store(false, Ordering::Relaxed);
                None
            }
        }
    }
}

/// The content of a file as mappings see it.
pub(super) struct Contents {
    fs: Arc<MemFs>,
    node: Pinned,
    name: Vec<u8>,
}

impl Contents {
    /// Bytes of page `index` that are the archive's.
    fn base_len(&self, index: u64) -> usize {
        let state = self.fs.state();
        match (state.inodes.get(&self.node.id), &self.fs.lower) {
            (Some(Inode { content: Content::File(pages), .. }), _) => pages.base_len(index),
            (None, Some(lower)) => {
                let start = usize::try_from(index.saturating_mul(PAGE)).unwrap_or(usize::MAX);
                let contents = lower.contents(self.node.id).unwrap_or_default();
                contents.len().saturating_sub(start).min(PAGE as usize)
            }
            _ => 0,
        }
    }

    fn shared(
        &self,
        page: impl FnOnce(&mut Pages, &mut super::Budget) -> Result<Frame, SharedPageError>,
    ) -> Result<Frame, SharedPageError> {
        let state = &mut *self.fs.state();
        let frame = self.fs.with_pages(state, self.node.id, |pages, budget| Ok(page(pages, budget)));
        frame.map_or(Err(SharedPageError::Io), |(frame, _)| frame)
    }
}

impl BackingStore for Contents {
    fn name(&self) -> &[u8] {
        &self.name
    }

    fn identity(&self) -> (u64, u64) {
        (self.fs.device, self.node.id + 1)
    }

    fn len(&self) -> u64 {
        self.fs.len(self.node.id).unwrap_or(0)
    }

    fn read_at(&self, offset: u64, buf: &mut [u8]) -> Result<usize, StoreError> {
        let mut done = 0;
        while done < buf.len() {
            let rest = buf.get_mut(done..).unwrap_or_default();
            let at = offset.saturating_add(done as u64);
            let found = self.fs.chunk(self.node.id, at, rest.len(), rest, None).map_err(|_| StoreError)?;
            done += match found.chunk {
                None => break,
                Some(Chunk::Copied(n)) => n,
                Some(Chunk::Base(bytes)) => {
                    rest.iter_mut().zip(bytes).for_each(|(to, from)| *to = *from);
                    bytes.len()
                }
                Some(Chunk::Zeros(n)) => {
                    rest.iter_mut().take(n).for_each(|byte| *byte = 0);
                    n
                }
            };
        }
        Ok(done)
    }

    fn frame_at(&self, index: u64) -> Option<Frame> {
        // A page of which a change took a part away is not that of the archive.
        let whole = self.base_len(index) == PAGE as usize;
        self.fs.lower.as_ref().filter(|_| whole)?.frame_at(self.node.id, index)
    }

    fn is_resident(&self, index: u64) -> bool {
        match self.fs.state().inodes.get(&self.node.id) {
            Some(Inode { content: Content::File(pages), .. }) => pages.is_data(index),
            _ => true,
        }
    }

    fn has_shared_pages(&self) -> bool {
        true
    }

    fn shared_page(&self, index: u64) -> Option<Result<Frame, SharedPageError>> {
        Some(self.shared(|pages, budget| pages.shared_page(index, budget)))
    }

    fn private_page(&self, index: u64) -> Option<Result<Frame, SharedPageError>> {
        // Unchanged content is mapped where it is, if it is a page there.
        if self.frame_at(index).is_some() {
            return None;
        }
        match self.shared_page(index) {
            // The file system is full: a copy for this mapping.
            Some(Err(SharedPageError::Io)) if self.base_len(index) > 0 => None,
            page => page,
        }
    }

    fn outdated(&self) -> Option<u64> {
        match self.fs.state().inodes.get(&self.node.id) {
            Some(Inode { content: Content::File(pages), .. }) => pages.outdated(),
            _ => None,
        }
    }

    fn refreshed(&self, changes: u64) {
        if let Some(Inode { content: Content::File(pages), .. }) =
            self.fs.state().inodes.get_mut(&self.node.id)
        {
            pages.refreshed(changes);
        }
    }

    fn punch(&self, range: Range<u64>) -> Result<(), PunchError> {
        let state = &mut *self.fs.state();
        let done = self.fs.with_pages(state, self.node.id, |pages, budget| pages.punch(range, budget));
        done.map(|_| ()).map_err(|_| PunchError::NotSupported)
    }
}
