//! Signals about files (fcntl(2), O_ASYNC): [`Sender`] sends them to a file's owner when the file says that it has changed.
//!
//! Made by fcntl(2) and ioctl(2) through [`set`], kept by the description. Differences from Linux: a socket that was and is readable
//! may send a signal more than once about the same bytes, as any change of it is looked at.

use crate::prelude::*;
use abi::structs::SigInfo;
use abi::{PollEvents, Signal, general as raw};
use alloc::sync::{Arc, Weak};
use core::sync::atomic::{AtomicBool, Ordering};
use fs::notify::Watcher;
use fs::{Interested, OpenFile};
use task::Process;
use task::signal::SI_KERNEL;

/// `si_code`: there is input.
const POLL_IN: i32 = 1;
/// `si_code`: there is room for output.
const POLL_OUT: i32 = 2;
/// `si_band` of the two (POLLIN | POLLRDNORM, POLLOUT | POLLWRNORM | POLLWRBAND).
const BAND_IN: u64 = 0x41;
const BAND_OUT: u64 = 0x304;

/// Sends the signals of one description.
struct Sender {
    process: Weak<Process>,
    file: Weak<OpenFile>,
    /// The descriptor that O_ASYNC was set through, for `si_fd`.
    fd: i32,
    /// Whether there was room for output at the last look, for files that tell of other changes as well.
    had_room: AtomicBool,
}

/// Sets or clears O_ASYNC of a file that [sends signals](fs::File::sends_signals).
pub fn set(ctx: &Context<'_>, fd: i32, file: &Arc<OpenFile>, on: bool) -> CallResult<()> {
    if !on {
        return Ok(file.set_async(None)?);
    }
    let sender = Sender {
        process: ctx.process.weak(),
        file: Arc::downgrade(file),
        fd,
        had_room: AtomicBool::new(file.file().readiness().contains(PollEvents::OUT)),
    };
    Ok(file.set_async(Some(Arc::new(sender)))?)
}

impl Watcher for Sender {
    fn changed(self: Arc<Self>) {
        let (Some(process), Some(file)) = (self.process.upgrade(), self.file.upgrade()) else { return };
        let who = file.interested();
        let ready = file.file().readiness();
        let room = ready.contains(PollEvents::OUT);
        let had_room = self.had_room.swap(room, Ordering::Relaxed);
        let ended = PollEvents::HUP | PollEvents::ERR;
        // The writing end of a pipe is told of nothing but room, each time.
        let writes_only = file.file().as_pipe().is_some() && !file.flags().readable();
        if !writes_only && ready.intersects(PollEvents::IN | ended) {
            self.send(&process, who, POLL_IN, BAND_IN);
        } else if (room && (writes_only || !had_room)) || (writes_only && ready.intersects(ended)) {
            self.send(&process, who, POLL_OUT, BAND_OUT);
        }
    }
}

impl Sender {
    fn send(&self, process: &Process, who: Interested, code: i32, band: u64) {
        /// The parent of the program, which the kernel plays.
        const INIT: u32 = 1;
        let thread = match u32::from(who.kind) {
            _ if who.id == 0 => return,
            raw::F_OWNER_TID => match process.thread(who.id) {
                Some(thread) => Some(thread),
                None => return,
            },
            _ if who.id == INIT => return,
            _ => None,
        };
        let send = |signal, info| match &thread {
            Some(thread) => process.send_to_thread(thread, signal, info),
            None => process.send(signal, info),
        };
        if let Some(signal) = Signal::new(who.signal.into()) {
            let mut info = SigInfo::new(signal, code);
            let [first, second, ..] = &mut info.fields;
            (*first, *second) = (band, u64::from(self.fd as u32));
            if send(signal, info).is_ok() {
                return;
            }
        }
        // fcntl(2): where the chosen signal finds no room, SIGIO says so.
        let _ = send(Signal::SIGIO, SigInfo::new(Signal::SIGIO, SI_KERNEL));
    }
}
