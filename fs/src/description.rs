//! [`OpenFile`]: an open file description, which dup'ed descriptors share: position, status flags, access mode.

use crate::{DirEntry, File, FsError, Offset, SeekFrom, Sink, Source};
use abi::OpenFlags;
use alloc::sync::Arc;
use core::sync::atomic::{AtomicU32, Ordering};
use sync::Mutex;

/// Status flags that F_SETFL may change (fcntl(2)).
const SETTABLE: OpenFlags = OpenFlags::APPEND
    .union(OpenFlags::NONBLOCK)
    .union(OpenFlags::ASYNC)
    .union(OpenFlags::DIRECT)
    .union(OpenFlags::NOATIME);

/// Flags of open(2) that act at opening only and are not kept.
const NOT_KEPT: OpenFlags = OpenFlags::CREAT
    .union(OpenFlags::EXCL)
    .union(OpenFlags::NOCTTY)
    .union(OpenFlags::TRUNC)
    .union(OpenFlags::CLOEXEC);

/// An open file description.
pub struct OpenFile {
    file: Arc<dyn File>,
    flags: AtomicU32,
    /// Held during a read or write that uses it, so that two of them never get the same bytes.
    position: Mutex<u64>,
}

impl OpenFile {
    /// A description at position 0. `flags` as given to open(2).
    pub fn new(file: Arc<dyn File>, flags: OpenFlags) -> Arc<Self> {
        let kept = flags.difference(NOT_KEPT);
        Arc::new(OpenFile { file, flags: AtomicU32::new(kept.bits()), position: Mutex::new(0) })
    }

    /// The file.
    pub fn file(&self) -> &Arc<dyn File> {
        &self.file
    }

    /// Access mode and status flags.
    pub fn flags(&self) -> OpenFlags {
        OpenFlags::from_bits_retain(self.flags.load(Ordering::Relaxed))
    }

    /// F_SETFL: changes the flags that may change, ignores the others.
    pub fn set_flags(&self, flags: OpenFlags) {
        let new = self.flags().difference(SETTABLE).union(flags.intersection(SETTABLE));
        self.flags.store(new.bits(), Ordering::Relaxed);
    }

    /// Whether it was opened with O_PATH: good for a place in the tree, not for content.
    pub fn is_path_only(&self) -> bool {
        self.flags().contains(OpenFlags::PATH)
    }

    fn check(&self, allowed: bool) -> Result<(), FsError> {
        if allowed && !self.is_path_only() { Ok(()) } else { Err(FsError::BadMode) }
    }

    /// read(2): at the position, which moves on.
    pub fn read(&self, dst: &mut dyn Sink) -> Result<usize, FsError> {
        let flags = self.flags();
        self.check(flags.readable())?;
        if !self.file.has_position() {
            return self.file.read(Offset(0), dst, flags);
        }
        let mut position = self.position.lock();
        let n = self.file.read(Offset(*position), dst, flags)?;
        *position = position.saturating_add(n as u64);
        Ok(n)
    }

    /// write(2): at the position, which moves on.
    pub fn write(&self, src: &mut dyn Source) -> Result<usize, FsError> {
        let flags = self.flags();
        self.check(flags.writable())?;
        if !self.file.has_position() {
            return self.file.write(Offset(0), src, flags);
        }
        let mut position = self.position.lock();
        let n = self.file.write(Offset(*position), src, flags)?;
        *position = position.saturating_add(n as u64);
        Ok(n)
    }

    /// pread(2): the position stays.
    pub fn read_at(&self, at: Offset, dst: &mut dyn Sink) -> Result<usize, FsError> {
        self.check_positioned()?;
        let flags = self.flags();
        self.check(flags.readable())?;
        self.file.read(at, dst, flags)
    }

    /// pwrite(2): the position stays.
    pub fn write_at(&self, at: Offset, src: &mut dyn Source) -> Result<usize, FsError> {
        self.check_positioned()?;
        let flags = self.flags();
        self.check(flags.writable())?;
        self.file.write(at, src, flags)
    }

    fn check_positioned(&self) -> Result<(), FsError> {
        self.check(true)?;
        if self.file.has_position() { Ok(()) } else { Err(FsError::NotSeekable) }
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
        Ok(())
    }
}
