//! Clocks and sleeping.

use super::{BAD, Caller, READ_ONLY};
use abi::general as raw;
use abi::structs::{Timespec, Timeval};
use abi::{Errno, nr};
use task::testing::DATA;

const BUF: u64 = DATA + 0x100;

#[test]
fn clocks() {
    let c = Caller::new();
    for clock in [
        raw::CLOCK_REALTIME,
        raw::CLOCK_MONOTONIC,
        raw::CLOCK_PROCESS_CPUTIME_ID,
        raw::CLOCK_THREAD_CPUTIME_ID,
        raw::CLOCK_MONOTONIC_RAW,
        raw::CLOCK_REALTIME_COARSE,
        raw::CLOCK_MONOTONIC_COARSE,
        raw::CLOCK_BOOTTIME,
        raw::CLOCK_TAI,
    ] {
        let read = || {
            c.ok(nr::CLOCK_GETTIME, &[clock.into(), BUF]);
            let t: Timespec = c.get(BUF);
            t.tv_sec * 1_000_000_000 + t.tv_nsec
        };
        assert!(read() < read(), "clock {clock} goes on");
        c.ok(nr::CLOCK_GETRES, &[clock.into(), BUF]);
        assert!(c.get::<Timespec>(BUF).tv_nsec > 0);
        c.ok(nr::CLOCK_GETRES, &[clock.into(), 0]);
        c.fails(nr::CLOCK_GETTIME, &[clock.into(), BAD], Errno::EFAULT);
        c.fails(nr::CLOCK_GETTIME, &[clock.into(), 0], Errno::EFAULT);
        c.fails(nr::CLOCK_GETRES, &[clock.into(), READ_ONLY], Errno::EFAULT);
    }
    for clock in [10, 99, u64::MAX] {
        c.fails(nr::CLOCK_GETTIME, &[clock, BUF], Errno::EINVAL);
        c.fails(nr::CLOCK_GETRES, &[clock, BUF], Errno::EINVAL);
    }
    c.ok(nr::GETTIMEOFDAY, &[BUF, BUF + 16]);
    assert_eq!(c.get::<Timeval>(BUF).tv_sec, 1_700_000_001);
    c.ok(nr::GETTIMEOFDAY, &[0, 0]);
    c.fails(nr::GETTIMEOFDAY, &[BAD, 0], Errno::EFAULT);
    c.fails(nr::GETTIMEOFDAY, &[0, BAD], Errno::EFAULT);
    assert_eq!(c.ok(nr::TIME, &[BUF]), 1_700_000_001);
    assert_eq!(c.get::<i64>(BUF), 1_700_000_001);
    c.ok(nr::TIME, &[0]);
    c.fails(nr::TIME, &[BAD], Errno::EFAULT);
}

#[test]
fn sleeping() {
    let c = Caller::new();
    let now = || task::Platform::monotonic_ns(c.r.machine);
    c.put(BUF, &Timespec { tv_sec: 3, tv_nsec: 500 });
    let start = now();
    c.ok(nr::NANOSLEEP, &[BUF, 0]);
    assert!(now() - start >= 3_000_000_500);
    let start = now();
    c.ok(nr::CLOCK_NANOSLEEP, &[raw::CLOCK_REALTIME.into(), 0, BUF, 0]);
    assert!(now() - start >= 3_000_000_500);
    // An absolute time, to come and past.
    let until = now() + 5_000_000_000;
    c.put(BUF, &crate::time::timespec(until));
    c.ok(nr::CLOCK_NANOSLEEP, &[raw::CLOCK_MONOTONIC.into(), 1, BUF, 0]);
    assert!(now() >= until);
    let start = now();
    c.ok(nr::CLOCK_NANOSLEEP, &[raw::CLOCK_MONOTONIC.into(), 1, BUF, 0]);
    assert!(now() - start < 1_000_000);
    c.fails(nr::NANOSLEEP, &[BAD, 0], Errno::EFAULT);
    c.fails(nr::CLOCK_NANOSLEEP, &[99, 0, BUF, 0], Errno::EINVAL);
    c.fails(nr::CLOCK_NANOSLEEP, &[raw::CLOCK_THREAD_CPUTIME_ID.into(), 0, BUF, 0], Errno::EOPNOTSUPP);
    c.fails(nr::CLOCK_NANOSLEEP, &[raw::CLOCK_MONOTONIC_RAW.into(), 0, BUF, 0], Errno::EOPNOTSUPP);
    for bad in [(-1, 0), (0, -1), (0, 1_000_000_000)] {
        c.put(BUF, &Timespec { tv_sec: bad.0, tv_nsec: bad.1 });
        c.fails(nr::NANOSLEEP, &[BUF, 0], Errno::EINVAL);
        c.fails(nr::CLOCK_NANOSLEEP, &[1, 0, BUF, 0], Errno::EINVAL);
    }
}

#[test]
fn setting_the_wall_clock() {
    let c = Caller::new();
    let realtime = raw::CLOCK_REALTIME.into();
    c.put(BUF, &Timespec { tv_sec: 2_000_000_000, tv_nsec: 5 });
    c.ok(nr::CLOCK_SETTIME, &[realtime, BUF]);
    assert_eq!(c.ok(nr::TIME, &[0]), 2_000_000_000);
    c.fails(nr::CLOCK_SETTIME, &[raw::CLOCK_MONOTONIC.into(), BUF], Errno::EINVAL);
    c.fails(nr::CLOCK_SETTIME, &[77, BUF], Errno::EINVAL);
    c.fails(nr::CLOCK_SETTIME, &[realtime, BAD], Errno::EFAULT);
    for bad in [(-1, 0), (5, 1_000_000_000), (0, 1), (i64::MAX, 0)] {
        c.put(BUF, &Timespec { tv_sec: bad.0, tv_nsec: bad.1 });
        c.fails(nr::CLOCK_SETTIME, &[realtime, BUF], Errno::EINVAL);
    }
    c.put(BUF, &Timeval { tv_sec: 1_600_000_000, tv_usec: 7 });
    c.put(BUF + 16, &[-60i32, 1]);
    c.ok(nr::SETTIMEOFDAY, &[BUF, BUF + 16]);
    c.ok(nr::GETTIMEOFDAY, &[BUF + 32, BUF + 48]);
    assert_eq!(c.get::<Timeval>(BUF + 32).tv_sec, 1_600_000_000);
    assert_eq!(c.get::<[i32; 2]>(BUF + 48), [-60, 1]);
    c.put(BUF + 16, &[10_000i32, 1]);
    c.fails(nr::SETTIMEOFDAY, &[0, BUF + 16], Errno::EINVAL);
    c.put(BUF, &Timeval { tv_sec: 5, tv_usec: 1_000_000 });
    c.fails(nr::SETTIMEOFDAY, &[BUF, 0], Errno::EINVAL);
    c.fails(nr::SETTIMEOFDAY, &[BAD, 0], Errno::EFAULT);
    c.fails(nr::SETTIMEOFDAY, &[0, BAD], Errno::EFAULT);
}

#[test]
fn what_was_used() {
    let c = Caller::new();
    assert!(c.ok(nr::TIMES, &[BUF]) >= 100, "ticks since boot");
    assert!(c.get::<[i64; 4]>(BUF)[0] >= 100);
    c.fails(nr::TIMES, &[BAD], Errno::EFAULT);
    for who in [0, 1] {
        c.ok(nr::GETRUSAGE, &[who, BUF]);
        let usage: [i64; 18] = c.get(BUF);
        assert!(usage[0] >= 1 && usage[1] < 1_000_000 && usage[4] > 0, "{usage:?}");
    }
    c.ok(nr::GETRUSAGE, &[u64::MAX, BUF]);
    assert_eq!(c.get::<[i64; 18]>(BUF), [0; 18]);
    c.fails(nr::GETRUSAGE, &[5, BUF], Errno::EINVAL);
    c.fails(nr::GETRUSAGE, &[0, BAD], Errno::EFAULT);
}

#[test]
fn nobody_disciplines_the_clock() {
    let c = Caller::new();
    c.put(BUF, &[0u64; 26]);
    assert_eq!(c.ok(nr::ADJTIMEX, &[BUF]), 5);
    let timex: [u64; 26] = c.get(BUF);
    assert_eq!((timex[5], timex[9], timex[11]), (0x40, 1_700_000_001, 10_000));
    c.put(BUF, &[1u64; 26]);
    c.fails(nr::ADJTIMEX, &[BUF], Errno::EPERM);
    c.fails(nr::ADJTIMEX, &[BAD], Errno::EFAULT);
    c.fails(nr::CLOCK_ADJTIME, &[0, BUF], Errno::EPERM);
    c.fails(nr::CLOCK_ADJTIME, &[1, BUF], Errno::EOPNOTSUPP);
    c.fails(nr::CLOCK_ADJTIME, &[99, BUF], Errno::EINVAL);
    c.fails(nr::CLOCK_ADJTIME, &[99, BAD], Errno::EFAULT);
    c.put(BUF, &[0xa001u64; 26]);
    assert_eq!(c.ok(nr::CLOCK_ADJTIME, &[0, BUF]), 5);
    assert_eq!(c.get::<[u64; 2]>(BUF), [0xa001, 0], "nothing is left to adjust");
    c.put(BUF, &[0x8000u64; 26]);
    c.fails(nr::ADJTIMEX, &[BUF], Errno::EINVAL);
    c.fails(nr::ADJTIMEX, &[READ_ONLY + 0x300], Errno::EFAULT);
}
