//! KVM or not.
//!
//! /dev/kvm alone proves nothing: it exists on machines whose CPU has no virtualisation for guests.

use std::fmt;
use std::fs::{self, OpenOptions};
use std::io;

use super::options::AccelChoice;

/// The way of running that was chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Accel {
    /// Hardware virtualisation.
    Kvm,
    /// Emulation, one host thread for each CPU.
    Tcg,
}

/// Why there is no KVM although it was asked for.
#[derive(Debug)]
pub enum AccelError {
    /// The CPU has neither VMX nor SVM.
    NoCpuSupport,
    /// /dev/kvm cannot be opened.
    Device(io::Error),
}

impl fmt::Display for AccelError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoCpuSupport => {
                f.write_str("no KVM here: this CPU shows neither vmx nor svm (use --accel tcg or auto)")
            }
            Self::Device(error) => {
                write!(f, "no KVM here: /dev/kvm: {} (use --accel tcg or auto)", crate::make::reason(error))
            }
        }
    }
}

impl std::error::Error for AccelError {}

/// Chooses by the wish and by what this host has.
///
/// # Errors
/// KVM was asked for and cannot be used.
pub fn choose(choice: AccelChoice) -> Result<Accel, AccelError> {
    let cpuinfo = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    decide(choice, &cpuinfo, || OpenOptions::new().read(true).write(true).open("/dev/kvm").map(|_| ()))
}

fn decide(
    choice: AccelChoice,
    cpuinfo: &str,
    open: impl FnOnce() -> io::Result<()>,
) -> Result<Accel, AccelError> {
    let kvm = || {
        let flags = cpuinfo.lines().filter(|line| line.starts_with("flags"));
        let supported = flags.flat_map(str::split_whitespace).any(|flag| flag == "vmx" || flag == "svm");
        if supported { open().map_err(AccelError::Device) } else { Err(AccelError::NoCpuSupport) }
    };
    match choice {
        AccelChoice::Tcg => Ok(Accel::Tcg),
        AccelChoice::Kvm => kvm().map(|()| Accel::Kvm),
        AccelChoice::Auto => Ok(kvm().map_or(Accel::Tcg, |()| Accel::Kvm)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WITH: &str = "processor\t: 0\nflags\t\t: fpu vmx sse\n";
    const WITHOUT: &str = "processor\t: 0\nmodel name\t: vmx svm\nflags\t\t: fpu vmxx sse\n";

    #[test]
    fn auto_needs_cpu_and_device() {
        let denied = || Err(io::ErrorKind::PermissionDenied.into());
        assert_eq!(decide(AccelChoice::Auto, WITH, || Ok(())).unwrap(), Accel::Kvm);
        assert_eq!(decide(AccelChoice::Auto, WITH, denied).unwrap(), Accel::Tcg);
        assert_eq!(decide(AccelChoice::Auto, WITHOUT, || Ok(())).unwrap(), Accel::Tcg);
        assert_eq!(decide(AccelChoice::Tcg, WITH, || Ok(())).unwrap(), Accel::Tcg);
    }

    #[test]
    fn kvm_is_refused_with_the_reason() {
        let error = decide(AccelChoice::Kvm, WITHOUT, || Ok(())).unwrap_err().to_string();
        assert!(error.contains("neither vmx nor svm"), "{error}");
        let error = decide(AccelChoice::Kvm, WITH, || Err(io::ErrorKind::NotFound.into())).unwrap_err();
        assert!(error.to_string().contains("/dev/kvm"), "{error}");
    }
}
