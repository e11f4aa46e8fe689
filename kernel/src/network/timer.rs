//! The thread that does what time brings to the network: retransmissions, renewals, and packets that nobody reads.

use alloc::sync::Arc;
use core::sync::atomic::{AtomicU64, Ordering};

use net::Stack;
use sync::SetOnce;
use sync::thread::Handle;

use crate::arch::tsc;
use crate::threads;

/// No deadline.
const NEVER: u64 = u64::MAX;

/// When the stack wants to work, monotonic nanoseconds.
static DEADLINE: AtomicU64 = AtomicU64::new(NEVER);
static THREAD: SetOnce<Handle> = SetOnce::new();

/// Starts the thread; false without memory for it.
pub fn start(stack: &Arc<Stack>) -> bool {
    let stack = stack.clone();
    match threads::spawn_service(move || run(&stack)) {
        Ok(thread) => {
            // Set once: the stack is made once. A deadline that was set before is found by the thread's first look or by this wake-up.
            let _ = THREAD.set(thread);
            wake();
            true
        }
        Err(_) => false,
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
