//! The table with real threads on program memory that some pages of are missing.

use super::*;
use mm::fake::FakeUserMemory;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::Duration;
use sync::thread::{MaySleep, current, now_ns, park};

const ADDR: u64 = 0x1000;
const OTHER: u64 = 0x1004;
const LOCK: u64 = 0x2000;

fn key(addr: u64) -> Key {
    Key::Private { space: 1, addr }
}

fn memory() -> FakeUserMemory {
    let memory = FakeUserMemory::new();
    memory.map(ADDR, 0x2000);
    memory
}

/// Sleeps like a system call: until it is unparked or the time is over.
fn pause(deadline: Option<u64>) -> impl FnMut() -> Pause {
    move || {
        if deadline.is_some_and(|deadline| now_ns() >= deadline) {
            return Pause::TimedOut;
        }
        park(&mut MaySleep::claim(), deadline);
        Pause::Again
    }
}

fn soon() -> Option<u64> {
    Some(now_ns() + 20_000_000)
}

fn waiter() -> Arc<Waiter> {
    Arc::new(Waiter::new(current()))
}

/// Waits for one futex with value 0.
fn wait_at(
    table: &FutexTable,
    memory: &FakeUserMemory,
    addr: u64,
    mask: u32,
    until: Option<u64>,
) -> Result<u32, FutexError> {
    let key = key(addr);
    let futex = WaitFor { word: Word { addr, key: &key }, value: 0, mask };
    table.wait(&[futex], &waiter(), memory, &mut pause(until))
}

/// Wakes until `wanted` have been woken in all: the waiters come when they come.
fn wake_all(table: &FutexTable, addr: u64, wanted: usize) {
    let mut woken = 0;
    while woken < wanted {
        woken += table.wake(&key(addr), wanted - woken, u32::MAX).expect("plain waiters");
        thread::yield_now();
    }
}

#[test]
fn a_wait_ends_by_wake_by_time_or_at_once() {
    let (table, memory) = (FutexTable::new(), memory());
    thread::scope(|scope| {
        let sleeper = scope.spawn(|| wait_at(&table, &memory, ADDR, u32::MAX, None));
        wake_all(&table, ADDR, 1);
        assert_eq!(sleeper.join().unwrap(), Ok(0));
    });
    assert_eq!(wait_at(&table, &memory, ADDR, u32::MAX, soon()), Err(FutexError::TimedOut));
    assert_eq!(wait_at(&table, &memory, 0x9000, u32::MAX, None), Err(FutexError::Fault));
    memory.put(ADDR, &1u32.to_ne_bytes());
    assert_eq!(wait_at(&table, &memory, ADDR, u32::MAX, None), Err(FutexError::Changed));
    assert_eq!(table.wake(&key(ADDR), 1, u32::MAX), Ok(0), "those who left are gone");
    let interrupted = table.wait(
        &[WaitFor { word: Word { addr: OTHER, key: &key(OTHER) }, value: 0, mask: 1 }],
        &waiter(),
        &memory,
        &mut || Pause::Interrupted,
    );
    assert_eq!(interrupted, Err(FutexError::Interrupted));
}

#[test]
fn masks_choose_waiters() {
    let (table, memory) = (FutexTable::new(), memory());
    thread::scope(|scope| {
        let a = scope.spawn(|| wait_at(&table, &memory, ADDR, 1, None));
        let b = scope.spawn(|| wait_at(&table, &memory, ADDR, 2, None));
        while table.wake(&key(ADDR), 9, 2) != Ok(1) {
            thread::yield_now();
        }
        assert_eq!(b.join().unwrap(), Ok(0));
        assert_eq!(table.wake(&key(ADDR), 9, 2), Ok(0));
        wake_all(&table, ADDR, 1);
        assert_eq!(a.join().unwrap(), Ok(0));
    });
}

#[test]
fn moved_waiters_are_found_by_wake_and_by_time() {
    let (table, memory) = (FutexTable::new(), memory());
    let (from, to) = (key(ADDR), key(LOCK));
    let words = (Word { addr: ADDR, key: &from }, Word { addr: LOCK, key: &to });
    thread::scope(|scope| {
        let sleepers: Vec<_> =
            (0..3).map(|_| scope.spawn(|| wait_at(&table, &memory, ADDR, u32::MAX, None))).collect();
        assert_eq!(table.requeue(words.0, words.1, (0, 9), Some(7), &memory), Err(FutexError::Changed));
        let mut moved = 0;
        while moved < 3 {
            moved += table.requeue(words.0, words.1, (0, 9), Some(0), &memory).expect("moved").1;
            thread::yield_now();
        }
        assert_eq!(table.wake(&from, 9, u32::MAX), Ok(0));
        wake_all(&table, LOCK, 3);
        sleepers.into_iter().for_each(|sleeper| assert_eq!(sleeper.join().unwrap(), Ok(0)));

        let late = scope.spawn(|| wait_at(&table, &memory, ADDR, u32::MAX, Some(now_ns() + 100_000_000)));
        while table.requeue(words.0, words.1, (0, 1), None, &memory) != Ok((0, 1)) {
            thread::yield_now();
        }
        assert_eq!(late.join().unwrap(), Err(FutexError::TimedOut));
        assert_eq!(table.wake(&to, 9, u32::MAX), Ok(0), "it took its moved entry away");
    });
}

#[test]
fn one_of_several_wakes_once() {
    let (table, memory) = (FutexTable::new(), memory());
    thread::scope(|scope| {
        let sleeper = scope.spawn(|| {
            let keys = [key(ADDR), key(OTHER), key(LOCK)];
            let futexes = [0, 1, 2].map(|i| WaitFor {
                word: Word { addr: [ADDR, OTHER, LOCK][i], key: &keys[i] },
                value: 0,
                mask: u32::MAX,
            });
            table.wait(&futexes, &waiter(), &memory, &mut pause(None))
        });
        wake_all(&table, OTHER, 1);
        assert_eq!(sleeper.join().unwrap(), Ok(1));
    });
    for addr in [ADDR, OTHER, LOCK] {
        assert_eq!(table.wake(&key(addr), 9, u32::MAX), Ok(0));
    }
}

#[test]
fn wake_op_changes_compares_and_wakes() {
    let op = WakeOp::decode(1 << 28 | 4 << 24 | 3 << 12 | 6).expect("add 3, greater than 6");
    assert_eq!(op.operation, Operation::Add);
    assert_eq!((op.comparison, op.argument, op.compared), (Comparison::Greater, 3, 6));
    assert_eq!(WakeOp::decode(0x0fff_ffff).map(|op| (op.argument, op.compared)), None, "comparison 15");
    assert_eq!(WakeOp::decode(0x00ff_ffff).map(|op| (op.argument, op.compared)), Some((u32::MAX, -1)));
    assert_eq!(WakeOp::decode(8 << 28 | 5 << 12).map(|op| op.argument), Some(32));

    let (table, memory) = (FutexTable::new(), memory());
    memory.put(OTHER, &7u32.to_ne_bytes());
    let keys = (key(ADDR), key(OTHER));
    let words = (Word { addr: ADDR, key: &keys.0 }, Word { addr: OTHER, key: &keys.1 });
    assert_eq!(table.wake_op(words.0, words.1, (1, 1), op, &memory), Ok(0));
    assert_eq!(memory.get(OTHER, 4), 10u32.to_ne_bytes());
    memory.protect(OTHER, 4);
    assert_eq!(table.wake_op(words.0, words.1, (1, 1), op, &memory), Err(FutexError::Fault));
}

#[test]
fn locks_exclude_and_pass_on() {
    let (table, memory) = (FutexTable::new(), memory());
    let (inside, total) = (AtomicU32::new(0), AtomicU32::new(0));
    let key = key(LOCK);
    let word = Word { addr: LOCK, key: &key };
    thread::scope(|scope| {
        for tid in 2..6 {
            let (table, memory, inside, total) = (&table, &memory, &inside, &total);
            scope.spawn(move || {
                let waiter = waiter();
                let locker = Locker { tid, priority: 0, waiter: &waiter };
                for _ in 0..2000 {
                    table.lock_pi(word, locker, &|_| true, memory, Some(&mut pause(None))).expect("locked");
                    assert_eq!(inside.fetch_add(1, Ordering::SeqCst), 0);
                    total.fetch_add(1, Ordering::SeqCst);
                    inside.fetch_sub(1, Ordering::SeqCst);
                    table.unlock_pi(word, tid, memory).expect("unlocked");
                }
            });
        }
    });
    assert_eq!((total.into_inner(), memory.get(LOCK, 4)), (8000, vec![0; 4]));
}

#[test]
fn locks_refuse_what_makes_no_sense() {
    let (table, memory) = (FutexTable::new(), memory());
    let waiter = waiter();
    let key = key(LOCK);
    let word = Word { addr: LOCK, key: &key };
    let me = Locker { tid: 7, priority: 0, waiter: &waiter };
    let other = Locker { tid: 8, ..me };
    assert_eq!(table.unlock_pi(word, 7, &memory), Err(FutexError::NotOwner));
    assert_eq!(table.lock_pi(word, me, &|_| true, &memory, None), Ok(()));
    assert_eq!(table.lock_pi(word, me, &|_| true, &memory, None), Err(FutexError::Deadlock));
    assert_eq!(table.lock_pi(word, other, &|_| true, &memory, None), Err(FutexError::Busy));
    let wait =
        |exists: &dyn Fn(u32) -> bool| table.lock_pi(word, other, exists, &memory, Some(&mut pause(soon())));
    assert_eq!(wait(&|_| false), Err(FutexError::NoOwner));
    assert_eq!(wait(&|_| true), Err(FutexError::TimedOut));
    assert_eq!(table.unlock_pi(word, 7, &memory), Ok(()));
    assert_eq!(memory.get(LOCK, 4), [0; 4]);
}

#[test]
fn a_dead_holder_passes_its_lock_on() {
    let (table, memory) = (FutexTable::new(), memory());
    let key = key(LOCK);
    let word = Word { addr: LOCK, key: &key };
    memory.put(LOCK, &5u32.to_ne_bytes());
    thread::scope(|scope| {
        let heir = scope.spawn(|| {
            let waiter = waiter();
            let locker = Locker { tid: 6, priority: 0, waiter: &waiter };
            table.lock_pi(word, locker, &|_| true, &memory, Some(&mut pause(None)))
        });
        while !heir.is_finished() {
            table.abandon(5, &memory);
            thread::sleep(Duration::from_millis(1));
        }
        assert_eq!(heir.join().unwrap(), Ok(()));
    });
    let held = 6 | abi::general::FUTEX_WAITERS | abi::general::FUTEX_OWNER_DIED;
    assert_eq!(memory.get(LOCK, 4), held.to_ne_bytes());
}

#[test]
fn condition_variables_move_their_waiters_to_the_lock() {
    let (table, memory) = (FutexTable::new(), memory());
    let keys = (key(ADDR), key(LOCK));
    let (from, to) = (Word { addr: ADDR, key: &keys.0 }, Word { addr: LOCK, key: &keys.1 });
    thread::scope(|scope| {
        let sleepers: Vec<_> = (10..13)
            .map(|tid| {
                let (table, memory) = (&table, &memory);
                scope.spawn(move || {
                    let waiter = waiter();
                    let locker = Locker { tid, priority: 0, waiter: &waiter };
                    let got = table.wait_requeue_pi(from, 0, to, locker, memory, &mut pause(None));
                    got.and_then(|()| table.unlock_pi(to, tid, memory))
                })
            })
            .collect();
        let mut moved = 0;
        while moved < 3 {
            moved += table.requeue_pi(from, to, 9, 0, &|_| true, &memory).expect("moved");
            thread::yield_now();
        }
        sleepers.into_iter().for_each(|sleeper| assert_eq!(sleeper.join().unwrap(), Ok(())));
    });
    assert_eq!(memory.get(LOCK, 4), [0; 4]);
    assert_eq!(
        table.wait_requeue_pi(
            from,
            1,
            to,
            Locker { tid: 3, priority: 0, waiter: &waiter() },
            &memory,
            &mut pause(None)
        ),
        Err(FutexError::Changed)
    );
    assert_eq!(table.requeue_pi(from, from, 1, 0, &|_| true, &memory), Err(FutexError::Invalid));
}
