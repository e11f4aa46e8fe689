//! Regular files of the archive, opened and mapped.

use crate::file::seek_in;
use crate::{File, FsError, Metadata, NodeRef, Offset, SeekFrom, Sink, Source};
use abi::OpenFlags;
use alloc::{sync::Arc, vec::Vec};
use mm::addr::{Frame, PAGE_SIZE, PhysAddr};
use mm::store::{BackingStore, StoreError};

/// The contents of a regular file, as mmap sees them.
pub(super) struct Contents {
    pub(super) data: &'static [u8],
    pub(super) physical: Option<PhysAddr>,
    pub(super) name: Vec<u8>,
    pub(super) identity: (u64, u64),
}

impl BackingStore for Contents {
    fn name(&self) -> &[u8] {
        &self.name
    }

    fn identity(&self) -> (u64, u64) {
        self.identity
    }

    fn len(&self) -> u64 {
        self.data.len() as u64
    }

    fn read_at(&self, offset: u64, buf: &mut [u8]) -> Result<usize, StoreError> {
        let rest = usize::try_from(offset).ok().and_then(|at| self.data.get(at..)).unwrap_or_default();
        let n = rest.len().min(buf.len());
        if let (Some(to), Some(from)) = (buf.get_mut(..n), rest.get(..n)) {
            to.copy_from_slice(from);
        }
        Ok(n)
    }

    fn frame_at(&self, page_index: u64) -> Option<Frame> {
        frame_at(self.data, self.physical, page_index)
    }
}

/// The frame that is page `index` of `data`, which begins at `physical`.
pub(super) fn frame_at(data: &[u8], physical: Option<PhysAddr>, index: u64) -> Option<Frame> {
    let start = index.checked_mul(PAGE_SIZE)?;
    // The page must be the file's alone: behind the file's end the archive goes on with something else.
    if start.checked_add(PAGE_SIZE)? > data.len() as u64 {
        return None;
    }
    let at = physical?.0.checked_add(start)?;
    at.is_multiple_of(PAGE_SIZE).then(|| Frame::containing(PhysAddr(at)))
}

/// An open regular file of the archive.
pub(super) struct ArchiveFile {
    pub(super) node: NodeRef,
    pub(super) store: Arc<Contents>,
}

impl File for ArchiveFile {
    fn metadata(&self) -> Result<Metadata, FsError> {
        self.node.metadata()
    }

    fn has_position(&self) -> bool {
        true
    }

    fn read(&self, at: Offset, dst: &mut dyn Sink, _flags: OpenFlags) -> Result<usize, FsError> {
        let rest = usize::try_from(at.0).ok().and_then(|at| self.store.data.get(at..)).unwrap_or_default();
        let n = rest.len().min(dst.remaining());
        if n == 0 {
            return Ok(0);
        }
        dst.put(rest.get(..n).unwrap_or_default())
    }

    fn write(&self, _at: Offset, _src: &mut dyn Source, _flags: OpenFlags) -> Result<usize, FsError> {
        Err(FsError::ReadOnly)
    }

    fn seek(&self, to: SeekFrom, position: u64) -> Result<u64, FsError> {
        seek_in(self.store.len(), to, position)
    }

    fn node(&self) -> Option<&NodeRef> {
        Some(&self.node)
    }

    fn backing(&self) -> Option<Arc<dyn BackingStore>> {
        Some(self.store.clone())
    }
}
