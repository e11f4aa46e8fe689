//! `/proc` and `/sys`: what programs read about themselves and the machine (proc(5)).
//!
//! [`Tasks`] is the door: the kernel makes one, mounts the file systems of [`proc_fs`] and [`sys_fs`], and
//! [`enters`](Tasks::enter) the first process once it exists. The trees are [`fs::pseudo`]'s; the modules here make the texts.
//!
//! Invariants: the texts are made into kernel memory, with at most one lock held at a time, and never while program memory is
//! accessed through the platform; the memory of a process is read through its address space.

mod cpu;
mod limits;
mod maps;
mod network;
mod process;
mod signals;
mod sysctl;
mod sysfs;
mod system;
#[cfg(test)]
mod tests;
mod treated;

use crate::{Platform, Process, Thread};
use alloc::sync::{Arc, Weak};
use alloc::vec::Vec;
use fs::FsError;
use fs::pseudo::{Builder, Jump, Key, PseudoFs};
use sync::SetOnce;
pub use sysctl::{RELEASE, VERSION};
pub use sysfs::sys_fs;

/// Ticks per second of the times in `/proc` (USER_HZ).
const HZ: u64 = 100;
const NS_PER_TICK: u64 = 1_000_000_000 / HZ;

/// The tasks that `/proc` shows, and the machine they run on.
pub struct Tasks {
    platform: &'static dyn Platform,
    first: SetOnce<Weak<Process>>,
    command_line: SetOnce<Vec<u8>>,
}

impl Tasks {
    /// Nobody yet.
    pub fn new(platform: &'static dyn Platform) -> Arc<Self> {
        Arc::new(Tasks { platform, first: SetOnce::new(), command_line: SetOnce::new() })
    }

    /// Adds the first process. Only the first call counts.
    pub fn enter(&self, process: &Arc<Process>) {
        let _ = self.first.set(Arc::downgrade(process));
    }

    /// Tells the kernel's command line. Only the first call counts.
    pub fn tell_command_line(&self, line: &str) {
        let _ = self.command_line.set(line.as_bytes().to_vec());
    }

    /// The process that reads.
    fn current(&self) -> Result<Arc<Process>, FsError> {
        self.first.get().and_then(Weak::upgrade).ok_or(FsError::NotFound)
    }

    /// The process that has a thread with a number.
    fn process(&self, tid: u32) -> Result<Arc<Process>, FsError> {
        let process = self.current()?;
        if process.pid == tid || process.has_thread(tid) { Ok(process) } else { Err(FsError::NotFound) }
    }

    /// The thread with a number.
    fn thread(&self, tid: u32) -> Result<Arc<Thread>, FsError> {
        self.current()?.thread(tid).ok_or(FsError::NotFound)
    }

    /// The number of the thread that reads.
    fn current_thread(&self) -> Result<u32, FsError> {
        match self.platform.current_tid() {
            0 => Ok(self.current()?.pid),
            tid => Ok(tid),
        }
    }

    /// The lowest process number at or above `from`.
    fn next_process(&self, from: u32) -> Option<u32> {
        self.current().ok().map(|process| process.pid).filter(|&pid| pid >= from)
    }

    /// The lowest number at or above `from` of a thread of process `pid`.
    fn next_thread(&self, pid: u32, from: u32) -> Option<u32> {
        self.process(pid).ok()?.next_thread(from)
    }
}

/// Appends formatted text. It does not fail: what does not fit shows at the end of the text.
macro_rules! put {
    ($out:expr, $($arg:tt)*) => {{
        use core::fmt::Write as _;
        let _ = $out.write_fmt(format_args!($($arg)*));
    }};
}
use put;

/// A closure for a text: `text!(tasks, |tasks, key, out| ...)`, with its own reference to the tasks.
macro_rules! text {
    ($tasks:expr, $f:expr) => {{
        let tasks = alloc::sync::Arc::clone($tasks);
        move |key: fs::pseudo::Key, out: &mut fs::pseudo::Output| -> Result<(), fs::FsError> {
            let f: fn(
                &$crate::procfs::Tasks,
                fs::pseudo::Key,
                &mut fs::pseudo::Output,
            ) -> Result<(), fs::FsError> = $f;
            f(&tasks, key, out)
        }
    }};
}
use text;

/// The file system for `/proc`, with the number `device`; its files appeared at `boot_time_ns` (since 1970).
pub fn proc_fs(tasks: &Arc<Tasks>, device: u64, boot_time_ns: u64) -> Arc<PseudoFs> {
    let mut builder = Builder::new();
    let root = Builder::ROOT;
    system::add(&mut builder, tasks);
    sysctl::add(&mut builder, tasks);
    let own = text!(tasks, |tasks, _, out| {
        put!(out, "{}", tasks.current()?.pid);
        Ok(())
    });
    builder.link(root, "self", alloc::boxed::Box::new(own), None);
    let own = text!(tasks, |tasks, _, out| {
        put!(out, "{}/task/{}", tasks.current()?.pid, tasks.current_thread()?);
        Ok(())
    });
    builder.link(root, "thread-self", alloc::boxed::Box::new(own), None);
    network::add(&mut builder);
    process::add(&mut builder, tasks);
    builder.finish(device, "proc", 0, boot_time_ns)
}
