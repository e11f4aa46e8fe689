//! Building: the kernel for bare metal, then the host tools with the kernel inside. Called by nearly every command.

use crate::context::Context;
use crate::process;
use crate::toolchain::{KERNEL_TARGET, Toolchain};
use std::path::PathBuf;

/// What a build leaves behind.
pub struct Built {
    /// The kernel, with line tables.
    pub kernel: PathBuf,
    /// `mkimage`.
    pub mkimage: PathBuf,
    /// `nospin`.
    pub nospin: PathBuf,
}

/// Static code in the upper half; frame pointers for backtraces. The linker script comes from the kernel's build script.
const KERNEL_RUSTFLAGS: [&str; 2] = ["-Crelocation-model=static", "-Cforce-frame-pointers=yes"];

/// The profile of the kernel in the root manifest.
pub const KERNEL_PROFILE: &str = "kernel";

/// Builds the kernel and the host tools.
///
/// # Errors
/// A line that names the step that failed.
pub fn all(cx: &Context) -> Result<Built, String> {
    let kernel = kernel(cx)?;
    let (mkimage, nospin) = tools(cx, &kernel)?;
    Ok(Built { kernel, mkimage, nospin })
}

/// Builds the kernel and returns the path of its ELF file.
///
/// # Errors
/// A line that names the step that failed.
pub fn kernel(cx: &Context) -> Result<PathBuf, String> {
    let toolchain = Toolchain::find(cx)
        .ok_or("no compiler for the kernel's target; with rustup: rustup target add x86_64-unknown-none")?;
    println!("kernel: built by {}", toolchain.describe());
    // A directory of its own: another compiler than the host tools' may build it.
    let target = cx.target.join("kernel");
    process::run(
        toolchain
            .cargo_build(cx)
            .args(["-p", "nospin-kernel", "--bin", "nospin-kernel", "--profile", KERNEL_PROFILE])
            .env("CARGO_TARGET_DIR", &target)
            .env_remove("RUSTFLAGS")
            .env("CARGO_ENCODED_RUSTFLAGS", kernel_rustflags(cx, &toolchain)),
    )
    .map_err(|error| format!("the kernel was not built: {error}"))?;
    let file = target.join(KERNEL_TARGET).join(KERNEL_PROFILE).join("nospin-kernel");
    if file.is_file() { Ok(file) } else { Err(format!("cargo left no kernel at {}", file.display())) }
}

/// [`KERNEL_RUSTFLAGS`], and source paths relative to the checkout: the kernel says nothing about the machine that built
/// it, and the same sources give the same kernel anywhere. In cargo's encoded form, for paths with spaces.
fn kernel_rustflags(cx: &Context, toolchain: &Toolchain) -> String {
    let home = std::env::var_os("CARGO_HOME").map(PathBuf::from);
    let home = home.or_else(|| std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".cargo")));
    let mut flags: Vec<String> = KERNEL_RUSTFLAGS.map(String::from).to_vec();
    flags.extend(toolchain.rustflags().iter().map(|&flag| flag.into()));
    flags.push(format!("--remap-path-prefix={}/=", cx.root.display()));
    flags.extend(home.map(|home| format!("--remap-path-prefix={}/=cargo/", home.display())));
    flags.join("\x1f")
}

/// Builds `mkimage` and `nospin` with the kernel inside.
fn tools(cx: &Context, kernel: &std::path::Path) -> Result<(PathBuf, PathBuf), String> {
    process::run(cx.cargo().args(["build", "--release", "-p", "nospin-images"]).env("NOSPIN_KERNEL", kernel))
        .map_err(|error| format!("the host tools were not built: {error}"))?;
    let release = cx.target.join("release");
    let (mkimage, nospin) = (release.join("mkimage"), release.join("nospin"));
    for tool in [&mkimage, &nospin] {
        if !tool.is_file() {
            return Err(format!("cargo left no {}", tool.display()));
        }
    }
    Ok((mkimage, nospin))
}
