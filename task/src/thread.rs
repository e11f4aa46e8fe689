//! [`Thread`]: a thread of a process as Linux sees it.
//!
//! Used by the calls about threads and signals and by delivery. Invariant: no lock of a thread is held while program memory is
//! accessed.

use crate::Runner;
use crate::attributes::Scheduling;
use crate::cputime::Samples;
use crate::fault::TrapInfo;
use crate::futex::Waiter;
use crate::process::padded;
use crate::signal::frame;
use crate::signal::pending::Pending;
use crate::signal::{Delivery, delivery};
use crate::transfers::Transfers;
use crate::vector::VectorBuffer;
use crate::{NAME_LEN, Process, Treatment};
use abi::structs::StackT;
use abi::{SigSet, general as raw};
use alloc::sync::Arc;
use core::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use fs::notify::Sleeper;
use sync::{Mutex, SetOnce};

/// No mask: one that a thread has never blocks SIGKILL.
const NO_MASK: u64 = u64::MAX;

/// What restart_syscall(2) goes on with. Times are monotonic nanoseconds, addresses those of the first call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RestartBlock {
    /// nanosleep(2).
    Sleep {
        /// When it ends.
        deadline: u64,
        /// Where the rest is stored, 0 for nowhere.
        remaining: u64,
    },
    /// poll(2).
    Poll {
        /// The array.
        fds: u64,
        /// Its elements.
        count: u64,
        /// When it ends, if it does.
        deadline: Option<u64>,
    },
    /// futex(2), a wait with a time.
    Futex {
        /// The word.
        word: u64,
        /// The operation with its flags.
        operation: u32,
        /// What it must be.
        value: u32,
        /// Which wakes count.
        mask: u32,
        /// When the wait ends.
        deadline: u64,
    },
}

/// Why an alternate stack is refused (sigaltstack(2)).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AltStackError {
    /// The thread runs on the present one.
    InUse,
    /// Unknown flags.
    Flags,
    /// Too small.
    Small,
}

/// A thread of a process.
pub struct Thread {
    /// Its number; that of the first thread is the process's.
    pub tid: u32,
    /// The complement of the mask, as every return from a call looks at it.
    unblocked: AtomicU64,
    pending: Pending,
    /// Chosen to take a signal of the process, and has not looked since.
    chosen: AtomicBool,
    /// The signals that sigtimedwait(2) waits for, a bit for each.
    awaited: AtomicU64,
    name: Mutex<[u8; NAME_LEN + 1]>,
    runner: SetOnce<Runner>,
    waiter: SetOnce<Arc<Waiter>>,
    sleeper: SetOnce<Arc<Sleeper>>,
    scheduling: Mutex<Scheduling>,
    /// Where timer interrupts found it.
    pub samples: Samples,
    /// What it has read and written.
    pub transfers: Transfers,
    /// The alternate signal stack (sigaltstack(2)).
    pub alt_stack: Mutex<StackT>,
    /// Where 0 is stored and a futex is woken when the thread ends (set_tid_address(2)).
    pub clear_child_tid: AtomicU64,
    /// Head of the robust list and its size (set_robust_list(2)).
    pub robust_list: Mutex<(u64, u64)>,
    /// The mask to go back to when the signals that ended a call have been delivered, or [`NO_MASK`]. The thread's own.
    saved_mask: AtomicU64,
    /// The result of a call that has run, while its signals wait for the full register set.
    result: Mutex<Option<u64>>,
    restart: Mutex<Option<RestartBlock>>,
    trap: Mutex<TrapInfo>,
    vectors: Mutex<VectorBuffer>,
}

/// What a thread makes for itself at its first use.
fn own<T>(cell: &SetOnce<Arc<T>>, make: impl FnOnce() -> Arc<T>) -> Arc<T> {
    match cell.get() {
        Some(made) => made.clone(),
        None => {
            let made = make();
            let _ = cell.set(made.clone());
            made
        }
    }
}

impl Thread {
    pub(crate) fn new(tid: u32) -> Self {
        let disabled = StackT { flags: raw::SS_DISABLE as i32, ..StackT::default() };
        Thread {
            tid,
            unblocked: AtomicU64::new(u64::MAX),
            pending: Pending::default(),
            chosen: AtomicBool::new(false),
            awaited: AtomicU64::new(0),
            name: Mutex::new([0; NAME_LEN + 1]),
            runner: SetOnce::new(),
            waiter: SetOnce::new(),
            sleeper: SetOnce::new(),
            scheduling: Mutex::new(Scheduling::default()),
            samples: Samples::default(),
            transfers: Transfers::default(),
            alt_stack: Mutex::new(disabled),
            clear_child_tid: AtomicU64::new(0),
            robust_list: Mutex::new((0, 0)),
            saved_mask: AtomicU64::new(NO_MASK),
            result: Mutex::new(None),
            restart: Mutex::new(None),
            trap: Mutex::new(TrapInfo::default()),
            vectors: Mutex::new(VectorBuffer::default()),
        }
    }

    /// The blocked signals.
    #[inline]
    pub fn mask(&self) -> SigSet {
        SigSet(!self.unblocked.load(Ordering::Relaxed))
    }

    /// Changes the blocked signals; SIGKILL and SIGSTOP stay unblocked.
    pub fn set_mask(&self, mask: SigSet) {
        self.unblocked.store(!mask.0 | SigSet::UNBLOCKABLE.0, Ordering::Relaxed);
    }

    /// The signals that wait for this thread alone.
    pub fn pending(&self) -> &Pending {
        &self.pending
    }

    /// The kernel's thread that runs it; `None` before it begins.
    pub fn runner(&self) -> Option<&Runner> {
        self.runner.get()
    }

    /// Notes who runs it; once.
    pub fn set_runner(&self, runner: Runner) {
        let _ = self.runner.set(runner);
    }

    /// Its part in waits for futexes. Called by the thread itself.
    pub fn waiter(&self) -> Arc<Waiter> {
        own(&self.waiter, || Arc::new(Waiter::new(sync::thread::current())))
    }

    /// Its part in waits for files. Called by the thread itself.
    pub fn sleeper(&self) -> Arc<Sleeper> {
        own(&self.sleeper, || Sleeper::new(sync::thread::current()))
    }

    /// Whether a signal ends what it waits for: one of its own, or one of the process that it has been chosen for.
    #[inline]
    pub fn is_interrupted(&self, process: &Process) -> bool {
        let unblocked = self.unblocked.load(Ordering::Relaxed);
        self.pending.set().0 & unblocked != 0
            || (process.signals.pending().0 & unblocked != 0 && self.chosen.load(Ordering::Acquire))
    }

    /// Whether the process ends, or will when a signal that waits is delivered to this thread.
    pub fn is_dying(&self, process: &Process) -> bool {
        let unblocked = self.unblocked.load(Ordering::Relaxed);
        let waiting = SigSet((self.pending.set().0 | process.signals.pending().0) & unblocked);
        let ends = |signal| delivery(&process.signals.action(signal), signal) == Delivery::Terminate;
        process.is_ending() || waiting.iter().any(ends)
    }

    /// Whether a signal waits that a call of it is to notice before it sleeps: one that ends what it waits for, or that it waits
    /// for. Takes no lock.
    pub fn has_news(&self, process: &Process) -> bool {
        let waiting = self.pending.set().0 | process.signals.pending().0;
        waiting & self.awaited.load(Ordering::SeqCst) != 0 || self.is_interrupted(process)
    }

    /// Whether it takes `signal` of the process: it is not blocked, or waited for.
    pub(crate) fn wants(&self, signal: u64) -> bool {
        (self.unblocked.load(Ordering::Relaxed) | self.awaited.load(Ordering::Relaxed)) & signal != 0
    }

    pub(crate) fn choose(&self, chosen: bool) {
        self.chosen.store(chosen, Ordering::SeqCst);
    }

    /// Says which signals sigtimedwait(2) waits for; none at its end.
    pub fn await_signals(&self, set: SigSet) {
        self.awaited.store(set.0, Ordering::SeqCst);
    }

    /// The name shown by ps(1), NUL-padded.
    pub fn name(&self) -> [u8; NAME_LEN + 1] {
        *self.name.lock()
    }

    /// Changes the name: up to the first NUL, cut to [`NAME_LEN`].
    pub fn set_name(&self, name: &[u8]) {
        *self.name.lock() = padded(name);
    }

    /// Policy, priority and nice value.
    pub fn scheduling(&self) -> Scheduling {
        *self.scheduling.lock()
    }

    /// Changes policy, priority and nice value.
    pub fn set_scheduling(&self, scheduling: Scheduling) {
        *self.scheduling.lock() = scheduling;
    }

    /// The time on a processor that it has had, nanoseconds.
    pub fn run_time(&self, platform: &dyn crate::Platform) -> u64 {
        platform.thread_time(self.runner.get())
    }

    /// How the scheduler has treated it.
    pub fn treatment(&self, platform: &dyn crate::Platform) -> Treatment {
        platform.treatment(self.runner.get())
    }

    /// The waiting signals that are not blocked, a bit for each.
    #[inline]
    pub(crate) fn waiting_signals(&self, process: &Process) -> u64 {
        (self.pending.set().0 | process.signals.pending().0) & self.unblocked.load(Ordering::Relaxed)
    }

    /// Goes back to `mask` once the signals that ended a call have been delivered (ppoll(2), sigsuspend(2)).
    pub fn restore_mask_later(&self, mask: SigSet) {
        self.saved_mask.store(mask.0, Ordering::Relaxed);
    }

    pub(crate) fn take_saved_mask(&self) -> Option<SigSet> {
        let mask = self.saved_mask.load(Ordering::Relaxed);
        if mask == NO_MASK {
            return None;
        }
        self.saved_mask.store(NO_MASK, Ordering::Relaxed);
        Some(SigSet(mask))
    }

    /// Keeps the result of a call until [`take_result`](Self::take_result).
    pub fn keep_result(&self, result: u64) {
        *self.result.lock() = Some(result);
    }

    /// The kept result.
    pub fn take_result(&self) -> Option<u64> {
        self.result.lock().take()
    }

    /// Says what restart_syscall(2) goes on with.
    pub fn restart_with(&self, block: RestartBlock) {
        *self.restart.lock() = Some(block);
    }

    /// What restart_syscall(2) goes on with; once.
    pub fn take_restart(&self) -> Option<RestartBlock> {
        self.restart.lock().take()
    }

    pub(crate) fn forget_restart(&self) {
        *self.restart.lock() = None;
    }

    /// The last exception, as signal frames show it.
    pub fn trap(&self) -> TrapInfo {
        *self.trap.lock()
    }

    pub(crate) fn set_trap(&self, trap: TrapInfo) {
        let cr2 = if trap.cr2 != 0 || trap.vector == 14 { trap.cr2 } else { self.trap().cr2 };
        *self.trap.lock() = TrapInfo { cr2, ..trap };
    }

    /// Uses the buffer for vector registers. It is not locked meanwhile, as program memory is accessed with it.
    pub(crate) fn with_vectors<R>(&self, f: impl FnOnce(&mut VectorBuffer) -> R) -> R {
        let mut buffer = core::mem::take(&mut *self.vectors.lock());
        let result = f(&mut buffer);
        *self.vectors.lock() = buffer;
        result
    }

    /// Changes the alternate stack, for a thread whose RSP is `sp`.
    ///
    /// # Errors
    /// [`AltStackError`].
    pub fn set_alt_stack(&self, new: StackT, sp: u64) -> Result<(), AltStackError> {
        let mut stack = self.alt_stack.lock();
        if frame::on_alt_stack(&stack, sp) {
            return Err(AltStackError::InUse);
        }
        let flags = new.flags as u32;
        // SS_ONSTACK as input is accepted and means nothing, as on Linux.
        *stack = match flags & !raw::SS_AUTODISARM {
            raw::SS_DISABLE => StackT { sp: 0, size: 0, flags: new.flags, pad: 0 },
            0 | raw::SS_ONSTACK if new.size < u64::from(raw::MINSIGSTKSZ) => {
                return Err(AltStackError::Small);
            }
            0 | raw::SS_ONSTACK => StackT { flags: (flags & raw::SS_AUTODISARM) as i32, pad: 0, ..new },
            _ => return Err(AltStackError::Flags),
        };
        Ok(())
    }
}
