//! The threads of a process: how one begins and ends, and which of them takes a signal.
//!
//! Called by clone(2), exit(2), the calls about single threads, and whoever sends signals. The first thread stays known until the
//! process ends, also when it has ended before the others.
//!
//! Lock order: the table of threads is a leaf; nothing is locked, woken or freed under it.

use crate::futex::{Key, Word};
use crate::limits::max_threads;
use crate::transfers::Transferred;
use crate::{ExitStatus, NewThread, NoThread, Platform, Process, Runner, Thread, Treatment};
use abi::general::{FUTEX_OWNER_DIED, FUTEX_TID_MASK, FUTEX_WAITERS};
use abi::{SigSet, Signal, UserRegs};
use alloc::collections::BTreeMap;
use alloc::sync::Arc;
use core::ops::Bound;
use core::sync::atomic::{Ordering, fence};
use mm::addr::VirtAddr;
use mm::user::{Paging, UserMemory, UserPtr};
use mm::vma::{Backing, Prot, VmaFlags};

/// Numbers of threads are below this (proc(5), pid_max).
pub const MAX_TID: u32 = 4 << 20;
/// Entries of a robust list that are looked at (ROBUST_LIST_LIMIT).
const ROBUST_LIMIT: usize = 2048;
/// `FUTEX_BITSET_MATCH_ANY`.
const ANY: u32 = u32::MAX;

/// The threads that live.
pub(crate) struct Threads {
    live: BTreeMap<u32, Arc<Thread>>,
    last_tid: u32,
    /// How many have left the table and not yet told those who wait for their end.
    ending: usize,
    /// Processor time of those that have ended, nanoseconds, and where timer interrupts found them.
    ended_time: u64,
    ended_samples: (u64, u64),
    /// What those have read and written, and how they were treated.
    ended_transfers: Transferred,
    ended_treatment: Treatment,
    /// How many there have been.
    made: u64,
    /// What the first thread left, if it has ended.
    leader_status: Option<u8>,
}

impl Threads {
    pub fn new(main: Arc<Thread>) -> Self {
        let last_tid = main.tid;
        let live = BTreeMap::from([(main.tid, main)]);
        Threads {
            live,
            last_tid,
            ending: 0,
            ended_time: 0,
            ended_samples: (0, 0),
            ended_transfers: Transferred::default(),
            ended_treatment: Treatment::default(),
            made: 1,
            leader_status: None,
        }
    }

    /// A number that no thread has.
    fn next_tid(&mut self) -> Result<u32, NoThread> {
        for _ in 0..=self.live.len() {
            self.last_tid =
                if self.last_tid + 1 >= MAX_TID { crate::FIRST_PID + 1 } else { self.last_tid + 1 };
            if !self.live.contains_key(&self.last_tid) {
                return Ok(self.last_tid);
            }
        }
        Err(NoThread)
    }
}

impl Process {
    /// A thread that lives, or the first one.
    pub fn thread(&self, tid: u32) -> Option<Arc<Thread>> {
        if tid == self.pid {
            return Some(self.main_thread().clone());
        }
        self.threads().live.get(&tid).cloned()
    }

    /// Whether a thread lives.
    pub fn has_thread(&self, tid: u32) -> bool {
        self.threads().live.contains_key(&tid)
    }

    /// How many threads live.
    pub fn thread_count(&self) -> usize {
        self.threads().live.len()
    }

    /// Whether no thread but the caller can do anything any more.
    pub fn is_alone(&self) -> bool {
        self.population.load(Ordering::Relaxed) <= 1
    }

    /// The lowest number at or above `from` of a thread, also of a first one that has ended.
    pub fn next_thread(&self, from: u32) -> Option<u32> {
        if from <= self.pid {
            return Some(self.pid);
        }
        self.threads().live.range(from..).next().map(|(&tid, _)| tid)
    }

    /// The thread after `tid`.
    fn thread_after(&self, tid: u32) -> Option<Arc<Thread>> {
        let after = (Bound::Excluded(tid), Bound::Unbounded);
        self.threads().live.range(after).next().map(|(_, thread)| thread.clone())
    }

    /// Makes a thread that goes on with `regs` once it [`begins`](Self::begin_thread). It inherits the mask of `creator`.
    ///
    /// # Errors
    /// [`NoThread`].
    pub fn new_thread(
        &self,
        platform: &dyn Platform,
        creator: &Thread,
        regs: UserRegs,
        fs_base: u64,
    ) -> Result<Arc<Thread>, NoThread> {
        let process = self.weak().upgrade().ok_or(NoThread)?;
        let most = max_threads(platform.memory().total);
        let tid = {
            let mut threads = self.threads();
            if (threads.live.len() + threads.ending) as u64 >= most {
                return Err(NoThread);
            }
            threads.next_tid()?
        };
        let thread = Arc::new(Thread::new(tid));
        thread.set_mask(creator.mask());
        thread.set_name(&creator.name());
        let scheduling = creator.scheduling().inherited();
        thread.set_scheduling(scheduling);
        let runner = platform.new_thread(NewThread { process, thread: thread.clone(), regs, fs_base })?;
        platform.set_scheduling(&runner, scheduling);
        thread.set_runner(runner);
        let mut threads = self.threads();
        threads.live.insert(tid, thread.clone());
        threads.made += 1;
        self.population.fetch_add(1, Ordering::Relaxed);
        drop(threads);
        Ok(thread)
    }

    /// Lets a new thread run.
    pub fn begin_thread(&self, thread: &Thread) {
        if let Some(runner) = thread.runner() {
            runner.handle.unpark();
        }
    }

    /// Ends the calling thread for others: its locks are passed on, its number is cleared. `Some` if it was the last, and the
    /// process ends.
    pub fn end_thread(&self, platform: &dyn Platform, thread: &Thread, status: u8) -> Option<ExitStatus> {
        let memory = platform.user_memory();
        let alone = self.thread_count() == 1;
        if !alone {
            self.futexes.abandon(thread.tid, memory);
        }
        self.release_robust_list(thread, memory);
        let left = {
            let time = thread.run_time(platform);
            let (user, system) = thread.samples.get();
            let treatment = thread.treatment(platform);
            let mut threads = self.threads();
            threads.ended_time = threads.ended_time.saturating_add(time);
            threads.ended_samples.0 += user;
            threads.ended_samples.1 += system;
            threads.ended_transfers = threads.ended_transfers.plus(thread.transfers.get());
            threads.ended_treatment = threads.ended_treatment.plus(treatment);
            let gone = threads.live.remove(&thread.tid);
            threads.ending += 1;
            if thread.tid == self.pid {
                threads.leader_status = Some(status);
            }
            let left = (threads.live.is_empty(), threads.leader_status);
            drop(threads);
            drop(gone);
            left
        };
        if let (true, leader) = left {
            return Some(ExitStatus::Code(leader.unwrap_or(status)));
        }
        // Those who began to wait for a lock of this thread before it had left the table.
        self.futexes.abandon(thread.tid, memory);
        let tid_at = thread.clear_child_tid.load(Ordering::Relaxed);
        if tid_at != 0 && UserPtr::new(tid_at).write(memory, &0u32).is_ok() {
            self.wake_futex(tid_at);
        }
        // A signal of the process that it was chosen for goes to another.
        self.retarget(SigSet(!0));
        let mut threads = self.threads();
        threads.ending -= 1;
        self.population.fetch_sub(1, Ordering::Relaxed);
        drop(threads);
        None
    }

    /// Wakes one who waits for the word at `addr`.
    fn wake_futex(&self, addr: u64) {
        let Some(key) = self.futex_key(addr, true) else { return };
        // Those who wait for a lock there are not woken by this.
        let _ = self.futexes.wake(&key, 1, ANY);
    }

    /// What identifies the word at `addr`: its address, or its place in a file if `shared` and the mapping is. `None` for a
    /// `shared` word that nobody else can see and nobody can change.
    pub fn futex_key(&self, addr: u64, shared: bool) -> Option<Key> {
        let private = || Key::Private { space: u64::from(self.pid), addr };
        if !shared {
            return Some(private());
        }
        let space = self.space();
        let Some(vma) = space.find(VirtAddr(addr)) else { return Some(private()) };
        if !vma.flags.contains(VmaFlags::SHARED) {
            let constant = matches!(vma.backing, Backing::Anonymous) && !vma.prot.contains(Prot::WRITE);
            return (!constant).then(private);
        }
        Some(match &vma.backing {
            Backing::File(file) => {
                let offset = vma.file_offset().saturating_add(addr.saturating_sub(vma.start));
                Key::Shared { file: Arc::downgrade(&file.store), offset }
            }
            _ => private(),
        })
    }

    /// Walks the list of locks that the thread holds, which lies in its memory (get_robust_list(2)).
    fn release_robust_list(&self, thread: &Thread, memory: &dyn UserMemory) {
        let (head, _) = *thread.robust_list.lock();
        let word = |addr: u64| UserPtr::<u64>::new(addr).read(memory).ok();
        if head == 0 {
            return;
        }
        let (Some(mut next), Some(offset), Some(pending)) =
            (word(head), word(head.wrapping_add(8)), word(head.wrapping_add(16)))
        else {
            return;
        };
        for _ in 0..ROBUST_LIMIT {
            let (entry, pi) = (next & !1, next & 1 != 0);
            if entry == head {
                break;
            }
            // Read first: who is woken may change the entry.
            let after = word(entry);
            if entry != pending & !1
                && !self.lock_died(thread.tid, entry.wrapping_add(offset), pi, false, memory)
            {
                return;
            }
            match after {
                Some(after) => next = after,
                None => return,
            }
        }
        if pending & !1 != 0 {
            let at = (pending & !1).wrapping_add(offset);
            self.lock_died(thread.tid, at, pending & 1 != 0, true, memory);
        }
    }

    /// Marks the lock at `addr` if the ended thread held it, and wakes somebody who waits for it. False if it cannot.
    fn lock_died(&self, tid: u32, addr: u64, pi: bool, pending: bool, memory: &dyn UserMemory) -> bool {
        if !addr.is_multiple_of(4) {
            return false;
        }
        let Ok(mut held) = memory.load(addr, Paging::Allowed) else { return false };
        loop {
            if held & FUTEX_TID_MASK != tid {
                // It was given up, but who waits has perhaps not been woken any more.
                if pending && !pi && held & FUTEX_TID_MASK == 0 {
                    self.wake_futex(addr);
                }
                return true;
            }
            let new = held & FUTEX_WAITERS | FUTEX_OWNER_DIED;
            match memory.compare_exchange(addr, held, new, Paging::Allowed) {
                Ok(was) if was == held => break,
                Ok(was) => held = was,
                Err(_) => return false,
            }
        }
        if !pi && held & FUTEX_WAITERS != 0 {
            self.wake_futex(addr);
        }
        true
    }

    /// Processor time of all threads, also those that have ended, and where timer interrupts found them.
    pub(crate) fn time_of_threads(&self, platform: &dyn Platform) -> (u64, (u64, u64)) {
        let (mut time, mut samples) = {
            let threads = self.threads();
            (threads.ended_time, threads.ended_samples)
        };
        let mut tid = 0;
        while let Some(thread) = self.thread_after(tid) {
            let (user, system) = thread.samples.get();
            time = time.saturating_add(thread.run_time(platform));
            samples = (samples.0 + user, samples.1 + system);
            tid = thread.tid;
        }
        (time, samples)
    }

    /// What all threads have read and written, also those that have ended.
    pub fn transferred(&self) -> Transferred {
        let mut sum = self.threads().ended_transfers;
        self.for_each_thread(|thread| sum = sum.plus(thread.transfers.get()));
        sum
    }

    /// How all threads have been treated, also those that have ended.
    pub fn treatment(&self, platform: &dyn Platform) -> Treatment {
        let mut sum = self.threads().ended_treatment;
        self.for_each_thread(|thread| sum = sum.plus(thread.treatment(platform)));
        sum
    }

    /// How many threads there have been, and the number of the last.
    pub fn threads_made(&self) -> (u64, u32) {
        let threads = self.threads();
        (threads.made, threads.last_tid)
    }

    /// Does something with every thread that lives.
    pub fn for_each_thread(&self, mut f: impl FnMut(&Arc<Thread>)) {
        let mut tid = 0;
        while let Some(thread) = self.thread_after(tid) {
            f(&thread);
            tid = thread.tid;
        }
    }

    /// Chooses a thread that takes `signal` of the process, rather the first, and tells it. If all block it, it waits.
    pub(crate) fn choose_thread(&self, signal: Signal) {
        // After the signal has been put in: see `set_mask`.
        fence(Ordering::SeqCst);
        let bit = 1u64 << signal.index();
        let main = self.main_thread();
        let chosen = if main.wants(bit) && self.has_thread(main.tid) {
            Some(main.clone())
        } else {
            self.threads().live.values().find(|thread| thread.wants(bit)).cloned()
        };
        if let Some(thread) = chosen {
            thread.choose(true);
            self.wake_thread(&thread);
        }
    }

    /// The calling thread takes none of `signals` any more: those that wait for the process go to others.
    pub(crate) fn retarget(&self, signals: SigSet) {
        let mut waiting = self.signals.pending().0 & signals.0;
        while waiting != 0 {
            if let Some(signal) = Signal::new(u64::from(waiting.trailing_zeros()) + 1) {
                self.choose_thread(signal);
            }
            waiting &= waiting - 1;
        }
    }

    /// Changes the mask of the calling thread. Signals of the process that it blocks from now on go to others; it notices those
    /// that it no longer blocks.
    pub fn set_mask(&self, thread: &Thread, mask: SigSet) {
        let before = thread.mask();
        thread.set_mask(mask);
        self.mask_changed(thread, before);
    }

    /// After the mask of the calling thread, which was `before`, has changed.
    pub fn mask_changed(&self, thread: &Thread, before: SigSet) {
        let mask = thread.mask();
        // Who sends does the opposite: one of the two sees the other's.
        fence(Ordering::SeqCst);
        let waiting = self.signals.pending().0;
        if waiting & !mask.0 != 0 {
            thread.choose(true);
        }
        let blocked = SigSet(waiting & mask.0 & !before.0);
        if blocked.0 != 0 {
            self.retarget(blocked);
        }
    }

    /// Makes a thread look at its signals: it wakes, or comes into the kernel.
    pub(crate) fn wake_thread(&self, thread: &Thread) {
        if let Some(runner) = thread.runner() {
            // Who sends to itself does not sleep, and looks before it does.
            if runner.handle != sync::thread::current() {
                runner.handle.unpark();
            }
            self.platform.kick(runner);
        }
    }

    /// The word at `addr` as a futex.
    pub fn futex_word<'k>(&self, addr: u64, key: &'k Key) -> Word<'k> {
        Word { addr, key }
    }
}

impl Runner {
    /// Of the calling thread.
    pub fn current(number: u64) -> Self {
        Runner { handle: sync::thread::current(), number }
    }
}
