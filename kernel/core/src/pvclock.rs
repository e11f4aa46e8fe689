//! The clock that a hypervisor of KVM's kind keeps in memory for its guests: what its two structures say, as pure arithmetic
//! (Linux, Documentation/virt/kvm/x86/msr.rst).

/// What has to be added to a count of the time-stamp counter to get nanoseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Scale {
    /// The count at which `system_time` was.
    pub tsc: u64,
    /// Nanoseconds since the guest's start, at that count.
    pub system_time: u64,
    /// Nanoseconds per tick, times 2^32, after the shift.
    pub mul: u32,
    /// Ticks are shifted left by this, right if it is negative.
    pub shift: i8,
    /// Whether all CPUs' counters agree and go on for ever.
    pub stable: bool,
}

/// The words of `pvclock_vcpu_time_info`, as they lie in memory.
pub const TIME_WORDS: usize = 8;
/// The words of `pvclock_wall_clock`: version, seconds, nanoseconds.
pub const WALL_WORDS: usize = 3;

/// Bit of `flags`: the counters of all CPUs agree.
const STABLE: u32 = 1;

impl Scale {
    /// From the structure's words, read between two equal and even looks at the version; `None` if it holds nothing of use.
    pub fn of(words: [u32; TIME_WORDS]) -> Option<Self> {
        let [version, _, tsc_low, tsc_high, time_low, time_high, mul, rest] = words;
        let long = |low: u32, high: u32| u64::from(high) << 32 | u64::from(low);
        let [shift, flags, ..] = rest.to_le_bytes();
        let shift = shift.cast_signed();
        if version == 0 || version % 2 != 0 || mul == 0 || !(-31..=31).contains(&shift) {
            return None;
        }
        Some(Scale {
            tsc: long(tsc_low, tsc_high),
            system_time: long(time_low, time_high),
            mul,
            shift,
            stable: u32::from(flags) & STABLE != 0,
        })
    }

    /// The frequency of the time-stamp counter, kHz.
    pub fn khz(&self) -> u64 {
        let khz = (u128::from(1_000_000u64) << 32) / u128::from(self.mul.max(1));
        let khz = if self.shift < 0 { khz << self.shift.unsigned_abs() } else { khz >> self.shift };
        u64::try_from(khz).unwrap_or(u64::MAX)
    }

    /// Nanoseconds since the guest's start when the counter shows `tsc`.
    pub fn ns_at(&self, tsc: u64) -> u64 {
        let ticks = u128::from(tsc.saturating_sub(self.tsc));
        let ticks = if self.shift < 0 { ticks >> self.shift.unsigned_abs() } else { ticks << self.shift };
        let ns = u64::try_from((ticks * u128::from(self.mul)) >> 32).unwrap_or(u64::MAX);
        self.system_time.saturating_add(ns)
    }
}

/// When the guest was started, nanoseconds since 1970, from the words of `pvclock_wall_clock`; `None` if it holds no time.
pub fn start_ns([version, seconds, nanoseconds]: [u32; WALL_WORDS]) -> Option<u64> {
    let filled = version != 0 && version % 2 == 0 && seconds != 0 && nanoseconds < 1_000_000_000;
    filled.then(|| u64::from(seconds) * 1_000_000_000 + u64::from(nanoseconds))
}

/// A time since 1970 as the command line has it (`clock=SECONDS.NANOSECONDS`), nanoseconds.
pub fn told_ns(text: &str) -> Option<u64> {
    let (seconds, fraction) = text.split_once('.')?;
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if !digits(seconds) || !digits(fraction) || fraction.len() != 9 {
        return None;
    }
    let (seconds, nanoseconds): (u64, u64) = (seconds.parse().ok()?, fraction.parse().ok()?);
    seconds.checked_mul(1_000_000_000)?.checked_add(nanoseconds)
}

/// When the machine was started, by what its clock of whole seconds says and what it was told. Both are behind the true time,
/// so the later one counts; one that is far ahead of the clock is of another machine.
pub fn later(clock: Option<u64>, told: Option<u64>) -> Option<u64> {
    const FAR: u64 = 5_000_000_000;
    match (clock, told) {
        (Some(clock), Some(told)) if told > clock && told - clock < FAR => Some(told),
        (Some(clock), _) => Some(clock),
        (None, told) => told,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The words of a clock at 2.5 GHz: ticks halved, then 0.8 ns each.
    const WORDS: [u32; TIME_WORDS] =
        [4, 0, 1000, 1, 7, 0, 3_435_973_837, u32::from_le_bytes([0xff, STABLE as u8, 0, 0])];

    #[test]
    fn a_clock() {
        let scale = Scale::of(WORDS).unwrap();
        assert_eq!(
            (scale.tsc, scale.system_time, scale.shift, scale.stable),
            ((1 << 32) + 1000, 7, -1, true)
        );
        assert_eq!(scale.khz(), 2_500_000 - 2, "as Linux rounds");
        assert_eq!(scale.ns_at(scale.tsc), 7);
        assert_eq!(scale.ns_at(scale.tsc + 2_500_000_000), 1_000_000_007);
        assert_eq!(scale.ns_at(0), 7);
        for bad in [0, 5] {
            let mut words = WORDS;
            words[0] = bad;
            assert_eq!(Scale::of(words), None);
        }
    }

    #[test]
    fn wall_clocks() {
        assert_eq!(start_ns([2, 1_700_000_000, 5]), Some(1_700_000_000_000_000_005));
        assert_eq!(start_ns([0, 1, 1]), None);
        assert_eq!(start_ns([3, 1, 1]), None);
        assert_eq!(start_ns([2, 1, 1_000_000_000]), None);
        assert_eq!(told_ns("1700000000.000000005"), Some(1_700_000_000_000_000_005));
        for bad in ["", "1", "1.5", ".000000001", "1.00000000a", "-1.000000000", "99999999999999.000000000"] {
            assert_eq!(told_ns(bad), None, "{bad}");
        }
    }

    #[test]
    fn the_later_of_two_that_are_near() {
        const S: u64 = 1_000_000_000;
        assert_eq!(later(Some(100 * S), Some(100 * S + 7)), Some(100 * S + 7));
        assert_eq!(later(Some(101 * S), Some(100 * S + 7)), Some(101 * S));
        assert_eq!(later(Some(100 * S), Some(3700 * S)), Some(100 * S));
        assert_eq!(later(Some(100 * S), None), Some(100 * S));
        assert_eq!(later(None, Some(7)), Some(7));
        assert_eq!(later(None, None), None);
    }

    proptest! {
        #[test]
        fn nothing_overflows(words in any::<[u32; TIME_WORDS]>(), tsc in any::<u64>()) {
            if let Some(scale) = Scale::of(words) {
                let _ = (scale.khz(), scale.ns_at(tsc));
            }
        }

        #[test]
        fn frequency_and_time_agree(mul in 1u32 << 28.., shift in -4i8..4, ticks in 0u64..1 << 44) {
            let scale = Scale { tsc: 0, system_time: 0, mul, shift, stable: true };
            let by_frequency = u128::from(ticks) * 1_000_000 / u128::from(scale.khz().max(1));
            let apart = by_frequency.abs_diff(u128::from(scale.ns_at(ticks)));
            // A frequency in whole kHz is right to a part in some 10^5.
            prop_assert!(apart <= 20 + by_frequency / 50_000, "{apart} of {by_frequency}");
        }
    }
}
