//! loom's threads as [`Threads`], for the models.
//!
//! Parking is built on a condition variable instead of loom's own `park`, whose `unpark` makes everything visible to the target at once,
//! even if it never parks: that would hide missing orderings. Here only a `park` that consumes a permit synchronises. Time
//! stands still at 1, so that the deadline 0 is over (and is so at whatever point the models reach) and others never are.

use super::{Handle, MaySleep, Shared, Threads, Unpark};
use crate::atomic::Ordering;
use core::num::NonZeroUsize;
use loom::sync::{Condvar, Mutex};
use std::sync::Arc;

/// The threads of the models.
pub(super) struct LoomThreads;

struct LoomThread {
    permit: Mutex<bool>,
    given: Condvar,
    id: NonZeroUsize,
}

impl Unpark for LoomThread {
    fn unpark(&self) {
        *self.permit.lock().unwrap() = true;
        self.given.notify_one();
    }

    fn id(&self) -> NonZeroUsize {
        self.id
    }
}

loom::lazy_static! {
    static ref NEXT: loom::sync::atomic::AtomicUsize = loom::sync::atomic::AtomicUsize::new(1);
}

loom::thread_local! {
    static CURRENT: Arc<Shared<LoomThread>> = Arc::new(Shared::new(LoomThread {
        permit: Mutex::new(false),
        given: Condvar::new(),
        id: NonZeroUsize::new(NEXT.fetch_add(1, Ordering::Relaxed)).unwrap(),
    }));
}

impl Threads for LoomThreads {
    fn current(&self) -> Handle {
        CURRENT.with(|thread| Handle::from(thread.clone()))
    }

    fn park(&self, _: &mut MaySleep, _: Option<u64>) {
        CURRENT.with(|thread| {
            let mut permit = thread.permit.lock().unwrap();
            if !*permit {
                permit = thread.given.wait(permit).unwrap();
            }
            *permit = false;
        });
    }

    fn may_sleep(&self) -> bool {
        true
    }

    fn now_ns(&self) -> u64 {
        1
    }

    fn preempt_disable(&self) {}

    fn preempt_enable(&self) {}
}
