//! [`Buffers`]: what bytes pass through between pages and program memory, kept for the next read or write.
//!
//! Invariant: a buffer that is kept has [`PAGE`] bytes; the lock is not held while one is used.

use super::pages::PAGE;
use crate::FsError;
use alloc::vec::Vec;
use core::ops::{Deref, DerefMut};
use sync::Mutex;

/// Buffers that are kept: as many calls can be under way at once without asking the heap.
const KEPT: usize = 8;
/// Bytes that pass through the stack instead.
const SMALL: usize = 64;
/// Largest buffer.
const LARGEST: usize = 16 * PAGE as usize;

/// Buffers of a page each.
pub(super) struct Buffers {
    kept: Mutex<Vec<Vec<u8>>>,
}

/// A buffer; one of a page goes back when it is dropped.
pub(super) struct Buffer<'b> {
    small: [u8; SMALL],
    /// Empty if `small` is the buffer.
    large: Vec<u8>,
    home: &'b Buffers,
}

impl Buffers {
    pub(super) const fn new() -> Self {
        Buffers { kept: Mutex::new(Vec::new()) }
    }

    /// A buffer for `size` bytes or a part of them. What is in it is of no meaning.
    #[inline]
    pub(super) fn take(&self, size: usize) -> Result<Buffer<'_>, FsError> {
        let large = if size <= SMALL { Vec::new() } else { self.take_large(size)? };
        Ok(Buffer { small: [0; SMALL], large, home: self })
    }

    fn take_large(&self, size: usize) -> Result<Vec<u8>, FsError> {
        let page = size <= PAGE as usize;
        let kept = if page { self.kept.lock().pop() } else { None };
        match kept {
            Some(bytes) => Ok(bytes),
            None => fresh(if page { PAGE as usize } else { size.min(LARGEST) }),
        }
    }

    fn keep(&self, bytes: Vec<u8>) {
        let mut kept = self.kept.lock();
        if kept.len() < kept.capacity() || kept.capacity() == 0 && kept.try_reserve_exact(KEPT).is_ok() {
            kept.push(bytes);
        }
    }
}

#[cold]
fn fresh(size: usize) -> Result<Vec<u8>, FsError> {
    let mut bytes = Vec::new();
    bytes.try_reserve_exact(size).map_err(|_| FsError::NoMemory)?;
    bytes.resize(size, 0);
    Ok(bytes)
}

impl Deref for Buffer<'_> {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        if self.large.is_empty() { &self.small } else { &self.large }
    }
}

impl DerefMut for Buffer<'_> {
    fn deref_mut(&mut self) -> &mut [u8] {
        if self.large.is_empty() { &mut self.small } else { &mut self.large }
    }
}

impl Drop for Buffer<'_> {
    fn drop(&mut self) {
        if self.large.len() == PAGE as usize {
            self.home.keep(core::mem::take(&mut self.large));
        }
    }
}
