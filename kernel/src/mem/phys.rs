//! Reading memory that others wrote: start info, firmware tables, the image's payload.

use abi::Pod;
use kerncore::memmap::MemoryMap;

use crate::arch::layout::BOOT_MAP_END;
use crate::arch::paging::{self, phys_to_virt};

use super::frames;

/// Copies from physical address `pa` at boot, while the boot page tables reach the first 4 GiB.
/// Returns false, and copies nothing, when the range is beyond that.
pub fn read_low(pa: u64, dst: &mut [u8]) -> bool {
    match pa.checked_add(dst.len() as u64) {
        Some(end) if end <= BOOT_MAP_END => {
            // SAFETY: the range is mapped by the boot tables or, later, inside low RAM by the direct
            // map; nobody writes to it, and `dst` is other memory.
            unsafe { core::ptr::copy_nonoverlapping(phys_to_virt(pa), dst.as_mut_ptr(), dst.len()) };
            true
        }
        _ => false,
    }
}

/// A plain structure at physical address `pa`, at boot.
pub fn read_low_pod<T: Pod>(pa: u64) -> Option<T> {
    let mut value = abi::pod::zeroed::<T>();
    read_low(pa, abi::pod::bytes_of_mut(&mut value)).then_some(value)
}

/// `len` bytes of RAM that stay as they are for the life of the kernel: the image's payload.
/// `None` if they are not wholly in RAM.
pub fn constant_ram(map: &MemoryMap, pa: u64, len: u64) -> Option<&'static [u8]> {
    if !map.covers(pa, len) {
        return None;
    }
    // SAFETY: the range is RAM and so in the direct map; it is reserved before any frame is given
    // out, so nobody writes to it.
    Some(unsafe { core::slice::from_raw_parts(phys_to_virt(pa), usize::try_from(len).ok()?) })
}

/// `len` bytes of firmware memory at `pa`, mapped read-only for good.
pub fn firmware(pa: u64, len: u64) -> Option<&'static [u8]> {
    if len == 0 || len > 1 << 20 {
        return None;
    }
    let at = paging::map_firmware(pa, len, &mut frames::table_frame).ok()?;
    // SAFETY: the window was just mapped for `len` bytes; firmware tables do not change.
    Some(unsafe { core::slice::from_raw_parts(at, len as usize) })
}
