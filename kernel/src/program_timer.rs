//! The thread that waits for the program's timers (setitimer(2), timer_create(2)) and takes in what the console receives.
//!
//! [`set`] is called by threads of the program whenever the earliest deadline changes. The thread is made at the first deadline, or
//! when a thread of the program sleeps or makes another for the first time, so a program that does nothing like that has none. It
//! sends the signals itself; threads that run program code are kicked.

use core::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use sync::SetOnce;
use sync::thread::Handle;

use crate::arch::tsc;
use crate::platform::MACHINE;
use crate::{program, threads};

/// No deadline.
const NEVER: u64 = u64::MAX;

/// When the program's timers are to be looked at, monotonic nanoseconds.
static DEADLINE: AtomicU64 = AtomicU64::new(NEVER);
static THREAD: SetOnce<Handle> = SetOnce::new();
/// Somebody has made the thread, or is about to.
static STARTED: AtomicBool = AtomicBool::new(false);

/// Asks for the timers to be looked at at `deadline` (monotonic); `None` for no more.
pub fn set(deadline: Option<u64>) {
    let deadline = deadline.unwrap_or(NEVER);
    let before = DEADLINE.swap(deadline, Ordering::SeqCst);
    if deadline >= before {
        // The thread wakes up too early, once, and finds the new deadline.
        return;
    }
    ensure();
    wake();
}

/// Makes the thread, if there is none.
pub fn ensure() {
    if STARTED.load(Ordering::Relaxed) || STARTED.swap(true, Ordering::Relaxed) {
        return;
    }
    match threads::spawn_service(run) {
        Ok(thread) => {
            // Set once, by whoever set the flag.
            let _ = THREAD.set(thread.clone());
            // Those who came meanwhile have not found it.
            thread.unpark();
        }
        Err(_) => log::error!("no memory for the thread that waits for timers: they do not expire"),
    }
}

/// Wakes the thread; false if there is none. Also in interrupt handlers.
pub fn wake() -> bool {
    let thread = THREAD.get();
    if let Some(thread) = thread {
        thread.unpark();
    }
    thread.is_some()
}

fn run() {
    loop {
        program::take_input();
        let deadline = DEADLINE.load(Ordering::SeqCst);
        if deadline <= tsc::monotonic_ns() {
            // A later one may have been set meanwhile: then that stands.
            let _ = DEADLINE.compare_exchange(deadline, NEVER, Ordering::Relaxed, Ordering::Relaxed);
            if let Some(process) = program::process() {
                process.expire_timers(&MACHINE);
            }
            continue;
        }
        threads::park((deadline != NEVER).then_some(deadline));
    }
}
