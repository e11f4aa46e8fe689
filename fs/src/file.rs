//! [`File`]: what the kernel can do with an open file, whatever it is.
//!
//! Implemented by regular files, directories, devices and the console; later by pipes, sockets and the rest. Called through
//! [`OpenFile`](crate::OpenFile), which holds the position. Operations that a kind of file does not offer have the default
//! answers that Linux gives.

use crate::{FsError, NodeRef, Seals, Sink, Source, notify::Notifier};
use abi::{OpenFlags, PollEvents};
use alloc::sync::Arc;
use core::ops::Range;
use mm::{store::BackingStore, user::UserMemory};

/// A position in a file, bytes from its start. Files without positions ignore it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Offset(pub u64);

/// Where a seek goes (lseek(2)).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SeekFrom {
    /// From the start.
    Start(i64),
    /// From the position.
    Current(i64),
    /// From the end.
    End(i64),
    /// The next data at or after the offset.
    Data(i64),
    /// The next hole at or after the offset.
    Hole(i64),
}

/// What fallocate(2) does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Allocate {
    /// Makes room; the file grows to the range's end.
    Extend,
    /// Makes room; the size stays.
    KeepSize,
    /// Gives back the room; the range reads as zeros, the size stays.
    PunchHole,
    /// Zeros the range; the file grows to its end.
    Zero,
    /// Zeros the range; the size stays.
    ZeroKeepSize,
}

/// What stat(2) tells.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Metadata {
    /// The file system's number.
    pub dev: u64,
    /// The node's number in it.
    pub ino: u64,
    /// Type and permissions.
    pub mode: u32,
    /// Names of the file.
    pub nlink: u32,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// Device number of device nodes.
    pub rdev: u64,
    /// Bytes.
    pub size: u64,
    /// Preferred size of reads and writes, bytes.
    pub block_size: u32,
    /// 512-byte units on disk.
    pub blocks: u64,
    /// Last change of the content, nanoseconds since 1970.
    pub mtime_ns: u64,
    /// Last access; `None` where only `mtime_ns` is kept.
    pub atime_ns: Option<u64>,
    /// Last change of anything; `None` where only `mtime_ns` is kept.
    pub ctime_ns: Option<u64>,
}

impl Metadata {
    /// Last access, change of the content, change of anything.
    pub fn times(&self) -> [u64; 3] {
        let mtime = self.mtime_ns;
        [self.atime_ns.unwrap_or(mtime), mtime, self.ctime_ns.unwrap_or(mtime)]
    }
}

impl Metadata {
    /// Of files that are in no tree and have nothing to tell: one inode for all of them, as on Linux.
    pub fn anonymous() -> Self {
        Metadata { dev: 14, ino: 1, mode: 0o600, nlink: 1, block_size: 4096, ..Metadata::default() }
    }
}

/// One entry of a directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DirEntry<'a> {
    /// The name, without NUL.
    pub name: &'a [u8],
    /// The node's number.
    pub ino: u64,
    /// Type as in [`Metadata::mode`].
    pub mode: u32,
    /// The position after this entry.
    pub next: u64,
}

/// An open file.
pub trait File: Send + Sync {
    /// What fstat(2) tells.
    fn metadata(&self) -> Result<Metadata, FsError>;

    /// Whether reads and writes happen at a position (regular files, directories), or in a stream.
    fn has_position(&self) -> bool {
        false
    }

    /// Moves bytes from the file into `dst`; returns how many, 0 at the end. `flags` are the description's (O_NONBLOCK).
    fn read(&self, at: Offset, dst: &mut dyn Sink, flags: OpenFlags) -> Result<usize, FsError>;

    /// Moves bytes from `src` into the file; returns how many.
    fn write(&self, at: Offset, src: &mut dyn Source, flags: OpenFlags) -> Result<usize, FsError>;

    /// Moves bytes from `src` to the file's end (O_APPEND); returns how many, and the position behind them.
    fn append(&self, src: &mut dyn Source, flags: OpenFlags) -> Result<(usize, u64), FsError> {
        Ok((self.write(Offset(0), src, flags)?, 0))
    }

    /// Cuts or extends the file (ftruncate(2)).
    fn truncate(&self, _size: u64) -> Result<(), FsError> {
        Err(FsError::Invalid)
    }

    /// Makes or gives back room for `range` (fallocate(2)).
    fn allocate(&self, _how: Allocate, _range: Range<u64>) -> Result<(), FsError> {
        Err(FsError::NoDevice)
    }

    /// Brings the content to where it lasts; what lives in memory is there. Files without content cannot.
    fn sync(&self) -> Result<(), FsError> {
        if self.node().is_some() { Ok(()) } else { Err(FsError::Invalid) }
    }

    /// The seals (fcntl(2), F_GET_SEALS).
    fn seals(&self) -> Result<Seals, FsError> {
        Err(FsError::Invalid)
    }

    /// Adds seals. `shared_writable` says whether somebody maps the file shared and writable.
    fn add_seals(&self, _seals: Seals, _shared_writable: bool) -> Result<(), FsError> {
        Err(FsError::Invalid)
    }

    /// The new position for a seek from `position`.
    fn seek(&self, _to: SeekFrom, _position: u64) -> Result<u64, FsError> {
        Err(FsError::NotSeekable)
    }

    /// ioctl(2): `arg` is a number or an address in `memory`.
    fn ioctl(&self, _request: u32, _arg: u64, _memory: &dyn UserMemory) -> Result<u64, FsError> {
        Err(FsError::NotTty)
    }

    /// What can be done now without waiting. Regular files are always ready.
    fn readiness(&self) -> PollEvents {
        PollEvents::IN | PollEvents::OUT | PollEvents::RDNORM | PollEvents::WRNORM
    }

    /// Gives the entries after `position` to `emit` until it returns false; returns the position reached.
    fn read_dir(&self, _position: u64, _emit: &mut dyn FnMut(DirEntry<'_>) -> bool) -> Result<u64, FsError> {
        Err(FsError::NotDirectory)
    }

    /// The node it was opened from, if it has a place in the tree.
    fn node(&self) -> Option<&NodeRef> {
        None
    }

    /// Whether read(2) and write(2) work at the position and move it.
    fn moves_position(&self) -> bool {
        self.has_position()
    }

    /// Whether a write that need not hurry waits until all bytes are in (pipes), not only some.
    fn writes_all(&self) -> bool {
        false
    }

    /// Who is told when the file may have become ready; `None` for a file that becomes ready by itself.
    fn notifier(&self) -> Option<&Notifier> {
        None
    }

    /// What threads that wait for this file enter themselves with: told after each change, also of [`ready_at`](Self::ready_at).
    fn changes(&self) -> [Option<&Notifier>; 2] {
        [self.notifier(), None]
    }

    /// Whether a change lets one of several threads that wait in read(2) or write(2) go on, who then tells the next if there is
    /// more.
    fn wakes_one(&self) -> bool {
        false
    }

    /// The monotonic time, nanoseconds, at which the file may become ready by itself.
    fn ready_at(&self) -> Option<u64> {
        None
    }

    /// Whether poll has a meaning for it, as epoll demands: not for regular files and directories.
    fn can_be_polled(&self) -> bool {
        let kind = |metadata: Metadata| abi::Mode(metadata.mode).file_type();
        self.metadata().map(kind).is_ok_and(|kind| kind != abi::Mode::IFREG && kind != abi::Mode::IFDIR)
    }

    /// Whether it sends signals to its owner (fcntl(2), O_ASYNC): pipes, sockets, terminals and inotify instances do. It has a
    /// notifier then.
    fn sends_signals(&self) -> bool {
        self.as_pipe().is_some() || self.as_socket().is_some()
    }

    /// Counts what made the file ready, for edge-triggered epoll on a file without a notifier.
    fn generation(&self) -> u64 {
        0
    }

    /// The file as an epoll instance.
    fn as_epoll(&self) -> Option<&crate::epoll::Epoll> {
        None
    }

    /// The file as a timer; the value is one that its maker put in.
    fn as_timer(&self) -> Option<&dyn crate::timer::Timer> {
        None
    }

    /// The file as a socket.
    fn as_socket(&self) -> Option<&dyn crate::socket::Socket> {
        None
    }

    /// The file itself, for a kind that is made above this crate and is changed by calls of its own.
    fn as_any(&self) -> Option<&dyn core::any::Any> {
        None
    }

    /// The file as an end of a pipe.
    fn as_pipe(&self) -> Option<&crate::pipe::PipeEnd> {
        None
    }

    /// The file as an inotify instance.
    fn as_inotify(self: Arc<Self>) -> Option<Arc<crate::inotify::Inotify>> {
        None
    }

    /// Whether open(2) may return: a FIFO waits for its other end.
    fn is_open(&self) -> bool {
        true
    }

    /// The capacity of a pipe, bytes, after changing it to at least `new`.
    fn pipe_size(&self, _new: Option<usize>) -> Result<usize, FsError> {
        Err(FsError::BadMode)
    }

    /// What `/proc/self/fd` shows of a file without a node.
    fn describe(&self, out: &mut alloc::vec::Vec<u8>) {
        out.extend_from_slice(b"anon_inode:[file]");
    }

    /// What `/proc/self/fdinfo` shows beside position and flags: lines of names and values.
    fn details(&self, _out: &mut crate::pseudo::Output) {}

    /// Another file on the same object, for a file without a node that is opened by its descriptor (`/dev/stdin`).
    fn reopen(self: Arc<Self>, _flags: OpenFlags) -> Result<Arc<dyn File>, FsError> {
        Err(FsError::NoDevice)
    }

    /// What mmap(2) maps; `None` if the file cannot be mapped.
    fn backing(&self) -> Option<Arc<dyn BackingStore>> {
        None
    }

    /// As [`backing`](Self::backing); may be `None` if nothing maps the file.
    fn mapped(&self) -> Option<Arc<dyn BackingStore>> {
        self.backing()
    }

    /// What mmap(2) has mapped, if it is [outdated](BackingStore::outdated) by changes through this file. Asked after each
    /// change of the content.
    fn outdated(&self) -> Option<Arc<dyn BackingStore>> {
        None
    }
}

/// The new position of a seek in a file of `size` bytes without holes.
pub fn seek_in(size: u64, to: SeekFrom, position: u64) -> Result<u64, FsError> {
    let from = |base: u64, delta: i64| {
        let target = base.checked_add_signed(delta).ok_or(FsError::Invalid)?;
        if target > i64::MAX as u64 { Err(FsError::Invalid) } else { Ok(target) }
    };
    match to {
        SeekFrom::Start(offset) => from(0, offset),
        SeekFrom::Current(delta) => from(position, delta),
        SeekFrom::End(delta) => from(size, delta),
        SeekFrom::Data(offset) | SeekFrom::Hole(offset) => {
            let offset = u64::try_from(offset).map_err(|_| FsError::BeyondEnd)?;
            if offset >= size {
                return Err(FsError::BeyondEnd);
            }
            Ok(if matches!(to, SeekFrom::Data(_)) { offset } else { size })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seeks() {
        assert_eq!(seek_in(10, SeekFrom::Start(20), 0), Ok(20), "beyond the end is allowed");
        assert_eq!(seek_in(10, SeekFrom::Start(-1), 0), Err(FsError::Invalid));
        assert_eq!(seek_in(10, SeekFrom::Current(-3), 5), Ok(2));
        assert_eq!(seek_in(10, SeekFrom::Current(-6), 5), Err(FsError::Invalid));
        assert_eq!(seek_in(10, SeekFrom::Current(i64::MAX), 5), Err(FsError::Invalid));
        assert_eq!(seek_in(10, SeekFrom::End(-10), 5), Ok(0));
        assert_eq!(seek_in(10, SeekFrom::Data(3), 0), Ok(3));
        assert_eq!(seek_in(10, SeekFrom::Hole(3), 0), Ok(10));
        assert_eq!(seek_in(10, SeekFrom::Data(10), 0), Err(FsError::BeyondEnd));
        assert_eq!(seek_in(10, SeekFrom::Hole(-1), 0), Err(FsError::BeyondEnd));
    }
}
