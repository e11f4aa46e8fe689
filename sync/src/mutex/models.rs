//! Models of the mutex: every interleaving of few threads within a bound of preemptions, and the proof that they bite.
//!
//! Exclusion and visibility are checked by loom's cell in the data, lost wake-ups by loom's deadlock and branch limits,
//! quiescence by taking the mutex apart at the end: the last thread frees it, so a late access is found as well.

use super::{Mutex, TimedLocker};
use crate::thread::{Limit, MaySleep, WaitError};
use crate::weaken::{every_edge_is_needed, explore};
use loom::sync::atomic::{AtomicBool, Ordering};
use loom::{sync::Arc, thread};

/// What a thread does.
#[derive(Clone, Copy)]
enum Step {
    Lock,
    TryLock,
    /// Tries with a deadline that is over; returns if it failed.
    TimedOut,
    /// As before, with the same locker, then with patience.
    Persistent,
}
use Step::{Lock, Persistent, TimedOut, TryLock};

/// Adds one under the mutex; whether it was locked.
fn step(mutex: &Mutex<usize>, step: Step) -> usize {
    let mut locker = TimedLocker::new();
    let mut timed = |limit: Limit<'_>| match locker.lock(mutex, &mut MaySleep::claim(), &limit) {
        Ok(mut guard) => {
            *guard += 1;
            1
        }
        Err(error) => {
            assert_eq!(error, WaitError::TimedOut);
            0
        }
    };
    match step {
        Lock => {
            *mutex.lock() += 1;
            1
        }
        TryLock => mutex.try_lock().map_or(0, |mut guard| {
            *guard += 1;
            1
        }),
        TimedOut => timed(Limit::until(0)),
        Persistent => {
            let first = timed(Limit::until(0));
            let second = timed(Limit::NONE);
            assert_eq!(second, 1);
            first + second
        }
    }
}

/// Runs one thread for each line of steps and checks the sum.
fn threads<const N: usize>(preemptions: usize, lines: [&'static [Step]; N]) {
    explore(preemptions, move || {
        let mutex = Arc::new(Mutex::new(0));
        fn run(mutex: Arc<Mutex<usize>>, line: &[Step]) -> usize {
            line.iter().map(|one| step(&mutex, *one)).sum()
        }
        let others: Vec<_> = lines
            .into_iter()
            .skip(1)
            .map(|line| {
                let mutex = mutex.clone();
                thread::spawn(move || run(mutex, line))
            })
            .collect();
        let mut sum = run(mutex.clone(), lines[0]);
        sum += others.into_iter().map(|other| other.join().unwrap()).sum::<usize>();
        // Free now: nobody is left in `count`.
        assert_eq!(*mutex.try_lock().expect("nobody holds it"), sum);
    });
}

/// The mutex is freed by whoever finds that it was the last to lock it, at once after its unlock.
fn freed_by_the_last() {
    struct Owned(*const Mutex<usize>);
    // SAFETY: as in `work`.
    unsafe impl Send for Owned {}
    fn work(shared: Owned) {
        // SAFETY: freed by the one that counts to 0, and everybody counts once.
        let mutex = unsafe { &*shared.0 };
        let mut left = mutex.lock();
        *left -= 1;
        let last = *left == 0;
        drop(left);
        if last {
            // SAFETY: nobody else comes, and an unlock does not touch what it has given away.
            drop(unsafe { Box::from_raw(shared.0.cast_mut()) });
        }
    }
    explore(3, || {
        let shared = Box::into_raw(Box::new(Mutex::new(2)));
        let other = {
            let shared = Owned(shared);
            thread::spawn(move || work(shared))
        };
        work(Owned(shared));
        other.join().unwrap();
    });
}

/// A thread that takes a lock between its last look and its sleep, while the one that wakes it holds that lock.
#[test]
fn a_lock_before_the_sleep() {
    explore(3, || {
        let shared = Arc::new((Mutex::new(0), AtomicBool::new(false)));
        let (sleeper, waker) = (crate::thread::current(), shared.clone());
        let other = thread::spawn(move || {
            *waker.0.lock() += 1;
            waker.1.store(true, Ordering::Release);
            sleeper.unpark();
        });
        while !shared.1.load(Ordering::Acquire) {
            *shared.0.lock() += 1;
            crate::thread::park(&mut MaySleep::claim(), None);
        }
        other.join().unwrap();
    });
}

#[test]
fn two_threads() {
    threads(4, [&[Lock, Lock], &[Lock, Lock]]);
}

#[test]
fn three_threads() {
    threads(3, [&[Lock], &[Lock], &[Lock]]);
}

#[test]
fn four_threads() {
    threads(2, [&[Lock], &[Lock], &[Lock], &[TryLock]]);
}

#[test]
fn two_and_try_lock() {
    threads(3, [&[Lock, Lock], &[TryLock, TryLock]]);
}

#[test]
fn try_lock_during_hand_over() {
    threads(3, [&[Lock], &[Lock], &[TryLock]]);
}

#[test]
fn cancel_against_wake() {
    threads(3, [&[Lock], &[TimedOut]]);
}

#[test]
fn cancel_among_waiters() {
    threads(3, [&[Lock], &[TimedOut, Lock], &[Lock]]);
}

#[test]
fn a_cancelled_record_is_used_again() {
    threads(3, [&[Lock, Lock], &[Persistent]]);
}

#[test]
fn free_after_unlock() {
    freed_by_the_last();
}

#[test]
fn weakened_orderings_are_noticed() {
    every_edge_is_needed(
        &[
            "mutex L0",
            "mutex L1",
            "mutex L2",
            "mutex L3",
            "mutex L4",
            "mutex T0",
            "mutex T1",
            "mutex U0",
            "mutex U1",
            "mutex U2",
            "mutex U3",
            "mutex U3 heap",
            "mutex U5",
            "mutex C0",
            "mutex C1",
            "permit",
        ],
        module_path!(),
        &[
            "two_threads",
            "two_and_try_lock",
            "cancel_against_wake",
            "a_cancelled_record_is_used_again",
            "three_threads",
            "try_lock_during_hand_over",
            "cancel_among_waiters",
            "a_lock_before_the_sleep",
        ],
    );
}
