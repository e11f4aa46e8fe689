//! The PC's real-time clock (MC146818): the registers of one reading to seconds since 1970.

/// One reading of the time registers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Reading {
    /// Register 0x00.
    pub second: u8,
    /// Register 0x02.
    pub minute: u8,
    /// Register 0x04, with bit 7 = PM in 12-hour mode.
    pub hour: u8,
    /// Register 0x07.
    pub day: u8,
    /// Register 0x08.
    pub month: u8,
    /// Register 0x09: the year of the century.
    pub year: u8,
    /// Register 0x0b: bit 1 = 24-hour mode, bit 2 = binary instead of BCD.
    pub mode: u8,
}

impl Reading {
    /// Seconds since 1970-01-01 UTC; `None` when the registers hold no date (an absent clock reads as 0xff).
    /// The century is the one between 1970 and 2069.
    pub fn unix_seconds(&self) -> Option<u64> {
        const BINARY: u8 = 1 << 2;
        const HOURS_24: u8 = 1 << 1;
        let number = |value: u8| {
            if self.mode & BINARY != 0 {
                return Some(u64::from(value));
            }
            let (tens, ones) = (value >> 4, value & 15);
            (tens <= 9 && ones <= 9).then(|| u64::from(tens) * 10 + u64::from(ones))
        };
        let hour = if self.mode & HOURS_24 != 0 {
            number(self.hour)?
        } else {
            number(self.hour & 0x7f)? % 12 + if self.hour & 0x80 != 0 { 12 } else { 0 }
        };
        let (second, minute) = (number(self.second)?, number(self.minute)?);
        let (day, month, year) = (number(self.day)?, number(self.month)?, number(self.year)?);
        let in_range =
            second <= 60 && minute < 60 && hour < 24 && (1..=31).contains(&day) && (1..=12).contains(&month);
        if !in_range || year > 99 {
            return None;
        }
        let year = year + if year >= 70 { 1900 } else { 2000 };
        Some(days_since_1970(year, month, day) * 86400 + hour * 3600 + minute * 60 + second)
    }
}

/// Days from 1970-01-01 to a date of the Gregorian calendar not before it.
fn days_since_1970(year: u64, month: u64, day: u64) -> u64 {
    // Counting years from March puts the leap day at the end of the year.
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let leap_days = year / 4 - year / 100 + year / 400;
    let day_of_year = (153 * month + 2) / 5 + day - 1;
    /// 1970-01-01 counted in the same way.
    const EPOCH: u64 = 1969 * 365 + (1969 / 4 - 1969 / 100 + 1969 / 400) + 306;
    year * 365 + leap_days + day_of_year - EPOCH
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn bcd(value: u8) -> u8 {
        ((value / 10) << 4) | (value % 10)
    }

    #[test]
    fn known_moments() {
        let binary = |year, month, day, hour, minute, second| Reading {
            second,
            minute,
            hour,
            day,
            month,
            year,
            mode: 6,
        };
        assert_eq!(binary(70, 1, 1, 0, 0, 0).unix_seconds(), Some(0));
        assert_eq!(binary(0, 2, 29, 12, 0, 0).unix_seconds(), Some(951_825_600));
        assert_eq!(binary(1, 9, 9, 1, 46, 40).unix_seconds(), Some(1_000_000_000));
        assert_eq!(binary(33, 5, 18, 3, 33, 20).unix_seconds(), Some(2_000_000_000));
        assert_eq!(binary(38, 1, 19, 3, 14, 8).unix_seconds(), Some(1 << 31));
    }

    #[test]
    fn bcd_and_twelve_hours() {
        let at =
            Reading { second: 0x40, minute: 0x46, hour: 0x01, day: 0x09, month: 0x09, year: 0x01, mode: 0 };
        assert_eq!(at.unix_seconds(), Some(1_000_000_000));
        let afternoon = Reading { hour: 0x81, ..at };
        assert_eq!(afternoon.unix_seconds(), Some(1_000_000_000 + 12 * 3600));
        let midnight = Reading { hour: 0x12, ..at };
        assert_eq!(midnight.unix_seconds(), Some(1_000_000_000 - 3600));
    }

    #[test]
    fn no_clock_no_date() {
        let ff = Reading { second: 255, minute: 255, hour: 255, day: 255, month: 255, year: 255, mode: 255 };
        assert_eq!(ff.unix_seconds(), None);
        assert_eq!(Reading::default().unix_seconds(), None);
    }

    proptest! {
        #[test]
        fn days_follow_each_other(day in 0u64..36500) {
            // Walks from the epoch with the plain rules of the calendar.
            let (mut year, mut month, mut left) = (1970, 1, day);
            let len = |year: u64, month: u64| match month {
                2 if year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400)) => 29,
                2 => 28,
                4 | 6 | 9 | 11 => 30,
                _ => 31,
            };
            while left >= len(year, month) {
                left -= len(year, month);
                (year, month) = if month == 12 { (year + 1, 1) } else { (year, month + 1) };
            }
            let reading = Reading {
                day: bcd(left as u8 + 1), month: bcd(month as u8), year: bcd((year % 100) as u8), mode: 2, ..Reading::default()
            };
            prop_assert_eq!(reading.unix_seconds(), Some(day * 86400));
        }
    }
}
