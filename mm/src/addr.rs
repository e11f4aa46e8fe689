//! Addresses and page arithmetic, used by every other module.
//!
//! Invariant: no function here wraps or panics; rounding up reports overflow as `None`.

use core::fmt;

/// log2 of [`PAGE_SIZE`].
pub const PAGE_SHIFT: u32 = 12;
/// Bytes in a page and in a page frame.
pub const PAGE_SIZE: u64 = 1 << PAGE_SHIFT;
/// Bytes in a large page.
pub const LARGE_SIZE: u64 = 2 << 20;
/// Page frames in a large page.
pub const LARGE_PAGES: u64 = LARGE_SIZE / PAGE_SIZE;
/// First address that does not belong to a program: 47 bits less one page, as on Linux x86-64.
pub const USER_END: u64 = 0x7fff_ffff_f000;

/// Start of the page that contains `value`.
#[must_use]
pub const fn page_floor(value: u64) -> u64 {
    value & !(PAGE_SIZE - 1)
}

/// `value` rounded up to a page boundary; `None` if that does not fit in 64 bits.
#[must_use]
pub const fn page_ceil(value: u64) -> Option<u64> {
    match value.checked_add(PAGE_SIZE - 1) {
        Some(sum) => Some(page_floor(sum)),
        None => None,
    }
}

/// Whether `value` is a multiple of the page size.
#[must_use]
pub const fn is_page_aligned(value: u64) -> bool {
    value & (PAGE_SIZE - 1) == 0
}

/// A virtual address. Not necessarily canonical, aligned or mapped.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct VirtAddr(pub u64);

/// A physical address.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct PhysAddr(pub u64);

/// A page frame, by number: physical address divided by [`PAGE_SIZE`].
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Frame(u64);

impl VirtAddr {
    /// Start of the page that contains the address.
    #[must_use]
    pub const fn page(self) -> Self {
        Self(page_floor(self.0))
    }

    /// Bytes from the start of the page.
    #[must_use]
    pub const fn page_offset(self) -> usize {
        (self.0 & (PAGE_SIZE - 1)) as usize
    }

    /// Whether the address starts a page.
    #[must_use]
    pub const fn is_page_aligned(self) -> bool {
        is_page_aligned(self.0)
    }

    /// The address `bytes` further up; `None` on wrap-around.
    #[must_use]
    pub const fn checked_add(self, bytes: u64) -> Option<Self> {
        match self.0.checked_add(bytes) {
            Some(sum) => Some(Self(sum)),
            None => None,
        }
    }
}

impl Frame {
    /// The frame with this number; `None` if its physical address does not fit in 64 bits.
    #[must_use]
    pub const fn new(number: u64) -> Option<Self> {
        if number > u64::MAX >> PAGE_SHIFT { None } else { Some(Self(number)) }
    }

    /// The frame that contains a physical address.
    #[must_use]
    pub const fn containing(addr: PhysAddr) -> Self {
        Self(addr.0 >> PAGE_SHIFT)
    }

    /// The frame's number.
    #[must_use]
    pub const fn number(self) -> u64 {
        self.0
    }

    /// Physical address of the frame's first byte.
    #[must_use]
    pub const fn phys(self) -> PhysAddr {
        PhysAddr(self.0 << PAGE_SHIFT)
    }
}

macro_rules! hex_format {
    ($type:ty) => {
        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{:#x}", self.0)
            }
        }
        impl fmt::Debug for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}({:#x})", stringify!($type), self.0)
            }
        }
    };
}
hex_format!(VirtAddr);
hex_format!(PhysAddr);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rounding() {
        assert_eq!(page_floor(0x1fff), 0x1000);
        assert_eq!(page_ceil(0), Some(0));
        assert_eq!(page_ceil(1), Some(0x1000));
        assert_eq!(page_ceil(0x1000), Some(0x1000));
        assert_eq!(page_ceil(u64::MAX - 0xfff), Some(u64::MAX - 0xfff));
        assert_eq!(page_ceil(u64::MAX - 0xffe), None);
        assert_eq!(VirtAddr(0x1234).page(), VirtAddr(0x1000));
        assert_eq!(VirtAddr(0x1234).page_offset(), 0x234);
        assert_eq!(VirtAddr(u64::MAX).checked_add(1), None);
    }

    #[test]
    fn frames_and_physical_addresses() {
        let frame = Frame::containing(PhysAddr(0x12_3456));
        assert_eq!(frame.number(), 0x123);
        assert_eq!(frame.phys(), PhysAddr(0x12_3000));
        assert_eq!(Frame::new(u64::MAX), None);
        assert_eq!(Frame::new((1 << 52) - 1).map(|f| f.phys().0), Some(u64::MAX - 0xfff));
        assert_eq!(std::format!("{} {:?}", PhysAddr(16), VirtAddr(16)), "0x10 VirtAddr(0x10)");
    }
}
