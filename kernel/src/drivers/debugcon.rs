//! The second channel: QEMU's `isa-debugcon`, a port that takes a byte a write.
//!
//! Carries kernel messages and the records of `image_format::channel`.

use core::sync::atomic::{AtomicBool, Ordering};

use image_format::channel::CHANNEL_PORT;

use crate::arch::pio::{inb, out_bytes};

static PRESENT: AtomicBool = AtomicBool::new(false);

/// Finds out whether the device is there: it answers reads with its own number.
pub fn init() {
    PRESENT.store(inb(CHANNEL_PORT) == CHANNEL_PORT as u8, Ordering::Relaxed);
}

/// Whether there is a second channel.
pub fn present() -> bool {
    PRESENT.load(Ordering::Relaxed)
}

/// Sends `bytes`; does nothing where there is no second channel.
pub fn write(bytes: &[u8]) {
    if present() {
        out_bytes(CHANNEL_PORT, bytes);
    }
}
