//! [`Process`]: the program as Linux sees it.
//!
//! Made by [`exec`](crate::exec); used by every system call and by the fault path, by several threads at a time. There is one
//! process; its memory, files and dispositions are objects behind their own locks.
//!
//! Invariants: no lock is held while program memory is accessed, except those that the page-fault path never takes (files'
//! positions, the console); the locks here are taken one at a time.

use crate::cputime::LastTimes;
use crate::exec::ProgramImage;
use crate::futex::FutexTable;
use crate::limits::Limits;
use crate::memory::{LockedSpace, Memory};
use crate::signal::pending::QueueFull;
use crate::threads::Threads;
use crate::{Attributes, Credentials, FdTable, Platform, Signals, Thread, Timers};
use abi::structs::SigInfo;
use abi::{Signal, general as raw};
use alloc::sync::{Arc, Weak};
use alloc::vec::Vec;
use core::sync::atomic::{AtomicBool, AtomicI32, AtomicU32, AtomicU64, AtomicUsize, Ordering};
use fs::console::SignalTarget;
use fs::{NodeRef, OpenFile, Pinned, Vfs};
use mm::addr::VirtAddr;
use mm::space::{Access, AddressSpace, FaultError};
use sync::{Mutex, MutexGuard};

/// The first program's process number: 1 is the kernel, which plays init.
pub const FIRST_PID: u32 = 2;

/// Longest process name, bytes without NUL (prctl(2), PR_SET_NAME).
pub const NAME_LEN: usize = 15;

/// How many call numbers that no Linux has are named, so that a program that tries them all does not flood the console.
const NAMED_BEYOND_MAX: usize = 16;

/// A process.
pub struct Process {
    /// Its number; also its session and process group.
    pub pid: u32,
    /// Its parent's number.
    pub ppid: u32,
    /// The tree of files it sees.
    pub vfs: Arc<Vfs>,
    /// Signal dispositions and pending signals.
    pub signals: Signals,
    /// Interval timers and POSIX timers.
    pub timers: Timers,
    /// File creation mask (umask(2)).
    pub umask: AtomicU32,
    /// How much rather than others it would be killed for lack of memory (proc(5), oom_score_adj).
    pub oom_score_adj: AtomicI32,
    /// Monotonic time of its start, nanoseconds.
    pub start_ns: u64,
    /// The futexes that its threads wait for.
    pub futexes: FutexTable,
    pub(crate) platform: &'static dyn Platform,
    me: Weak<Process>,
    pub(crate) last_times: LastTimes,
    strace: AtomicBool,
    /// The thread whose end ends the process; 0 while it runs.
    ended_by: AtomicU32,
    main: Arc<Thread>,
    threads: Mutex<Threads>,
    /// Threads that live, or have not told yet that they end. Changes with the table.
    pub(crate) population: AtomicUsize,
    image: Mutex<Arc<ProgramImage>>,
    cwd: Mutex<Pinned>,
    files: Mutex<FdTable>,
    limits: Mutex<Limits>,
    memory: Memory,
    credentials: Mutex<Credentials>,
    attributes: Mutex<Attributes>,
    network: Mutex<Arc<net::Stack>>,
    /// Call numbers outside the kernel's table that have been named on the console already.
    named_calls: [AtomicU64; 8],
    /// The numbers beyond those words that have been named.
    named_beyond: Mutex<Vec<u64>>,
}

/// What a new process is made of.
pub(crate) struct Parts {
    pub platform: &'static dyn Platform,
    pub vfs: Arc<Vfs>,
    pub space: AddressSpace,
    pub image: ProgramImage,
    pub limits: Limits,
    pub strace: bool,
}

impl Process {
    pub(crate) fn new(me: Weak<Process>, parts: Parts) -> Self {
        let name = name_of(&parts.image.path);
        let cwd = parts.vfs.root().clone();
        let main = Arc::new(Thread::new(FIRST_PID));
        main.set_name(&name);
        Process {
            pid: FIRST_PID,
            ppid: 1,
            vfs: parts.vfs,
            signals: Signals::new(),
            timers: Timers::new(),
            umask: AtomicU32::new(0o022),
            oom_score_adj: AtomicI32::new(0),
            // The first process starts with the machine. Asking the clock here would make every boot
            // wait until its frequency has been measured, also for programs that never want to know.
            start_ns: 0,
            futexes: FutexTable::new(),
            platform: parts.platform,
            me,
            last_times: LastTimes::default(),
            strace: AtomicBool::new(parts.strace),
            ended_by: AtomicU32::new(0),
            threads: Mutex::new(Threads::new(main.clone())),
            population: AtomicUsize::new(1),
            main,
            image: Mutex::new(Arc::new(parts.image)),
            cwd: Mutex::new(Pinned::new(cwd)),
            files: Mutex::new(FdTable::new()),
            limits: Mutex::new(parts.limits),
            memory: Memory::new(parts.space),
            credentials: Mutex::new(Credentials::root()),
            attributes: Mutex::new(Attributes::new()),
            network: Mutex::new(Arc::new(net::Stack::default())),
            named_calls: [const { AtomicU64::new(0) }; 8],
            named_beyond: Mutex::new(Vec::new()),
        }
    }

    /// A reference that does not keep it, for what belongs to it.
    pub fn weak(&self) -> Weak<Process> {
        self.me.clone()
    }

    /// The first thread.
    pub fn main_thread(&self) -> &Arc<Thread> {
        &self.main
    }

    pub(crate) fn threads(&self) -> MutexGuard<'_, Threads> {
        self.threads.lock()
    }

    /// Sends a signal to the process: one of its threads takes it.
    ///
    /// # Errors
    /// [`QueueFull`] for a real-time signal with a value.
    pub fn send(&self, signal: Signal, info: SigInfo) -> Result<(), QueueFull> {
        // An ignored signal that is blocked waits: its disposition may change, or sigtimedwait take it.
        if self.signals.is_ignored(signal) && !self.main.mask().contains(signal) {
            return Ok(());
        }
        let limit = self.limits().soft(raw::RLIMIT_SIGPENDING);
        self.signals.queue().add(signal, info, limit)?;
        self.choose_thread(signal);
        self.signals.changed.notify();
        Ok(())
    }

    /// Sends a signal to a thread of the process.
    ///
    /// # Errors
    /// [`QueueFull`] for a real-time signal with a value.
    pub fn send_to_thread(&self, thread: &Thread, signal: Signal, info: SigInfo) -> Result<(), QueueFull> {
        if self.signals.is_ignored(signal) && !thread.mask().contains(signal) {
            return Ok(());
        }
        let limit = self.limits().soft(raw::RLIMIT_SIGPENDING);
        thread.pending().add(signal, info, limit)?;
        self.wake_thread(thread);
        self.signals.changed.notify();
        Ok(())
    }

    /// Sends a signal of the kernel to the process. It finds room in any queue: at worst what is known about it is lost.
    pub fn send_kernel(&self, signal: Signal) {
        let _ = self.send(signal, SigInfo::new(signal, crate::signal::SI_KERNEL));
    }

    /// Sends the signal of a timer, to a thread or to the process; returns whether it was not ignored.
    pub(crate) fn send_expiry(&self, signal: Signal, info: SigInfo, to_thread: Option<u32>) -> bool {
        let thread = to_thread.map(|tid| self.thread(tid).unwrap_or_else(|| self.main.clone()));
        let mask = thread.as_ref().unwrap_or(&self.main).mask();
        if self.signals.is_ignored(signal) && !mask.contains(signal) {
            return false;
        }
        match thread {
            Some(thread) => {
                thread.pending().add_expiry(signal, info);
                self.wake_thread(&thread);
            }
            None => {
                self.signals.queue().add_expiry(signal, info);
                self.choose_thread(signal);
            }
        }
        self.signals.changed.notify();
        true
    }

    /// Makes `thread` the one that ends the process; false if another is.
    pub fn begin_end(&self, thread: &Thread) -> bool {
        match self.ended_by.compare_exchange(0, thread.tid, Ordering::AcqRel, Ordering::Acquire) {
            Ok(_) => true,
            Err(tid) => tid == thread.tid,
        }
    }

    /// Ends all threads but `thread`, which ends the process: none of them goes on in the program. They may take a moment to notice.
    pub fn stop_others(&self, thread: &Thread) {
        self.for_each_thread(|other| {
            if other.tid != thread.tid {
                let info = SigInfo::new(Signal::SIGKILL, crate::signal::SI_KERNEL);
                // It finds room in any queue.
                let _ = self.send_to_thread(other, Signal::SIGKILL, info);
            }
        });
    }

    /// Whether a thread is ending it.
    pub fn is_ending(&self) -> bool {
        self.ended_by.load(Ordering::Acquire) != 0
    }

    /// Whether the way back to the program has something to do: deliver a signal, or look at timers.
    #[inline]
    pub fn needs_attention(&self, thread: &Thread) -> bool {
        (thread.waiting_signals(self) | self.timers.due()) != 0
    }

    /// Whether every system call is shown.
    #[inline]
    pub fn is_traced(&self) -> bool {
        self.strace.load(Ordering::Relaxed)
    }

    /// The name of the first thread, NUL-padded.
    pub fn name(&self) -> [u8; NAME_LEN + 1] {
        self.main.name()
    }

    /// Changes the name of the first thread: up to the first NUL, cut to [`NAME_LEN`].
    pub fn set_name(&self, name: &[u8]) {
        self.main.set_name(name);
    }

    /// The program that runs: paths, load addresses, where its arguments lie.
    pub fn image(&self) -> Arc<ProgramImage> {
        self.image.lock().clone()
    }

    /// The current directory.
    pub fn cwd(&self) -> NodeRef {
        self.cwd.lock().node().clone()
    }

    /// Changes the current directory.
    pub fn set_cwd(&self, dir: NodeRef) {
        let left = core::mem::replace(&mut *self.cwd.lock(), Pinned::new(dir));
        // Its last use may have been this one: given up outside the lock.
        drop(left);
    }

    /// The descriptors.
    #[inline]
    pub fn files(&self) -> MutexGuard<'_, FdTable> {
        self.files.lock()
    }

    /// The file of a descriptor.
    #[inline]
    pub fn file(&self, fd: crate::Fd) -> Result<Arc<OpenFile>, crate::FdError> {
        self.files.lock().get(fd)
    }

    /// After a descriptor of `file` was taken out of the table: the process's record locks on the file go, whatever descriptor
    /// they were set through (fcntl(2)). Returns the file if nobody else has it, and one of all who give it up. No lock may be held: what
    /// comes back may do work when it goes.
    pub fn closed(&self, file: Arc<OpenFile>) -> Option<OpenFile> {
        if self.vfs.locks().has_records()
            && let Ok(key) = file.lock_key()
        {
            self.vfs.locks().release(key, fs::locks::Holder::Process(self.pid));
        }
        Arc::into_inner(file)
    }

    /// The resource limits.
    pub fn limits(&self) -> MutexGuard<'_, Limits> {
        self.limits.lock()
    }

    /// Who it is.
    #[inline]
    pub fn credentials(&self) -> MutexGuard<'_, Credentials> {
        self.credentials.lock()
    }

    /// Whether a capability is in force.
    #[inline]
    pub fn capable(&self, capability: u32) -> bool {
        self.credentials.lock().capable(capability)
    }

    /// What it has set about itself.
    pub fn attributes(&self) -> MutexGuard<'_, Attributes> {
        self.attributes.lock()
    }

    /// Where its sockets come from.
    pub fn network(&self) -> Arc<net::Stack> {
        self.network.lock().clone()
    }

    /// Connects it with a network, instead of one with no cards.
    pub fn set_network(&self, network: Arc<net::Stack>) {
        *self.network.lock() = network;
    }

    /// The address space. Program memory must not be accessed while the guard lives. Dropping it may sleep, until all CPUs have
    /// forgotten what was unmapped.
    pub fn space(&self) -> LockedSpace<'_> {
        self.memory.lock()
    }

    /// Resolves a page fault of the program, or of a copy from or to its memory.
    pub fn fault(&self, addr: u64, access: Access) -> Result<(), FaultError> {
        self.memory.fault(VirtAddr(addr), access)
    }

    /// Whether the unknown call `nr` is seen for the first time.
    pub fn first_unknown_call(&self, nr: u64) -> bool {
        let word = usize::try_from(nr / 64).ok().and_then(|word| self.named_calls.get(word));
        match word {
            Some(word) => word.fetch_or(1 << (nr % 64), Ordering::Relaxed) >> (nr % 64) & 1 == 0,
            None => {
                let mut named = self.named_beyond.lock();
                let first = named.len() < NAMED_BEYOND_MAX && !named.contains(&nr);
                if first {
                    named.push(nr);
                }
                first
            }
        }
    }
}

impl SignalTarget for Process {
    fn terminal_signal(&self, signal: Signal) {
        self.send_kernel(signal);
    }
}

/// The process name for a program: the last component of its path.
fn name_of(path: &[u8]) -> [u8; NAME_LEN + 1] {
    padded(path.rsplit(|&byte| byte == b'/').next().unwrap_or_default())
}

pub(crate) fn padded(name: &[u8]) -> [u8; NAME_LEN + 1] {
    let mut out = [0; NAME_LEN + 1];
    for (to, from) in out.iter_mut().zip(name.iter().take(NAME_LEN).take_while(|&&byte| byte != 0)) {
        *to = *from;
    }
    out
}

/// The files that a program starts with.
pub(crate) fn open_standard_files(process: &Process, files: Vec<Arc<OpenFile>>) {
    let mut table = process.files.lock();
    for file in files {
        // Three descriptors fit any table.
        let _ = table.insert(file, abi::FdFlags::empty(), 0, u64::from(u32::MAX));
    }
}
