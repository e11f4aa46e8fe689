//! [`OpenFile`]: an open file description, which dup'ed descriptors share: position, status flags, access mode.

use crate::inotify::{Notice, Watches};
use crate::locks::{FileLocks, Holder, Key, Owner, Range as LockRange, RecordLock};
use crate::notify::Watcher;
use crate::{Allocate, DirEntry, File, FsError, Offset, Place, SeekFrom, Sink, Source};
use abi::{OpenFlags, general as raw};
use alloc::sync::Arc;
use core::ops::Range;
use core::sync::atomic::{AtomicU32, AtomicU64, AtomicUsize, Ordering};
use sync::Mutex;

/// Status flags that F_SETFL may change (fcntl(2)), beside O_ASYNC, which [`OpenFile::set_async`] changes.
const SETTABLE: OpenFlags =
    OpenFlags::APPEND.union(OpenFlags::NONBLOCK).union(OpenFlags::DIRECT).union(OpenFlags::NOATIME);

/// Flags of open(2) that act at opening only and are not kept.
const NOT_KEPT: OpenFlags = OpenFlags::CREAT
    .union(OpenFlags::EXCL)
    .union(OpenFlags::NOCTTY)
    .union(OpenFlags::TRUNC)
    .union(OpenFlags::CLOEXEC);

/// Who is to get signals about a file (fcntl(2), F_SETOWN_EX), and which. Kept for who sends them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Interested {
    /// `F_OWNER_*`.
    pub kind: u8,
    /// Number of the thread, process or group; 0 is nobody.
    pub id: u32,
    /// F_SETSIG; 0 is SIGIO.
    pub signal: u8,
}

/// What each read or write asks about a file and never changes, asked once.
#[derive(Clone, Copy)]
struct Nature {
    has_position: bool,
    moves_position: bool,
    is_socket: bool,
    writes_all: bool,
}

/// An open file description.
pub struct OpenFile {
    file: Arc<dyn File>,
    nature: Nature,
    flags: AtomicU32,
    place: Option<Place>,
    /// Held during a read or write that uses it, so that two of them never get the same bytes.
    position: Mutex<u64>,
    /// Where it may hold a flock(2) lock or record locks of its own.
    lock: Mutex<Option<(Arc<FileLocks>, Key)>>,
    /// See [`owner`](Self::owner); 0 before it is asked for.
    owner: AtomicUsize,
    /// Who is to get signals about it: an [`Interested`] in one word.
    interested: AtomicU64,
    /// Sends them while O_ASYNC is set.
    sender: Mutex<Option<Arc<dyn Watcher>>>,
    /// Who is told what happens to it (inotify(7)). Behind `file`, which must be gone when this is dropped.
    notice: Option<Notice>,
}

impl OpenFile {
    /// A description at position 0. `flags` as given to open(2).
    pub fn new(file: Arc<dyn File>, flags: OpenFlags) -> Arc<Self> {
        Arc::new(Self::with(file, flags, None))
    }

    /// As [`new`](Self::new), for a file that was found at a place in the tree.
    pub fn at(file: Arc<dyn File>, flags: OpenFlags, place: Place) -> Arc<Self> {
        Arc::new(Self::with(file, flags, Some(place)))
    }

    /// As [`at`](Self::at), and tells the watches what happens to it.
    pub fn watched(file: Arc<dyn File>, flags: OpenFlags, place: Place, watches: &Arc<Watches>) -> Arc<Self> {
        let notice = Notice::new(watches, &place, flags);
        notice.tell(raw::IN_OPEN);
        let mut open = Self::with(file, flags, Some(place));
        open.notice = Some(notice);
        Arc::new(open)
    }

    fn with(file: Arc<dyn File>, flags: OpenFlags, place: Option<Place>) -> Self {
        let kept = flags.difference(NOT_KEPT);
        let nature = Nature {
            has_position: file.has_position(),
            moves_position: file.moves_position(),
            is_socket: file.as_socket().is_some(),
            writes_all: file.writes_all(),
        };
        OpenFile {
            file,
            nature,
            flags: AtomicU32::new(kept.bits()),
            place,
            position: Mutex::new(0),
            lock: Mutex::new(None),
            owner: AtomicUsize::new(0),
            interested: AtomicU64::new(0),
            sender: Mutex::new(None),
            notice: None,
        }
    }

    /// Where it was found, if it was opened by a path.
    pub fn place(&self) -> Option<&Place> {
        self.place.as_ref()
    }

    /// The position (fdinfo; the caller may see it move at once).
    pub fn position(&self) -> u64 {
        *self.position.lock()
    }

    /// The file.
    #[inline]
    pub fn file(&self) -> &Arc<dyn File> {
        &self.file
    }

    /// Whether the file is a socket.
    #[inline]
    pub fn is_socket(&self) -> bool {
        self.nature.is_socket
    }

    /// [`File::has_position`]. Only such files run with their owners' rights, have a largest size, and have mappings that may show
    /// what was before a change.
    #[inline]
    pub fn has_position(&self) -> bool {
        self.nature.has_position
    }

    /// [`File::writes_all`].
    #[inline]
    pub fn writes_all(&self) -> bool {
        self.nature.writes_all
    }

    /// Access mode and status flags.
    #[inline]
    pub fn flags(&self) -> OpenFlags {
        OpenFlags::from_bits_retain(self.flags.load(Ordering::Relaxed))
    }

    /// F_SETFL: changes the flags that may change, ignores the others.
    pub fn set_flags(&self, flags: OpenFlags) {
        let new = self.flags().difference(SETTABLE).union(flags.intersection(SETTABLE));
        self.flags.store(new.bits(), Ordering::Relaxed);
    }

    /// Who is to get signals about it.
    pub fn interested(&self) -> Interested {
        let word = self.interested.load(Ordering::Relaxed);
        Interested { kind: (word >> 8) as u8, id: (word >> 32) as u32, signal: word as u8 }
    }

    /// Changes who is to get signals about it, from what was read before: false if that has changed meanwhile.
    pub fn set_interested(&self, old: Interested, new: Interested) -> bool {
        let word =
            |who: Interested| u64::from(who.id) << 32 | u64::from(who.kind) << 8 | u64::from(who.signal);
        self.interested.compare_exchange(word(old), word(new), Ordering::Relaxed, Ordering::Relaxed).is_ok()
    }

    /// Sets O_ASYNC: from now on `sender` is told of each change of the file. `None` takes it back.
    ///
    /// # Errors
    /// [`FsError::NoMemory`].
    pub fn set_async(&self, sender: Option<Arc<dyn Watcher>>) -> Result<(), FsError> {
        let bit = OpenFlags::ASYNC.bits();
        match (&sender, self.file.changes()) {
            (Some(sender), [Some(notifier), _]) => {
                notifier.watch(Arc::downgrade(sender))?;
                self.flags.fetch_or(bit, Ordering::Relaxed);
            }
            _ => {
                self.flags.fetch_and(!bit, Ordering::Relaxed);
            }
        }
        let before = core::mem::replace(&mut *self.sender.lock(), sender);
        drop(before);
        Ok(())
    }

    /// Whether it was opened with O_PATH: good for a place in the tree, not for content.
    pub fn is_path_only(&self) -> bool {
        self.flags().contains(OpenFlags::PATH)
    }

    /// Tells that `n` bytes or entries moved, if any.
    #[inline]
    fn told(&self, mask: u32, n: usize) -> usize {
        if let Some(notice) = self.notice.as_ref().filter(|_| n > 0) {
            notice.tell(mask);
        }
        n
    }

    #[inline]
    fn check(&self, allowed: bool) -> Result<(), FsError> {
        check_mode(self.flags(), allowed)
    }

    /// read(2): at the position, which moves on.
    pub fn read(&self, dst: &mut dyn Sink) -> Result<usize, FsError> {
        self.read_as(dst, OpenFlags::empty())
    }

    /// As [`read`](Self::read), with more status flags for this once (preadv2(2)).
    pub fn read_as(&self, dst: &mut dyn Sink, add: OpenFlags) -> Result<usize, FsError> {
        self.read_here(dst, add)
    }

    /// [`read_as`](Self::read_as) as a part of its caller, for the calls that are made most.
    #[inline(always)]
    pub fn read_here(&self, dst: &mut dyn Sink, add: OpenFlags) -> Result<usize, FsError> {
        let flags = self.flags() | add;
        check_mode(flags, flags.readable())?;
        if !self.nature.moves_position {
            return Ok(self.told(raw::IN_ACCESS, self.file.read(Offset(0), dst, flags)?));
        }
        self.read_on(dst, flags)
    }

    /// Reads at the position.
    fn read_on(&self, dst: &mut dyn Sink, flags: OpenFlags) -> Result<usize, FsError> {
        let mut position = self.position.lock();
        check_end(*position, dst.remaining())?;
        let n = self.file.read(Offset(*position), dst, flags)?;
        *position = position.saturating_add(n as u64);
        drop(position);
        Ok(self.told(raw::IN_ACCESS, n))
    }

    /// write(2): at the position, which moves on.
    pub fn write(&self, src: &mut dyn Source) -> Result<usize, FsError> {
        self.write_as(None, src, OpenFlags::empty(), OpenFlags::empty())
    }

    /// As [`write`](Self::write) or, with an offset, [`write_at`](Self::write_at), with status flags more and fewer for this
    /// once (pwritev2(2)).
    pub fn write_as(
        &self,
        at: Option<Offset>,
        src: &mut dyn Source,
        add: OpenFlags,
        remove: OpenFlags,
    ) -> Result<usize, FsError> {
        let flags = self.flags().difference(remove) | add;
        check_mode(flags, flags.writable())?;
        if let Some(at) = at {
            self.check_positioned(flags)?;
            check_end(at.0, src.remaining())?;
            return Ok(self.told(raw::IN_MODIFY, self.file.write(at, src, flags)?));
        }
        if !self.nature.moves_position {
            return Ok(self.told(raw::IN_MODIFY, self.file.write(Offset(0), src, flags)?));
        }
        let mut position = self.position.lock();
        if flags.contains(OpenFlags::APPEND) {
            let (n, end) = self.file.append(src, flags)?;
            *position = end;
            drop(position);
            return Ok(self.told(raw::IN_MODIFY, n));
        }
        check_end(*position, src.remaining())?;
        let n = self.file.write(Offset(*position), src, flags)?;
        *position = position.saturating_add(n as u64);
        drop(position);
        Ok(self.told(raw::IN_MODIFY, n))
    }

    /// pread(2): the position stays.
    #[inline]
    pub fn read_at(&self, at: Offset, dst: &mut dyn Sink) -> Result<usize, FsError> {
        let flags = self.flags();
        self.check_positioned(flags)?;
        check_mode(flags, flags.readable())?;
        check_end(at.0, dst.remaining())?;
        Ok(self.told(raw::IN_ACCESS, self.file.read(at, dst, flags)?))
    }

    /// pwrite(2): the position stays.
    pub fn write_at(&self, at: Offset, src: &mut dyn Source) -> Result<usize, FsError> {
        self.check_positioned(self.flags())?;
        self.write_as(Some(at), src, OpenFlags::empty(), OpenFlags::empty())
    }

    /// ftruncate(2).
    pub fn truncate(&self, size: u64) -> Result<(), FsError> {
        self.check(true)?;
        if !self.flags().writable() {
            return Err(FsError::Invalid);
        }
        self.file.truncate(size)?;
        self.told(raw::IN_MODIFY, 1);
        Ok(())
    }

    /// fallocate(2).
    pub fn allocate(&self, how: Allocate, range: Range<u64>) -> Result<(), FsError> {
        self.check(self.flags().writable())?;
        self.file.allocate(how, range)?;
        self.told(raw::IN_MODIFY, 1);
        Ok(())
    }

    /// flock(2): [`FsError::WouldBlock`] while another description's lock is in the way.
    pub fn lock(&self, locks: &Arc<FileLocks>, exclusive: bool) -> Result<(), FsError> {
        let key = self.remember(locks)?;
        locks.lock(key, self.owner(), exclusive)
    }

    /// Gives the flock(2) lock back.
    pub fn unlock(&self) {
        let held = self.lock.lock().clone();
        if let Some((locks, key)) = held {
            locks.unlock(key, self.owner());
        }
    }

    /// The file, for record locks.
    pub fn lock_key(&self) -> Result<Key, FsError> {
        let metadata = self.file.metadata()?;
        Ok((metadata.dev, metadata.ino))
    }

    /// The description as the holder of record locks (F_OFD_SETLK).
    pub fn holder(&self) -> Holder {
        Holder::Description(self.owner())
    }

    /// Sets a record lock, or takes a range's away. Those of the description go with it.
    ///
    /// # Errors
    /// [`FsError::WouldBlock`] while another's lock is in the way.
    pub fn set_record(&self, locks: &Arc<FileLocks>, lock: &RecordLock) -> Result<(), FsError> {
        let key = if lock.holder == self.holder() { self.remember(locks)? } else { self.lock_key()? };
        locks.set(key, lock)
    }

    /// Takes away a holder's record locks in a range.
    pub fn clear_record(&self, locks: &FileLocks, holder: Holder, range: LockRange) -> Result<(), FsError> {
        locks.clear(self.lock_key()?, holder, range)
    }

    /// Remembers to give locks back, before there are any.
    fn remember(&self, locks: &Arc<FileLocks>) -> Result<Key, FsError> {
        let key = self.lock_key()?;
        *self.lock.lock() = Some((locks.clone(), key));
        Ok(key)
    }

    /// Its name among those who hold locks, given when it is first asked for. Not its address, which changes when the last descriptor's
    /// end takes it out of its `Arc`.
    fn owner(&self) -> Owner {
        static NAMES: AtomicUsize = AtomicUsize::new(1);
        match self.owner.load(Ordering::Relaxed) {
            0 => {
                let new = NAMES.fetch_add(1, Ordering::Relaxed);
                // Two threads may ask at the same time: the first name stays.
                self.owner
                    .compare_exchange(0, new, Ordering::Relaxed, Ordering::Relaxed)
                    .map_or_else(|first| first, |_| new)
            }
            name => name,
        }
    }

    #[inline]
    fn check_positioned(&self, flags: OpenFlags) -> Result<(), FsError> {
        check_mode(flags, true)?;
        if self.nature.has_position { Ok(()) } else { Err(FsError::NotSeekable) }
    }

    /// lseek(2): returns the new position.
    pub fn seek(&self, to: SeekFrom) -> Result<u64, FsError> {
        self.check(true)?;
        let mut position = self.position.lock();
        let new = self.file.seek(to, *position)?;
        *position = new;
        Ok(new)
    }

    /// Entries of a directory from the position on, which moves with them.
    pub fn read_dir(&self, emit: &mut dyn FnMut(DirEntry<'_>) -> bool) -> Result<(), FsError> {
        self.check(true)?;
        let mut position = self.position.lock();
        let reached = self.file.read_dir(*position, emit)?;
        *position = reached;
        drop(position);
        self.told(raw::IN_ACCESS, 1);
        Ok(())
    }
}

/// Whether something is `allowed` by the flags of a description, which with O_PATH allow nothing.
#[inline]
fn check_mode(flags: OpenFlags, allowed: bool) -> Result<(), FsError> {
    if allowed && !flags.contains(OpenFlags::PATH) { Ok(()) } else { Err(FsError::BadMode) }
}

/// Positions are `off_t`: what a call moves must end within them.
fn check_end(at: u64, len: usize) -> Result<(), FsError> {
    let end = at.checked_add(len as u64).filter(|&end| end <= i64::MAX as u64);
    end.map(|_| ()).ok_or(FsError::Invalid)
}

impl Drop for OpenFile {
    fn drop(&mut self) {
        if let Some((locks, key)) = self.lock.lock().take() {
            locks.unlock(key, self.owner());
            locks.release(key, self.holder());
        }
    }
}
