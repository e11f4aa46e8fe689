//! Devices that the kernel drives itself: the serial port of the console, the second channel, the clock.

pub mod debugcon;
pub mod rtc;
pub mod serial;
