//! Where things are: the repository, the target directory, the cargo to call. Made once by `main`.
//!
//! Invariant: all paths are absolute, so that commands may run in any directory.

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Paths and programs that every command needs.
pub struct Context {
    /// The root of the repository.
    pub root: PathBuf,
    /// The target directory of the host crates (`CARGO_TARGET_DIR`, else `target`).
    pub target: PathBuf,
    cargo: PathBuf,
}

/// What `cargo run` and rustup put into the environment of this program. An inner cargo that inherits them believes
/// to be part of the outer build, or takes another toolchain's libraries.
const OUTER_BUILD: &[&str] = &[
    "CARGO",
    "CARGO_ENCODED_RUSTFLAGS",
    "CARGO_PRIMARY_PACKAGE",
    "LD_LIBRARY_PATH",
    "OUT_DIR",
    "RUST_RECURSION_COUNT",
];
const OUTER_BUILD_PREFIXES: &[&str] = &["CARGO_PKG_", "CARGO_MANIFEST_", "CARGO_CRATE_", "CARGO_BIN_"];

impl Context {
    /// Finds the repository this program was built from and the target directory.
    ///
    /// # Errors
    /// A line of text when the source tree is gone.
    pub fn discover() -> Result<Self, String> {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"))
            .parent()
            .and_then(|dir| dir.canonicalize().ok())
            .ok_or("the source tree that this program was built from is gone")?;
        let target = match env::var_os("CARGO_TARGET_DIR").filter(|dir| !dir.is_empty()) {
            // cargo takes a relative path from the directory it was started in, and so does this.
            Some(dir) => env::current_dir().map_err(|error| error.to_string())?.join(dir),
            None => root.join("target"),
        };
        let cargo = env::var_os("CARGO").map_or_else(|| PathBuf::from("cargo"), PathBuf::from);
        Ok(Context { root, target, cargo })
    }

    /// Cargo of the active toolchain, in the repository, with the environment of a fresh shell.
    pub fn cargo(&self) -> Command {
        let mut command = Command::new(&self.cargo);
        self.clean(&mut command);
        command.env("CARGO_TARGET_DIR", &self.target);
        command
    }

    /// Puts a command into the repository and takes the outer build out of its environment.
    pub fn clean(&self, command: &mut Command) {
        command.current_dir(&self.root);
        for (name, _) in env::vars_os() {
            let Some(name) = name.to_str() else { continue };
            if OUTER_BUILD.contains(&name)
                || OUTER_BUILD_PREFIXES.iter().any(|prefix| name.starts_with(prefix))
            {
                command.env_remove(name);
            }
        }
    }

    /// A directory below the target directory, made if it is missing.
    ///
    /// # Errors
    /// A line of text when it cannot be made.
    pub fn work_dir(&self, name: &str) -> Result<PathBuf, String> {
        let dir = self.target.join(name);
        std::fs::create_dir_all(&dir).map_err(|error| format!("cannot make {}: {error}", dir.display()))?;
        Ok(dir)
    }
}
