//! What happens on Ctrl-C and other signals that end a tool: temporary files go, QEMU goes, what was made on the host
//! goes, and the status is the one that a shell shows for the signal.
//!
//! A thread waits for the signals; nothing runs in a signal handler. [`install`] is called once by each binary
//! before it makes anything that has to be cleaned up.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, poll};
use rustix::process::{Pid, PidfdFlags, Signal, kill_process, pidfd_open};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

/// How long QEMU may take to end by itself.
const GRACE: Duration = Duration::from_secs(2);

struct State {
    files: Vec<PathBuf>,
    made: Vec<Thing>,
    child: Option<Pid>,
    /// A signal has come and the process is about to end.
    ending: bool,
}

/// Something with a name, and what removes it.
#[derive(Clone, Debug)]
struct Thing {
    name: String,
    remove: fn(&str),
}

static STATE: Mutex<State> =
    Mutex::new(State { files: Vec::new(), made: Vec::new(), child: None, ending: false });

fn state() -> MutexGuard<'static, State> {
    STATE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Starts the thread that waits for signals.
///
/// # Errors
/// The signals could not be registered, or the thread not started.
pub fn install() -> io::Result<()> {
    let mut signals = Signals::new([SIGINT, SIGTERM])?;
    if !hangup_is_ignored() {
        signals.add_signal(SIGHUP)?;
    }
    std::thread::Builder::new().name("signals".into()).spawn(move || {
        if let Some(number) = signals.forever().next() {
            end(number);
        }
    })?;
    Ok(())
}

/// Started by nohup(1), which is to be respected. proc_pid_status(5): a mask in hexadecimal, signal 1 is bit 0.
fn hangup_is_ignored() -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).is_some_and(|mask| mask & 1 != 0)
}

fn end(number: i32) -> ! {
    let (files, made, child) = {
        let mut state = state();
        state.ending = true;
        (std::mem::take(&mut state.files), std::mem::take(&mut state.made), state.child)
    };
    if let Some(child) = child {
        stop(child);
    }
    made.iter().for_each(|thing| (thing.remove)(&thing.name));
    files.iter().for_each(|path| remove(path));
    std::process::exit(128 + number)
}

/// Removes a file, or a directory with what is in it. Nobody is left to be told of a failure.
fn remove(path: &Path) {
    let _ = if path.is_dir() { std::fs::remove_dir_all(path) } else { std::fs::remove_file(path) };
}

/// Ends a child: SIGTERM, and SIGKILL if that was not enough. The child cannot have been reaped: see
/// [`child_ended`].
fn stop(child: Pid) {
    let _ = kill_process(child, Signal::TERM);
    let ended = pidfd_open(child, PidfdFlags::empty()).is_ok_and(|fd| {
        let timeout = rustix::event::Timespec { tv_sec: GRACE.as_secs().cast_signed(), tv_nsec: 0 };
        poll(&mut [PollFd::new(&fd, PollFlags::IN)], Some(&timeout)).is_ok_and(|ready| ready > 0)
    });
    if !ended {
        let _ = kill_process(child, Signal::KILL);
    }
}

/// A child was started and has to be ended on a signal.
pub fn child_started(pid: Pid) {
    let mut state = state();
    if state.ending {
        drop(state);
        stop(pid);
        wait_for_end();
    }
    state.child = Some(pid);
}

/// The child has ended and is about to be reaped, so its number is not to be used any more. Does not return if the
/// process is ending by a signal.
pub fn child_ended() {
    let mut state = state();
    if state.ending {
        drop(state);
        wait_for_end();
    }
    state.child = None;
}

/// The thread of [`install`] ends the process at any moment.
fn wait_for_end() -> ! {
    loop {
        std::thread::park();
    }
}

/// A file or directory that is removed on a signal for as long as this value lives.
#[derive(Debug)]
pub struct Temporary(PathBuf);

impl Temporary {
    /// Takes care of `path`.
    #[must_use]
    pub fn new(path: &Path) -> Self {
        let mut state = state();
        if state.ending {
            drop(state);
            remove(path);
            wait_for_end();
        }
        state.files.push(path.to_owned());
        Self(path.to_owned())
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        state().files.retain(|path| *path != self.0);
    }
}

/// Something on the host that this process made: removed when this value goes, and on a signal.
#[derive(Debug)]
pub struct Made(Thing);

impl Made {
    /// Makes the thing called `name` by `make`, to be removed by `remove`. A signal that comes meanwhile is dealt with
    /// afterwards, so there is no moment in which the thing is there and unknown here.
    ///
    /// # Errors
    /// That of `make`.
    pub fn new<E>(name: &str, remove: fn(&str), make: impl FnOnce() -> Result<(), E>) -> Result<Self, E> {
        let mut state = state();
        if state.ending {
            drop(state);
            wait_for_end();
        }
        make()?;
        let thing = Thing { name: name.to_owned(), remove };
        state.made.push(thing.clone());
        Ok(Self(thing))
    }
}

impl Drop for Made {
    fn drop(&mut self) {
        let mut state = state();
        if state.ending {
            drop(state);
            wait_for_end();
        }
        // Removed while the state is held: the end of the process waits for it.
        (self.0.remove)(&self.0.name);
        if let Some(at) = state.made.iter().position(|thing| thing.name == self.0.name) {
            state.made.swap_remove(at);
        }
    }
}
