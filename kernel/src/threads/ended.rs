//! What is left of threads that have ended: they are buried where nothing may be freed, and reaped by whoever makes the next.
//!
//! Called by the rest of `threads`. The list is pushed to by compare-and-swap and taken whole.
#![allow(unsafe_code)] // the list holds counts as pointers

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::sync::atomic::{AtomicPtr, Ordering};

use sync::Mutex;

use super::Thread;
use crate::mem::stacks::ThreadStack;

/// Threads that have ended and wait for [`reap`].
static DEAD: AtomicPtr<Thread> = AtomicPtr::new(core::ptr::null_mut());
/// Stacks to be used again.
static STACKS: Mutex<Vec<ThreadStack>> = Mutex::new(Vec::new());

/// Puts a thread on the list of the dead. May be called with interrupts masked: takes no lock and frees nothing.
pub fn bury(dead: Arc<Thread>) {
    let dead = Arc::into_raw(dead).cast_mut();
    let mut head = DEAD.load(Ordering::Relaxed);
    loop {
        // SAFETY: the pointer stands for the count that the list holds.
        unsafe { &*dead }.next_dead.store(head, Ordering::Relaxed);
        match DEAD.compare_exchange_weak(head, dead, Ordering::Release, Ordering::Relaxed) {
            Ok(_) => return,
            Err(now) => head = now,
        }
    }
}

/// Frees the threads that have ended and that no handle refers to; their stacks are used again.
pub fn reap() {
    let mut next = DEAD.swap(core::ptr::null_mut(), Ordering::Acquire);
    while !next.is_null() {
        // SAFETY: the list held one count for each of its threads, and is ours since the exchange.
        let dead = unsafe { Arc::from_raw(next.cast_const()) };
        next = dead.next_dead.load(Ordering::Relaxed);
        if Arc::strong_count(&dead) == 1 {
            let stack = *dead.context().stack();
            drop(dead);
            keep(stack);
        } else {
            bury(dead);
        }
    }
}

/// A stack of a thread that has ended.
pub fn stack() -> Option<ThreadStack> {
    STACKS.lock().pop()
}

/// Keeps a stack for the next thread.
pub fn keep(stack: ThreadStack) {
    STACKS.lock().push(stack);
}
