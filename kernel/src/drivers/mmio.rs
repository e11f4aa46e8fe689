//! [`Window`]: the registers of a device in memory.
//!
//! Used by the PCI and virtio drivers. Every access is checked against the window's length: what a device says about where its
//! registers are is not trusted.
#![allow(unsafe_code)] // volatile access to registers

use crate::arch::paging::{self, OutOfTables};
use crate::mem::frames;

/// A mapped range of device memory.
#[derive(Clone, Copy, Debug)]
pub struct Window {
    base: *mut u8,
    len: usize,
}

// SAFETY: the mapping lives as long as the kernel, and registers are accessed by single volatile instructions; which thread does
// so is the driver's business.
unsafe impl Send for Window {}
// SAFETY: as above.
unsafe impl Sync for Window {}

macro_rules! accessors {
    ($($read:ident $write:ident $ty:ty),*) => {$(
        /// Reads the register at `offset`; all ones outside of the window.
        pub fn $read(&self, offset: usize) -> $ty {
            let Some(at) = self.at(offset, size_of::<$ty>()) else { return <$ty>::MAX };
            // SAFETY: `at` checked that the register lies in the mapped window and is aligned.
            unsafe { at.cast::<$ty>().read_volatile() }
        }

        /// Writes the register at `offset`; outside of the window nothing.
        pub fn $write(&self, offset: usize, value: $ty) {
            if let Some(at) = self.at(offset, size_of::<$ty>()) {
                // SAFETY: as for reading; registers are no kernel memory.
                unsafe { at.cast::<$ty>().write_volatile(value) }
            }
        }
    )*};
}

impl Window {
    /// Maps `len` bytes of device memory at physical address `pa`.
    pub fn map(pa: u64, len: usize) -> Result<Self, OutOfTables> {
        Ok(Window { base: paging::map_device(pa, len as u64, &mut frames::table_frame)?, len })
    }

    /// A part of it, as long as it lies inside.
    pub fn part(&self, offset: usize, len: usize) -> Option<Self> {
        let end = offset.checked_add(len)?;
        (end <= self.len).then(|| Window { base: self.base.wrapping_add(offset), len })
    }

    /// Bytes.
    pub fn len(&self) -> usize {
        self.len
    }

    fn at(&self, offset: usize, size: usize) -> Option<*mut u8> {
        let inside = offset.checked_add(size).is_some_and(|end| end <= self.len);
        let at = self.base.wrapping_add(offset);
        (inside && at.addr().is_multiple_of(size)).then_some(at)
    }

    accessors!(read8 write8 u8, read16 write16 u16, read32 write32 u32);
}
