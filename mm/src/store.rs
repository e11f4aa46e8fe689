//! [`BackingStore`]: what file mappings are made of. Implemented by `fs` for image files.

use core::fmt;

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

/// A file as memory mappings see it.
pub trait BackingStore: Send + Sync {
    /// Path for `/proc/self/maps` and fault reports.
    fn name(&self) -> &[u8];

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
    /// while the store exists.
    fn frame_at(&self, index: u64) -> Option<Frame>;

    /// Whether page `index` is in memory (mincore(2)). Asked only for pages of which the file holds at least one byte.
    fn is_resident(&self, _index: u64) -> bool {
        true
    }
}
