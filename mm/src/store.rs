//! [`BackingStore`]: what file mappings are made of. Implemented by `fs` for image files.

use core::fmt;
use core::ops::Range;

use crate::addr::Frame;

/// The store could not deliver data it should have.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct StoreError;

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("input/output error in a mapped file")
    }
}

impl core::error::Error for StoreError {}

/// Why a file gives no frame for a page.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum SharedPageError {
    /// The page lies behind the end of the file.
    BeyondEnd,
    /// No memory.
    NoMemory,
    /// The file system is full, or its device failed.
    Io,
}

impl fmt::Display for SharedPageError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::BeyondEnd => "beyond the end of the mapped file",
            Self::NoMemory => "no memory for a page of a mapped file",
            Self::Io => "no room for a page of a mapped file",
        })
    }
}

impl core::error::Error for SharedPageError {}

/// Why a hole cannot be made in a file.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum PunchError {
    /// The file cannot have holes.
    NotSupported,
    /// The file is sealed.
    Denied,
}

impl fmt::Display for PunchError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotSupported => "the file cannot have holes",
            Self::Denied => "the file is sealed",
        })
    }
}

impl core::error::Error for PunchError {}

/// A file as memory mappings see it.
pub trait BackingStore: Send + Sync {
    /// Path for `/proc/self/maps` and fault reports.
    fn name(&self) -> &[u8];

    /// Device and inode number, as stat(2) shows them, for `/proc/self/maps`; zeros for what is no file.
    fn identity(&self) -> (u64, u64) {
        (0, 0)
    }

    /// Length in bytes.
    fn len(&self) -> u64;

    /// Whether the file has no bytes.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Reads from `offset` on. Returns the bytes read: fewer than `buf` holds only at the end of the file or when
    /// a further call would go on; 0 at or past the end.
    ///
    /// # Errors
    /// [`StoreError`] if the device or the archive fails.
    fn read_at(&self, offset: u64, buf: &mut [u8]) -> Result<usize, StoreError>;

    /// The frame that holds page `index` (offset divided by the page size) of the file, if it may be mapped
    /// read-only as it is. Asked only for pages that lie wholly inside the file. The frame stays valid and unchanged
    /// while the store exists; when the file's page becomes another one, [`outdated`](Self::outdated) says so.
    fn frame_at(&self, index: u64) -> Option<Frame>;

    /// Whether page `index` is in memory (mincore(2)). Asked only for pages of which the file holds at least one byte.
    fn is_resident(&self, _index: u64) -> bool {
        true
    }

    /// The frame that holds page `index` and that every mapping and every read and write uses, with a reference for the
    /// caller, who drops it with [`FrameSource::free`](crate::paging::FrameSource::free). A hole gets a frame. `None`
    /// for stores whose pages never change, which have no such frames.
    fn shared_page(&self, _index: u64) -> Option<Result<Frame, SharedPageError>> {
        None
    }

    /// As [`shared_page`](Self::shared_page), for a private mapping, which copies the page before it changes it: `None`
    /// also where the page has not been changed since the image was made, and [`frame_at`](Self::frame_at) or
    /// [`read_at`](Self::read_at) has it.
    fn private_page(&self, index: u64) -> Option<Result<Frame, SharedPageError>> {
        self.shared_page(index)
    }

    /// Whether pages that [`frame_at`](Self::frame_at) gave have been replaced by others since the last
    /// [`refreshed`](Self::refreshed): the number of such changes. Private mappings may still show the old ones then.
    fn outdated(&self) -> Option<u64> {
        None
    }

    /// All mappings have let go of what was replaced up to `changes`, which [`outdated`](Self::outdated) returned.
    fn refreshed(&self, _changes: u64) {}

    /// Whether pages come from [`shared_page`](Self::shared_page), so that mappings see what is written to the file and
    /// the other way round. Without it a mapping of a file that changes has copies of its own.
    fn has_shared_pages(&self) -> bool {
        false
    }

    /// Whether the file may be mapped shared and writable now (a sealed one may not, F_SEAL_WRITE).
    fn allows_shared_writing(&self) -> bool {
        true
    }

    /// Makes a range of bytes a hole (MADV_REMOVE).
    ///
    /// # Errors
    /// [`PunchError`].
    fn punch(&self, _range: Range<u64>) -> Result<(), PunchError> {
        Err(PunchError::NotSupported)
    }
}
