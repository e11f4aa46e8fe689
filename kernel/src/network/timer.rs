//! The thread that does what time brings to the network: retransmissions, renewals, and packets that nobody reads.
//!
//! Without a card it is made with the first socket: a program that does not use the network has neither the thread nor the clock's
//! calibration that threads need.

use alloc::sync::Arc;
use core::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use net::Stack;
use sync::SetOnce;
use sync::thread::Handle;

use crate::arch::tsc;
use crate::threads;

/// No deadline.
const NEVER: u64 = u64::MAX;

/// When the stack wants to work, monotonic nanoseconds.
static DEADLINE: AtomicU64 = AtomicU64::new(NEVER);
static STACK: SetOnce<Arc<Stack>> = SetOnce::new();
static THREAD: SetOnce<Handle> = SetOnce::new();
/// The thread is there, or somebody is making it.
static STARTED: AtomicBool = AtomicBool::new(false);

/// The stack whose deadlines are kept. Called once.
pub fn serve(stack: &Arc<Stack>) {
    // Set once: the stack is made once.
    let _ = STACK.set(stack.clone());
}

/// Starts the thread if that was not done; false without memory for it.
pub fn start() -> bool {
    let Some(stack) = STACK.get() else { return false };
    if STARTED.swap(true, Ordering::AcqRel) {
        return true;
    }
    match threads::spawn_service(move || run(stack)) {
        Ok(thread) => {
            // Set once: nobody else starts it. A deadline that was set before is found by the thread's first look or by this wake-up.
            let _ = THREAD.set(thread);
            wake();
            true
        }
        Err(_) => {
            STARTED.store(false, Ordering::Release);
            false
        }
    }
}

/// Asks for work at `deadline`, or earlier.
pub fn set(deadline: u64) {
    if DEADLINE.fetch_min(deadline, Ordering::AcqRel) > deadline {
        wake();
    }
}

fn wake() {
    if let Some(thread) = THREAD.get() {
        thread.unpark();
    }
}

fn run(stack: &Stack) {
    loop {
        let deadline = DEADLINE.load(Ordering::Acquire);
        let now = tsc::monotonic_ns();
        if now < deadline {
            threads::park((deadline != NEVER).then_some(deadline));
            continue;
        }
        // Deadlines that are set from here on are kept beside the one that the stack returns.
        DEADLINE.store(NEVER, Ordering::Release);
        if let Some(next) = stack.work(now) {
            DEADLINE.fetch_min(next, Ordering::AcqRel);
        }
        super::worked();
    }
}
