//! The upper half of every address space: which PML4 slots hold what.
//!
//! The slots used here are all filled while the first address space is built and never added to
//! later, so a copy of entries 256..512 taken at any time stays complete.

/// Physical memory, mapped in full and never executable: slots 256..384 (64 TiB).
pub const DIRECT_MAP: u64 = 0xffff_8000_0000_0000;

/// Kernel stacks and device memory, page by page with guards between: slot 384 (512 GiB).
pub const VMAP: u64 = 0xffff_c000_0000_0000;

/// End of [`VMAP`].
pub const VMAP_END: u64 = VMAP + (1 << 39);

/// Where physical address 0 would be in the kernel's own mapping: slot 511.
pub const KERNEL_BASE: u64 = 0xffff_ffff_8000_0000;

/// First PML4 slot of the upper half.
pub const UPPER_HALF_SLOT: usize = 256;

/// First address of the upper half; everything below the hole is the program's.
pub const UPPER_HALF: u64 = 0xffff_8000_0000_0000;

/// What the boot page tables reach: the first 4 GiB.
pub const BOOT_MAP_END: u64 = 4 << 30;
