//! Threads of the Rust standard library: scopes, channels, locks, conditions, barriers, once cells, parking, panics in threads.

use std::cell::Cell;
use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{channel, sync_channel};
use std::sync::{Arc, Barrier, Condvar, LazyLock, Mutex, OnceLock, RwLock};
use std::thread;
use std::time::Duration;

thread_local! {
    static OWN: Cell<u64> = const { Cell::new(7) };
}

fn channels() {
    let (to, from) = channel();
    let senders: Vec<_> = (0..8u64)
        .map(|i| {
            let to = to.clone();
            thread::spawn(move || (0..500).for_each(|k| to.send(i * 500 + k).unwrap()))
        })
        .collect();
    drop(to);
    println!("channel: {}", from.iter().sum::<u64>());
    senders.into_iter().for_each(|sender| sender.join().unwrap());
    let (to, from) = sync_channel(1);
    let sender = thread::spawn(move || (0..1000u64).for_each(|k| to.send(k).unwrap()));
    println!("bounded channel: {}", from.iter().sum::<u64>());
    sender.join().unwrap();
    let (to, from) = channel::<()>();
    println!("timeout: {:?}", from.recv_timeout(Duration::from_millis(5)));
    drop(to);
    println!("hung up: {:?}", from.recv());
}

fn locks() {
    let map = Mutex::new(HashMap::new());
    let words = RwLock::new(vec![0u64; 16]);
    let sum = AtomicU64::new(0);
    thread::scope(|scope| {
        for i in 0..6u64 {
            let (map, words, sum) = (&map, &words, &sum);
            scope.spawn(move || {
                for k in 0..500 {
                    *map.lock().unwrap().entry(k % 10).or_insert(0) += i;
                    if k % 10 == 0 {
                        words.write().unwrap().iter_mut().for_each(|word| *word += 1);
                    } else {
                        let words = words.read().unwrap();
                        assert!(words.iter().all(|word| *word == words[0]), "torn");
                    }
                    sum.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
    });
    let total: u64 = map.lock().unwrap().values().sum();
    println!("locks: {total} {} {}", words.read().unwrap()[15], sum.load(Ordering::Relaxed));
}

fn conditions() {
    let state = Arc::new((Mutex::new(0), Condvar::new()));
    let waiters: Vec<_> = (0..10)
        .map(|i| {
            let state = Arc::clone(&state);
            thread::spawn(move || {
                let (turn, changed) = &*state;
                let mut turn = changed.wait_while(turn.lock().unwrap(), |turn| *turn != i).unwrap();
                *turn += 1;
                changed.notify_all();
            })
        })
        .collect();
    waiters.into_iter().for_each(|waiter| waiter.join().unwrap());
    let (turn, changed) = &*state;
    let (turn, result) = changed.wait_timeout(turn.lock().unwrap(), Duration::from_millis(5)).unwrap();
    println!("turns: {turn}, timed out: {}", result.timed_out());
}

fn others() {
    static ONCE: OnceLock<u64> = OnceLock::new();
    static LAZY: LazyLock<u64> = LazyLock::new(|| 3);
    let (barrier, leaders, made) = (Barrier::new(5), AtomicU64::new(0), AtomicU64::new(0));
    thread::scope(|scope| {
        for i in 0..5 {
            let (barrier, leaders, made) = (&barrier, &leaders, &made);
            scope.spawn(move || {
                for _ in 0..20 {
                    leaders.fetch_add(u64::from(barrier.wait().is_leader()), Ordering::Relaxed);
                }
                ONCE.get_or_init(|| made.fetch_add(1, Ordering::Relaxed));
                OWN.set(OWN.get() + i + *LAZY);
                assert_eq!(OWN.get(), 10 + i);
            });
        }
    });
    println!("leaders: {}, made: {}, own: {}", leaders.into_inner(), made.into_inner(), OWN.get());
    let sleeper = thread::spawn(|| {
        thread::park();
        thread::park_timeout(Duration::from_millis(5));
    });
    sleeper.thread().unpark();
    sleeper.join().unwrap();
    println!("parked");
}

fn panics() {
    let lock = Arc::new(Mutex::new(1));
    let held = Arc::clone(&lock);
    std::panic::set_hook(Box::new(|_| {}));
    let result = thread::Builder::new()
        .name("falls".into())
        .stack_size(256 << 10)
        .spawn(move || {
            let _guard = held.lock().unwrap();
            panic!("in {}", thread::current().name().unwrap_or("?"));
        })
        .unwrap()
        .join();
    println!("panic: {:?}", result.unwrap_err().downcast_ref::<String>());
    println!("poisoned: {}", lock.lock().is_err());
}

fn main() {
    channels();
    locks();
    conditions();
    others();
    panics();
    let many: Vec<_> = (0..200u64).map(|i| thread::spawn(move || i)).collect();
    println!("many: {}", many.into_iter().map(|one| one.join().unwrap()).sum::<u64>());
}
