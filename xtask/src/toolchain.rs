//! Which compiler builds the bare-metal kernel. Asked by `setup` (what is missing) and `build` (how to call it).
//!
//! Three ways, the first that is there: the active toolchain with the target `x86_64-unknown-none` installed; the
//! active toolchain with the standard library's source (`rust-src`), which cargo then builds for the target; Debian's
//! `rustc-web`, `cargo-web` and `rust-web-src`, in the same manner. Building the standard library is an unstable
//! option of cargo, opened by `RUSTC_BOOTSTRAP=1`; the code itself uses no unstable feature.

use crate::context::Context;
use crate::process;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The target of the kernel: no operating system, no vector registers.
pub const KERNEL_TARGET: &str = "x86_64-unknown-none";

/// Oldest compiler that understands the workspace (`rust-version` in the root manifest).
const OLDEST: (u32, u32) = (1, 95);

/// Where Debian's compiler and cargo lie; `/usr/bin` comes behind rustup's directory on `PATH`.
const DEBIAN_RUSTC: &str = "/usr/bin/rustc";
const DEBIAN_CARGO: &str = "/usr/bin/cargo";

/// A way to build for [`KERNEL_TARGET`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Toolchain {
    /// The active toolchain has the target.
    Installed,
    /// The active toolchain has the standard library's source.
    Source,
    /// Debian's packages.
    Debian,
}

impl Toolchain {
    /// The way that works here, if there is one.
    pub fn find(cx: &Context) -> Option<Self> {
        let rustlib = active_sysroot(cx).map(|sysroot| sysroot.join("lib/rustlib"));
        if let Some(rustlib) = rustlib {
            if rustlib.join(KERNEL_TARGET).is_dir() {
                return Some(Toolchain::Installed);
            }
            if rustlib.join("src/rust/library/core").is_dir() {
                return Some(Toolchain::Source);
            }
        }
        debian_complete().then_some(Toolchain::Debian)
    }

    /// Says in a line what will build the kernel.
    pub fn describe(&self) -> &'static str {
        match self {
            Toolchain::Installed => "the active toolchain, which has x86_64-unknown-none",
            Toolchain::Source => "the active toolchain, building core and alloc from its rust-src",
            Toolchain::Debian => "Debian's rustc-web, building core and alloc from rust-web-src",
        }
    }

    /// Flags of the compiler that are not stable: no names of files and lines in panics, as their backtrace tells them.
    pub fn rustflags(&self) -> &'static [&'static str] {
        match self {
            Toolchain::Installed => &[],
            Toolchain::Source | Toolchain::Debian => &["-Zlocation-detail=none"],
        }
    }

    /// `cargo build` for the kernel's target, up to and including `--target`.
    pub fn cargo_build(&self, cx: &Context) -> Command {
        let mut command = match self {
            Toolchain::Installed | Toolchain::Source => cx.cargo(),
            Toolchain::Debian => {
                let mut command = Command::new(DEBIAN_CARGO);
                cx.clean(&mut command);
                command.env("RUSTC", DEBIAN_RUSTC);
                // Debian's compiler has no linker of its own for bare metal.
                command.env("CARGO_TARGET_X86_64_UNKNOWN_NONE_LINKER", "ld.lld");
                command
            }
        };
        for name in ["RUSTUP_TOOLCHAIN", "RUSTC_WRAPPER", "RUSTC_WORKSPACE_WRAPPER", "CARGO_BUILD_TARGET"] {
            // rustup sets the toolchain for its own cargo; the others would change what is built.
            if *self == Toolchain::Debian || name != "RUSTUP_TOOLCHAIN" {
                command.env_remove(name);
            }
        }
        command.arg("build");
        if *self != Toolchain::Installed {
            command.env("RUSTC_BOOTSTRAP", "1");
            command.args([
                "-Zbuild-std=core,alloc,compiler_builtins",
                // Small sorts: the kernel sorts for listings only, and they are 50 KB otherwise.
                "-Zbuild-std-features=compiler-builtins-mem,optimize_for_size",
            ]);
        }
        command.args(["--target", KERNEL_TARGET]);
        command
    }
}

/// The sysroot of the compiler that cargo uses.
fn active_sysroot(cx: &Context) -> Option<PathBuf> {
    let mut command = Command::new(std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into()));
    cx.clean(&mut command);
    process::output(command.args(["--print", "sysroot"])).ok().map(PathBuf::from)
}

/// Whether Debian's compiler, cargo, source and linker are all there and new enough.
fn debian_complete() -> bool {
    let new_enough = |program: &str| {
        Path::new(program).exists()
            && Command::new(program)
                .arg("--version")
                .env_remove("LD_LIBRARY_PATH")
                .output()
                .ok()
                .and_then(|output| version_of(&String::from_utf8_lossy(&output.stdout)))
                .is_some_and(|version| version >= OLDEST)
    };
    Path::new("/usr/lib/rustlib/src/rust/library/core").exists()
        && process::find_program("ld.lld").is_some()
        && new_enough(DEBIAN_RUSTC)
        && new_enough(DEBIAN_CARGO)
}

/// Major and minor version from `rustc 1.96.0 (...)`.
fn version_of(text: &str) -> Option<(u32, u32)> {
    let mut numbers = text.split_whitespace().nth(1)?.split('.');
    Some((numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read_and_compared() {
        assert_eq!(
            version_of("rustc 1.96.0 (ac68faa20 2026-01-01) (built from a source tarball)"),
            Some((1, 96))
        );
        assert!(version_of("rustc 1.63.0").unwrap() < OLDEST);
        assert_eq!(version_of("rustc"), None);
        assert_eq!(version_of(""), None);
    }

    #[test]
    fn only_the_source_ways_open_unstable_options() {
        let cx = Context::discover().unwrap();
        for (way, opens) in
            [(Toolchain::Installed, false), (Toolchain::Source, true), (Toolchain::Debian, true)]
        {
            let command = way.cargo_build(&cx);
            let bootstrap =
                command.get_envs().any(|(name, value)| name == "RUSTC_BOOTSTRAP" && value.is_some());
            assert_eq!(bootstrap, opens, "{way:?}");
            assert_eq!(way.rustflags().iter().any(|flag| flag.starts_with("-Z")), opens, "{way:?}");
            assert!(command.get_args().any(|word| word == KERNEL_TARGET));
        }
    }
}
