//! [`FileLocks`]: advisory locks on files: those of flock(2) and the record locks of fcntl(2). Held by the [`Vfs`](crate::Vfs).
//!
//! flock(2) locks and record locks of descriptions are set through [`OpenFile`](crate::OpenFile), which gives them back when its
//! last descriptor is closed. Record locks of processes go when the process closes any descriptor of the file: whoever takes a
//! descriptor out of a table says so ([`release`](FileLocks::release)).
//!
//! Invariants: a file has one exclusive flock(2) holder or any number of shared ones; a file without locks has no entry here.
//! Nobody waits in here: a request that would have to wait fails with [`FsError::WouldBlock`], and the caller comes back.

mod ranges;

pub use ranges::{Holder, Range, RecordLock};

use crate::FsError;
use crate::notify::Notifier;
use alloc::vec::Vec;
use core::sync::atomic::{AtomicUsize, Ordering};
use hashbrown::HashMap;
use ranges::Ranges;
use sync::Mutex;

/// A file: its file system's number and its own.
pub type Key = (u64, u64);

/// Who holds a flock(2) lock: different for every open file description that exists.
pub type Owner = usize;

#[derive(Default)]
struct Holders {
    exclusive: bool,
    owners: Vec<Owner>,
}

/// A process that waits for a record lock.
struct Waiter {
    number: u64,
    key: Key,
    wanted: RecordLock,
}

#[derive(Default)]
struct State {
    whole: HashMap<Key, Holders>,
    records: HashMap<Key, Ranges>,
    waiting: Vec<Waiter>,
    next_waiter: u64,
}

/// All locks.
#[derive(Default)]
pub struct FileLocks {
    state: Mutex<State>,
    /// Files with record locks: most programs have none, and closing a file then costs nothing.
    files: AtomicUsize,
    freed: Notifier,
}

/// A wait that is known to those who look for deadlocks, until this is dropped.
pub struct Waiting<'a> {
    locks: &'a FileLocks,
    number: u64,
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.locks.state.lock().waiting.retain(|waiter| waiter.number != self.number);
    }
}

impl State {
    /// Whether somebody whom `holder` waits for, directly or through others, is `goal` (or waits for it).
    fn leads_to(&self, key: Key, wanted: &RecordLock, goal: Holder) -> bool {
        let mut seen = Vec::new();
        let mut next = Vec::new();
        let blockers = |key: &Key, wanted: &RecordLock, next: &mut Vec<Holder>| {
            let locks = self.records.get(key).into_iter().flat_map(Ranges::iter);
            for lock in locks.filter(|lock| lock.conflicts(wanted)) {
                // Without memory the wait is not found to be a deadlock; it is still a wait that signals end.
                if !next.contains(&lock.holder) && next.try_reserve(1).is_ok() {
                    next.push(lock.holder);
                }
            }
        };
        blockers(&key, wanted, &mut next);
        while let Some(holder) = next.pop() {
            if holder == goal {
                return true;
            }
            if seen.contains(&holder) || seen.try_reserve(1).is_err() {
                continue;
            }
            seen.push(holder);
            for waiter in self.waiting.iter().filter(|waiter| waiter.wanted.holder == holder) {
                blockers(&waiter.key, &waiter.wanted, &mut next);
            }
        }
        false
    }
}

impl FileLocks {
    /// Told when a lock has gone.
    pub fn notifier(&self) -> &Notifier {
        &self.freed
    }

    /// Gives `owner` the flock(2) lock on a file, in place of the one it has. Fails with [`FsError::WouldBlock`] while another's
    /// is in the way; the one it had is gone then too (flock(2): the conversion is not atomic).
    pub(crate) fn lock(&self, key: Key, owner: Owner, exclusive: bool) -> Result<(), FsError> {
        let lost = {
            let state = &mut *self.state.lock();
            let lost = state.unlock(key, owner);
            state.whole.try_reserve(1).map_err(|_| FsError::NoLocks)?;
            let taken = state.whole.get(&key);
            if taken.is_some_and(|holders| exclusive || holders.exclusive) {
                (lost, Err(FsError::WouldBlock))
            } else {
                let holders = state.whole.entry(key).or_default();
                let room = holders.owners.try_reserve(1).map_err(|_| FsError::NoLocks);
                if room.is_ok() {
                    holders.owners.push(owner);
                    holders.exclusive = exclusive;
                } else if holders.owners.is_empty() {
                    state.whole.remove(&key);
                }
                (lost, room)
            }
        };
        if lost.0 {
            self.freed.notify();
        }
        lost.1
    }

    /// Takes back the owner's flock(2) lock on a file.
    pub(crate) fn unlock(&self, key: Key, owner: Owner) {
        let lost = self.state.lock().unlock(key, owner);
        if lost {
            self.freed.notify();
        }
    }

    /// Sets a record lock, in place of those that its holder has in the range. Fails with [`FsError::WouldBlock`] while another
    /// holder's is in the way, and changes nothing then.
    pub fn set(&self, key: Key, wanted: &RecordLock) -> Result<(), FsError> {
        {
            let state = &mut *self.state.lock();
            state.records.try_reserve(1).map_err(|_| FsError::NoLocks)?;
            let ranges = state.records.entry(key).or_default();
            let result = if ranges.conflict(wanted).is_some() {
                Err(FsError::WouldBlock)
            } else {
                ranges.set(wanted.holder, wanted.range, Some(wanted.exclusive))
            };
            self.settle(state, key);
            result?;
        }
        // A write lock that became a read lock lets others in.
        if !wanted.exclusive {
            self.freed.notify();
        }
        Ok(())
    }

    /// Takes away the locks that a holder has in a range.
    pub fn clear(&self, key: Key, holder: Holder, range: Range) -> Result<(), FsError> {
        {
            let state = &mut *self.state.lock();
            let Some(ranges) = state.records.get_mut(&key) else { return Ok(()) };
            let result = ranges.set(holder, range, None);
            self.settle(state, key);
            result?;
        }
        self.freed.notify();
        Ok(())
    }

    /// The first lock that stands in the way of `wanted`.
    pub fn conflict(&self, key: Key, wanted: &RecordLock) -> Option<RecordLock> {
        self.state.lock().records.get(&key)?.conflict(wanted).copied()
    }

    /// Takes away all record locks that a holder has on a file.
    pub fn release(&self, key: Key, holder: Holder) {
        if !self.has_records() {
            return;
        }
        {
            let state = &mut *self.state.lock();
            let Some(ranges) = state.records.get_mut(&key) else { return };
            ranges.forget(holder);
            self.settle(state, key);
        }
        self.freed.notify();
    }

    /// Whether any file has record locks.
    pub fn has_records(&self) -> bool {
        self.files.load(Ordering::Acquire) > 0
    }

    /// Makes a wait for `wanted` known. Fails with [`FsError::Deadlock`] if it would wait for itself.
    pub fn wait_for(&self, key: Key, wanted: &RecordLock) -> Result<Waiting<'_>, FsError> {
        let state = &mut *self.state.lock();
        if state.leads_to(key, wanted, wanted.holder) {
            return Err(FsError::Deadlock);
        }
        state.waiting.try_reserve(1).map_err(|_| FsError::NoLocks)?;
        let number = state.next_waiter;
        state.next_waiter += 1;
        state.waiting.push(Waiter { number, key, wanted: *wanted });
        Ok(Waiting { locks: self, number })
    }

    /// Gives every lock to `emit`: the file, the record lock or `None` for flock(2)'s, whether it is exclusive.
    pub fn for_each(&self, mut emit: impl FnMut(Key, Option<&RecordLock>, bool)) {
        let state = self.state.lock();
        for (&key, ranges) in &state.records {
            ranges.iter().for_each(|lock| emit(key, Some(lock), lock.exclusive));
        }
        for (&key, holders) in &state.whole {
            holders.owners.iter().for_each(|_| emit(key, None, holders.exclusive));
        }
    }

    /// After a change of a file's record locks.
    fn settle(&self, state: &mut State, key: Key) {
        if state.records.get(&key).is_some_and(Ranges::is_empty) {
            state.records.remove(&key);
        }
        self.files.store(state.records.len(), Ordering::Release);
    }
}

impl State {
    fn unlock(&mut self, key: Key, owner: Owner) -> bool {
        let Some(holders) = self.whole.get_mut(&key) else { return false };
        let before = holders.owners.len();
        holders.owners.retain(|&other| other != owner);
        let lost = holders.owners.len() < before;
        if holders.owners.is_empty() {
            self.whole.remove(&key);
        }
        lost
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_writer_or_many_readers() {
        let locks = FileLocks::default();
        let file = (1, 1);
        assert_eq!(locks.lock(file, 1, false), Ok(()));
        assert_eq!(locks.lock(file, 2, false), Ok(()));
        assert_eq!(locks.lock((1, 2), 3, true), Ok(()), "another file");
        assert_eq!(locks.lock(file, 3, true), Err(FsError::WouldBlock));
        locks.unlock(file, 1);
        assert_eq!(locks.lock(file, 2, true), Ok(()), "its own lock is not in the way");
        assert_eq!(locks.lock(file, 1, false), Err(FsError::WouldBlock));
        assert_eq!(locks.lock(file, 2, false), Ok(()));
        assert_eq!(locks.lock(file, 1, false), Ok(()));
        for owner in 1..=3 {
            locks.unlock(file, owner);
            locks.unlock((1, 2), owner);
        }
        assert!(locks.state.lock().whole.is_empty());
    }

    fn lock(pid: u32, byte: u64) -> RecordLock {
        let range = Range { start: byte, last: byte };
        RecordLock { holder: Holder::Process(pid), exclusive: true, range }
    }

    #[test]
    fn a_circle_of_waits_is_a_deadlock() {
        let locks = FileLocks::default();
        let (a, b) = ((1, 1), (1, 2));
        locks.set(a, &lock(1, 0)).unwrap();
        locks.set(b, &lock(2, 0)).unwrap();
        locks.set(a, &lock(3, 9)).unwrap();
        assert_eq!(locks.set(b, &lock(1, 0)), Err(FsError::WouldBlock));
        let first = locks.wait_for(b, &lock(1, 0)).unwrap();
        let second = locks.wait_for(a, &lock(2, 9)).unwrap();
        assert_eq!(locks.wait_for(a, &lock(3, 0)).err(), Some(FsError::Deadlock), "3 -> 1 -> 2 -> 3");
        drop(second);
        let third = locks.wait_for(a, &lock(3, 0)).unwrap();
        assert!(locks.wait_for(a, &lock(2, 0)).is_err());
        drop((first, third));
        assert!(locks.wait_for(a, &lock(2, 0)).is_ok());
        assert!(locks.state.lock().waiting.is_empty());
    }

    #[test]
    fn released_as_a_whole() {
        let locks = FileLocks::default();
        let file = (1, 1);
        locks.set(file, &lock(1, 0)).unwrap();
        locks.set(file, &lock(1, 5)).unwrap();
        locks.set(file, &lock(2, 7)).unwrap();
        assert_eq!(locks.conflict(file, &lock(2, 5)), Some(lock(1, 5)));
        locks.release(file, Holder::Process(1));
        assert_eq!(locks.conflict(file, &lock(2, 5)), None);
        assert!(locks.has_records());
        locks.clear(file, Holder::Process(2), Range { start: 0, last: 100 }).unwrap();
        assert!(!locks.has_records());
    }

    /// close(2) of the last descriptor takes a description out of its `Arc`: what it holds must go wherever it is by then.
    #[test]
    fn a_description_gives_back_what_it_took_elsewhere() {
        use crate::{OpenFile, eventfd::EventFd};
        use alloc::sync::Arc;
        let locks = Arc::new(FileLocks::default());
        let new = || OpenFile::new(Arc::new(EventFd::new(0, false)), abi::OpenFlags::RDWR);
        let (first, second) = (new(), new());
        assert_ne!(first.holder(), second.holder());
        first.lock(&locks, true).unwrap();
        let record = RecordLock { holder: first.holder(), ..lock(0, 3) };
        first.set_record(&locks, &record).unwrap();
        assert_eq!(second.lock(&locks, true), Err(FsError::WouldBlock));
        drop(alloc::boxed::Box::new(Arc::into_inner(first).unwrap()));
        assert_eq!(second.lock(&locks, true), Ok(()));
        assert!(!locks.has_records());
    }
}
