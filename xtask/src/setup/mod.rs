//! Set-up: what this machine lacks, and on Debian and its kin its installation. First step of every command.
//!
//! Invariant: nothing is installed when nothing is missing, and nothing is installed without being named first.

mod needs;

use crate::context::Context;
use crate::process;
use crate::toolchain::Toolchain;
use needs::{NEEDS, Need};
use std::process::{Command, Stdio};

/// What the machine must be able to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Purpose {
    /// Build the kernel and the host tools.
    Build,
    /// Boot images.
    Run,
    /// Show the demo.
    Demo,
    /// Run all tests.
    Test,
    /// Run the long suites too.
    Conformance,
}

/// Debian's way to build for bare metal, when the active toolchain cannot.
const DEBIAN_TOOLCHAIN: &[&str] = &["rustc-web", "cargo-web", "rust-web-src", "lld"];
const RUSTUP_TARGET: &str = "rustup target add x86_64-unknown-none";

/// Makes the machine fit for `purpose`, or says what to do.
///
/// # Errors
/// The exact commands for the user, when this program cannot or may not run them itself; or what failed.
pub fn prepare(cx: &Context, purpose: Purpose) -> Result<(), String> {
    let missing: Vec<&Need> =
        NEEDS.iter().filter(|need| need.purpose <= purpose && !need.is_present()).collect();
    let toolchain = Toolchain::find(cx);
    if !missing.is_empty() || toolchain.is_none() {
        install(&missing, toolchain.is_none())?;
        if let Some(need) = missing.iter().find(|need| !need.is_present()) {
            return Err(format!("{} is still missing after the installation of {}", need.what, need.debian));
        }
        if Toolchain::find(cx).is_none() {
            return Err(format!(
                "there is still no compiler for the kernel's target; with rustup: {RUSTUP_TARGET}"
            ));
        }
    }
    if purpose >= Purpose::Test { components(cx) } else { Ok(()) }
}

/// rustfmt and clippy come with the toolchain, not with the system.
fn components(cx: &Context) -> Result<(), String> {
    let works = |subcommand: &str| {
        cx.cargo()
            .args([subcommand, "--version"])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()
            .is_ok_and(|status| status.success())
    };
    let missing: Vec<&str> = [("fmt", "rustfmt"), ("clippy", "clippy")]
        .into_iter()
        .filter_map(|(subcommand, component)| (!works(subcommand)).then_some(component))
        .collect();
    if missing.is_empty() {
        Ok(())
    } else {
        Err(format!("missing: {0}; install with: rustup component add {0}", missing.join(" ")))
    }
}

fn install(missing: &[&Need], toolchain: bool) -> Result<(), String> {
    println!("missing on this machine:");
    for need in missing {
        println!("  {}", need.what);
    }
    if toolchain {
        println!("  a Rust toolchain for x86_64-unknown-none");
    }
    if process::find_program("apt-get").is_none() {
        return Err(by_hand(missing, toolchain));
    }
    let mut packages: Vec<&str> = missing.iter().map(|need| need.debian).collect();
    if toolchain {
        packages.extend(DEBIAN_TOOLCHAIN);
    }
    let Some(prefix) = root_prefix() else {
        return Err(format!(
            "installing needs root; run these commands and try again:\n  sudo apt-get update\n  sudo apt-get install \
             --no-install-recommends {}",
            packages.join(" ")
        ));
    };
    println!("installing with apt-get: {}", packages.join(" "));
    apt(prefix, &["update", "-q"])?;
    if toolchain && !packaged("rustc-web") {
        return Err(format!(
            "this system has no package rustc-web; install the kernel's target with rustup and try again:\n  \
             {RUSTUP_TARGET}"
        ));
    }
    let mut words = vec!["install", "-q", "-y", "--no-install-recommends"];
    words.extend(&packages);
    apt(prefix, &words)
}

fn apt(prefix: &[&str], words: &[&str]) -> Result<(), String> {
    let mut all: Vec<&str> = prefix.to_vec();
    all.push("apt-get");
    all.extend(words);
    let (program, rest) = all.split_first().ok_or("no command")?;
    process::run(
        Command::new(program).args(rest).env("DEBIAN_FRONTEND", "noninteractive").stdin(Stdio::null()),
    )
}

/// The words in front of a command that give it root's rights: none for root, `sudo -n` if that needs no password.
fn root_prefix() -> Option<&'static [&'static str]> {
    if process::output(Command::new("id").arg("-u")).is_ok_and(|uid| uid == "0") {
        return Some(&[]);
    }
    let quiet = |command: &mut Command| {
        command.stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok_and(|status| status.success())
    };
    quiet(Command::new("sudo").args(["-n", "true"])).then_some(&["sudo", "-n"])
}

fn packaged(name: &str) -> bool {
    process::output(Command::new("apt-cache").args(["policy", name]))
        .is_ok_and(|text| text.contains("Candidate:") && !text.contains("Candidate: (none)"))
}

/// What the user is to type where there is no apt-get.
fn by_hand(missing: &[&Need], toolchain: bool) -> String {
    let mut commands = Vec::new();
    let names =
        |pick: fn(&Need) -> &'static str| missing.iter().map(|need| pick(need)).collect::<Vec<_>>().join(" ");
    if !missing.is_empty() {
        commands.push(if process::find_program("dnf").is_some() {
            format!("sudo dnf install {}", names(|need| need.fedora))
        } else if process::find_program("pacman").is_some() {
            format!("sudo pacman -S --needed {}", names(|need| need.arch))
        } else {
            format!(
                "(install with this system's package manager, here by Debian's names:) {}",
                names(|n| n.debian)
            )
        });
    }
    if toolchain {
        commands.push(RUSTUP_TARGET.to_string());
    }
    format!("run these commands and try again:\n  {}", commands.join("\n  "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_by_hand_name_everything() {
        let all: Vec<&Need> = NEEDS.iter().collect();
        let text = by_hand(&all, true);
        assert!(text.contains(RUSTUP_TARGET));
        assert!(text.contains("cpio") && text.contains("musl"));
        assert!(!by_hand(&all, false).contains(RUSTUP_TARGET));
    }

    #[test]
    fn building_needs_no_qemu_but_running_does() {
        let packages = |purpose| {
            NEEDS.iter().filter(|need| need.purpose <= purpose).map(|need| need.debian).collect::<Vec<_>>()
        };
        assert!(!packages(Purpose::Build).contains(&"qemu-system-x86"));
        assert!(packages(Purpose::Run).contains(&"qemu-system-x86"));
        assert!(packages(Purpose::Test).contains(&"qemu-system-x86"));
        assert!(packages(Purpose::Test).contains(&"lua5.4"));
        assert!(!packages(Purpose::Run).contains(&"memcached"));
        assert!(packages(Purpose::Demo).contains(&"memcached"));
        assert!(!packages(Purpose::Test).contains(&"libpython3.11-testsuite"));
        assert!(packages(Purpose::Conformance).contains(&"libpython3.11-testsuite"));
    }
}
