//! Port I/O for the drivers: safe wrappers, because every port the kernel names belongs to a device it owns.

use x86_64::instructions::port::Port;

/// Reads one byte from `port`; an absent device reads as 0xff.
pub fn inb(port: u16) -> u8 {
    // SAFETY: reading a port of a device that the kernel owns cannot affect memory.
    unsafe { Port::<u8>::new(port).read() }
}

/// Writes one byte to `port`; an absent device ignores it.
pub fn outb(port: u16, value: u8) {
    // SAFETY: no device driven by port I/O here does DMA, so memory is not affected.
    unsafe { Port::<u8>::new(port).write(value) }
}

/// Reads 32 bits from `port`.
pub fn inl(port: u16) -> u32 {
    // SAFETY: as for `inb`.
    unsafe { Port::<u32>::new(port).read() }
}

/// Writes 16 bits to `port`.
pub fn outw(port: u16, value: u16) {
    // SAFETY: as for `outb`.
    unsafe { Port::<u16>::new(port).write(value) }
}

/// Writes 32 bits to `port`.
pub fn outl(port: u16, value: u32) {
    // SAFETY: as for `outb`.
    unsafe { Port::<u32>::new(port).write(value) }
}

/// Writes `bytes` to `port` one after the other: a hypervisor sees one access for all of them.
pub fn out_bytes(port: u16, bytes: &[u8]) {
    // SAFETY: reads exactly `bytes`; as for `outb` otherwise.
    unsafe {
        core::arch::asm!(
            "rep outsb",
            in("dx") port,
            inout("rsi") bytes.as_ptr() => _,
            inout("rcx") bytes.len() => _,
            options(nostack, preserves_flags, readonly)
        );
    }
}
