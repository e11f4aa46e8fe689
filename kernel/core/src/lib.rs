//! The kernel's pure logic: firmware tables and the memory map, without hardware.
//!
//! Called by the kernel at boot. Everything here takes bytes or numbers that a hypervisor provided and
//! must survive any content.
#![cfg_attr(not(test), no_std)]
#![forbid(unsafe_code)]

extern crate alloc;

pub mod acpi;
pub mod hosts;
pub mod memmap;
pub mod pvclock;
pub mod rtc;
pub mod virtq;
