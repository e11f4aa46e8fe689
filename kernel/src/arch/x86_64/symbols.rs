//! Addresses that the linker script and the assembly define.

use super::layout::KERNEL_BASE;

unsafe extern "C" {
    static __kernel_start: u8;
    static __text_start: u8;
    static __text_end: u8;
    static __kernel_end: u8;
    static __build_id_start: u8;
    static __build_id_end: u8;
    static boot_stack_bottom: u8;
    static boot_stack_top: u8;
}

/// Virtual addresses of the kernel's segments: read-only data, text, writable data.
#[derive(Clone, Copy, Debug)]
pub struct KernelSegments {
    /// First byte of the kernel (read-only data).
    pub start: u64,
    /// First byte of the text.
    pub text: u64,
    /// First byte of the writable data, behind the text.
    pub data: u64,
    /// First byte behind the kernel: the payload of the image.
    pub end: u64,
}

/// Where the linker put the kernel; all four are page-aligned.
pub fn segments() -> KernelSegments {
    KernelSegments {
        start: (&raw const __kernel_start).addr() as u64,
        text: (&raw const __text_start).addr() as u64,
        data: (&raw const __text_end).addr() as u64,
        end: (&raw const __kernel_end).addr() as u64,
    }
}

/// Physical address of the first byte behind the kernel.
pub fn kernel_end_phys() -> u64 {
    segments().end - KERNEL_BASE
}

/// Bottom and top of the stack that the boot processor starts on.
pub fn boot_stack() -> (u64, u64) {
    ((&raw const boot_stack_bottom).addr() as u64, (&raw const boot_stack_top).addr() as u64)
}

/// The GNU build id of this kernel (20 bytes of SHA-1), empty if the linker made none.
pub fn build_id() -> &'static [u8] {
    let start = &raw const __build_id_start;
    let len = (&raw const __build_id_end).addr() - start.addr();
    // Note header: name size, descriptor size, type, then "GNU\0".
    const HEADER: usize = 16;
    if len <= HEADER {
        return &[];
    }
    // SAFETY: the linker placed a note of `len` bytes in read-only memory between the two symbols.
    unsafe { core::slice::from_raw_parts(start.add(HEADER), len - HEADER) }
}
