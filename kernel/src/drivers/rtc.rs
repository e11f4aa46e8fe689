//! The PC's real-time clock, read once: where the wall clock starts.

use kerncore::rtc::Reading;

use crate::arch::cpu;
use crate::arch::pio::{inb, outb};

const INDEX: u16 = 0x70;
const DATA: u16 = 0x71;
/// Register A, bit 7: the time registers are being updated.
const UPDATING: u8 = 1 << 7;
/// An update takes 2 ms at most; more reads than fit into that mean that there is no clock.
const MAX_READS: u32 = 100_000;

fn register(index: u8) -> u8 {
    outb(INDEX, index);
    inb(DATA)
}

fn reading() -> Reading {
    Reading {
        second: register(0),
        minute: register(2),
        hour: register(4),
        day: register(7),
        month: register(8),
        year: register(9),
        mode: register(0x0b),
    }
}

/// Seconds since 1970, or `None` if the machine has no clock.
pub fn unix_seconds() -> Option<u64> {
    // Two equal readings outside of an update: none was torn.
    for _ in 0..MAX_READS {
        if register(0x0a) & UPDATING == 0 {
            let first = reading();
            if first == reading() {
                return first.unix_seconds();
            }
        }
    }
    None
}

/// Waits until the clock's next second begins; false if it has none within two seconds or so: there is no clock.
pub fn wait_for_second() -> bool {
    // How long a read takes differs much between machines; no time-stamp counter is faster than 8 GHz.
    const TICKS: u64 = 16_000_000_000;
    let (now, from) = (register(0), cpu::rdtsc());
    // An absent clock reads as all ones.
    now != 0xff
        && core::iter::repeat_with(|| register(0))
            .take_while(|_| cpu::rdtsc() - from < TICKS)
            .any(|second| second != now)
}
