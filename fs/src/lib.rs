//! Files and file systems.
//!
//! Used by `task` (descriptors, exec) and `syscall`. From the bottom:
//! - [`io`]: [`Sink`](io::Sink) and [`Source`](io::Source), the other end of a read or write: program memory or a kernel buffer;
//! - [`file`]: [`File`](file::File), what an open descriptor can do, and [`OpenFile`](description::OpenFile), the position and
//!   the flags that descriptors share;
//! - [`node`]: [`FileSystem`](node::FileSystem) and [`NodeRef`](node::NodeRef), the tree that paths are looked up in;
//! - [`vfs`]: mounts, path lookup and opening; [`access`]: who may do what;
//! - [`archive`]: the read-only tree of the image's archive; [`memfs`]: trees in memory, with or without an archive below; [`devfs`] and [`device`]: `/dev`;
//! - [`pseudo`]: files made when they are read, `/proc` and `/sys`;
//! - [`console`] and [`tty`]: the program's terminal.
//!
//! Failures are [`FsError`]; which error number each becomes is decided in `syscall`.
#![cfg_attr(not(test), no_std)]
#![forbid(unsafe_code)]

extern crate alloc;

pub mod access;
pub mod archive;
pub mod console;
pub mod description;
pub mod devfs;
pub mod device;
pub mod directory;
pub mod epoll;
mod error;
pub mod eventfd;
pub mod file;
pub mod inotify;
pub mod io;
pub mod locks;
pub mod memfd;
pub mod memfs;
pub mod node;
pub mod notify;
pub mod pipe;
pub mod pseudo;
pub mod socket;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
pub mod timer;
pub mod tty;
pub mod vfs;

pub use console::{Console, ConsoleDevice, ConsoleOptions};
pub use description::{Interested, OpenFile};
pub use error::FsError;
pub use file::{Allocate, DirEntry, File, Metadata, Offset, SeekFrom};
pub use io::{Sink, SliceSink, SliceSource, Source, UserSink, UserSource};
pub use memfd::{MemFd, MemFdOptions, Seals};
pub use memfs::MemFs;
pub use node::{
    Clock, FileSystem, FsStatistics, NewNode, NodeId, NodeKind, NodeRef, Pinned, RenameMode, SetAttributes,
    SetMode, SetTime,
};
pub use vfs::{Place, Vfs, View};

/// A copy of bytes whose number is up to the program.
pub(crate) fn copy_of(bytes: &[u8]) -> Result<alloc::vec::Vec<u8>, FsError> {
    let mut copy = alloc::vec::Vec::new();
    append_to(&mut copy, bytes)?;
    Ok(copy)
}

/// Appends such bytes.
pub(crate) fn append_to(out: &mut alloc::vec::Vec<u8>, bytes: &[u8]) -> Result<(), FsError> {
    out.try_reserve(bytes.len()).map_err(|_| FsError::NoMemory)?;
    out.extend_from_slice(bytes);
    Ok(())
}
