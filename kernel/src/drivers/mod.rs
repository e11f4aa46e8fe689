//! Devices that the kernel drives itself: the serial port of the console, the second channel, the clock, virtio.

pub mod debugcon;
pub mod mmio;
pub mod pci;
pub mod rtc;
pub mod serial;
pub mod virtio;
