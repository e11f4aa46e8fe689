//! Locks whose word names the holder: FUTEX_LOCK_PI and its kin, and what becomes of them when the holder ends.
//!
//! The word is 0, or the holder's thread number with FUTEX_WAITERS if somebody may be waiting here; FUTEX_OWNER_DIED says that the
//! holder before ended without unlocking. The lock is handed to the waiter with the highest priority. The holder itself is not
//! lifted to that priority: threads of other priorities on the same CPU can delay it, which Linux would prevent.

use super::bucket::{Bucket, Entry, Kind};
use super::{FutexError, FutexTable, Pause, Waiter, Wakes, Woken, Word};
use abi::general::{FUTEX_OWNER_DIED, FUTEX_TID_MASK, FUTEX_WAITERS};
use alloc::sync::Arc;
use mm::user::{Paging, UserMemory};

/// A thread that wants a lock.
#[derive(Clone, Copy)]
pub struct Locker<'a> {
    /// Its number.
    pub tid: u32,
    /// The smallest gets the lock first.
    pub priority: i32,
    /// Its part in the wait.
    pub waiter: &'a Arc<Waiter>,
}

/// What came of an attempt to take a lock.
enum Attempt {
    Taken,
    /// By this thread; FUTEX_WAITERS is set now.
    Held(u32),
    /// The page is not there, or cannot be written.
    Fault,
}

/// Takes the lock for `tid` if it is free; otherwise sees to it that its holder unlocks through the kernel.
fn attempt(addr: u64, tid: u32, queued: bool, memory: &dyn UserMemory) -> Attempt {
    let Ok(mut word) = memory.load(addr, Paging::Forbidden) else { return Attempt::Fault };
    loop {
        let holder = word & FUTEX_TID_MASK;
        if holder == tid {
            return Attempt::Held(holder);
        }
        let new = if holder == 0 {
            let waiters = if queued { FUTEX_WAITERS } else { 0 };
            tid | word & FUTEX_OWNER_DIED | waiters
        } else {
            word | FUTEX_WAITERS
        };
        match memory.compare_exchange(addr, word, new, Paging::Forbidden) {
            Ok(was) if was == word && holder == 0 => return Attempt::Taken,
            Ok(was) if was == word => return Attempt::Held(holder),
            Ok(was) => word = was,
            Err(_) => return Attempt::Fault,
        }
    }
}

/// Brings in the page of a word, to be written.
fn page_in(addr: u64, memory: &dyn UserMemory) -> Result<(), FutexError> {
    memory.compare_exchange(addr, 0, 0, Paging::Allowed).map(|_| ()).map_err(|_| FutexError::Fault)
}

impl FutexTable {
    /// Takes the lock at `word`, waiting for it as `pause` says (FUTEX_LOCK_PI, FUTEX_LOCK_PI2), or not at all without a
    /// `pause` (FUTEX_TRYLOCK_PI). `exists` tells whether a thread lives.
    ///
    /// # Errors
    /// `Deadlock`, `NoOwner`, `Busy`, `Fault`, `NoMemory`, and how `pause` ended.
    pub fn lock_pi(
        &self,
        word: Word<'_>,
        locker: Locker<'_>,
        exists: &dyn Fn(u32) -> bool,
        memory: &dyn UserMemory,
        pause: Option<&mut dyn FnMut() -> Pause>,
    ) -> Result<(), FutexError> {
        locker.waiter.begin();
        let number = self.number(word.key);
        loop {
            let mut bucket = self.lock(number);
            let queued = bucket.next_locker(word.key).is_some();
            match attempt(word.addr, locker.tid, queued, memory) {
                Attempt::Taken => return Ok(()),
                Attempt::Held(holder) if holder == locker.tid => return Err(FutexError::Deadlock),
                Attempt::Held(holder) if !exists(holder) => return Err(FutexError::NoOwner),
                Attempt::Held(_) if pause.is_none() => return Err(FutexError::Busy),
                Attempt::Held(holder) => {
                    bucket.push(Entry::locker(word, locker, Kind::Lock(holder)), number)?;
                    break;
                }
                Attempt::Fault => {
                    drop(bucket);
                    page_in(word.addr, memory)?;
                }
            }
        }
        match pause {
            Some(pause) => self.sleep_for_lock(locker.waiter, pause),
            None => Err(FutexError::Busy),
        }
    }

    fn sleep_for_lock(
        &self,
        waiter: &Arc<Waiter>,
        pause: &mut dyn FnMut() -> Pause,
    ) -> Result<(), FutexError> {
        let result = self.sleep(waiter, pause);
        if result.is_err() {
            self.withdraw(waiter);
        }
        match (waiter.woken(), result) {
            (Some(Woken::Owner), _) => Ok(()),
            (_, Err(error)) => Err(error),
            // Nobody but a lock's holder wakes those who wait for it.
            (_, Ok(_)) => Err(FutexError::Invalid),
        }
    }

    /// Gives up the lock at `word`, to the next waiter if there is one (FUTEX_UNLOCK_PI).
    ///
    /// # Errors
    /// `NotOwner`, `Fault`.
    pub fn unlock_pi(&self, word: Word<'_>, tid: u32, memory: &dyn UserMemory) -> Result<(), FutexError> {
        let mut wakes = Wakes::new();
        loop {
            let mut bucket = self.lock(self.number(word.key));
            let held = memory.load(word.addr, Paging::Forbidden);
            if held.is_ok_and(|word| word & FUTEX_TID_MASK != tid) {
                return Err(FutexError::NotOwner);
            }
            let done = held.ok().and_then(|held| hand_over(&mut bucket, word, held, 0, memory, &mut wakes));
            drop(bucket);
            if done.is_some() {
                break;
            }
            page_in(word.addr, memory)?;
        }
        wakes.unpark();
        Ok(())
    }

    /// Waits at `word` until FUTEX_CMP_REQUEUE_PI moves the caller to the lock `target` and it gets that lock
    /// (FUTEX_WAIT_REQUEUE_PI).
    ///
    /// # Errors
    /// `Changed`, `Fault`, `NoMemory`, and how `pause` ended.
    pub fn wait_requeue_pi(
        &self,
        word: Word<'_>,
        value: u32,
        target: Word<'_>,
        locker: Locker<'_>,
        memory: &dyn UserMemory,
        pause: &mut dyn FnMut() -> Pause,
    ) -> Result<(), FutexError> {
        if word.key == target.key {
            return Err(FutexError::Invalid);
        }
        locker.waiter.begin();
        let entry = || Entry::locker(word, locker, Kind::BeforeLock(target.key.clone()));
        self.enqueue(word, value, entry, memory)?;
        self.sleep_for_lock(locker.waiter, pause)
    }

    /// Gives the lock `to` to the first waiter of `from`, or has it and up to `count` others wait for that lock, if `from` holds
    /// `expected`. Returns how many that were (FUTEX_CMP_REQUEUE_PI).
    ///
    /// # Errors
    /// `Changed`, `Fault`, `NoMemory`; `Invalid` if one of them waits for something else; `NoOwner`.
    pub fn requeue_pi(
        &self,
        from: Word<'_>,
        to: Word<'_>,
        count: usize,
        expected: u32,
        exists: &dyn Fn(u32) -> bool,
        memory: &dyn UserMemory,
    ) -> Result<usize, FutexError> {
        if from.key == to.key {
            return Err(FutexError::Invalid);
        }
        let mut wakes = Wakes::new();
        let mut done = 0;
        let result = loop {
            let (mut first, mut second) = self.lock_both(from.key, to.key);
            let fault = match memory.load(from.addr, Paging::Forbidden) {
                Ok(word) if word != expected && done == 0 => break Err(FutexError::Changed),
                Ok(_) => {
                    let number = self.number(to.key);
                    let step = Requeue { from, to, limit: count.saturating_add(1), number, exists };
                    match step.run(&mut first, second.as_deref_mut(), &mut done, memory, &mut wakes) {
                        Ok(true) => break Ok(done),
                        Ok(false) => to.addr,
                        Err(error) => break Err(error),
                    }
                }
                Err(_) => from.addr,
            };
            drop((first, second));
            let paged = if fault == to.addr {
                page_in(fault, memory)
            } else {
                memory.load(fault, Paging::Allowed).map(|_| ()).map_err(|_| FutexError::Fault)
            };
            if let Err(error) = paged {
                break if done > 0 { Ok(done) } else { Err(error) };
            }
        };
        wakes.unpark();
        result
    }

    /// Passes on the locks that the ended thread `tid` held and others wait for.
    pub fn abandon(&self, tid: u32, memory: &dyn UserMemory) {
        for number in 0..self.buckets.len() {
            let mut wakes = Wakes::new();
            loop {
                let mut bucket = self.lock(number);
                let Some((addr, key)) = bucket.waits_for(tid) else { break };
                let word = Word { addr, key: &key };
                let done = memory
                    .load(addr, Paging::Forbidden)
                    .ok()
                    .and_then(|held| hand_over(&mut bucket, word, held, FUTEX_OWNER_DIED, memory, &mut wakes))
                    .is_some();
                drop(bucket);
                if !done && page_in(addr, memory).is_err() {
                    // The word is gone, so the lock is: its waiters find that out one by one.
                    self.lock(number).drop_waiters_for(tid, &mut wakes);
                }
            }
            wakes.unpark();
        }
    }
}

/// Makes the next waiter the holder of the lock, or the lock free. `None` if the word's page is not there.
fn hand_over(
    bucket: &mut Bucket,
    word: Word<'_>,
    mut held: u32,
    died: u32,
    memory: &dyn UserMemory,
    wakes: &mut Wakes,
) -> Option<()> {
    let next = bucket.next_locker(word.key);
    let new = match next.and_then(|at| bucket.entries.get(at)) {
        Some(entry) => entry.tid | FUTEX_WAITERS | died,
        None => died,
    };
    loop {
        let was = memory.compare_exchange(word.addr, held, new, Paging::Forbidden).ok()?;
        if was == held {
            break;
        }
        held = was;
    }
    if let Some(entry) = next.and_then(|at| bucket.entries.remove(at)) {
        for other in bucket.entries.iter_mut().filter(|other| other.key == *word.key) {
            if let Kind::Lock(holder) = &mut other.kind {
                *holder = entry.tid;
            }
        }
        if entry.waiter.claim(Woken::Owner) {
            wakes.push(entry.waiter);
        }
    }
    Some(())
}

/// The moving part of FUTEX_CMP_REQUEUE_PI.
struct Requeue<'a> {
    from: Word<'a>,
    to: Word<'a>,
    /// Entries to treat in all.
    limit: usize,
    /// The number of the second bucket.
    number: usize,
    exists: &'a dyn Fn(u32) -> bool,
}

impl Requeue<'_> {
    /// Treats entries until `done` reaches the limit or none are left (true), or the lock's page is missing (false).
    fn run(
        &self,
        first: &mut Bucket,
        mut second: Option<&mut Bucket>,
        done: &mut usize,
        memory: &dyn UserMemory,
        wakes: &mut Wakes,
    ) -> Result<bool, FutexError> {
        while *done < self.limit {
            let Some(at) = first.entries.iter().position(|entry| entry.key == *self.from.key) else { break };
            let Some(entry) = first.entries.get(at) else { break };
            if !matches!(&entry.kind, Kind::BeforeLock(target) if target == self.to.key) {
                return Err(FutexError::Invalid);
            }
            let queued = second.as_deref().unwrap_or(first).next_locker(self.to.key).is_some();
            match attempt(self.to.addr, entry.tid, queued, memory) {
                Attempt::Fault => return Ok(false),
                Attempt::Taken => {
                    if let Some(entry) = first.entries.remove(at)
                        && entry.waiter.claim(Woken::Owner)
                    {
                        wakes.push(entry.waiter);
                    }
                }
                Attempt::Held(holder) if holder == entry.tid => return Err(FutexError::Deadlock),
                Attempt::Held(holder) if !(self.exists)(holder) => return Err(FutexError::NoOwner),
                Attempt::Held(holder) => {
                    let target = second.as_deref_mut().unwrap_or(first);
                    target.entries.try_reserve(1).map_err(|_| FutexError::NoMemory)?;
                    if let Some(entry) = first.entries.remove(at) {
                        let (key, addr) = (self.to.key.clone(), self.to.addr);
                        let entry = Entry { key, addr, kind: Kind::Lock(holder), ..entry };
                        second.as_deref_mut().unwrap_or(first).push(entry, self.number)?;
                    }
                }
            }
            *done += 1;
        }
        Ok(true)
    }
}

impl Entry {
    fn locker(word: Word<'_>, locker: Locker<'_>, kind: Kind) -> Self {
        Entry {
            key: word.key.clone(),
            addr: word.addr,
            kind,
            waiter: locker.waiter.clone(),
            index: 0,
            tid: locker.tid,
            priority: locker.priority,
        }
    }
}

impl Bucket {
    /// Who gets the lock `key` next: the first of those with the highest priority.
    fn next_locker(&self, key: &super::Key) -> Option<usize> {
        let lockers = self.entries.iter().enumerate();
        lockers
            .filter(|(_, entry)| matches!(entry.kind, Kind::Lock(_)) && entry.key == *key)
            .min_by_key(|(_, entry)| entry.priority)
            .map(|(at, _)| at)
    }

    /// A lock that the thread `tid` holds and somebody waits for.
    fn waits_for(&self, tid: u32) -> Option<(u64, super::Key)> {
        let waits = |entry: &&Entry| matches!(entry.kind, Kind::Lock(holder) if holder == tid);
        self.entries.iter().find(waits).map(|entry| (entry.addr, entry.key.clone()))
    }

    /// Gives locks whose words have gone to all who wait for them.
    fn drop_waiters_for(&mut self, tid: u32, wakes: &mut Wakes) {
        self.entries.retain(|entry| {
            let waits = matches!(entry.kind, Kind::Lock(holder) if holder == tid);
            if waits && entry.waiter.claim(Woken::Owner) {
                wakes.push(entry.waiter.clone());
            }
            !waits
        });
    }
}
