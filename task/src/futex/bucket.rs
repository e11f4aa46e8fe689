//! The waiters of the futexes whose keys share a hash.

use super::{FutexError, WaitFor, Waiter, Wakes, Woken};
use alloc::collections::VecDeque;
use alloc::sync::{Arc, Weak};
use mm::store::BackingStore;

/// What identifies a futex: all who can reach the word agree on it.
#[derive(Clone, Debug)]
pub enum Key {
    /// Only the threads of one address space use it.
    Private {
        /// The address space.
        space: u64,
        /// The word's address in it.
        addr: u64,
    },
    /// A word of a shared mapping.
    Shared {
        /// The file, which stays identifiable as long as a waiter holds its key.
        file: Weak<dyn BackingStore>,
        /// The word's offset in it, bytes.
        offset: u64,
    },
}

impl PartialEq for Key {
    fn eq(&self, other: &Self) -> bool {
        self.parts() == other.parts()
    }
}

impl Eq for Key {}

impl Key {
    fn parts(&self) -> (bool, u64, u64) {
        match self {
            Key::Private { space, addr } => (false, *space, *addr),
            Key::Shared { file, offset } => (true, file.as_ptr().cast::<u8>().addr() as u64, *offset),
        }
    }

    /// Fibonacci hashing of both parts.
    pub(super) fn hash(&self) -> u64 {
        const GOLDEN: u64 = 0x9e37_79b9_7f4a_7c15;
        let (_, object, at) = self.parts();
        ((at >> 2).wrapping_mul(GOLDEN) ^ object).wrapping_mul(GOLDEN) >> 40
    }
}

/// What an entry waits for.
#[derive(Clone, Debug)]
pub(super) enum Kind {
    /// A wake with one of these bits.
    Plain(u32),
    /// The lock that the word is, held by this thread (FUTEX_LOCK_PI).
    Lock(u32),
    /// A move to the lock with this key (FUTEX_WAIT_REQUEUE_PI).
    BeforeLock(Key),
}

/// A thread that waits.
pub(super) struct Entry {
    pub key: Key,
    /// The word's address in the waiting program.
    pub addr: u64,
    pub kind: Kind,
    pub waiter: Arc<Waiter>,
    /// Which of the waiter's futexes this is.
    pub index: u32,
    /// The thread, as lock words name it.
    pub tid: u32,
    /// Locks go to the smallest first (nice value and real-time priority in one number).
    pub priority: i32,
}

impl Entry {
    pub fn plain(futex: &WaitFor<'_>, waiter: &Arc<Waiter>, index: u32) -> Self {
        Entry {
            key: futex.word.key.clone(),
            addr: futex.word.addr,
            kind: Kind::Plain(futex.mask),
            waiter: waiter.clone(),
            index,
            tid: 0,
            priority: 0,
        }
    }
}

/// The entries of one hash, in the order of their coming.
#[derive(Default)]
pub(super) struct Bucket {
    pub entries: VecDeque<Entry>,
}

impl Bucket {
    /// Adds an entry at the end; `number` is the bucket's own.
    #[inline]
    pub fn push(&mut self, entry: Entry, number: usize) -> Result<(), FutexError> {
        self.entries.try_reserve(1).map_err(|_| FutexError::NoMemory)?;
        entry.waiter.set_place(number);
        self.entries.push_back(entry);
        Ok(())
    }

    /// Takes out an entry of `waiter`; false if it has none here.
    pub fn remove(&mut self, waiter: &Arc<Waiter>) -> bool {
        let found = self.entries.iter().position(|entry| Arc::ptr_eq(&entry.waiter, waiter));
        found.is_some_and(|at| self.entries.remove(at).is_some())
    }

    /// See [`super::FutexTable::wake`].
    pub fn wake(
        &mut self,
        key: &Key,
        count: usize,
        mask: u32,
        wakes: &mut Wakes,
    ) -> Result<usize, FutexError> {
        let mut woken = 0;
        let mut at = 0;
        while woken < count
            && let Some(entry) = self.entries.get(at)
        {
            let wanted = match &entry.kind {
                _ if entry.key != *key => false,
                Kind::Plain(bits) => bits & mask != 0,
                Kind::Lock(_) | Kind::BeforeLock(_) if woken == 0 => return Err(FutexError::Invalid),
                Kind::Lock(_) | Kind::BeforeLock(_) => return Ok(woken),
            };
            if !wanted {
                at += 1;
                continue;
            }
            // The entry is large: it is dropped where it is, not moved out first.
            if entry.waiter.claim(Woken::By(entry.index)) {
                wakes.push(entry.waiter.clone());
                woken += 1;
            }
            drop(if at == 0 { self.entries.pop_front() } else { self.entries.remove(at) });
        }
        Ok(woken)
    }
}
