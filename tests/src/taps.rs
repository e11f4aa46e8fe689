//! Whether this machine lets the tests make tap devices. Called by `vmtests` before cases that need one.

use crate::case::{Body, Case};
use std::process::{Command, Stdio};

/// Whether a case gives its machine a tap device.
#[must_use]
pub fn are_needed(case: &Case) -> bool {
    match &case.body {
        Body::Program(program) | Body::Server(program, _) => program.run.iter().any(|word| word == "tap"),
        _ => false,
    }
}

/// Makes a tap device and removes it.
///
/// # Errors
/// What `ip` says of it.
pub fn try_one() -> Result<(), String> {
    let name = format!("probe{}", std::process::id());
    let ip = |words: &[&str]| -> Result<(), String> {
        let output = Command::new("ip").args(words).stdin(Stdio::null()).output();
        let output = output.map_err(|error| format!("cannot run ip: {error}"))?;
        if output.status.success() {
            return Ok(());
        }
        Err(String::from_utf8_lossy(&output.stderr).trim_end().replace('\n', "; "))
    };
    ip(&["tuntap", "add", "dev", &name, "mode", "tap"])?;
    ip(&["link", "del", "dev", &name])
}
