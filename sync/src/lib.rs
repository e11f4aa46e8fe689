//! Synchronisation without spinning.
//!
//! Used by every crate above `abi`. The rule of the project holds here first: no loop in this crate waits for another thread
//! or another CPU; whoever waits sleeps, through the hook in [`thread`]. Types:
//! - [`Mutex`]: mutual exclusion behind `lock_api`'s guard types; [`TimedLocker`] for limits, [`ReentrantMutex`].
//! - [`Condvar`], [`RwLock`], [`Semaphore`]; [`WaitQueue`] for threads that wait for something of their owner's; [`Event`].
//! - [`SetOnce`]: a cell that is set once and read without locks afterwards, for globals.
//! - [`mpsc::Queue`]: from many producers to one consumer, without locks.
//! - [`rcu::RcuCell`]: a value that is read without a lock, replaced, and freed when no CPU can be reading it.
//! - [`spsc::Ring`]: a byte queue from one producer (an interrupt handler) to one consumer.
//!
//! All protocols are modelled with loom (`cfg(loom)`), and a test per primitive checks that a model fails when an ordering
//! is weakened.
#![cfg_attr(not(any(test, loom)), no_std)]

extern crate alloc;

mod atomic;
mod condvar;
mod event;
mod list;
pub mod mpsc;
mod mutex;
pub mod rcu;
mod rwlock;
mod semaphore;
mod set_once;
pub mod spsc;
pub mod thread;
mod wait_queue;
#[cfg(loom)]
mod weaken;

pub use condvar::Condvar;
pub use event::Event;
#[cfg(not(loom))]
pub use mutex::{Mutex, MutexGuard, RawMutex, ReentrantMutex, ReentrantMutexGuard, ThreadIds, TimedLocker};
#[cfg(loom)]
pub use mutex::{Mutex, MutexGuard, RawMutex, TimedLocker};
pub use rwlock::RawRwLock;
#[cfg(not(loom))]
pub use rwlock::{RwLock, RwLockReadGuard, RwLockWriteGuard};
pub use semaphore::Semaphore;
pub use set_once::SetOnce;
pub use thread::{Handle, Limit, MaySleep, NoPreempt, WaitError};
pub use wait_queue::{About, WaitQueue, WaitTable, Waiter};

/// How long each stress test runs: `SYNC_STRESS_SECONDS`, or a short while.
#[cfg(all(test, not(loom)))]
fn stress_time() -> std::time::Duration {
    let seconds = std::env::var("SYNC_STRESS_SECONDS").ok().and_then(|text| text.parse().ok());
    std::time::Duration::from_secs_f64(seconds.unwrap_or(0.5))
}
