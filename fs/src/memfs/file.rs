//! [`MemFile`]: an open regular file in memory, and [`Contents`], the same for mappings.
//!
//! Bytes pass between program memory and a page without the file system's lock: a read holds the page itself, a write goes
//! through a buffer of its own.

use super::inode::{Content, Inode};
use super::pages::{Chunk, MAX_SIZE, PAGE, Pages};
use super::{MemFs, State};
use crate::file::{Allocate, seek_in};
use crate::{File, FileSystem, FsError, Metadata, NodeRef, Offset, Pinned, SeekFrom, Sink, Source};
use abi::OpenFlags;
use alloc::{sync::Arc, vec::Vec};
use core::ops::Range;
use mm::addr::Frame;
use mm::store::{BackingStore, StoreError};
use sync::Mutex;

/// Bytes of a write that pass through the stack instead of a buffer from the heap.
const SMALL: usize = 256;
/// Largest buffer of a write.
const BUFFER: usize = 16 * PAGE as usize;
/// A file's access time is brought up to date at least this often when it is read (mount(8), relatime).
const DAY_NS: u64 = 24 * 3600 * 1_000_000_000;

/// An open regular file.
pub(super) struct MemFile {
    fs: Arc<MemFs>,
    node: Pinned,
    /// Held during a write, so that it happens in one piece.
    order: Arc<Mutex<()>>,
}

impl MemFs {
    /// The content from `at` on, at most `max` bytes.
    fn chunk(&self, id: u64, at: u64, max: usize) -> Result<Option<Chunk>, FsError> {
        match self.state().inodes.get(&id) {
            Some(Inode { content: Content::File(pages), .. }) => Ok(pages.chunk(at, max)),
            Some(_) => Err(FsError::Invalid),
            None => Ok(Pages::over(self.lower()?.contents(id)?).chunk(at, max)),
        }
    }

    fn len(&self, id: u64) -> Result<u64, FsError> {
        Ok(self.metadata(id)?.size)
    }
}

impl MemFile {
    pub(super) fn new(fs: Arc<MemFs>, node: Pinned, order: Arc<Mutex<()>>) -> Self {
        MemFile { fs, node, order }
    }

    /// Runs a change of the content, and records when it was.
    fn change<T>(
        &self,
        change: impl FnOnce(&mut Pages, &mut super::Budget) -> Result<T, FsError>,
    ) -> Result<T, FsError> {
        let now = self.fs.clock.now_ns();
        let state = &mut *self.fs.state();
        self.fs.own(state, self.node.id)?;
        let State { inodes, budget, .. } = state;
        let inode = inodes.get_mut(&self.node.id).ok_or(FsError::NotFound)?;
        let Content::File(pages) = &mut inode.content else { return Err(FsError::Invalid) };
        let done = change(pages, budget)?;
        (inode.mtime, inode.ctime) = (now, now);
        Ok(done)
    }

    fn write_from(&self, at: u64, src: &mut dyn Source) -> Result<usize, FsError> {
        if src.remaining() == 0 {
            return Ok(0);
        }
        if at >= MAX_SIZE {
            return Err(FsError::TooLarge);
        }
        let mut small = [0; SMALL];
        let mut large = Vec::new();
        let buffer: &mut [u8] = if src.remaining() <= SMALL {
            &mut small
        } else {
            // To the end of a page first, so that the following pieces are whole pages.
            let size = src.remaining().min(BUFFER);
            large.try_reserve_exact(size).map_err(|_| FsError::NoMemory)?;
            large.resize(size, 0);
            &mut large
        };
        let mut done = 0;
        while src.remaining() > 0 {
            let here = at.saturating_add(done as u64);
            let limit = usize::try_from(MAX_SIZE.saturating_sub(here)).unwrap_or(usize::MAX);
            let aligned = buffer.len().saturating_sub((here % PAGE) as usize);
            let size = if aligned > 0 && aligned < src.remaining() { aligned } else { buffer.len() };
            let size = size.min(src.remaining()).min(limit).min(buffer.len());
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

    /// Records a read, for a node that is in memory (mount(8), relatime).
    fn accessed(&self) {
        let now = self.fs.clock.now_ns();
        if let Some(inode) = self.fs.state().inodes.get_mut(&self.node.id)
            && (inode.atime <= inode.mtime
                || inode.atime <= inode.ctime
                || now.saturating_sub(inode.atime) >= DAY_NS)
        {
            inode.atime = now;
        }
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
        let mut done = 0;
        while dst.remaining() > 0 {
            let here = at.0.saturating_add(done as u64);
            let Some(chunk) = self.fs.chunk(self.node.id, here, dst.remaining())? else { break };
            let (wanted, result) = match &chunk {
                Chunk::Page(page, range) => {
                    (range.len(), dst.put(page.get(range.clone()).unwrap_or_default()))
                }
                Chunk::Base(bytes) => (bytes.len(), dst.put(bytes)),
                Chunk::Zeros(n) => (*n, dst.put_zeros(*n)),
            };
            match result {
                Ok(n) => {
                    done += n;
                    if n < wanted {
                        break;
                    }
                }
                Err(_) if done > 0 => break,
                Err(error) => return Err(error),
            }
        }
        // A file that was never changed has no access time of its own.
        if !flags.contains(OpenFlags::NOATIME) && self.fs.state().inodes.contains_key(&self.node.id) {
            self.accessed();
        }
        Ok(done)
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
                None => Pages::over(self.fs.lower()?.contents(self.node.id)?).next(offset, data),
            };
        }
        seek_in(self.fs.len(self.node.id)?, to, position)
    }

    fn node(&self) -> Option<&NodeRef> {
        Some(self.node.node())
    }

    fn backing(&self) -> Option<Arc<dyn BackingStore>> {
        if let (false, Some(lower)) =
            (self.fs.state().inodes.contains_key(&self.node.id), self.fs.lower.as_ref())
        {
            // Its pages can be mapped where they are.
            return lower.clone().open(self.node.id, OpenFlags::empty()).ok()?.backing();
        }
        let node = Pinned::new(self.node.node().clone());
        Some(Arc::new(Contents { fs: self.fs.clone(), node, name: self.fs.name_of(self.node.id) }))
    }
}

/// The content of a file as mappings see it.
struct Contents {
    fs: Arc<MemFs>,
    node: Pinned,
    name: Vec<u8>,
}

impl BackingStore for Contents {
    fn name(&self) -> &[u8] {
        &self.name
    }

    fn len(&self) -> u64 {
        self.fs.len(self.node.id).unwrap_or(0)
    }

    fn read_at(&self, offset: u64, buf: &mut [u8]) -> Result<usize, StoreError> {
        let mut sink = crate::SliceSink::new(buf);
        let mut done = 0;
        while sink.remaining() > 0 {
            let at = offset.saturating_add(done as u64);
            let chunk = self.fs.chunk(self.node.id, at, sink.remaining()).map_err(|_| StoreError)?;
            let moved = match &chunk {
                None => break,
                Some(Chunk::Page(page, range)) => sink.put(page.get(range.clone()).unwrap_or_default()),
                Some(Chunk::Base(bytes)) => sink.put(bytes),
                Some(Chunk::Zeros(n)) => sink.put_zeros(*n),
            };
            done += moved.map_err(|_| StoreError)?;
        }
        Ok(done)
    }

    fn frame_at(&self, _index: u64) -> Option<Frame> {
        None
    }
}
