//! A file in host memory.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::vec::Vec;

use super::FakeFrames;
use crate::addr::{Frame, PAGE_SIZE};
use crate::store::{BackingStore, StoreError};

/// A [`BackingStore`] over bytes, optionally with frames that can be mapped directly, and with failures on demand.
pub struct FakeStore {
    name: Vec<u8>,
    data: Vec<u8>,
    first: Option<Frame>,
    failing: AtomicBool,
}

impl FakeStore {
    /// A file whose pages must be copied.
    #[must_use]
    pub fn copied(name: &str, data: &[u8]) -> Arc<Self> {
        Arc::new(Self { name: name.into(), data: data.into(), first: None, failing: AtomicBool::new(false) })
    }

    /// A file whose pages are frames of `frames`.
    #[must_use]
    pub fn direct(name: &str, data: &[u8], frames: &FakeFrames) -> Arc<Self> {
        let first = Some(frames.add_foreign(data));
        Arc::new(Self { name: name.into(), data: data.into(), first, failing: AtomicBool::new(false) })
    }

    /// Makes all further reads fail, or not.
    pub fn set_failing(&self, failing: bool) {
        self.failing.store(failing, Ordering::Relaxed);
    }
}

impl BackingStore for FakeStore {
    fn name(&self) -> &[u8] {
        &self.name
    }

    fn len(&self) -> u64 {
        self.data.len() as u64
    }

    fn read_at(&self, offset: u64, buf: &mut [u8]) -> Result<usize, StoreError> {
        if self.failing.load(Ordering::Relaxed) {
            return Err(StoreError);
        }
        let rest = usize::try_from(offset).ok().and_then(|o| self.data.get(o..)).unwrap_or(&[]);
        // Short reads are allowed: give some, so that callers show whether they go on.
        let count = rest.len().min(buf.len()).min(700);
        buf[..count].copy_from_slice(&rest[..count]);
        Ok(count)
    }

    fn frame_at(&self, index: u64) -> Option<Frame> {
        assert!((index + 1) * PAGE_SIZE <= self.len(), "asked for a page that is not wholly in the file");
        Frame::new(self.first?.number() + index)
    }
}
