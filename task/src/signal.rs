//! Signals of a process: dispositions, what is pending, and what happens to a signal (signal(7)).
//!
//! Called by `syscall` (the kill and sigaction families, and after each call), by the terminal and by the fault path. In this
//! state of the project handlers are stored and reported but cannot run: a signal that has one takes its default action, with
//! a message.

use abi::signal::DefaultAction;
use abi::structs::SigAction;
use abi::{SigSet, Signal};
use core::sync::atomic::{AtomicU64, Ordering};
use sync::Mutex;

/// Default action.
pub const SIG_DFL: u64 = 0;
/// Ignored.
pub const SIG_IGN: u64 = 1;

/// What happens to a signal that is to be delivered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Delivery {
    /// Nothing.
    Ignore,
    /// The process ends.
    Terminate,
    /// The process would stop until SIGCONT.
    Stop,
    /// The handler at this address would run.
    Handler(u64),
}

/// The signals of a process.
pub struct Signals {
    actions: Mutex<[SigAction; Signal::MAX as usize]>,
    pending: AtomicU64,
}

impl Default for Signals {
    fn default() -> Self {
        Self::new()
    }
}

impl Signals {
    /// All default, none pending.
    pub fn new() -> Self {
        Signals {
            actions: Mutex::new([SigAction::default(); Signal::MAX as usize]),
            pending: AtomicU64::new(0),
        }
    }

    /// The disposition of a signal.
    pub fn action(&self, signal: Signal) -> SigAction {
        self.actions.lock().get(signal.index()).copied().unwrap_or_default()
    }

    /// Changes a disposition; the old one comes back. `None` for SIGKILL and SIGSTOP, whose disposition is fixed.
    pub fn set_action(&self, signal: Signal, mut action: SigAction) -> Option<SigAction> {
        if SigSet::UNBLOCKABLE.contains(signal) {
            return None;
        }
        action.mask &= !SigSet::UNBLOCKABLE.0;
        let mut actions = self.actions.lock();
        let slot = actions.get_mut(signal.index())?;
        let old = core::mem::replace(slot, action);
        // POSIX: a pending signal that becomes ignored is discarded.
        if delivery(&action, signal) == Delivery::Ignore {
            self.pending.fetch_and(!(1 << signal.index()), Ordering::Relaxed);
        }
        Some(old)
    }

    /// execve(2): handlers become default, ignored signals stay ignored.
    pub fn reset_for_exec(&self) {
        for action in self.actions.lock().iter_mut() {
            if action.handler != SIG_IGN {
                *action = SigAction::default();
            }
        }
    }

    /// Makes a signal pending, unless it is ignored.
    pub fn send(&self, signal: Signal) {
        if delivery(&self.action(signal), signal) != Delivery::Ignore {
            self.pending.fetch_or(1 << signal.index(), Ordering::Release);
        }
    }

    /// The pending signals.
    #[inline]
    pub fn pending(&self) -> SigSet {
        SigSet(self.pending.load(Ordering::Relaxed))
    }

    /// Takes a pending signal that `mask` does not block: synchronous ones first, then the lowest number.
    pub fn take(&self, mask: SigSet) -> Option<Signal> {
        const SYNCHRONOUS: u64 = 1 << (Signal::SIGSEGV.raw() - 1)
            | 1 << (Signal::SIGBUS.raw() - 1)
            | 1 << (Signal::SIGILL.raw() - 1)
            | 1 << (Signal::SIGTRAP.raw() - 1)
            | 1 << (Signal::SIGFPE.raw() - 1)
            | 1 << (Signal::SIGSYS.raw() - 1);
        let ready = self.pending.load(Ordering::Acquire) & !mask.0;
        let first = if ready & SYNCHRONOUS != 0 { ready & SYNCHRONOUS } else { ready };
        let signal = Signal::new(u64::from(first.trailing_zeros()) + 1)?;
        self.pending.fetch_and(!(1 << signal.index()), Ordering::Relaxed);
        Some(signal)
    }
}

/// What happens to `signal` under a disposition.
pub fn delivery(action: &SigAction, signal: Signal) -> Delivery {
    match action.handler {
        SIG_IGN => Delivery::Ignore,
        SIG_DFL => default_delivery(signal),
        handler => Delivery::Handler(handler),
    }
}

/// What happens to `signal` by default.
pub fn default_delivery(signal: Signal) -> Delivery {
    match signal.default_action() {
        DefaultAction::Terminate | DefaultAction::Core => Delivery::Terminate,
        DefaultAction::Ignore | DefaultAction::Continue => Delivery::Ignore,
        DefaultAction::Stop => Delivery::Stop,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn handler(address: u64) -> SigAction {
        SigAction { handler: address, mask: u64::MAX, ..SigAction::default() }
    }

    #[test]
    fn dispositions() {
        let signals = Signals::new();
        assert_eq!(signals.set_action(Signal::SIGKILL, handler(SIG_IGN)), None);
        assert_eq!(signals.set_action(Signal::SIGSTOP, handler(0x1000)), None);
        assert_eq!(signals.set_action(Signal::SIGTERM, handler(0x1000)), Some(SigAction::default()));
        let action = signals.action(Signal::SIGTERM);
        assert_eq!(action.mask, !SigSet::UNBLOCKABLE.0, "KILL and STOP cannot be blocked");
        assert_eq!(delivery(&action, Signal::SIGTERM), Delivery::Handler(0x1000));
        signals.set_action(Signal::SIGINT, handler(SIG_IGN));
        signals.reset_for_exec();
        assert_eq!(delivery(&signals.action(Signal::SIGTERM), Signal::SIGTERM), Delivery::Terminate);
        assert_eq!(delivery(&signals.action(Signal::SIGINT), Signal::SIGINT), Delivery::Ignore);
        assert_eq!(default_delivery(Signal::SIGCHLD), Delivery::Ignore);
        assert_eq!(default_delivery(Signal::SIGTSTP), Delivery::Stop);
    }

    #[test]
    fn pending_and_blocked() {
        let signals = Signals::new();
        signals.send(Signal::SIGCHLD);
        assert_eq!(signals.pending(), SigSet::EMPTY, "ignored ones are not kept");
        signals.send(Signal::SIGTERM);
        signals.send(Signal::SIGINT);
        signals.send(Signal::SIGSEGV);
        let mut mask = SigSet::EMPTY;
        mask.insert(Signal::SIGINT);
        assert_eq!(signals.take(mask), Some(Signal::SIGSEGV), "synchronous first");
        assert_eq!(signals.take(mask), Some(Signal::SIGTERM));
        assert_eq!(signals.take(mask), None);
        signals.set_action(Signal::SIGINT, handler(SIG_IGN));
        assert_eq!(signals.take(SigSet::EMPTY), None, "discarded when it became ignored");
    }
}
