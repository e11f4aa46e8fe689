//! [`MemFd`]: a file of memory without a place in any tree (memfd_create(2)).
//!
//! Made by the system call; mapped, read and written like any file. Its content is a [`PageCache`], which all mappings share.
//!
//! Invariants: a seal that is set is never taken back; the size and the pages change only where the seals allow it.

use crate::file::seek_in;
use crate::io::write_end;
use crate::{Allocate, File, FsError, Metadata, Offset, SeekFrom, Sink, Source};
use abi::{Mode, OpenFlags};
use alloc::{sync::Arc, vec::Vec};
use bitflags::bitflags;
use core::ops::Range;
use core::sync::atomic::{AtomicU64, Ordering};
use mm::addr::{Frame, PAGE_SIZE};
use mm::cache::PageCache;
use mm::paging::FrameSource;
use mm::store::{BackingStore, PunchError, SharedPageError, StoreError};
use sync::Mutex;

bitflags! {
    /// What can no longer be done to a file (fcntl(2), F_ADD_SEALS).
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct Seals: u32 {
        /// No further seals.
        const SEAL = 1;
        /// It does not get shorter.
        const SHRINK = 2;
        /// It does not get longer.
        const GROW = 4;
        /// Its content stays.
        const WRITE = 8;
        /// Its content stays but for mappings that are writable already.
        const FUTURE_WRITE = 16;
        /// Its execute bits stay.
        const EXEC = 32;
    }
}

/// Seals that keep content from being written.
const NO_WRITES: Seals = Seals::WRITE.union(Seals::FUTURE_WRITE);
/// Number of the file system that Linux keeps such files on, as st_dev.
const DEVICE: u64 = 0x0b;
/// Longest file (the largest `off_t`).
const MAX_SIZE: u64 = i64::MAX as u64;
/// Bytes that move at once between the program and the pages: a buffer on the kernel's stack.
const PIECE: usize = 1024;

/// How a file is made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MemFdOptions {
    /// Seals can be added.
    pub sealing: bool,
    /// It is not executable and stays so.
    pub no_exec: bool,
}

/// The content, as mappings see it.
struct Contents {
    name: Vec<u8>,
    cache: PageCache,
    seals: Mutex<Seals>,
}

/// A file of memory.
pub struct MemFd {
    contents: Arc<Contents>,
    ino: u64,
    mode: u32,
    made_ns: u64,
}

impl MemFd {
    /// An empty file. `name` is for /proc; `now` the time of day, nanoseconds.
    pub fn new(frames: &'static dyn FrameSource, name: &[u8], options: MemFdOptions, now: u64) -> Arc<Self> {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        let seals = match (options.no_exec, options.sealing) {
            (true, _) => Seals::EXEC,
            (false, true) => Seals::empty(),
            (false, false) => Seals::SEAL,
        };
        let contents = Contents {
            name: [b"/memfd:", name, b" (deleted)"].concat(),
            cache: PageCache::new(frames, 0),
            seals: Mutex::new(seals),
        };
        Arc::new(MemFd {
            contents: Arc::new(contents),
            ino: NEXT.fetch_add(1, Ordering::Relaxed),
            mode: Mode::IFREG | if options.no_exec { 0o666 } else { 0o777 },
            made_ns: now,
        })
    }

    fn sealed(&self, seals: Seals) -> bool {
        self.contents.seals.lock().intersects(seals)
    }
}

impl File for MemFd {
    fn metadata(&self) -> Result<Metadata, FsError> {
        Ok(Metadata {
            dev: DEVICE,
            ino: self.ino,
            mode: self.mode,
            size: self.contents.cache.size(),
            block_size: PAGE_SIZE as u32,
            blocks: self.contents.cache.page_count() * (PAGE_SIZE / 512),
            mtime_ns: self.made_ns,
            ..Metadata::default()
        })
    }

    fn has_position(&self) -> bool {
        true
    }

    fn read(&self, at: Offset, dst: &mut dyn Sink, _flags: OpenFlags) -> Result<usize, FsError> {
        let mut piece = [0; PIECE];
        let mut done = 0;
        while dst.remaining() > 0 {
            let here = at.0.saturating_add(done as u64);
            let want = piece.get_mut(..dst.remaining().min(PIECE)).unwrap_or_default();
            let count = self.contents.cache.read(here, want);
            if count == 0 {
                break;
            }
            match dst.put(piece.get(..count).unwrap_or_default()) {
                Ok(taken) => {
                    done += taken;
                    if taken < count {
                        break;
                    }
                }
                Err(_) if done > 0 => break,
                Err(error) => return Err(error),
            }
        }
        Ok(done)
    }

    fn write(&self, at: Offset, src: &mut dyn Source, flags: OpenFlags) -> Result<usize, FsError> {
        let start = if flags.contains(OpenFlags::APPEND) { self.contents.cache.size() } else { at.0 };
        if src.remaining() == 0 {
            return Ok(0);
        }
        let end = write_end(src, start, MAX_SIZE)?;
        if self.sealed(NO_WRITES) {
            return Err(FsError::NotPermitted);
        }
        let mut piece = [0; PIECE];
        let mut done = 0;
        while src.remaining() > 0 {
            let here = start.saturating_add(done as u64);
            // A piece stays in its page: Linux applies the seal on growth page by page.
            let in_page = (PAGE_SIZE - here % PAGE_SIZE) as usize;
            let allowed = usize::try_from(end.saturating_sub(here)).unwrap_or(usize::MAX);
            if allowed == 0 {
                break;
            }
            let want = src.remaining().min(PIECE).min(in_page).min(allowed);
            let in_page = src.remaining().min(in_page).min(allowed) as u64;
            let grows = here.saturating_add(in_page) > self.contents.cache.size();
            if grows && self.sealed(Seals::GROW) {
                return if done > 0 { Ok(done) } else { Err(FsError::NotPermitted) };
            }
            let count = match src.take(piece.get_mut(..want).unwrap_or_default()) {
                Ok(0) => break,
                Ok(count) => count,
                Err(_) if done > 0 => break,
                Err(error) => return Err(error),
            };
            match self.contents.cache.write(here, piece.get(..count).unwrap_or_default()) {
                Ok(stored) => done += stored,
                Err(_) if done > 0 => break,
                Err(_) => return Err(FsError::NoMemory),
            }
        }
        Ok(done)
    }

    fn truncate(&self, size: u64) -> Result<(), FsError> {
        let old = self.contents.cache.size();
        if size > MAX_SIZE {
            return Err(FsError::TooLarge);
        }
        if size < old && self.sealed(Seals::SHRINK) || size > old && self.sealed(Seals::GROW) {
            return Err(FsError::NotPermitted);
        }
        self.contents.cache.set_size(size);
        Ok(())
    }

    fn allocate(&self, how: Allocate, range: Range<u64>) -> Result<(), FsError> {
        let size = match how {
            Allocate::PunchHole if self.sealed(NO_WRITES) => return Err(FsError::NotPermitted),
            Allocate::PunchHole => {
                self.contents.cache.punch(range);
                return Ok(());
            }
            Allocate::Extend => Some(range.end),
            Allocate::KeepSize => None,
            Allocate::Zero | Allocate::ZeroKeepSize => return Err(FsError::NotSupported),
        };
        if range.end > MAX_SIZE {
            return Err(FsError::TooLarge);
        }
        if size.is_some_and(|size| size > self.contents.cache.size()) && self.sealed(Seals::GROW) {
            return Err(FsError::NotPermitted);
        }
        self.contents.cache.fill(range, size).map_err(|_| FsError::NoSpace)
    }

    fn seals(&self) -> Result<Seals, FsError> {
        Ok(*self.contents.seals.lock())
    }

    fn add_seals(&self, seals: Seals, shared_writable: bool) -> Result<(), FsError> {
        let mut held = self.contents.seals.lock();
        if held.contains(Seals::SEAL) {
            return Err(FsError::NotPermitted);
        }
        if seals.contains(Seals::WRITE) && !held.contains(Seals::WRITE) && shared_writable {
            return Err(FsError::Busy);
        }
        *held |= seals;
        if seals.contains(Seals::EXEC) && self.mode & 0o111 != 0 {
            // What can be executed must not change any more.
            *held |= Seals::SHRINK | Seals::GROW | Seals::WRITE | Seals::FUTURE_WRITE;
        }
        Ok(())
    }

    fn seek(&self, to: SeekFrom, position: u64) -> Result<u64, FsError> {
        if let SeekFrom::Data(offset) | SeekFrom::Hole(offset) = to {
            let offset = u64::try_from(offset).map_err(|_| FsError::BeyondEnd)?;
            let next = self.contents.cache.next(offset, matches!(to, SeekFrom::Data(_)));
            return next.ok_or(FsError::BeyondEnd);
        }
        seek_in(self.contents.cache.size(), to, position)
    }

    fn backing(&self) -> Option<Arc<dyn BackingStore>> {
        Some(self.contents.clone())
    }
}

impl BackingStore for Contents {
    fn name(&self) -> &[u8] {
        &self.name
    }

    fn len(&self) -> u64 {
        self.cache.size()
    }

    fn read_at(&self, offset: u64, buf: &mut [u8]) -> Result<usize, StoreError> {
        Ok(self.cache.read(offset, buf))
    }

    fn frame_at(&self, _index: u64) -> Option<Frame> {
        None
    }

    fn is_resident(&self, index: u64) -> bool {
        self.cache.is_resident(index)
    }

    fn has_shared_pages(&self) -> bool {
        true
    }

    fn shared_page(&self, index: u64) -> Option<Result<Frame, SharedPageError>> {
        Some(self.cache.page(index))
    }

    fn allows_shared_writing(&self) -> bool {
        !self.seals.lock().intersects(NO_WRITES)
    }

    fn punch(&self, range: Range<u64>) -> Result<(), PunchError> {
        if self.seals.lock().intersects(NO_WRITES) {
            return Err(PunchError::Denied);
        }
        self.cache.punch(range);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{SliceSink, SliceSource};
    use mm::fake::FakeFrames;

    fn file(sealing: bool) -> Arc<MemFd> {
        MemFd::new(FakeFrames::leak(16), b"x", MemFdOptions { sealing, no_exec: false }, 5)
    }

    fn write(file: &MemFd, at: u64, bytes: &[u8]) -> Result<usize, FsError> {
        file.write(Offset(at), &mut SliceSource::new(bytes), OpenFlags::empty())
    }

    #[test]
    fn content() {
        let file = file(false);
        assert_eq!(write(&file, 4090, &[7; 5000]), Ok(5000));
        let mut buf = [9; 10];
        assert_eq!(file.read(Offset(4085), &mut SliceSink::new(&mut buf), OpenFlags::empty()), Ok(10));
        assert_eq!(buf, [0, 0, 0, 0, 0, 7, 7, 7, 7, 7]);
        assert_eq!(file.read(Offset(9090), &mut SliceSink::new(&mut buf), OpenFlags::empty()), Ok(0));
        let metadata = file.metadata().unwrap();
        assert_eq!((metadata.size, metadata.blocks, metadata.nlink), (9090, 24, 0));
        assert_eq!(write(&file, u64::MAX, &[1]), Err(FsError::TooLarge));
        assert_eq!(file.truncate(u64::MAX), Err(FsError::TooLarge));
        assert_eq!(file.backing().unwrap().name(), b"/memfd:x (deleted)");
    }

    #[test]
    fn room_and_holes() {
        let file = file(true);
        assert_eq!(file.allocate(Allocate::Extend, 0..10_000), Ok(()));
        assert_eq!(file.allocate(Allocate::KeepSize, 10_000..20_000), Ok(()));
        assert_eq!((file.metadata().unwrap().size, file.metadata().unwrap().blocks), (10_000, 40));
        assert_eq!(file.allocate(Allocate::Extend, 0..1 << 20), Err(FsError::NoSpace));
        assert_eq!(file.metadata().unwrap().blocks, 40, "all or nothing");
        assert_eq!(file.allocate(Allocate::PunchHole, 4096..8192), Ok(()));
        assert_eq!(
            (file.seek(SeekFrom::Hole(5), 0), file.seek(SeekFrom::Data(4096), 0)),
            (Ok(4096), Ok(8192))
        );
        assert_eq!(
            (file.seek(SeekFrom::Data(5), 0), file.seek(SeekFrom::Hole(8192), 0)),
            (Ok(5), Ok(10_000))
        );
        assert_eq!(file.seek(SeekFrom::Data(10_000), 0), Err(FsError::BeyondEnd));
        assert_eq!(file.allocate(Allocate::Zero, 0..1), Err(FsError::NotSupported));
        assert_eq!(file.allocate(Allocate::Extend, 0..u64::MAX), Err(FsError::TooLarge));
        file.add_seals(Seals::GROW, false).unwrap();
        assert_eq!(file.allocate(Allocate::Extend, 0..10_001), Err(FsError::NotPermitted));
        file.add_seals(Seals::WRITE, false).unwrap();
        assert_eq!(file.allocate(Allocate::PunchHole, 0..1), Err(FsError::NotPermitted));
    }

    #[test]
    fn seals() {
        assert_eq!(file(false).add_seals(Seals::GROW, false), Err(FsError::NotPermitted));
        let file = file(true);
        write(&file, 0, &[1; 100]).unwrap();
        file.add_seals(Seals::GROW | Seals::SHRINK, true).unwrap();
        assert_eq!(write(&file, 90, &[2; 20]), Err(FsError::NotPermitted));
        assert_eq!(write(&file, 90, &[2; 10]), Ok(10));
        assert_eq!(file.truncate(99), Err(FsError::NotPermitted));
        assert_eq!(file.truncate(101), Err(FsError::NotPermitted));
        assert_eq!(file.truncate(100), Ok(()));
        assert_eq!(file.add_seals(Seals::WRITE, true), Err(FsError::Busy));
        let store = file.backing().unwrap();
        assert!(store.allows_shared_writing());
        file.add_seals(Seals::WRITE, false).unwrap();
        assert!(!store.allows_shared_writing());
        assert_eq!(write(&file, 0, &[1]), Err(FsError::NotPermitted));
        assert_eq!(store.punch(0..10), Err(PunchError::Denied));
        file.add_seals(Seals::SEAL, false).unwrap();
        assert_eq!(file.add_seals(Seals::SEAL, false), Err(FsError::NotPermitted));
    }
}
