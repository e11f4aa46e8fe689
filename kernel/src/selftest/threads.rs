//! `test=threads`: kernel threads that wake each other, sleep, compete and end, on as many CPUs as there are.
//!
//! Each part says what it found on the second channel; what hangs is found from outside, by the time limit of the test.

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use sync::thread::{self, Handle};

use crate::arch::tsc;
use crate::{logging, threads};

/// Turns of the game of two threads.
const TURNS: u32 = 10_000;
/// Threads that sleep at once, and that are made one after the other.
const MANY: u32 = 200;
/// Threads that compute without ever sleeping, and the turns that each must get.
const BUSY: usize = 3;
const ENOUGH: u64 = 100_000;
/// When the thread that waits for the clock is woken.
const SOON_NS: u64 = 20_000_000;

/// Runs all parts.
pub fn run() {
    ping_pong();
    sleepers();
    storm();
    competition();
}

fn say(name: &str, ok: bool, detail: core::fmt::Arguments<'_>) {
    logging::line(format_args!("nospin: threads: {name}: {} ({detail})", if ok { "good" } else { "BAD" }));
}

fn spawn(f: impl FnOnce() + Send + 'static) -> Handle {
    threads::spawn(f).unwrap_or_else(|_| panic!("no thread"))
}

/// Sleeps until `done` says so; whoever changes its answer unparks this thread.
fn wait(mut done: impl FnMut() -> bool) {
    while !done() {
        threads::park(None);
    }
}

/// Two threads wake each other in turn.
fn ping_pong() {
    let turn = Arc::new(AtomicU32::new(0));
    let me = thread::current();
    let from = tsc::monotonic_ns();
    let other = {
        let turn = turn.clone();
        spawn(move || {
            for n in 0..TURNS {
                wait(|| turn.load(Ordering::Acquire) == 2 * n + 1);
                turn.store(2 * n + 2, Ordering::Release);
                me.unpark();
            }
        })
    };
    for n in 0..TURNS {
        turn.store(2 * n + 1, Ordering::Release);
        other.unpark();
        wait(|| turn.load(Ordering::Acquire) == 2 * n + 2);
    }
    let ns = (tsc::monotonic_ns() - from) / u64::from(TURNS);
    say("ping-pong", turn.load(Ordering::Relaxed) == 2 * TURNS, format_args!("{ns} ns a round"));
}

/// Many threads sleep for different times; none wakes early, all wake.
fn sleepers() {
    let (done, early) = (Arc::new(AtomicU32::new(0)), Arc::new(AtomicU32::new(0)));
    let from = tsc::monotonic_ns();
    for n in 0..u64::from(MANY) {
        let (done, early, main) = (done.clone(), early.clone(), thread::current());
        spawn(move || {
            let until = tsc::monotonic_ns() + (n * 7919 % 50) * 1_000_000;
            while tsc::monotonic_ns() < until {
                threads::park(Some(until));
            }
            if tsc::monotonic_ns() < until {
                early.fetch_add(1, Ordering::Relaxed);
            }
            done.fetch_add(1, Ordering::Release);
            main.unpark();
        });
    }
    wait(|| done.load(Ordering::Acquire) == MANY);
    let ms = (tsc::monotonic_ns() - from) / 1_000_000;
    say("sleepers", early.load(Ordering::Relaxed) == 0, format_args!("{MANY} threads, {ms} ms"));
}

/// Threads are made and end, one after the other: their stacks are used again.
fn storm() {
    let before = crate::mem::frames::stats().free;
    let from = tsc::monotonic_ns();
    let done = Arc::new(AtomicU32::new(0));
    for n in 0..MANY {
        let (counter, main) = (done.clone(), thread::current());
        spawn(move || {
            counter.fetch_add(1, Ordering::Release);
            main.unpark();
        });
        wait(|| done.load(Ordering::Acquire) == n + 1);
    }
    let used = before.saturating_sub(crate::mem::frames::stats().free);
    let us = (tsc::monotonic_ns() - from) / 1000 / u64::from(MANY);
    say("storm", used < 64, format_args!("{MANY} threads, {us} us each, {used} frames"));
}

/// Threads that never sleep share the CPUs: each goes on until all have had their turns. The one that waits for the clock
/// meanwhile is not kept from it.
fn competition() {
    let turns: Arc<Vec<AtomicU64>> = Arc::new((0..BUSY).map(|_| AtomicU64::new(0)).collect());
    let done = Arc::new(AtomicU32::new(0));
    let from = tsc::monotonic_ns();
    for n in 0..BUSY {
        let (turns, done, main) = (turns.clone(), done.clone(), thread::current());
        spawn(move || {
            while turns.iter().any(|turns| turns.load(Ordering::Relaxed) < ENOUGH) {
                if let Some(turns) = turns.get(n) {
                    turns.fetch_add(1, Ordering::Relaxed);
                }
            }
            done.fetch_add(1, Ordering::Release);
            main.unpark();
        });
    }
    let soon = from + SOON_NS;
    while tsc::monotonic_ns() < soon {
        threads::park(Some(soon));
    }
    let late = (tsc::monotonic_ns() - soon) / 1_000_000;
    wait(|| done.load(Ordering::Acquire) == BUSY as u32);
    let ms = (tsc::monotonic_ns() - from) / 1_000_000;
    say("competition", true, format_args!("{BUSY} threads, {ms} ms, timer {late} ms late"));
}
