//! [`Mutex`]: mutual exclusion whose waiters sleep and which is itself lock-free.
//!
//! Called wherever kernel state is shared; also the lock of the kernel's heap, so nothing here allocates but [`TimedLocker`].
//! After Gidenstam and Papatriantafilou's LFTHREADS (responsibility is handed over), with the hand-over folded into the word
//! that heads the list of waiters. No thread ever waits for another one's *step*, only for the mutex: whoever is paused in
//! the middle of `lock` delays nobody, whoever is paused in `unlock` delays those who wait for this mutex.
//!
//! State: `count` = the holder, the waiters, and those on the way in. `head` = null, HANDOFF ("free, although count says that
//! somebody comes: who changes HANDOFF to null has it"), or the newest of the records that were pushed. `fifo` = the
//! holder's own queue, oldest first; records come to it from `head`, all at once.
//!
//! ```text
//! lock      L0  count += 1; it was 0: locked
//!           L1  head is HANDOFF: to null: locked
//!           L2  head is null or a list: push the record, then sleep until
//!           L3    the record is TAKEN: locked
//!           L4    or, after an offer (U4), head is HANDOFF: to null: locked; the record leaves fifo
//! try_lock  T0  count is 0: to 1: locked
//!           T1  head is HANDOFF: to null, then count += 1: locked; else failed
//! unlock    U0  count -= 1; it was 1: free. Otherwise the mutex stays this thread's business:
//!           U1  fifo is empty and head is null: to HANDOFF; done. Who comes finds it.
//!           U2  fifo is empty and head is a list: take it all (null), into fifo
//!           U3  the oldest record: TAKEN, and its thread wakes as the holder; done
//!           U4  or an offer: head from null to HANDOFF, and the oldest is woken to try L4; done
//!           U5  the oldest record was cancelled: it leaves fifo, count -= 1; it was 1: free; else again from U1
//! timed     C0  a waiter gives up: its record from WAITING to CANCELLED; that fails if it is TAKEN: locked
//!           C1  it comes back: CANCELLED to WAITING, it is still in the queue; fails if TAKEN (U5): from L0
//!           C2  it will not come back: CANCELLED to ORPHAN: who takes it out of the queue frees it
//! ```
//!
//! Orderings, edge by edge; "before" is happens-before:
//! - U0 and U5 release, L0 and T0 acquire `count`: what the last holder did is before the next one. All changes of `count` are
//!   read-modify-writes, so the release is carried through those in between.
//! - U1/U4 release, L1/L4/T1 acquire HANDOFF: the same for a mutex that is passed through `head`.
//! - L2 releases the record (its fields and `next`), U2 acquires the list.
//! - U3 releases TAKEN, L3 acquires it: the holder's work, and `fifo`, go over to the waiter. C0 and C1 acquire when they
//!   fail, because then they have read TAKEN. C2 releases and U3/U5 acquire: the record is freed after its owner's last use.
//! - T1's `count += 1` and the attempts that fail need nothing: `count` only has to be exact, not to publish.
//!
//! No access after the mutex may be gone: U0 and U5 that find 1 are the last access of that unlock; so are the
//! change to HANDOFF and TAKEN, since afterwards only records and handles that are already in hand are used. While `unlock`
//! is between U0 and those, somebody in `count` still waits for the mutex, so nobody may free it.
//!
//! Barging: handing over to a sleeper strictly makes convoys. An unlock therefore *offers* (U4): whoever runs may take
//! the mutex first, the oldest waiter is woken to try. An offer is made at most [`OFFERS`] times to the same waiter, then
//! it gets the mutex (U3): nobody starves. Waiters that may cancel, and those that a condition variable moved here, get no
//! offers, because an offer needs somebody who surely comes.
#![allow(unsafe_code)] // records on the stacks of waiters; lock_api's RawMutex is an unsafe trait

mod raw;
mod record;
mod timed;

#[cfg(loom)]
mod model_mutex;
#[cfg(all(test, loom))]
mod models;

pub use raw::RawMutex;
pub(crate) use record::Record;
pub use timed::TimedLocker;

/// How often an unlock lets others pass before the oldest waiter gets the mutex. `cargo bench -p nospin-sync` with 4 threads
/// on 2 cores of a busy host: 11 million locks per second with 0, 13 with 4, 23 with 16, 32 with 64.
#[cfg(not(loom))]
pub const OFFERS: u8 = 64;
/// One in the models, where both ways must be met within few steps.
#[cfg(loom)]
pub const OFFERS: u8 = 1;

/// Mutual exclusion of access to a `T`. Not for interrupt handlers, and no holder may lock it again.
#[cfg(not(loom))]
pub type Mutex<T> = lock_api::Mutex<RawMutex, T>;

/// Access to the content of a locked [`Mutex`]; dropping it unlocks.
#[cfg(not(loom))]
pub type MutexGuard<'a, T> = lock_api::MutexGuard<'a, RawMutex, T>;

#[cfg(loom)]
pub(crate) use model_mutex::while_unlocked;
#[cfg(loom)]
pub use model_mutex::{Mutex, MutexGuard};

/// Calls `f` with the mutex of a guard, which `f` unlocks and locks again.
#[cfg(not(loom))]
pub(crate) fn while_unlocked<T, R>(guard: &mut MutexGuard<'_, T>, f: impl FnOnce(&RawMutex) -> R) -> R {
    // SAFETY: `f` leaves the mutex locked, and the guard cannot be used in between.
    f(unsafe { MutexGuard::mutex(guard).raw() })
}

/// A mutex that its holder may lock again; it is unlocked when the last guard is dropped.
#[cfg(not(loom))]
pub type ReentrantMutex<T> = lock_api::ReentrantMutex<RawMutex, ThreadIds, T>;

/// Access to the content of a locked [`ReentrantMutex`].
#[cfg(not(loom))]
pub type ReentrantMutexGuard<'a, T> = lock_api::ReentrantMutexGuard<'a, RawMutex, ThreadIds, T>;

/// Says to a [`ReentrantMutex`] who the running thread is.
#[cfg(not(loom))]
#[derive(Debug)]
pub struct ThreadIds;

// SAFETY: `Unpark::id` differs between living threads, and a thread that holds a mutex lives.
#[cfg(not(loom))]
unsafe impl lock_api::GetThreadId for ThreadIds {
    const INIT: Self = ThreadIds;

    fn nonzero_thread_id(&self) -> core::num::NonZeroUsize {
        crate::thread::current().id()
    }
}

#[cfg(all(test, not(loom)))]
mod tests;
