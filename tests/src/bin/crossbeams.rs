//! `crossbeams`: a test program of the case `threads/crossbeam`: the crates of crossbeam under many threads, linked as a user would.
//!
//! Run natively and in a machine; what it prints does not depend on how its threads run.

use crossbeam::channel::{self, RecvTimeoutError, TrySendError, after, never, select, tick};
use crossbeam::deque::{Injector, Steal, Stealer, Worker};
use crossbeam::epoch;
use crossbeam::queue::{ArrayQueue, SegQueue};
use crossbeam::sync::{Parker, ShardedLock, WaitGroup};
use crossbeam::thread;
use crossbeam::utils::CachePadded;
use std::sync::atomic::Ordering::{Relaxed, SeqCst};
use std::sync::atomic::{AtomicU64, AtomicUsize};
use std::time::{Duration, Instant};

fn add(sum: &AtomicU64, n: u64) {
    sum.fetch_add(n, Relaxed);
}

/// Many to many, with and without a bound, and one that hands over without any room.
fn channels() {
    for (name, (to, from)) in [
        ("unbounded", channel::unbounded()),
        ("bounded", channel::bounded(3)),
        ("rendezvous", channel::bounded(0)),
    ] {
        let sum = AtomicU64::new(0);
        thread::scope(|scope| {
            for i in 0..4u64 {
                let to = to.clone();
                scope.spawn(move |_| (0..300).for_each(|k| to.send(i * 300 + k).unwrap()));
            }
            drop(to);
            for _ in 0..3 {
                let (from, sum) = (from.clone(), &sum);
                scope.spawn(move |_| from.iter().for_each(|n| add(sum, n)));
            }
        })
        .unwrap();
        println!("{name}: {}", sum.into_inner());
    }
    let (to, from) = channel::bounded(1);
    to.send(1).unwrap();
    println!("full: {}", matches!(to.try_send(2), Err(TrySendError::Full(2))));
    println!("late: {}", to.send_timeout(2, Duration::from_millis(5)).unwrap_err().is_timeout());
    println!("got: {:?}", from.recv());
    println!("nothing: {:?}", from.recv_timeout(Duration::from_millis(5)) == Err(RecvTimeoutError::Timeout));
    drop(to);
    println!("hung up: {:?}", from.recv());
}

/// Several channels at once, and those that time fills.
fn selections() {
    let (odd_to, odd) = channel::bounded(2);
    let (even_to, even) = channel::unbounded();
    let (done_to, done) = channel::bounded::<()>(0);
    let (mut odds, mut evens) = (0u64, 0u64);
    thread::scope(|scope| {
        scope.spawn(move |_| (1..1000).step_by(2).for_each(|n: u64| odd_to.send(n).unwrap()));
        scope.spawn(move |_| (0..1000).step_by(2).for_each(|n: u64| even_to.send(n).unwrap()));
        let (mut first, mut second) = (odd, even);
        while odds + evens < 499_500 {
            select! {
                recv(first) -> n => match n { Ok(n) => odds += n, Err(_) => first = never() },
                recv(second) -> n => match n { Ok(n) => evens += n, Err(_) => second = never() },
            }
        }
        drop(done_to);
    })
    .unwrap();
    println!("selected: {odds} {evens}");
    println!("closed: {:?}", done.recv());
    let begin = Instant::now();
    let ticks = tick(Duration::from_millis(2));
    (0..5).for_each(|_| assert!(ticks.recv().is_ok()));
    select! {
        recv(never::<()>()) -> _ => println!("never came"),
        recv(after(Duration::from_millis(5))) -> _ => println!("after"),
    }
    println!("as long as asked: {}", begin.elapsed() >= Duration::from_millis(15));
}

/// Work that is stolen: sums a range by halves.
fn stealing() {
    const THREADS: usize = 4;
    let injector = Injector::new();
    injector.push((0u64, 20_000u64));
    let workers: Vec<Worker<(u64, u64)>> = (0..THREADS).map(|_| Worker::new_lifo()).collect();
    let stealers: Vec<Stealer<_>> = workers.iter().map(Worker::stealer).collect();
    let (sum, left) = (CachePadded::new(AtomicU64::new(0)), AtomicU64::new(20_000));
    thread::scope(|scope| {
        for worker in workers {
            let (injector, stealers, sum, left) = (&injector, &stealers, &sum, &left);
            scope.spawn(move |_| {
                while left.load(SeqCst) > 0 {
                    let task = worker.pop().or_else(|| {
                        let all = || {
                            let others = stealers.iter().map(Stealer::steal).collect::<Steal<_>>();
                            injector.steal_batch_and_pop(&worker).or_else(|| others)
                        };
                        all().success()
                    });
                    let Some((from, to)) = task else {
                        std::thread::yield_now();
                        continue;
                    };
                    if to - from > 16 {
                        let half = (from + to) / 2;
                        worker.push((from, half));
                        worker.push((half, to));
                    } else {
                        sum.fetch_add((from..to).sum(), Relaxed);
                        left.fetch_sub(to - from, SeqCst);
                    }
                }
            });
        }
    })
    .unwrap();
    println!("stolen: {}", sum.load(Relaxed));
}

/// Queues without locks.
fn queues() {
    let (segments, array) = (SegQueue::new(), ArrayQueue::new(8));
    let (sum, taken) = (AtomicU64::new(0), AtomicUsize::new(0));
    thread::scope(|scope| {
        for i in 0..3u64 {
            let (segments, array) = (&segments, &array);
            scope.spawn(move |_| {
                for n in i * 1000..(i + 1) * 1000 {
                    segments.push(n);
                    while array.push(n).is_err() {
                        std::thread::yield_now();
                    }
                }
            });
        }
        for _ in 0..3 {
            let (segments, array, sum, taken) = (&segments, &array, &sum, &taken);
            scope.spawn(move |_| {
                while taken.load(SeqCst) < 6000 {
                    for n in [segments.pop(), array.pop()].into_iter().flatten() {
                        sum.fetch_add(n, Relaxed);
                        taken.fetch_add(1, SeqCst);
                    }
                    std::thread::yield_now();
                }
            });
        }
    })
    .unwrap();
    println!("queues: {} {} {}", sum.into_inner(), segments.is_empty(), array.is_empty());
    array.force_push(1);
    println!("room: {}", array.capacity() - array.len());
}

/// Counts how many of it have been dropped.
struct Counted<'a>(&'a AtomicUsize);

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        self.0.fetch_add(1, SeqCst);
    }
}

/// What threads leave for later is dropped when no thread can see it any more, also after their end.
fn epochs() {
    static DROPPED: AtomicUsize = AtomicUsize::new(0);
    let guard = epoch::pin();
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(move |_| {
                for _ in 0..200 {
                    let left = Counted(&DROPPED);
                    epoch::pin().defer(move || drop(left));
                }
                epoch::pin().flush();
            });
        }
    })
    .unwrap();
    println!("while pinned: {}", DROPPED.load(SeqCst));
    drop(guard);
    while DROPPED.load(SeqCst) < 800 {
        epoch::pin().flush();
        std::thread::yield_now();
    }
    println!("epochs: {}", DROPPED.load(SeqCst));
}

/// Parkers, wait groups, locks in shards.
fn waits() {
    let parker = Parker::new();
    let unparker = parker.unparker().clone();
    parker.park_timeout(Duration::from_millis(5));
    let group = WaitGroup::new();
    let table = ShardedLock::new(vec![0u64; 32]);
    thread::scope(|scope| {
        for i in 0..6u64 {
            let (group, table) = (group.clone(), &table);
            scope.spawn(move |_| {
                for k in 0..200 {
                    if k % 20 == i {
                        table.write().unwrap().iter_mut().for_each(|n| *n += 1);
                    } else {
                        let table = table.read().unwrap();
                        assert!(table.iter().all(|n| *n == table[0]), "torn");
                    }
                }
                drop(group);
            });
        }
        scope.spawn(move |_| unparker.unpark());
        group.wait();
        parker.park();
    })
    .unwrap();
    println!("waited: {}", table.into_inner().unwrap()[31]);
    let result = thread::scope(|scope| {
        scope.spawn(|_| std::panic::resume_unwind(Box::new("fell"))).join().unwrap_err().is::<&str>()
    });
    println!("panic: {}", result.unwrap());
}

fn main() {
    channels();
    selections();
    stealing();
    queues();
    epochs();
    waits();
}
