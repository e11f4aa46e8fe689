//! [`ExitStatus`]: how a process ended.

use abi::Signal;
use core::fmt;

/// How a process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExitStatus {
    /// It called exit with this status (the low 8 bits).
    Code(u8),
    /// A signal killed it.
    Signal(Signal),
}

impl ExitStatus {
    /// The status that a shell shows: the program's, or 128 plus the signal's number.
    pub const fn shell_status(self) -> u8 {
        match self {
            ExitStatus::Code(code) => code,
            ExitStatus::Signal(signal) => 128 + signal.raw(),
        }
    }
}

impl fmt::Display for ExitStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ExitStatus::Code(code) => write!(f, "exit status {code}"),
            ExitStatus::Signal(signal) => write!(f, "killed by {signal}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_a_shell_shows_it() {
        assert_eq!(ExitStatus::Code(255).shell_status(), 255);
        assert_eq!(ExitStatus::Signal(Signal::SIGSEGV).shell_status(), 139);
        assert_eq!(ExitStatus::Signal(Signal::SIGSEGV).to_string(), "killed by SIGSEGV (Segmentation fault)");
    }
}
