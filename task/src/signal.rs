//! Signals of a process: dispositions, what is pending, and what happens to a signal (signal(7)).
//!
//! Called by `syscall` (the kill and sigaction families), by the terminal and by timers. [`deliver`] is what happens on the way
//! back to the program, [`frame`] how a handler is entered and left, [`pending`] the queues.

pub mod deliver;
pub mod frame;
pub mod pending;

use abi::signal::DefaultAction;
use abi::structs::SigAction;
use abi::{SigSet, Signal};
use alloc::sync::Arc;
use fs::notify::Notifier;
use pending::Pending;
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
    /// The handler at this address runs.
    Handler(u64),
}

/// The signals of a process, shared by its threads.
pub struct Signals {
    actions: Mutex<[SigAction; Signal::MAX as usize]>,
    pending: Pending,
    /// Told when a signal has been sent, for the files of signalfd(2).
    pub changed: Arc<Notifier>,
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
            pending: Pending::default(),
            changed: Arc::new(Notifier::new()),
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
        let old = {
            let mut actions = self.actions.lock();
            core::mem::replace(actions.get_mut(signal.index())?, action)
        };
        // POSIX: a pending signal that becomes ignored is discarded.
        if self.is_ignored(signal) {
            self.pending.discard(SigSet(1 << signal.index()));
        }
        Some(old)
    }

    /// SA_RESETHAND: the handler runs once, then the disposition is the default.
    pub fn reset_handler(&self, signal: Signal) {
        if let Some(action) = self.actions.lock().get_mut(signal.index()) {
            action.handler = SIG_DFL;
        }
    }

    /// Whether nothing happens to `signal`.
    pub fn is_ignored(&self, signal: Signal) -> bool {
        delivery(&self.action(signal), signal) == Delivery::Ignore
    }

    /// execve(2): handlers become default, ignored signals stay ignored.
    pub fn reset_for_exec(&self) {
        for action in self.actions.lock().iter_mut() {
            if action.handler != SIG_IGN {
                *action = SigAction::default();
            }
        }
    }

    /// The signals that wait for the process.
    #[inline]
    pub fn pending(&self) -> SigSet {
        self.pending.set()
    }

    /// What waits for the process.
    pub fn queue(&self) -> &Pending {
        &self.pending
    }
}

/// `si_code` of a signal that the kernel itself sends.
pub const SI_KERNEL: i32 = abi::general::SI_KERNEL as i32;

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
    use abi::structs::SigInfo;

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
        assert!(signals.is_ignored(Signal::SIGCHLD));
        for signal in [Signal::SIGTERM, Signal::SIGINT, Signal::SIGSEGV] {
            let _ = signals.queue().add(signal, SigInfo::new(signal, SI_KERNEL), u64::MAX);
        }
        let mut mask = SigSet::EMPTY;
        mask.insert(Signal::SIGINT);
        let take = |mask| signals.queue().take(mask).map(|(signal, _)| signal);
        assert_eq!(take(mask), Some(Signal::SIGSEGV), "synchronous first");
        assert_eq!(take(mask), Some(Signal::SIGTERM));
        assert_eq!(take(mask), None);
        signals.set_action(Signal::SIGINT, handler(SIG_IGN));
        assert_eq!(take(SigSet::EMPTY), None, "discarded when it became ignored");
    }
}
