//! Tests of timers that several threads set.

use super::*;
use crate::testing::{Running, running};

/// One thread arms a timer while another asks for nothing new: what the platform is told last has the timer in it.
#[test]
fn a_timer_armed_meanwhile_is_not_forgotten() {
    let Running { machine, process, .. } = running();
    let far = Setting { value: 1000 * SECOND, interval: 0 };
    for _ in 0..300 {
        process.set_interval_timer(machine, Interval::Real, Setting { value: 0, interval: 0 }).unwrap();
        assert_eq!(machine.timer.load(Ordering::Relaxed), u64::MAX);
        std::thread::scope(|scope| {
            scope.spawn(|| process.set_timer(machine));
            scope.spawn(|| process.set_interval_timer(machine, Interval::Real, far).unwrap());
        });
        assert_ne!(machine.timer.load(Ordering::Relaxed), u64::MAX);
    }
}

/// A timer that is due is over for whoever asks, whether or not somebody has come to send its signal.
#[test]
fn who_asks_for_a_timer_that_is_due_sends_its_signal() {
    let Running { machine, process, .. } = running();
    let soon = Setting { value: 1_000_000, interval: 0 };
    process.set_interval_timer(machine, Interval::Real, soon).unwrap();
    assert_ne!(process.interval_timer(machine, Interval::Real).value, 0);
    machine.clock.fetch_add(2_000_000, Ordering::Relaxed);
    assert_eq!(process.interval_timer(machine, Interval::Real).value, 0);
    assert!(process.signals.pending().contains(Signal::SIGALRM));
}
