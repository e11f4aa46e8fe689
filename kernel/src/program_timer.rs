//! The thread that waits for the program's timers (setitimer(2), timer_create(2)).
//!
//! [`set`] is called by threads of the program whenever the earliest deadline changes. The thread is made at the first deadline, so a
//! program without timers has none. It only says that a timer has expired; the program's thread does the rest.

use core::sync::atomic::{AtomicU64, Ordering};

use sync::SetOnce;
use sync::thread::Handle;

use crate::arch::tsc;
use crate::{program, threads};

/// No deadline.
const NEVER: u64 = u64::MAX;
/// How soon the program is reminded of a timer: the first time it may have been on its way out of the kernel.
const REMINDER_NS: u64 = 1_000_000;

/// When the program is to be interrupted, monotonic nanoseconds.
static DEADLINE: AtomicU64 = AtomicU64::new(NEVER);
static THREAD: SetOnce<Handle> = SetOnce::new();

/// Asks for an interrupt of the program at `deadline` (monotonic); `None` for no more.
pub fn set(deadline: Option<u64>) {
    let deadline = deadline.unwrap_or(NEVER);
    let before = DEADLINE.swap(deadline, Ordering::Release);
    if deadline >= before {
        // The thread wakes up too early, once, and finds the new deadline.
        return;
    }
    match THREAD.get() {
        Some(thread) => thread.unpark(),
        None => match threads::spawn(run) {
            Ok(thread) => {
                // Two threads at a time would both begin one; the second does no harm.
                let _ = THREAD.set(thread);
            }
            Err(_) => log::error!("no memory for the thread that waits for timers: they do not expire"),
        },
    }
}

fn run() {
    loop {
        let deadline = DEADLINE.load(Ordering::Acquire);
        let now = tsc::monotonic_ns();
        let next = if deadline <= now {
            // A later one may have been set meanwhile: then that stands.
            let _ = DEADLINE.compare_exchange(deadline, NEVER, Ordering::Relaxed, Ordering::Relaxed);
            program::timer_expired();
            now.saturating_add(REMINDER_NS)
        } else if program::is_timer_due() {
            program::timer_expired();
            deadline.min(now.saturating_add(REMINDER_NS))
        } else {
            deadline
        };
        threads::park((next != NEVER).then_some(next));
    }
}
