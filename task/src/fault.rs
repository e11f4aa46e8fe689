//! Faults of the program: which signal each becomes, and what the report says about it.
//!
//! Called by the kernel's trap path with an exception it could not resolve. In this state of the project a fault signal always
//! ends the process, because handlers cannot run yet.

use crate::platform::Platform;
use crate::process::{Process, Thread};
use crate::signal::{Delivery, delivery};
use crate::{ExitStatus, report};
use abi::{Signal, UserRegs};
use core::fmt;
use mm::space::{Access, FaultError};

/// A CPU exception that is no page fault (Intel's manual, volume 3, chapter 6), or one that the kernel found out itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exception {
    /// #DE
    DivideError,
    /// #DB
    Debug,
    /// #BP
    Breakpoint,
    /// #OF
    Overflow,
    /// #BR
    BoundRange,
    /// #UD
    InvalidOpcode,
    /// #NM
    NoFpu,
    /// #TS, #NP, #SS
    Segment,
    /// #GP
    GeneralProtection,
    /// #MF
    X87,
    /// #AC
    AlignmentCheck,
    /// #XM
    Simd,
    /// #CP
    ControlProtection,
    /// The program executed `hlt`, which a C library does when abort() has failed.
    Halt,
    /// The program changed GS, which belongs to the kernel.
    GsChanged,
    /// Any other vector.
    Other(u8),
}

impl Exception {
    /// From the vector number.
    pub const fn from_vector(vector: u8) -> Self {
        match vector {
            0 => Exception::DivideError,
            1 => Exception::Debug,
            3 => Exception::Breakpoint,
            4 => Exception::Overflow,
            5 => Exception::BoundRange,
            6 => Exception::InvalidOpcode,
            7 => Exception::NoFpu,
            10..=12 => Exception::Segment,
            13 => Exception::GeneralProtection,
            16 => Exception::X87,
            17 => Exception::AlignmentCheck,
            19 => Exception::Simd,
            21 => Exception::ControlProtection,
            other => Exception::Other(other),
        }
    }

    /// The signal that Linux sends.
    pub const fn signal(self) -> Signal {
        match self {
            Exception::DivideError | Exception::X87 | Exception::Simd => Signal::SIGFPE,
            Exception::Debug | Exception::Breakpoint => Signal::SIGTRAP,
            Exception::InvalidOpcode => Signal::SIGILL,
            Exception::AlignmentCheck | Exception::Segment => Signal::SIGBUS,
            _ => Signal::SIGSEGV,
        }
    }
}

impl fmt::Display for Exception {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Exception::DivideError => "integer division by zero or overflow",
            Exception::Debug => "debug trap",
            Exception::Breakpoint => "breakpoint",
            Exception::Overflow => "overflow trap",
            Exception::BoundRange => "bound range exceeded",
            Exception::InvalidOpcode => "invalid instruction",
            Exception::NoFpu => "floating point unit not available",
            Exception::Segment => "bad segment",
            Exception::GeneralProtection => {
                "general protection (a non-canonical address, or an operand the CPU forbids)"
            }
            Exception::X87 => "x87 floating point error",
            Exception::AlignmentCheck => "unaligned access",
            Exception::Simd => "SIMD floating point error",
            Exception::ControlProtection => "control protection",
            Exception::Halt => "the program halted the CPU (a C library's last resort after abort)",
            Exception::GsChanged => "the program changed GS, which belongs to the kernel",
            Exception::Other(vector) => return write!(f, "exception {vector}"),
        })
    }
}

/// Why a process is killed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// A memory access.
    Page {
        /// The address.
        addr: u64,
        /// What was tried.
        access: Access,
        /// Why it failed.
        error: FaultError,
    },
    /// Another exception.
    Exception(Exception),
    /// A signal that was sent: by the program itself or by the terminal.
    Sent(Signal),
}

impl Cause {
    /// The signal.
    pub const fn signal(self) -> Signal {
        match self {
            Cause::Page { error: FaultError::OutOfMemory, .. } => Signal::SIGKILL,
            Cause::Page { error: FaultError::BeyondFile | FaultError::Io, .. } => Signal::SIGBUS,
            Cause::Page { .. } => Signal::SIGSEGV,
            Cause::Exception(exception) => exception.signal(),
            Cause::Sent(signal) => signal,
        }
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Cause::Page { addr, access, error } => {
                let what = match access {
                    Access::Read => "reading",
                    Access::Write => "writing",
                    Access::Exec => "executing",
                };
                write!(f, "{what} address {addr:#x}: {error}")
            }
            Cause::Exception(exception) => exception.fmt(f),
            Cause::Sent(_) => f.write_str("sent to the program"),
        }
    }
}

/// Ends the process for a fault of the program: prints the report and returns the status.
pub fn program_fault(
    platform: &dyn Platform,
    process: &Process,
    thread: &Thread,
    regs: &UserRegs,
    cause: Cause,
) -> ExitStatus {
    let signal = cause.signal();
    if let Delivery::Handler(handler) = delivery(&process.signals.action(signal), signal) {
        platform.message(format_args!(
            "the handler at {handler:#x} for {} is not called: signal handlers are not supported yet",
            signal.name()
        ));
    }
    report::print(platform, process, thread, regs, &cause);
    ExitStatus::Signal(signal)
}

/// Delivers what is pending: `Some` if it ends the process. Called with the full register set.
pub fn deliver_pending(
    platform: &dyn Platform,
    process: &Process,
    thread: &Thread,
    regs: &UserRegs,
) -> Option<ExitStatus> {
    while let Some(signal) = process.signals.take(thread.mask()) {
        let mut how = delivery(&process.signals.action(signal), signal);
        if let Delivery::Handler(handler) = how {
            how = crate::signal::default_delivery(signal);
            platform.message(format_args!(
                "the handler at {handler:#x} for {} is not called: signal handlers are not supported yet",
                signal.name()
            ));
        }
        match how {
            Delivery::Ignore | Delivery::Handler(_) => {}
            Delivery::Stop => platform.message(format_args!(
                "{} does not stop the program: nobody could continue it",
                signal.name()
            )),
            Delivery::Terminate => {
                // A line for what a user or the program asks for; a report for what indicates an error.
                if signal.default_action() == abi::signal::DefaultAction::Core {
                    report::print(platform, process, thread, regs, &Cause::Sent(signal));
                } else {
                    report::headline(platform, process, thread, &Cause::Sent(signal));
                }
                return Some(ExitStatus::Signal(signal));
            }
        }
    }
    thread.restore_mask();
    None
}
