//! The stages that run on the host: format, lints, unit tests, models of the lock-free code.

use super::Plan;
use crate::build::{Built, KERNEL_PROFILE};
use crate::context::Context;
use crate::process;
use crate::tally::{CargoTest, Tally};
use crate::toolchain::{KERNEL_TARGET, Toolchain};
use std::process::Command;

/// The kernel is linted for this target where the active toolchain (whose clippy it is) lacks the bare one. Checking
/// does not link, and with the kernel's profile a panic aborts, so that a program without std passes on it too.
const LINT_TARGET: &str = "x86_64-unknown-linux-gnu";

/// Where proptest looks for the seed of its inputs.
const SEED: &str = "PROPTEST_RNG_SEED";

/// Crates with property tests.
const PROPERTIES: &[&str] = &[
    "nospin-fs",
    "nospin-images",
    "nospin-loader",
    "nospin-mm",
    "nospin-net",
    "nospin-sched",
    "nospin-task",
    "nospin-image-format",
    "nospin-kerncore",
];

/// `cargo fmt` and clippy, without a single warning.
pub fn lints(cx: &Context, built: &Built, plan: &Plan, tally: &mut Tally) {
    let mut one = |name: &str, command: &mut Command| {
        if plan.wants(name) {
            tally.check(name, process::run(command.env("NOSPIN_KERNEL", &built.kernel)));
        }
    };
    one("format", cx.cargo().args(["fmt", "--all", "--check"]));
    one(
        "clippy: host crates",
        cx.cargo().args([
            "clippy",
            "--quiet",
            "--workspace",
            "--exclude",
            "nospin-kernel",
            "--all-targets",
            "--",
            "-D",
            "warnings",
        ]),
    );
    let target = match Toolchain::find(cx) {
        Some(Toolchain::Installed) => KERNEL_TARGET,
        _ => LINT_TARGET,
    };
    one(
        "clippy: kernel",
        cx.cargo()
            .args([
                "clippy",
                "--quiet",
                "-p",
                "nospin-kernel",
                "--profile",
                KERNEL_PROFILE,
                "--target",
                target,
            ])
            .args(["--", "-D", "warnings"]),
    );
}

/// The unit, integration and documentation tests of every crate but the kernel, which only exists on bare metal. Property
/// tests take the same inputs each time, so that a failure belongs to what was changed.
pub fn tests(cx: &Context, built: &Built, plan: &Plan, tally: &mut Tally) {
    let mut command = cx.cargo();
    command.args(["test", "--workspace", "--exclude", "nospin-kernel", "--no-fail-fast"]);
    command.env("NOSPIN_KERNEL", &built.kernel);
    if std::env::var_os(SEED).is_none() {
        command.env(SEED, "1");
    }
    cargo_test("host tests", &mut command, plan, tally);
}

/// The property tests with many inputs that nobody has tried.
pub fn properties(cx: &Context, tally: &mut Tally) {
    let mut command = cx.cargo();
    command.args(["test", "--release", "--no-fail-fast", "--lib", "--tests"]);
    command.args(PROPERTIES.iter().flat_map(|package| ["-p", package]));
    // An optimised build, but not a small one.
    command.env("CARGO_PROFILE_RELEASE_LTO", "off").env("CARGO_PROFILE_RELEASE_CODEGEN_UNITS", "16");
    command.env("CARGO_TARGET_DIR", cx.target.join("properties"));
    command.env_remove(SEED).env("PROPTEST_CASES", "10000");
    let plan = Plan { filter: None, vm: false };
    cargo_test("property tests", &mut command, &plan, tally);
}

/// The loom models of `sync` and `sched`, which explore every interleaving.
pub fn models(cx: &Context, plan: &Plan, tally: &mut Tally) {
    let manifest = std::fs::read_to_string(cx.root.join("sync/Cargo.toml")).unwrap_or_default();
    if !manifest.contains("loom") {
        println!("no models yet");
        return;
    }
    let mut command = cx.cargo();
    command.args([
        "test",
        "-p",
        "nospin-sync",
        "-p",
        "nospin-sched",
        "--release",
        "--lib",
        "--tests",
        "--no-fail-fast",
    ]);
    // Another configuration of every crate: a target directory of its own keeps the others valid. The models need
    // an optimised build, but not a small one.
    command.env("CARGO_TARGET_DIR", cx.target.join("loom"));
    command.env("CARGO_PROFILE_RELEASE_LTO", "off").env("CARGO_PROFILE_RELEASE_CODEGEN_UNITS", "16");
    command.env("RUSTFLAGS", "--cfg loom");
    cargo_test("models", &mut command, plan, tally);
}

fn cargo_test(stage: &str, command: &mut Command, plan: &Plan, tally: &mut Tally) {
    if let Some(filter) = &plan.filter {
        command.args(["--", filter]);
    }
    let mut reader = CargoTest::default();
    match process::watch(command, |line| reader.line(line)) {
        Ok(status) => {
            let (passed, failed) = reader.finish(stage, status.success());
            tally.add(passed, failed);
        }
        Err(error) => tally.check(stage, Err(error)),
    }
}
