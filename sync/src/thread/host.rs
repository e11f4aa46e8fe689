//! std's threads as [`Threads`], for the tests of every crate on the host.
//!
//! Preemption cannot be turned off there; it is counted, so that sleeping where the kernel would panic panics here too.

use super::{Handle, MaySleep, Shared, Threads, Unpark};
use alloc::sync::Arc;
use core::{cell::Cell, num::NonZeroUsize, sync::atomic::AtomicUsize, sync::atomic::Ordering};
use std::{sync::OnceLock, time::Duration, time::Instant};

extern crate std;

/// The default on the host.
pub(super) struct StdThreads;

struct StdThread {
    thread: std::thread::Thread,
    id: NonZeroUsize,
}

impl Unpark for StdThread {
    fn unpark(&self) {
        self.thread.unpark();
    }

    fn id(&self) -> NonZeroUsize {
        self.id
    }
}

static NEXT: AtomicUsize = AtomicUsize::new(1);

std::thread_local! {
    static CURRENT: Arc<Shared<StdThread>> = Arc::new(Shared::new(StdThread {
        thread: std::thread::current(),
        id: NonZeroUsize::new(NEXT.fetch_add(1, Ordering::Relaxed)).unwrap_or(NonZeroUsize::MAX),
    }));
    static PINS: Cell<usize> = const { Cell::new(0) };
}

impl Threads for StdThreads {
    fn current(&self) -> Handle {
        CURRENT.with(|thread| Handle::from(thread.clone()))
    }

    fn park(&self, _: &mut MaySleep, deadline: Option<u64>) {
        match deadline {
            None => std::thread::park(),
            Some(deadline) => {
                std::thread::park_timeout(Duration::from_nanos(deadline.saturating_sub(self.now_ns())));
            }
        }
    }

    fn may_sleep(&self) -> bool {
        PINS.with(Cell::get) == 0
    }

    fn now_ns(&self) -> u64 {
        static START: OnceLock<Instant> = OnceLock::new();
        START.get_or_init(Instant::now).elapsed().as_nanos() as u64
    }

    fn preempt_disable(&self) {
        PINS.with(|pins| pins.set(pins.get() + 1));
    }

    fn preempt_enable(&self) {
        PINS.with(|pins| pins.set(pins.get() - 1));
    }
}
