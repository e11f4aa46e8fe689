//! The table of futexes (futex(2)): who waits for which word of program memory.
//!
//! Used by futex(2), futex_waitv(2), by the end of a thread (robust lists, clear_child_tid) and by the preloaded library's calls. A
//! futex exists while somebody waits for it: an [`Entry`] in the bucket that its key hashes to.
//!
//! Invariants:
//! - A word is compared, changed and waited for under the lock of its bucket. Program memory is accessed under that lock only with
//!   [`Paging::Forbidden`]; when the page is not there, the lock is given up, the page brought in, and the step done anew.
//! - Two buckets are locked in the order of their numbers.
//! - An entry is in one bucket until it is taken out, by whoever wakes its waiter or by the waiter itself. A waiter is claimed once
//!   ([`Waiter::claim`]), so with several entries it is woken through one of them.
//! - Threads are woken after the locks have been released.

mod bucket;
mod pi;
mod requeue;
#[cfg(test)]
mod tests;
mod waiter;

pub use bucket::Key;
pub use pi::Locker;
pub use requeue::{Comparison, Operation, WakeOp};
pub use waiter::{Waiter, Woken};

use alloc::{boxed::Box, sync::Arc, vec::Vec};
use bucket::{Bucket, Entry};
use mm::user::{Paging, UserMemory};
use sync::{Mutex, MutexGuard};

/// Number of buckets, a power of two.
const BUCKETS: usize = 256;

/// A word of program memory that is used as a futex.
#[derive(Clone, Copy, Debug)]
pub struct Word<'a> {
    /// Its address in the calling program.
    pub addr: u64,
    /// What identifies it to all who share it.
    pub key: &'a Key,
}

/// One futex to wait for.
#[derive(Clone, Copy, Debug)]
pub struct WaitFor<'a> {
    /// Where.
    pub word: Word<'a>,
    /// What it must still hold.
    pub value: u32,
    /// Which wakes count (FUTEX_WAIT_BITSET).
    pub mask: u32,
}

/// Why an operation did not succeed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FutexError {
    /// The word does not hold the expected value (EAGAIN).
    Changed,
    /// The word cannot be accessed (EFAULT).
    Fault,
    /// The time is over (ETIMEDOUT).
    TimedOut,
    /// A signal came (EINTR).
    Interrupted,
    /// No memory (ENOMEM).
    NoMemory,
    /// The caller holds the lock already (EDEADLK).
    Deadlock,
    /// The caller does not hold the lock (EPERM).
    NotOwner,
    /// The holder does not exist (ESRCH).
    NoOwner,
    /// Waiters of another kind, or words that do not belong together (EINVAL).
    Invalid,
    /// Somebody else has the lock (EAGAIN or EWOULDBLOCK of FUTEX_TRYLOCK_PI).
    Busy,
}

/// How one pause of a waiter ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pause {
    /// Look again.
    Again,
    /// The time is over.
    TimedOut,
    /// A signal waits.
    Interrupted,
}

/// The futexes of the machine.
pub struct FutexTable {
    buckets: Box<[Mutex<Bucket>]>,
}

impl Default for FutexTable {
    fn default() -> Self {
        Self::new()
    }
}

impl FutexTable {
    /// Without waiters.
    pub fn new() -> Self {
        FutexTable { buckets: (0..BUCKETS).map(|_| Mutex::new(Bucket::default())).collect() }
    }

    fn number(&self, key: &Key) -> usize {
        key.hash() as usize % BUCKETS
    }

    fn lock(&self, number: usize) -> MutexGuard<'_, Bucket> {
        // There are as many.
        self.buckets[number % BUCKETS].lock()
    }

    /// The buckets of two keys, locked; the second is `None` if it is the first.
    fn lock_both(&self, a: &Key, b: &Key) -> (MutexGuard<'_, Bucket>, Option<MutexGuard<'_, Bucket>>) {
        let (first, second) = (self.number(a), self.number(b));
        if first == second {
            return (self.lock(first), None);
        }
        if first < second {
            let guard = self.lock(first);
            (guard, Some(self.lock(second)))
        } else {
            let guard = self.lock(second);
            (self.lock(first), Some(guard))
        }
    }

    /// Waits until one of `futexes` is woken; returns which (FUTEX_WAIT, FUTEX_WAIT_BITSET, futex_waitv(2)). `pause` lets the
    /// thread of `waiter` sleep until it is unparked or something else ends the wait.
    ///
    /// # Errors
    /// [`FutexError`]: `Changed`, `Fault`, `NoMemory`, and how `pause` ended.
    pub fn wait(
        &self,
        futexes: &[WaitFor<'_>],
        waiter: &Arc<Waiter>,
        memory: &dyn UserMemory,
        pause: &mut dyn FnMut() -> Pause,
    ) -> Result<u32, FutexError> {
        waiter.begin();
        for (index, futex) in (0..).zip(futexes) {
            let entry = || Entry::plain(futex, waiter, index);
            if let Err(error) = self.enqueue(futex.word, futex.value, entry, memory) {
                let before = futexes.get(..index as usize).unwrap_or_default();
                // Woken through one of the earlier ones meanwhile: then that counts.
                return match self.withdraw_all(before, waiter) {
                    Some(Woken::By(index)) => Ok(index),
                    _ => Err(error),
                };
            }
        }
        let woken = self.sleep(waiter, pause);
        if let ([_], Ok(Woken::By(index))) = (futexes, woken) {
            // Whoever claimed the waiter has taken its one entry.
            return Ok(index);
        }
        // The entries that nobody took; a wake that came at the last moment shows here, too.
        let late = self.withdraw_all(futexes, waiter);
        match (woken, late) {
            (Ok(Woken::By(index)), _) | (_, Some(Woken::By(index))) => Ok(index),
            (Err(error), _) => Err(error),
            // Only the PI operations make owners.
            (Ok(Woken::Owner), _) => Err(FutexError::Invalid),
        }
    }

    /// Puts an entry into the bucket of `at` if the word holds `value`. The entry is made where it is put: it is large.
    fn enqueue(
        &self,
        at: Word<'_>,
        value: u32,
        entry: impl Fn() -> Entry,
        memory: &dyn UserMemory,
    ) -> Result<(), FutexError> {
        let number = self.number(at.key);
        loop {
            let mut bucket = self.lock(number);
            match memory.load(at.addr, Paging::Forbidden) {
                Ok(word) if word != value => return Err(FutexError::Changed),
                Ok(_) => return bucket.push(entry(), number),
                Err(_) => {
                    drop(bucket);
                    memory.load(at.addr, Paging::Allowed).map_err(|_| FutexError::Fault)?;
                }
            }
        }
    }

    fn sleep(&self, waiter: &Waiter, pause: &mut dyn FnMut() -> Pause) -> Result<Woken, FutexError> {
        loop {
            if let Some(woken) = waiter.woken() {
                return Ok(woken);
            }
            match pause() {
                Pause::Again => {}
                Pause::TimedOut => return waiter.woken().ok_or(FutexError::TimedOut),
                Pause::Interrupted => return waiter.woken().ok_or(FutexError::Interrupted),
            }
        }
    }

    /// Takes out what is left of the entries of `waiter`; returns how it was woken, if it was.
    fn withdraw_all(&self, futexes: &[WaitFor<'_>], waiter: &Arc<Waiter>) -> Option<Woken> {
        match futexes {
            // A single entry is where the waiter says it is: it may have been moved.
            [_] => self.withdraw(waiter),
            _ => {
                for futex in futexes {
                    self.lock(self.number(futex.word.key)).remove(waiter);
                }
            }
        }
        waiter.woken()
    }

    /// Takes the one entry of `waiter` out of the bucket that it is in, unless it has been woken.
    fn withdraw(&self, waiter: &Arc<Waiter>) {
        // Each turn but the last means that somebody moved the entry meanwhile.
        while waiter.woken().is_none() {
            let number = waiter.place();
            let mut bucket = self.lock(number);
            if bucket.remove(waiter) || number == waiter.place() {
                return;
            }
        }
    }

    /// Wakes up to `count` of those who wait for `key` with a mask that shares a bit with `mask`; returns how many (FUTEX_WAKE,
    /// FUTEX_WAKE_BITSET).
    ///
    /// # Errors
    /// `Invalid` if one of them waits for a lock (FUTEX_LOCK_PI).
    pub fn wake(&self, key: &Key, count: usize, mask: u32) -> Result<usize, FutexError> {
        let mut woken = Wakes::new();
        let result = self.lock(self.number(key)).wake(key, count, mask, &mut woken);
        woken.unpark();
        result
    }
}

/// Waiters that have been claimed and are to be unparked once no lock is held.
struct Wakes {
    /// Mostly there is one, which needs no memory.
    first: Option<Arc<Waiter>>,
    more: Vec<Arc<Waiter>>,
}

impl Wakes {
    const fn new() -> Self {
        Wakes { first: None, more: Vec::new() }
    }

    fn push(&mut self, waiter: Arc<Waiter>) {
        if self.first.is_none() {
            self.first = Some(waiter);
        } else if self.more.try_reserve(1).is_ok() {
            self.more.push(waiter);
        } else {
            // Without memory it is woken under the lock, which costs time only.
            waiter.unpark();
        }
    }

    fn unpark(self) {
        if let Some(waiter) = self.first {
            waiter.unpark();
        }
        self.more.into_iter().for_each(|waiter| waiter.unpark());
    }
}
