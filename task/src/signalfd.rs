//! [`SignalFd`]: signals as a file (signalfd(2)).
//!
//! Made by the system call; read and polled like any file. Reading takes waiting signals of a set, those for the thread before
//! those for the process, as sigtimedwait(2) does. The file belongs to the process that made it, as long as that lives.

use crate::signal::deliver::Target;
use crate::{Platform, Process, Thread};
use abi::structs::SigInfo;
use abi::{OpenFlags, PollEvents, SigSet, general as raw};
use alloc::sync::{Arc, Weak};
use alloc::{format, vec::Vec};
use core::sync::atomic::{AtomicU64, Ordering};
use fs::notify::Notifier;
use fs::{File, FsError, Metadata, Offset, Sink, Source};

/// Bytes of `struct signalfd_siginfo`.
const RECORD: usize = 128;

/// Signals of a process as a file.
pub struct SignalFd {
    platform: &'static dyn Platform,
    process: Weak<Process>,
    changed: Arc<Notifier>,
    set: AtomicU64,
}

impl SignalFd {
    /// For the signals of `set`.
    pub fn new(platform: &'static dyn Platform, process: &Process, set: SigSet) -> Self {
        let changed = process.signals.changed.clone();
        let file = SignalFd { platform, process: process.weak(), changed, set: AtomicU64::new(0) };
        file.set_signals(set);
        file
    }

    /// Changes the set; SIGKILL and SIGSTOP are never in it.
    pub fn set_signals(&self, set: SigSet) {
        self.set.store(set.0 & !SigSet::UNBLOCKABLE.0, Ordering::Relaxed);
    }

    fn signals(&self) -> SigSet {
        SigSet(self.set.load(Ordering::Relaxed))
    }

    /// The thread that looks: signals for it alone count too.
    fn reader(&self, process: &Process) -> Arc<Thread> {
        process.thread(self.platform.current_tid()).unwrap_or_else(|| process.main_thread().clone())
    }

    fn take(&self) -> Option<SigInfo> {
        let process = self.process.upgrade()?;
        let thread = self.reader(&process);
        let target = Target { platform: self.platform, process: &process, thread: &thread };
        target.dequeue(SigSet(!self.signals().0)).map(|(_, info)| info)
    }
}

/// What a reader finds about a signal.
fn record(info: &SigInfo) -> [u8; RECORD] {
    let mut out = [0; RECORD];
    let mut put = |at: usize, bytes: &[u8]| {
        if let Some(slot) = out.get_mut(at..at + bytes.len()) {
            slot.copy_from_slice(bytes);
        }
    };
    let [first, second, ..] = info.fields;
    let (low, high) = ((first as u32).to_le_bytes(), ((first >> 32) as u32).to_le_bytes());
    put(0, &(info.signo as u32).to_le_bytes());
    put(4, &info.errno.to_le_bytes());
    put(8, &info.code.to_le_bytes());
    const FAULTS: [u32; 5] = [raw::SIGSEGV, raw::SIGBUS, raw::SIGILL, raw::SIGFPE, raw::SIGTRAP];
    let signal = info.signo as u32;
    if info.code == raw::SI_TIMER {
        // Timer, overrun, value.
        put(24, &low);
        put(32, &high);
        put(44, &(second as u32).to_le_bytes());
        put(48, &second.to_le_bytes());
    } else if info.code > 0 && info.code != raw::SI_KERNEL as i32 && FAULTS.contains(&signal) {
        put(72, &first.to_le_bytes());
    } else {
        // Process, user, and a value if the sender gave one.
        put(12, &low);
        put(16, &high);
        if info.code < 0 && info.code != raw::SI_TKILL {
            put(44, &(second as u32).to_le_bytes());
            put(48, &second.to_le_bytes());
        }
    }
    out
}

impl File for SignalFd {
    fn metadata(&self) -> Result<Metadata, FsError> {
        Ok(Metadata::anonymous())
    }

    fn read(&self, _at: Offset, dst: &mut dyn Sink, _flags: OpenFlags) -> Result<usize, FsError> {
        if dst.remaining() < RECORD {
            return Err(FsError::Invalid);
        }
        let mut done = 0;
        while dst.remaining() >= RECORD {
            let Some(info) = self.take() else { break };
            match dst.put(&record(&info)) {
                Ok(_) => done += RECORD,
                Err(_) if done > 0 => break,
                Err(error) => return Err(error),
            }
        }
        if done > 0 { Ok(done) } else { Err(FsError::WouldBlock) }
    }

    fn write(&self, _at: Offset, _src: &mut dyn Source, _flags: OpenFlags) -> Result<usize, FsError> {
        Err(FsError::Invalid)
    }

    fn seek(&self, _to: fs::SeekFrom, position: u64) -> Result<u64, FsError> {
        // Linux lets it pass without effect.
        Ok(position)
    }

    fn readiness(&self) -> PollEvents {
        let ready = self.process.upgrade().is_some_and(|process| {
            let waiting = self.reader(&process).pending().set().0 | process.signals.pending().0;
            waiting & self.signals().0 != 0
        });
        if ready { PollEvents::IN | PollEvents::RDNORM } else { PollEvents::empty() }
    }

    fn changes(&self) -> [Option<&Notifier>; 2] {
        [Some(&self.changed), None]
    }

    fn generation(&self) -> u64 {
        let sent = |process: Arc<Process>| {
            self.reader(&process).pending().sent().wrapping_add(process.signals.queue().sent())
        };
        self.process.upgrade().map_or(0, sent)
    }

    fn as_any(&self) -> Option<&dyn core::any::Any> {
        Some(self)
    }

    fn describe(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(b"anon_inode:[signalfd]");
    }

    fn details(&self, out: &mut fs::pseudo::Output) {
        out.extend_from_slice(format!("sigmask:\t{:016x}\n", self.signals().0).as_bytes());
    }
}
