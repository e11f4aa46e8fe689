//! Shares and order: weights, the key by which a run queue is sorted, and how long things last.
//!
//! Called by the scheduler. Virtual run time is nanoseconds of run time times 1024 over the weight, an integer. A key is
//! service first, then real-time (highest priority, then arrival), then fair (virtual run time); smaller runs earlier. A thread that ran
//! alone as SCHED_IDLE for years saturates; order then degenerates, nothing else.

use crate::types::{Params, Policy};

/// A turn of a thread while others wait (ns).
pub(crate) const SLICE: u64 = 3_000_000;
/// A woken thread runs at once if it is that much behind the running one (weighted ns).
pub(crate) const WAKE_GRANULARITY: u64 = 1_000_000;
/// What a sleeper may be behind when it wakes (weighted ns).
pub(crate) const SLEEPER_BONUS: u64 = 1_500_000;
/// What a thread may be ahead when it changes the CPU (weighted ns).
pub(crate) const MAX_AHEAD: u64 = 2_000_000_000;
/// A CPU that has done nothing about waiting work for so long does not answer (ns).
pub(crate) const GRACE: u64 = 4_000_000;
/// An idle CPU leaves a thread to the CPU that it waits on for so long (ns): what a cold cache costs.
pub(crate) const STEAL_AGE: u64 = 100_000;
/// A busy CPU takes a thread from a longer queue when it has waited so long (ns).
pub(crate) const BALANCE_AGE: u64 = 1_000_000;
/// A wake-up followed by blocking within this time (ns) hands the CPU over.
pub(crate) const HANDOVER: u64 = 200_000;

/// Weight by nice value: each step is a tenth of a CPU between two threads, a factor of 1.25.
const WEIGHTS: [u32; 40] = [
    88761, 71755, 56483, 46273, 36291, 29154, 23254, 18705, 14949, 11916, 9548, 7620, 6100, 4904, 3906, 3121,
    2501, 1991, 1586, 1277, 1024, 820, 655, 526, 423, 335, 272, 215, 172, 137, 110, 87, 70, 56, 45, 36, 29,
    23, 18, 15,
];
const IDLE_WEIGHT: u32 = 3;
const UNIT: u32 = 1024;

/// [`Params`] in one word, so that they change at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Packed(pub(crate) u32);

impl Packed {
    pub(crate) fn new(params: Params) -> Self {
        let (policy, priority) = match params.policy {
            Policy::Normal => (0, 0),
            Policy::Batch => (1, 0),
            Policy::Idle => (2, 0),
            Policy::Fifo(priority) => (3, priority),
            Policy::RoundRobin(priority) => (4, priority),
            Policy::Service => (5, 0),
        };
        let nice = (i32::from(params.nice.clamp(-20, 19)) + 20) as u32;
        Packed(policy | u32::from(priority.clamp(0, 99)) << 8 | nice << 16)
    }

    pub(crate) fn params(self) -> Params {
        let priority = (self.0 >> 8) as u8;
        let policy = match self.0 & 0xff {
            1 => Policy::Batch,
            2 => Policy::Idle,
            3 => Policy::Fifo(priority),
            4 => Policy::RoundRobin(priority),
            5 => Policy::Service,
            _ => Policy::Normal,
        };
        Params { policy, nice: ((self.0 >> 16 & 0xff) as i32 - 20) as i8 }
    }

    pub(crate) fn is_realtime(self) -> bool {
        matches!(self.0 & 0xff, 3 | 4)
    }

    pub(crate) fn is_service(self) -> bool {
        self.0 & 0xff == 5
    }

    pub(crate) fn is_fifo(self) -> bool {
        self.0 & 0xff == 3
    }

    pub(crate) fn is_batch(self) -> bool {
        self.0 & 0xff == 1
    }

    pub(crate) fn is_idle(self) -> bool {
        self.0 & 0xff == 2
    }

    /// The share, 1024 for nice 0.
    pub(crate) fn weight(self) -> u32 {
        if self.is_idle() {
            return IDLE_WEIGHT;
        }
        WEIGHTS.get((self.0 >> 16 & 0xff) as usize).copied().unwrap_or(UNIT)
    }

    /// What `ran` ns of run time are worth.
    #[inline]
    pub(crate) fn weighted(self, ran: u64) -> u64 {
        match self.weight() {
            UNIT => ran,
            weight => ran.saturating_mul(u64::from(UNIT)) / u64::from(weight),
        }
    }
}

/// Where fair keys begin.
const FAIR: u64 = 1 << 63;
const ARRIVALS: u64 = 1 << 56;
/// The first number of those that arrive behind; smaller ones are for those that come back to the front.
pub(crate) const FIRST_ARRIVAL: u64 = ARRIVALS / 2;

/// The key of a fair thread.
pub(crate) fn fair_key(virtual_time: u64) -> u64 {
    FAIR | virtual_time.min(FAIR - 1)
}

/// The key of a real-time thread that is number `arrival` of its priority.
pub(crate) fn realtime_key(packed: Packed, arrival: u64) -> u64 {
    let urgency = 100 - u64::from((packed.0 >> 8 & 0xff).min(99));
    (urgency * ARRIVALS) | (arrival & (ARRIVALS - 1))
}

/// The key of a service thread in its turn, `virtual_time` being its own.
pub(crate) fn service_key(virtual_time: u64) -> u64 {
    virtual_time.min(ARRIVALS - 1)
}

/// The virtual time in a key, if it is a fair one.
pub(crate) fn fair_time(key: u64) -> Option<u64> {
    key.checked_sub(FAIR)
}

/// Smaller for more urgent: 0 service, 1 to 99 real-time, 128 fair.
pub(crate) fn rank(key: u64) -> u64 {
    if key >= FAIR { 128 } else { key / ARRIVALS }
}

/// Virtual time `own`, counted against a CPU whose queue stands at `from`, on one whose queue stands at `to`.
pub(crate) fn transfer(own: u64, from: u64, to: u64) -> u64 {
    if own >= from {
        to.saturating_add((own - from).min(MAX_AHEAD))
    } else {
        to.saturating_sub((from - own).min(SLEEPER_BONUS))
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn params_survive_packing() {
        for policy in [
            Policy::Normal,
            Policy::Batch,
            Policy::Idle,
            Policy::Fifo(1),
            Policy::RoundRobin(99),
            Policy::Service,
        ] {
            for nice in -20..20 {
                let params = Params { policy, nice };
                assert_eq!(Packed::new(params).params(), params);
            }
        }
        assert_eq!(Packed::new(Params { policy: Policy::Normal, nice: 100 }).params().nice, 19);
    }

    #[test]
    fn keys_are_in_order() {
        let rt = |priority| Packed::new(Params { policy: Policy::Fifo(priority), nice: 0 });
        let keys = [
            service_key(0),
            service_key(u64::MAX),
            realtime_key(rt(99), 0),
            realtime_key(rt(99), FIRST_ARRIVAL),
            realtime_key(rt(50), FIRST_ARRIVAL - 1),
            realtime_key(rt(50), FIRST_ARRIVAL),
            realtime_key(rt(1), FIRST_ARRIVAL),
            fair_key(0),
            fair_key(u64::MAX),
        ];
        assert!(keys.is_sorted() && rank(keys[1]) < rank(keys[2]));
        assert!(rank(keys[4]) == rank(keys[5]) && rank(keys[6]) < rank(keys[7]));
        assert_eq!((fair_time(keys[0]), fair_time(fair_key(7))), (None, Some(7)));
    }

    #[test]
    fn weights_are_shares() {
        let nice = |nice| Packed::new(Params { policy: Policy::Normal, nice });
        assert_eq!(nice(0).weighted(1000), 1000);
        assert!(nice(5).weighted(1000) > 3000 && nice(-5).weighted(1000) < 330);
        assert_eq!(Packed::new(Params { policy: Policy::Idle, nice: 0 }).weighted(3), 1024);
    }
}
