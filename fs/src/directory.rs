//! [`Directory`]: an open directory of any file system.

use crate::file::seek_in;
use crate::{DirEntry, File, FsError, Metadata, NodeRef, Offset, Pinned, SeekFrom, Sink, Source};
use abi::{Mode, OpenFlags};

/// An open directory. Positions: 0 is before `.`, 1 before `..`, n + 2 before the n-th entry.
#[derive(Debug)]
pub struct Directory {
    node: Pinned,
    /// The node of `..`, over mount points.
    parent_ino: u64,
}

impl Directory {
    /// Opens `node`, a directory.
    pub fn new(node: NodeRef, parent: &NodeRef) -> Result<Self, FsError> {
        Ok(Directory { node: Pinned::new(node), parent_ino: parent.metadata()?.ino })
    }
}

impl File for Directory {
    fn metadata(&self) -> Result<Metadata, FsError> {
        self.node.metadata()
    }

    fn has_position(&self) -> bool {
        true
    }

    fn read(&self, _at: Offset, _dst: &mut dyn Sink, _flags: OpenFlags) -> Result<usize, FsError> {
        Err(FsError::IsDirectory)
    }

    fn write(&self, _at: Offset, _src: &mut dyn Source, _flags: OpenFlags) -> Result<usize, FsError> {
        Err(FsError::IsDirectory)
    }

    fn seek(&self, to: SeekFrom, position: u64) -> Result<u64, FsError> {
        match to {
            SeekFrom::Start(_) | SeekFrom::Current(_) => seek_in(0, to, position),
            _ => Err(FsError::Invalid),
        }
    }

    fn read_dir(&self, position: u64, emit: &mut dyn FnMut(DirEntry<'_>) -> bool) -> Result<u64, FsError> {
        let metadata = self.node.metadata()?;
        if metadata.nlink == 0 {
            // Removed: not even `.` is left.
            return Err(FsError::NotFound);
        }
        let own = metadata.ino;
        let mut reached = position;
        for (at, name, ino) in [(0, &b"."[..], own), (1, b"..", self.parent_ino)] {
            if reached == at {
                if !emit(DirEntry { name, ino, mode: Mode::IFDIR, next: at + 1 }) {
                    return Ok(reached);
                }
                reached = at + 1;
            }
        }
        self.node.fs.read_dir(self.node.id, reached - 2, &mut |mut entry| {
            entry.next = entry.next.saturating_add(2);
            let next = entry.next;
            let more = emit(entry);
            if more {
                reached = next;
            }
            more
        })?;
        Ok(reached)
    }

    fn node(&self) -> Option<&NodeRef> {
        Some(self.node.node())
    }
}
