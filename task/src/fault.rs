//! Faults of the program: which signal each becomes, and what the report says about it.
//!
//! Pure: the kernel's trap path says what happened, [`signal::deliver`](crate::signal::deliver) does what follows.

use crate::signal::SI_KERNEL;
use abi::structs::SigInfo;
use abi::{Signal, general as raw};
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
    /// The stack has no room for the frame of this signal's handler, or the handler cannot be called.
    NoFrame(Signal),
    /// rt_sigreturn(2) found no good frame.
    BadFrame,
}

/// What the processor said about an exception, as signal frames show it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TrapInfo {
    /// Vector.
    pub vector: u64,
    /// Error code.
    pub error: u64,
    /// Address of the last page fault.
    pub cr2: u64,
    /// DR6 for #DB; the unmasked exceptions among the status flags for #MF and #XM.
    pub status: u32,
}

/// The step bits of DR6: BS and BT. And the four breakpoints.
const DR6_STEP: u32 = 0xc000;
const DR6_BREAKPOINTS: u32 = 0xf;

impl Cause {
    /// The signal.
    pub const fn signal(self) -> Signal {
        match self {
            Cause::Page { error: FaultError::OutOfMemory, .. } => Signal::SIGKILL,
            Cause::Page { error: FaultError::BeyondFile | FaultError::Io, .. } => Signal::SIGBUS,
            Cause::Page { .. } => Signal::SIGSEGV,
            Cause::Exception(exception) => exception.signal(),
            Cause::Sent(signal) => signal,
            Cause::NoFrame(_) | Cause::BadFrame => Signal::SIGSEGV,
        }
    }
}

impl Cause {
    /// What the handler is told (sigaction(2)). `rip` is where the program was.
    pub fn info(self, trap: &TrapInfo, rip: u64) -> SigInfo {
        let signal = self.signal();
        let fault = |code, addr| SigInfo::fault(signal, code, addr);
        match self {
            Cause::Page { addr, error: FaultError::Protection, .. } => fault(raw::SEGV_ACCERR, addr),
            Cause::Page { addr, error: FaultError::BeyondFile | FaultError::Io, .. } => {
                fault(raw::BUS_ADRERR, addr)
            }
            Cause::Page { addr, .. } => fault(raw::SEGV_MAPERR, addr),
            Cause::Exception(Exception::DivideError) => fault(raw::FPE_INTDIV, rip),
            Cause::Exception(Exception::X87 | Exception::Simd) => fault(float_code(trap.status), rip),
            Cause::Exception(Exception::InvalidOpcode) => fault(raw::ILL_ILLOPN, rip),
            Cause::Exception(Exception::AlignmentCheck) => fault(raw::BUS_ADRALN, 0),
            Cause::Exception(Exception::Debug) if trap.status & DR6_STEP != 0 => fault(raw::TRAP_TRACE, rip),
            Cause::Exception(Exception::Debug) if trap.status & DR6_BREAKPOINTS != 0 => {
                fault(raw::TRAP_HWBKPT, rip)
            }
            Cause::Exception(Exception::Debug) => fault(raw::TRAP_BRKPT, rip),
            _ => SigInfo::new(signal, SI_KERNEL),
        }
    }
}

/// `si_code` for the unmasked floating-point exceptions in `status`: the order is the processor's.
const fn float_code(status: u32) -> u32 {
    match status {
        s if s & 1 != 0 => raw::FPE_FLTINV,
        s if s & 4 != 0 => raw::FPE_FLTDIV,
        s if s & 8 != 0 => raw::FPE_FLTOVF,
        s if s & 0x12 != 0 => raw::FPE_FLTUND,
        s if s & 0x20 != 0 => raw::FPE_FLTRES,
        _ => raw::FPE_FLTUNK,
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
            Cause::NoFrame(signal) => {
                write!(
                    f,
                    "the handler for {} cannot be called: no room on its stack, or no such code",
                    signal.name()
                )
            }
            Cause::BadFrame => f.write_str("the signal frame of rt_sigreturn is damaged"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_handlers_are_told() {
        let told = |cause: Cause, status| {
            let info = cause.info(&TrapInfo { status, ..TrapInfo::default() }, 0x1234);
            (info.signo, info.code, info.fields[0])
        };
        let page = |error| Cause::Page { addr: 0x10, access: Access::Read, error };
        assert_eq!(told(page(FaultError::NotMapped), 0), (11, 1, 0x10));
        assert_eq!(told(page(FaultError::Protection), 0), (11, 2, 0x10));
        assert_eq!(told(page(FaultError::StackLimit), 0), (11, 1, 0x10));
        assert_eq!(told(page(FaultError::BeyondFile), 0), (7, 2, 0x10));
        let exception = |vector, status| told(Cause::Exception(Exception::from_vector(vector)), status);
        assert_eq!(exception(0, 0), (8, 1, 0x1234));
        assert_eq!(exception(1, 1 << 14), (5, 2, 0x1234));
        assert_eq!(exception(1, 1), (5, 4, 0x1234));
        assert_eq!(exception(1, 0), (5, 1, 0x1234));
        assert_eq!(exception(3, 0), (5, 0x80, 0));
        assert_eq!(exception(6, 0), (4, 2, 0x1234));
        assert_eq!(exception(12, 0), (7, 0x80, 0));
        assert_eq!(exception(13, 0), (11, 0x80, 0));
        for (status, code) in [(1, 7), (5, 7), (4, 3), (8, 4), (0x10, 5), (2, 5), (0x20, 6), (0, 14)] {
            assert_eq!(exception(16, status), (8, code, 0x1234));
            assert_eq!(exception(19, status), (8, code, 0x1234));
        }
    }
}
