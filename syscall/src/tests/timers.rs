//! Interval timers, POSIX timers, the limit on processor time.

use super::{BAD, Caller, READ_ONLY};
use abi::general as raw;
use abi::structs::{SigEvent, SigInfo, Timespec};
use abi::{Errno, Signal, nr};
use task::ExitStatus;
use task::testing::DATA;

const BUF: u64 = DATA + 0x100;
const OUT: u64 = DATA + 0x200;
const MS: i64 = 1_000_000;

fn block(c: &Caller, signal: Signal) {
    c.put(BUF, &(1u64 << signal.index()));
    c.ok(nr::RT_SIGPROCMASK, &[raw::SIG_BLOCK.into(), BUF, 0, 8]);
}

/// Takes a signal, waiting for at most a second.
fn take(c: &Caller, signal: Signal) -> Option<SigInfo> {
    c.put(BUF, &(1u64 << signal.index()));
    c.put(BUF + 8, &[1i64, 0]);
    let got = c.call(nr::RT_SIGTIMEDWAIT, &[BUF, OUT, BUF + 8, 8]);
    (got == i64::from(signal.raw())).then(|| c.get(OUT))
}

fn create(c: &Caller, clock: u32, signal: Signal, value: u64) -> u64 {
    let event = SigEvent {
        value,
        signo: signal.raw().into(),
        notify: raw::SIGEV_SIGNAL as i32,
        thread: 0,
        pad: [0; 11],
    };
    c.put(BUF, &event);
    c.ok(nr::TIMER_CREATE, &[clock.into(), BUF, OUT]);
    c.get::<i32>(OUT) as u64
}

/// Period and first expiry, nanoseconds.
fn set(c: &Caller, timer: u64, flags: u32, period: i64, first: i64) {
    c.put(BUF, &[0, period, first / 1_000_000_000, first % 1_000_000_000]);
    c.ok(nr::TIMER_SETTIME, &[timer, flags.into(), BUF, 0]);
}

#[test]
fn interval_timers() {
    let c = Caller::new();
    c.put(BUF, &[0i64, 2000, 0, 500]);
    c.ok(nr::SETITIMER, &[0, BUF, 0]);
    c.ok(nr::GETITIMER, &[0, OUT]);
    let [_, period, seconds, left] = c.get::<[i64; 4]>(OUT);
    assert_eq!((period, seconds), (2000, 0));
    assert!((1..=500).contains(&left), "{left}");
    block(&c, Signal::SIGALRM);
    assert_eq!(take(&c, Signal::SIGALRM).map(|info| info.code), Some(raw::SI_KERNEL as i32));
    assert!(take(&c, Signal::SIGALRM).is_some(), "periodic");
    assert_eq!(c.ok(nr::ALARM, &[7]), 1, "what is armed is not shown as nothing");
    assert_eq!((c.ok(nr::ALARM, &[0]), c.ok(nr::ALARM, &[0])), (7, 0));
    for bad in [[0i64, 0, 0, 1_000_000], [0, 0, -1, 0], [0, -1, 0, 0], [-1, 0, 1, 0]] {
        c.put(BUF, &bad);
        c.fails(nr::SETITIMER, &[0, BUF, 0], Errno::EINVAL);
    }
    c.put(BUF, &[0i64; 4]);
    c.fails(nr::SETITIMER, &[3, BUF, 0], Errno::EINVAL);
    c.fails(nr::SETITIMER, &[0, BAD, 0], Errno::EFAULT);
    c.fails(nr::SETITIMER, &[0, BUF, READ_ONLY], Errno::EFAULT);
    c.fails(nr::GETITIMER, &[3, OUT], Errno::EINVAL);
    c.fails(nr::GETITIMER, &[0, READ_ONLY], Errno::EFAULT);
}

#[test]
fn an_expiry_interrupts_the_program() {
    let c = Caller::new();
    c.put(BUF, &[0i64, 0, 5, 0]);
    c.ok(nr::SETITIMER, &[raw::ITIMER_PROF.into(), BUF, 0]);
    c.r.machine.run_for(4_000_000_000);
    assert_eq!(c.ok(nr::GETPPID, &[]), 1);
    c.r.machine.run_for(2_000_000_000);
    assert_eq!(c.exits(nr::GETPPID, &[]), ExitStatus::Signal(Signal::SIGPROF));
    // The clock starts at one second.
    let c = Caller::new();
    c.put(BUF, &[2u64, 3]);
    c.ok(nr::PRLIMIT64, &[0, raw::RLIMIT_CPU.into(), BUF, 0]);
    c.r.machine.run_for(1_500_000_000);
    assert_eq!(c.exits(nr::GETPPID, &[]), ExitStatus::Signal(Signal::SIGXCPU));
    let c = Caller::new();
    block(&c, Signal::SIGXCPU);
    c.put(BUF, &[2u64, 3]);
    c.ok(nr::PRLIMIT64, &[0, raw::RLIMIT_CPU.into(), BUF, 0]);
    c.r.machine.run_for(1_500_000_000);
    c.ok(nr::GETPPID, &[]);
    c.r.machine.run_for(1_500_000_000);
    assert_eq!(c.exits(nr::GETPPID, &[]), ExitStatus::Signal(Signal::SIGKILL));
}

#[test]
fn posix_timers() {
    let c = Caller::new();
    let signal = Signal::new(40).expect("a signal");
    block(&c, signal);
    for clock in
        [raw::CLOCK_REALTIME, raw::CLOCK_MONOTONIC, raw::CLOCK_BOOTTIME, raw::CLOCK_PROCESS_CPUTIME_ID]
    {
        let timer = create(&c, clock, signal, 77);
        set(&c, timer, 0, 10 * MS, MS);
        let info = take(&c, signal).expect("it expires");
        assert_eq!((info.code, info.pad, info.fields[1]), (raw::SI_TIMER, 0, 77));
        // Nobody takes the signal for a while.
        c.r.machine.run_for(55_000_000);
        c.ok(nr::GETPPID, &[]);
        c.r.machine.run_for(50_000_000);
        let info = take(&c, signal).expect("it is periodic");
        let overrun = info.fields[0] >> 32;
        assert!((4..=10).contains(&overrun), "{overrun}");
        assert_eq!(c.ok(nr::TIMER_GETOVERRUN, &[timer]), overrun);
        c.ok(nr::TIMER_GETTIME, &[timer, OUT]);
        let [_, period, seconds, left] = c.get::<[i64; 4]>(OUT);
        assert_eq!((period, seconds), (10 * MS, 0));
        assert!((1..=10 * MS).contains(&left), "{left}");
        // One whose signal waits is set anew: that signal is none any more.
        c.r.machine.run_for(20_000_000);
        c.ok(nr::GETPPID, &[]);
        set(&c, timer, 0, 0, 0);
        assert_eq!(take(&c, signal), None);
        // A time that has passed.
        set(&c, timer, raw::TIMER_ABSTIME, 0, 1);
        assert!(take(&c, signal).is_some());
        c.ok(nr::TIMER_DELETE, &[timer]);
        c.fails(nr::TIMER_DELETE, &[timer], Errno::EINVAL);
    }
}

#[test]
fn the_wall_clock_takes_absolute_timers_along() {
    let c = Caller::new();
    let signal = Signal::new(41).expect("a signal");
    block(&c, signal);
    let (absolute, relative) =
        (create(&c, raw::CLOCK_REALTIME, signal, 1), create(&c, raw::CLOCK_REALTIME, signal, 2));
    c.ok(nr::CLOCK_GETTIME, &[raw::CLOCK_REALTIME.into(), OUT]);
    let now = c.get::<Timespec>(OUT);
    set(&c, absolute, raw::TIMER_ABSTIME, 0, (now.tv_sec + 3600) * 1_000_000_000);
    set(&c, relative, 0, 0, 3_600_000_000_000);
    c.put(BUF, &[now.tv_sec + 3601, 0]);
    c.ok(nr::CLOCK_SETTIME, &[raw::CLOCK_REALTIME.into(), BUF]);
    assert_eq!(take(&c, signal).map(|info| info.fields[1]), Some(1));
    assert_eq!(take(&c, signal), None);
}

#[test]
fn limits_and_errors() {
    let c = Caller::new();
    c.put(BUF, &[5u64, 5]);
    c.ok(nr::PRLIMIT64, &[0, raw::RLIMIT_SIGPENDING.into(), BUF, 0]);
    let timers: Vec<u64> =
        (0..5).map(|value| create(&c, raw::CLOCK_MONOTONIC, Signal::SIGUSR1, value)).collect();
    c.fails(nr::TIMER_CREATE, &[raw::CLOCK_MONOTONIC.into(), 0, OUT], Errno::EAGAIN);
    c.ok(nr::TIMER_DELETE, &[timers[2]]);
    c.fails(nr::TIMER_CREATE, &[raw::CLOCK_MONOTONIC.into(), 0, READ_ONLY], Errno::EFAULT);
    c.ok(nr::TIMER_CREATE, &[raw::CLOCK_MONOTONIC.into(), 0, OUT]);
    c.fails(nr::TIMER_CREATE, &[raw::CLOCK_MONOTONIC.into(), BAD, OUT], Errno::EFAULT);
    c.fails(nr::TIMER_CREATE, &[99, 0, OUT], Errno::EINVAL);
    c.fails(nr::TIMER_CREATE, &[raw::CLOCK_MONOTONIC_RAW.into(), 0, OUT], Errno::EOPNOTSUPP);
    c.fails(nr::TIMER_SETTIME, &[timers[0], 0, 0, 0], Errno::EINVAL);
    c.fails(nr::TIMER_SETTIME, &[timers[0], 0, BAD, 0], Errno::EFAULT);
    c.fails(nr::TIMER_SETTIME, &[99, 0, BUF, 0], Errno::EINVAL);
    c.fails(nr::TIMER_GETTIME, &[99, OUT], Errno::EINVAL);
    c.fails(nr::TIMER_GETTIME, &[timers[0], READ_ONLY], Errno::EFAULT);
    c.fails(nr::TIMER_GETOVERRUN, &[99], Errno::EINVAL);
}
