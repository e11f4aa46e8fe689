//! [`RwLock`]: many readers or one writer; who cannot have it sleeps, oldest first.
//!
//! Used for tables that are read much and changed sometimes. One word, `readers << 2 | QUEUED | WRITER`. Without QUEUED it is
//! taken and given back by one exchange. QUEUED is set under the lock of the list while somebody holds the lock; then nobody
//! passes, and the last holder hands over: to the oldest writer, or to all readers up to the next writer.
//!
//! ```text
//! read     no WRITER, no QUEUED: readers + 1 (acquire)     otherwise, under the list's lock: set QUEUED, queue, sleep
//! write    0: WRITER (acquire)                             the same
//! unlock   not QUEUED, or other readers are left: one off (release)
//!          last with QUEUED: under the list's lock: take out the next, the word says that they have it; then deliver
//! ```
//!
//! Orderings: an acquiring exchange reads what a releasing one wrote, or a later one (exchanges carry a release on). The last
//! reader acquires the word in handing over ("rwlock last"), because the readers before it released only to the word; it
//! passes all that on by delivering. The holder stays in the word until it has handed over, so nobody can free the lock
//! before; delivering comes after the last access.
#![allow(unsafe_code)] // waiters on the stacks of their threads; lock_api's RawRwLock is an unsafe trait

use crate::Mutex;
use crate::atomic::{AtomicUsize, Ordering, constant, order};
use crate::list::{List, Node, Note};
use crate::thread::{self, Limit, MaySleep};

const WRITER: usize = 1;
const QUEUED: usize = 2;
const READER: usize = 4;

/// What a waiter wants, in its note.
const READ: u32 = 0;
const WRITE: u32 = 1;

/// The lock without the data.
pub struct RawRwLock {
    word: AtomicUsize,
    list: Mutex<List>,
}

/// Many readers or one writer of a `T`. Not for interrupt handlers; a reader must not read again, a writer may come between.
#[cfg(not(loom))]
pub type RwLock<T> = lock_api::RwLock<RawRwLock, T>;

/// Shared access to the content of a [`RwLock`].
#[cfg(not(loom))]
pub type RwLockReadGuard<'a, T> = lock_api::RwLockReadGuard<'a, RawRwLock, T>;

/// Exclusive access to the content of a [`RwLock`].
#[cfg(not(loom))]
pub type RwLockWriteGuard<'a, T> = lock_api::RwLockWriteGuard<'a, RawRwLock, T>;

/// The word after `kind` has taken the lock, if it may.
#[inline]
fn taken(word: usize, kind: u32) -> Option<usize> {
    match kind {
        READ if word & (WRITER | QUEUED) == 0 => Some(word + READER),
        WRITE if word == 0 => Some(WRITER),
        _ => None,
    }
}

impl RawRwLock {
    constant! {
        /// An unlocked lock.
        pub fn new() -> RawRwLock {
            RawRwLock { word: AtomicUsize::new(0), list: Mutex::new(List::new()) }
        }
    }

    #[inline]
    fn try_take(&self, kind: u32) -> bool {
        let mut word = self.word.load(Ordering::Relaxed);
        while let Some(new) = taken(word, kind) {
            let acquire = order("rwlock take", Ordering::Acquire);
            match self.word.compare_exchange(word, new, acquire, Ordering::Relaxed) {
                Ok(_) => return true,
                Err(now) => word = now,
            }
        }
        false
    }

    #[inline]
    fn take(&self, kind: u32) {
        if !self.try_take(kind) {
            self.take_slow(kind);
        }
    }

    #[cold]
    #[inline(never)]
    fn take_slow(&self, kind: u32) {
        let mut sleep = MaySleep::claim();
        let node = Node::new(Note { flags: kind, ..Note::default() });
        let mut list = self.list.lock();
        // Each further turn, somebody has changed the word.
        loop {
            if self.try_take(kind) {
                return;
            }
            let word = self.word.load(Ordering::Relaxed);
            if word & QUEUED != 0 {
                break;
            }
            let queued = word | QUEUED;
            if taken(word, kind).is_none()
                && self.word.compare_exchange(word, queued, Ordering::Relaxed, Ordering::Relaxed).is_ok()
            {
                break;
            }
        }
        // SAFETY: this function returns when the node is DONE.
        unsafe { list.push(&node) };
        drop(list);
        let delivered = node.wait(&mut sleep, &Limit::NONE);
        thread::give_permit_back();
        debug_assert!(delivered.is_ok(), "no limit, no error");
    }

    /// Gives back what one holder had: [`READER`] or [`WRITER`].
    #[inline]
    fn give_back(&self, held: usize) {
        let mut word = self.word.load(Ordering::Relaxed);
        while word != held | QUEUED {
            let release = order("rwlock release", Ordering::Release);
            match self.word.compare_exchange(word, word - held, release, Ordering::Relaxed) {
                Ok(_) => return,
                Err(now) => word = now,
            }
        }
        self.hand_over();
    }

    /// Hands over to the next, for the last holder, while QUEUED.
    #[cold]
    #[inline(never)]
    fn hand_over(&self) {
        let mut list = self.list.lock();
        let writer = list.first().is_some_and(|first| first.flags == WRITE);
        let popped = if writer {
            list.pop(1, 0, |_| true)
        } else {
            let mut reading = true;
            list.pop(usize::MAX, 0, |note| {
                reading &= note.flags == READ;
                reading
            })
        };
        let holders = if writer { WRITER } else { popped.count * READER };
        let queued = if list.is_empty() { 0 } else { QUEUED };
        // No exchange of others succeeds while QUEUED is set and this thread is the only holder.
        self.word.swap(holders | queued, order("rwlock last", Ordering::AcqRel));
        drop(list);
        popped.deliver();
    }
}

impl Default for RawRwLock {
    fn default() -> Self {
        Self::new()
    }
}

impl core::fmt::Debug for RawRwLock {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_tuple("RawRwLock").field(&self.word.load(Ordering::Relaxed)).finish()
    }
}

// SAFETY: the word counts either readers or one writer, and `taken` lets nobody in beside a writer.
#[cfg(not(loom))]
unsafe impl lock_api::RawRwLock for RawRwLock {
    #[allow(clippy::declare_interior_mutable_const)] // the trait demands this constant
    const INIT: Self = RawRwLock::new();

    type GuardMarker = lock_api::GuardSend;

    #[inline]
    fn lock_shared(&self) {
        self.take(READ);
    }

    #[inline]
    fn try_lock_shared(&self) -> bool {
        self.try_take(READ)
    }

    #[inline]
    unsafe fn unlock_shared(&self) {
        self.give_back(READER);
    }

    #[inline]
    fn lock_exclusive(&self) {
        self.take(WRITE);
    }

    #[inline]
    fn try_lock_exclusive(&self) -> bool {
        self.try_take(WRITE)
    }

    #[inline]
    unsafe fn unlock_exclusive(&self) {
        self.give_back(WRITER);
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::RwLock;

    #[test]
    fn readers_share_and_writers_do_not() {
        let lock = RwLock::new(1);
        let (one, two) = (lock.read(), lock.read());
        assert_eq!(*one + *two, 2);
        assert!(lock.try_write().is_none());
        drop((one, two));
        *lock.write() = 5;
        let writing = lock.write();
        assert!(lock.try_read().is_none());
        drop(writing);
        assert_eq!(*lock.try_read().expect("free"), 5);
    }

    #[test]
    fn stress_of_readers_and_writers() {
        let lock = RwLock::new((0u64, 0u64));
        let end = std::time::Instant::now() + crate::stress_time();
        let mut writes = 0;
        std::thread::scope(|scope| {
            let writers: Vec<_> = (0..6)
                .map(|n| {
                    let lock = &lock;
                    scope.spawn(move || {
                        let mut count = 0;
                        while std::time::Instant::now() < end {
                            if n < 2 {
                                let mut both = lock.write();
                                both.0 += 1;
                                both.1 += 1;
                                count += 1;
                            } else {
                                let both = lock.read();
                                assert_eq!(both.0, both.1);
                            }
                        }
                        count
                    })
                })
                .collect();
            writes = writers.into_iter().map(|writer| writer.join().unwrap()).sum();
        });
        assert_eq!(*lock.try_read().expect("nobody is left"), (writes, writes));
    }
}

#[cfg(all(test, loom))]
mod models {
    use super::{READ, READER, RawRwLock, WRITE, WRITER};
    use crate::thread::MaySleep;
    use crate::weaken::{every_edge_is_needed, explore};
    use loom::cell::UnsafeCell;
    use loom::sync::atomic::{AtomicBool, Ordering};
    use loom::{sync::Arc, thread};

    struct Guarded(RawRwLock, UnsafeCell<u32>);
    // SAFETY: the model checks it.
    unsafe impl Sync for Guarded {}
    // SAFETY: as above.
    unsafe impl Send for Guarded {}

    fn work(guarded: &Guarded, kind: u32) {
        guarded.0.take(kind);
        if kind == WRITE {
            // SAFETY: the model checks it.
            guarded.1.with_mut(|cell| unsafe { *cell += 1 });
            guarded.0.give_back(WRITER);
        } else {
            // SAFETY: the model checks it.
            guarded.1.with(|cell| unsafe { *cell });
            guarded.0.give_back(READER);
        }
    }

    fn threads(preemptions: usize, kinds: &'static [u32]) {
        explore(preemptions, move || {
            let guarded = Arc::new(Guarded(RawRwLock::new(), UnsafeCell::new(0)));
            let others: Vec<_> = kinds[1..]
                .iter()
                .map(|kind| {
                    let guarded = guarded.clone();
                    thread::spawn(move || work(&guarded, *kind))
                })
                .collect();
            work(&guarded, kinds[0]);
            others.into_iter().for_each(|other| other.join().unwrap());
            assert!(guarded.0.try_take(WRITE));
            let writes = kinds.iter().filter(|kind| **kind == WRITE).count() as u32;
            // SAFETY: just locked.
            assert_eq!(guarded.1.with(|cell| unsafe { *cell }), writes);
        });
    }

    #[test]
    fn two_threads() {
        threads(3, &[READ, WRITE]);
        threads(3, &[WRITE, WRITE]);
    }

    #[test]
    fn two_readers_and_a_writer() {
        threads(2, &[READ, READ, WRITE]);
    }

    #[test]
    fn two_writers_and_a_reader() {
        threads(2, &[WRITE, READ, WRITE]);
    }

    /// A thread that takes the lock between its last look and its sleep, while the one that wakes it holds it.
    #[test]
    fn a_lock_before_the_sleep() {
        explore(3, || {
            let shared = Arc::new((Guarded(RawRwLock::new(), UnsafeCell::new(0)), AtomicBool::new(false)));
            let (sleeper, waker) = (crate::thread::current(), shared.clone());
            let other = thread::spawn(move || {
                work(&waker.0, WRITE);
                waker.1.store(true, Ordering::Release);
                sleeper.unpark();
            });
            while !shared.1.load(Ordering::Acquire) {
                work(&shared.0, WRITE);
                crate::thread::park(&mut MaySleep::claim(), None);
            }
            other.join().unwrap();
        });
    }

    #[test]
    fn weakened_orderings_are_noticed() {
        every_edge_is_needed(
            &["rwlock take", "rwlock release", "rwlock last", "list done", "list deliver", "permit"],
            module_path!(),
            &[
                "two_threads",
                "two_readers_and_a_writer",
                "two_writers_and_a_reader",
                "a_lock_before_the_sleep",
            ],
        );
    }
}
