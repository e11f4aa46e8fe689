//! [`Pace`]: the time by which an engine lives.
//!
//! The engine waits a second at least before it sends data again (RFC 6298, 2.4). Other systems wait 200 ms, and most networks answer
//! within one. So the clock of an engine whose other side has answered its handshake quickly goes [`FACTOR`] times as fast: it waits
//! 250 ms at least, and 15 s at most. That is beyond the 200 ms for which the other side may hold back an acknowledgement.
//! Used by [`Unit`](super::unit::Unit) only.

use smoltcp::time::{Duration, Instant};

/// How much faster a quick clock goes, as a shift.
const FACTOR: u32 = 2;
/// A handshake that took so long at most, nanoseconds, makes the clock quick.
const QUICK: u64 = 50_000_000;

/// Whether an answer after so long is a quick one.
pub fn is_quick(ns: u64) -> bool {
    ns <= QUICK
}

/// An engine's clock. It begins as the real one.
#[derive(Clone, Copy, Debug, Default)]
pub struct Pace {
    shift: u32,
    /// Is added to the real time after the shift, modulo 2^64.
    offset: u64,
}

impl Pace {
    /// One that is quick from the beginning, or not.
    pub fn new(quick: bool) -> Self {
        Pace { shift: if quick { FACTOR } else { 0 }, offset: 0 }
    }

    /// Goes faster from `now` on.
    pub fn hasten(&mut self, now: u64) {
        let shown = self.shown(now);
        self.shift = FACTOR;
        self.offset = shown.wrapping_sub(now << FACTOR);
    }

    fn shown(&self, now: u64) -> u64 {
        (now << self.shift).wrapping_add(self.offset)
    }

    /// What it shows at `now`, real nanoseconds.
    pub fn instant(&self, now: u64) -> Instant {
        Instant::from_micros((self.shown(now) / 1000) as i64)
    }

    /// The real time, nanoseconds, when it shows `at`.
    pub fn real(&self, at: Instant) -> u64 {
        let shown = (at.total_micros().max(0) as u64).saturating_mul(1000).wrapping_sub(self.offset);
        // What came before the offset is long past.
        (shown as i64).max(0).cast_unsigned().div_ceil(1 << self.shift)
    }

    /// How long so many real nanoseconds are for it.
    pub fn duration(&self, ns: u64) -> Duration {
        Duration::from_micros((ns / 1000) << self.shift)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// Time does not jump when it begins to go faster, and both directions agree.
        #[test]
        fn is_continuous(then in 0u64..1 << 55, later in 0u64..1 << 40) {
            let mut pace = Pace::new(false);
            let before = pace.instant(then);
            pace.hasten(then);
            prop_assert_eq!(pace.instant(then), before);
            prop_assert!(pace.instant(then + later) - before >= Duration::from_micros(later / 250));
            prop_assert!((pace.instant(then + later) - before).total_micros() <= later / 250 + 1);
            let real = pace.real(pace.instant(then + later));
            prop_assert!(real <= then + later && real + 1000 > then + later);
        }
    }

    #[test]
    fn the_past_is_past() {
        let mut pace = Pace::new(false);
        pace.hasten(1 << 40);
        assert!(pace.real(Instant::ZERO) <= 1 << 40);
        assert_eq!(Pace::new(true).duration(5_000_000), Duration::from_millis(20));
    }
}
