//! Host tests of the mutex: its interface, and stress with real threads.

use super::{Mutex, ReentrantMutex, TimedLocker};
use crate::thread::{self, Limit, MaySleep, NoPreempt, WaitError};
use std::cell::Cell;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

static GLOBAL: Mutex<u32> = Mutex::new(1);

#[test]
fn excludes_and_releases() {
    let mutex = Mutex::new(5);
    {
        let mut guard = mutex.lock();
        *guard += 1;
        assert!(mutex.try_lock().is_none());
        assert!(mutex.is_locked());
    }
    assert_eq!(*mutex.try_lock().expect("free again"), 6);
    *GLOBAL.lock() += 1;
    assert_eq!(*GLOBAL.lock(), 2);
}

#[test]
#[should_panic(expected = "preemption off")]
fn waiting_without_preemption_is_reported() {
    let mutex = Mutex::new(());
    let _held = mutex.lock();
    let _pinned = NoPreempt::new();
    let _again = mutex.lock();
}

#[test]
fn a_holder_may_lock_a_reentrant_mutex_again() {
    let mutex = ReentrantMutex::new(Cell::new(0));
    let first = mutex.lock();
    let second = mutex.lock();
    second.set(first.get() + 1);
    drop(first);
    std::thread::scope(|scope| {
        scope.spawn(|| assert!(mutex.try_lock().is_none()));
    });
    drop(second);
    std::thread::scope(|scope| {
        scope.spawn(|| assert_eq!(mutex.try_lock().expect("free").get(), 1));
    });
}

#[test]
fn limits_end_a_wait() {
    let mutex = Mutex::new(());
    let held = mutex.lock();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut sleep = MaySleep::claim();
            let mut locker = TimedLocker::new();
            for _ in 0..100 {
                let limit = Limit::until(thread::now_ns() + 10_000);
                let failed = locker.lock(&mutex, &mut sleep, &limit).err();
                assert_eq!(failed, Some(WaitError::TimedOut));
            }
            let limit = Limit { deadline: None, interrupted: &|| true };
            assert_eq!(locker.lock(&mutex, &mut sleep, &limit).err(), Some(WaitError::Interrupted));
        });
    });
    drop(held);
    assert!(mutex.try_lock().is_some(), "the cancelled record is gone");
}

/// All ways of locking at once; every success adds one without atomicity.
fn stress(threads: usize, time: Duration) -> u64 {
    struct Shared {
        mutex: Mutex<u64>,
        inside: AtomicBool,
        sum: AtomicU64,
        stop: AtomicBool,
    }
    let shared = Arc::new(Shared {
        mutex: Mutex::new(0),
        inside: AtomicBool::new(false),
        sum: AtomicU64::new(0),
        stop: AtomicBool::new(false),
    });
    let work = |seed: u64, shared: Arc<Shared>| {
        let mut locker = TimedLocker::new();
        let mut random = seed | 1;
        let mut done = 0;
        while !shared.stop.load(Ordering::Relaxed) {
            random ^= random << 13;
            random ^= random >> 7;
            random ^= random << 17;
            let guard = match random % 8 {
                0 => shared.mutex.try_lock(),
                1 => {
                    let limit = Limit::until(thread::now_ns() + random % 5_000);
                    locker.lock(&shared.mutex, &mut MaySleep::claim(), &limit).ok()
                }
                2 => {
                    locker = TimedLocker::new();
                    None
                }
                3 => {
                    thread::current().unpark();
                    None
                }
                _ => Some(shared.mutex.lock()),
            };
            if let Some(mut guard) = guard {
                assert!(!shared.inside.swap(true, Ordering::Relaxed));
                *guard += 1;
                done += 1;
                shared.inside.store(false, Ordering::Relaxed);
            }
        }
        shared.sum.fetch_add(done, Ordering::Relaxed);
    };
    let workers: Vec<_> = (0..threads)
        .map(|n| {
            let shared = shared.clone();
            std::thread::spawn(move || work(n as u64 * 7919 + 1, shared))
        })
        .collect();
    std::thread::sleep(time);
    shared.stop.store(true, Ordering::Relaxed);
    workers.into_iter().for_each(|worker| worker.join().unwrap());
    let sum = shared.sum.load(Ordering::Relaxed);
    assert_eq!(*shared.mutex.try_lock().expect("nobody is left"), sum);
    assert!(sum > 0);
    sum
}

#[test]
fn stress_of_all_ways_to_lock() {
    stress(4, crate::stress_time());
    stress(16, crate::stress_time());
}

/// Each object is freed by the thread that finds itself the last, directly after its unlock.
#[test]
fn stress_of_freeing_after_unlock() {
    let end = std::time::Instant::now() + crate::stress_time();
    while std::time::Instant::now() < end {
        for _ in 0..50 {
            let shared = Box::into_raw(Box::new(Mutex::new(3u32))).expose_provenance();
            std::thread::scope(|scope| {
                for _ in 0..3 {
                    scope.spawn(move || {
                        let at = std::ptr::with_exposed_provenance_mut::<Mutex<u32>>(shared);
                        // SAFETY: freed by the last of the three only.
                        let mut left = unsafe { (*at).lock() };
                        *left -= 1;
                        let last = *left == 0;
                        drop(left);
                        if last {
                            // SAFETY: the two others have unlocked and do not come back. Poisoned first, so that a
                            // late access of theirs is likely to be noticed.
                            unsafe {
                                at.cast::<u8>().write_bytes(0xA5, size_of::<Mutex<u32>>());
                                drop(Box::from_raw(
                                    at.cast::<[u8; size_of::<Mutex<u32>>()]>().cast::<Mutex<u32>>(),
                                ));
                            }
                        }
                    });
                }
            });
        }
    }
}
