//! Delivery: what happens to signals on the way back to the program.
//!
//! Called with the full register set after a system call, after a fault, and after an interrupt of the program
//! that made a signal pending. Each may end the process; otherwise the registers say where the program goes on.

use super::{Delivery, SI_KERNEL, delivery, frame};
use crate::fault::{Cause, TrapInfo};
use crate::{ExitStatus, Platform, Process, Thread, report};
use abi::general as raw;
use abi::signal::DefaultAction;
use abi::structs::{SigAction, SigInfo};
use abi::{Errno, SigSet, Signal, UserRegs, nr};

/// What a signal is delivered to.
pub struct Target<'a> {
    /// The kernel's services.
    pub platform: &'a dyn Platform,
    /// The process.
    pub process: &'a Process,
    /// Its running thread.
    pub thread: &'a Thread,
}

/// Length of the `syscall` instruction.
const SYSCALL_LEN: u64 = 2;

impl Target<'_> {
    /// Takes the next signal that `blocked` does not have, those for the thread before those for the process.
    pub fn dequeue(&self, blocked: SigSet) -> Option<(Signal, SigInfo)> {
        let mut info = SigInfo::default();
        Some((self.dequeue_into(blocked, &mut info)?, info))
    }

    /// As [`dequeue`](Self::dequeue); what is known about the signal goes to `info`, which is long to copy.
    fn dequeue_into(&self, blocked: SigSet, info: &mut SigInfo) -> Option<Signal> {
        loop {
            let own = self.thread.pending().take_into(blocked, info);
            let signal = match own {
                Some(signal) => signal,
                None => self.process.signals.queue().take_into(blocked, info)?,
            };
            if self.process.signal_taken(self.platform, signal, info) {
                return Some(signal);
            }
        }
    }

    /// The next signal to be delivered, of timers that have just expired too.
    fn next_signal(&self, info: &mut SigInfo) -> Option<Signal> {
        if self.process.timers.due() != 0 {
            self.process.expire_timers(self.platform);
        }
        self.dequeue_into(self.thread.mask(), info)
    }

    /// Delivers what is pending; `Some` if it ends the process. After a system call, `regs.rax` has its result and
    /// `regs.orig_rax` its number, and `from_call` is set: a call that a signal ended may start again.
    pub fn deliver_pending(&self, regs: &mut UserRegs, from_call: bool) -> Option<ExitStatus> {
        let from_call = from_call && regs.orig_rax != frame::NO_CALL;
        let mut restart = if from_call { Errno::restart_code(regs.rax) } else { None };
        // Chosen anew by those who send from here on.
        self.thread.choose(false);
        while self.process.needs_attention(self.thread) {
            let mut info = SigInfo::default();
            let Some(signal) = self.next_signal(&mut info) else { break };
            let action = self.process.signals.action(signal);
            match delivery(&action, signal) {
                Delivery::Ignore => {}
                Delivery::Stop => self.platform.message(format_args!(
                    "{} does not stop the program: nobody could continue it",
                    signal.name()
                )),
                Delivery::Terminate => return Some(self.terminate(regs, Cause::Sent(signal))),
                Delivery::Handler(_) => {
                    if let Some(code) = restart.take() {
                        before_handler(regs, code, &action);
                    }
                    if let Some(status) = self.call_handler(regs, signal, &action, &info) {
                        return Some(status);
                    }
                }
            }
        }
        if let Some(code) = restart {
            start_again(regs, code);
        }
        if let Some(mask) = self.thread.take_saved_mask() {
            self.process.set_mask(self.thread, mask);
        }
        None
    }

    /// A fault of the program: its handler runs, or it ends with a report. Then delivers what else is pending.
    pub fn fault(&self, regs: &mut UserRegs, cause: Cause, trap: TrapInfo) -> Option<ExitStatus> {
        self.thread.set_trap(trap);
        self.force(regs, cause, &cause.info(&trap, regs.rip)).or_else(|| self.deliver_pending(regs, false))
    }

    /// A signal that cannot wait: blocked or ignored, it ends the process, for the program cannot go on.
    pub fn force(&self, regs: &mut UserRegs, cause: Cause, info: &SigInfo) -> Option<ExitStatus> {
        let signal = cause.signal();
        let action = self.process.signals.action(signal);
        match delivery(&action, signal) {
            Delivery::Handler(_) if !self.thread.mask().contains(signal) => {
                self.handler(regs, signal, &action, info, cause)
            }
            _ => Some(self.terminate(regs, cause)),
        }
    }

    fn call_handler(
        &self,
        regs: &mut UserRegs,
        signal: Signal,
        action: &SigAction,
        info: &SigInfo,
    ) -> Option<ExitStatus> {
        self.handler(regs, signal, action, info, Cause::NoFrame(signal))
    }

    /// Calls a handler. If it cannot be called, that is a SIGSEGV, of which `cause` is reported when it cannot be handled.
    fn handler(
        &self,
        regs: &mut UserRegs,
        signal: Signal,
        action: &SigAction,
        info: &SigInfo,
        cause: Cause,
    ) -> Option<ExitStatus> {
        let mask = self.thread.mask();
        let back = self.thread.take_saved_mask().unwrap_or(mask);
        if action.flags & u64::from(raw::SA_RESETHAND) != 0 {
            self.process.signals.reset_handler(signal);
        }
        if frame::push(self.platform, self.thread, regs, action, info, back).is_err() {
            if signal == Signal::SIGSEGV {
                return Some(self.terminate(regs, cause));
            }
            let cause = Cause::NoFrame(signal);
            return self.force(regs, cause, &SigInfo::new(Signal::SIGSEGV, SI_KERNEL));
        }
        let mut blocked = SigSet(mask.0 | action.mask);
        if action.flags & u64::from(raw::SA_NODEFER) == 0 {
            blocked.insert(signal);
        }
        self.process.set_mask(self.thread, blocked);
        None
    }

    /// A line for what a user or the program asks for; a report for what indicates an error.
    fn terminate(&self, regs: &UserRegs, cause: Cause) -> ExitStatus {
        let signal = cause.signal();
        let sent = matches!(cause, Cause::Sent(_));
        if !self.process.begin_end(self.thread) {
            // Another thread ends the process and has said why.
        } else if sent && signal.default_action() != DefaultAction::Core {
            report::headline(self.platform, self.process, self.thread, &cause);
        } else {
            report::print(self.platform, self.process, self.thread, regs, &cause);
        }
        ExitStatus::Signal(signal)
    }
}

/// A call ended by a signal whose handler runs: whether the handler returns to its error or to its start.
fn before_handler(regs: &mut UserRegs, code: Errno, action: &SigAction) {
    let again = match code {
        Errno::ERESTARTNOINTR => true,
        Errno::ERESTARTSYS => action.flags & u64::from(raw::SA_RESTART) != 0,
        _ => false,
    };
    if again {
        start_again(regs, Errno::ERESTARTNOINTR);
    } else {
        regs.rax = Errno::EINTR.to_rax();
    }
}

fn start_again(regs: &mut UserRegs, code: Errno) {
    let restart_block = code == Errno::ERESTART_RESTARTBLOCK;
    regs.rax = if restart_block { nr::RESTART_SYSCALL.into() } else { regs.orig_rax };
    regs.rip = regs.rip.wrapping_sub(SYSCALL_LEN);
}
