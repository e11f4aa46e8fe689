//! Host tests of wait queues: choosing, moving, giving up, and stress.

use super::{About, WaitQueue, WaitTable, Waiter};
use crate::thread::{self, Limit, MaySleep, WaitError};
use std::pin::pin;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

const fn about(key: u64, flags: u32) -> About {
    About { key: [key, 0], flags }
}

#[test]
fn wakers_choose_and_leave_a_tag() {
    let queue = WaitQueue::new();
    let sleep = &mut MaySleep::claim();
    let (one, two) = (pin!(Waiter::new(&queue, about(1, 1))), pin!(Waiter::new(&queue, about(2, 6))));
    let (one, two) = (one.into_ref(), two.into_ref());
    one.enqueue();
    two.enqueue();
    one.enqueue();
    assert_eq!(queue.waiting(), 2);
    assert_eq!(queue.wake(9, 77, |about| about.flags & 2 != 0), 1);
    assert!(two.is_woken() && !one.is_woken());
    assert_eq!(two.wait(sleep, &Limit::NONE), Ok(77));
    let soon = Limit::until(thread::now_ns() + 1_000_000);
    assert_eq!(one.wait(sleep, &soon), Err(WaitError::TimedOut));
    assert_eq!(queue.wake_all(), 0);
    one.enqueue();
    assert!(queue.wake_one());
    assert!(!one.cancel());
    one.enqueue();
    assert!(one.cancel());
    assert_eq!(queue.waiting(), 0);
}

#[test]
fn waiters_are_moved_with_a_new_key() {
    let table = WaitTable::new(4);
    let waiters: [_; 4] = std::array::from_fn(|_| Box::pin(table.waiter(1, about(10, 0))));
    waiters.iter().for_each(|waiter| waiter.as_ref().enqueue());
    let mine = |about: &About| about.key[0] == 10;
    assert_eq!(table.requeue((1, 3), (1, 2), [20, 0], || false, mine), None);
    assert_eq!(table.requeue((1, 3), (1, 2), [20, 0], || true, mine), Some((1, 2)));
    assert!(waiters[0].is_woken());
    assert_eq!(table.wake(3, 9, 0, mine), 0);
    assert_eq!(table.wake(3, 1, 0, |about| about.key[0] == 20), 1);
    assert!(waiters[1].is_woken());
    // One is left in each of the two queues; both can leave.
    assert!(waiters[2].as_ref().cancel() && waiters[3].as_ref().cancel());
    assert_eq!(table.wake(1, 9, 0, |_| true) + table.wake(3, 9, 0, |_| true), 0);
    // To the same queue: only the key changes.
    waiters[0].as_ref().cancel();
    waiters[0].as_ref().enqueue();
    assert_eq!(table.requeue((1, 1), (0, 9), [30, 0], || true, |_| true), Some((0, 1)));
    assert_eq!(table.wake(1, 9, 5, |about| about.key[0] == 30), 1);
}

/// Tokens given without a lock, waiters with and without deadlines, and waiters that are moved about.
#[test]
fn stress_of_waking_and_giving_up() {
    let (queue, tokens, taken) = (WaitQueue::new(), AtomicU64::new(0), AtomicU64::new(0));
    let (table, asleep) = (WaitTable::new(3), AtomicUsize::new(3));
    let end = std::time::Instant::now() + crate::stress_time();
    let running = || std::time::Instant::now() < end;
    let take = || {
        let took = tokens.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |n| n.checked_sub(1)).is_ok();
        taken.fetch_add(u64::from(took), Ordering::Relaxed);
        took
    };
    let mut given = 0;
    std::thread::scope(|scope| {
        for n in 0..3u64 {
            let (queue, take, running) = (&queue, &take, &running);
            scope.spawn(move || {
                let sleep = &mut MaySleep::claim();
                while running() {
                    let limit = Limit::until(thread::now_ns() + if n == 0 { 1_000 } else { 5_000_000_000 });
                    let _ = queue.wait_until(sleep, &limit, || take() || !running());
                }
            });
        }
        for n in 0..3usize {
            let (table, asleep, running) = (&table, &asleep, &running);
            scope.spawn(move || {
                let sleep = &mut MaySleep::claim();
                while running() {
                    let waiter = pin!(table.waiter(n, about(0, 0)));
                    let waiter = waiter.into_ref();
                    waiter.enqueue();
                    let limit = Limit::until(thread::now_ns() + if n == 0 { 1_000 } else { 5_000_000_000 });
                    let _ = waiter.wait(sleep, &limit);
                }
                asleep.fetch_sub(1, Ordering::Relaxed);
            });
        }
        while running() {
            tokens.fetch_add(1, Ordering::Relaxed);
            given += 1;
            queue.wake_one();
            let from = given as usize % 3;
            table.requeue((from, (from + given as usize / 7) % 3), (0, 2), [0; 2], || true, |_| true);
            table.wake(from, 1, 0, |_| true);
            if given % 64 == 0 {
                std::thread::yield_now();
            }
        }
        while asleep.load(Ordering::Relaxed) > 0 {
            let _: usize = (0..3).map(|index| table.wake(index, 9, 0, |_| true)).sum();
            queue.wake_all();
            std::thread::yield_now();
        }
        queue.wake_all();
    });
    assert_eq!(tokens.load(Ordering::Relaxed) + taken.load(Ordering::Relaxed), given);
    assert_eq!(queue.waiting(), 0);
}
