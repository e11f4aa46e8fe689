//! `vmtests`: runs the in-VM tests. Called by `cargo xtask test`, `conformance` and `soak`.

use nospin_tests::lab::Lab;
use nospin_tests::{cases, runner, taps};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

const USAGE: &str = "usage: vmtests --nospin PATH --mkimage PATH --work DIR [--matrix quick|full|suites|soak] \
                     [--round N] [--filter S] [--jobs N] [--list]";

fn main() -> ExitCode {
    handle_ignored_signals();
    match run() {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("vmtests: {error}");
            ExitCode::from(2)
        }
    }
}

/// Lets programs begin with the default of each signal, as in the VM, also if the caller ignores some (nohup(1), or a shell that runs
/// this in the background): a program inherits what is ignored, and not what is handled.
fn handle_ignored_signals() {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let ignored = status.lines().find_map(|line| line.strip_prefix("SigIgn:")).map(str::trim);
    let ignored = ignored.and_then(|mask| u64::from_str_radix(mask, 16).ok()).unwrap_or(0);
    for signal in (1..32).filter(|signal| ignored >> (signal - 1) & 1 != 0) {
        // What cannot be handled cannot be ignored either.
        let _ = signal_hook::flag::register(signal, Arc::default());
    }
}

fn run() -> Result<bool, String> {
    let (mut nospin, mut mkimage, mut work) = (None, None, None);
    let (mut matrix, mut filter, mut jobs, mut list) = ("quick".to_string(), None, 2, false);
    let mut round = 0;
    let mut words = std::env::args().skip(1);
    while let Some(word) = words.next() {
        let mut value = || words.next().ok_or(format!("{word} needs a value\n{USAGE}"));
        match word.as_str() {
            "--nospin" => nospin = Some(PathBuf::from(value()?)),
            "--mkimage" => mkimage = Some(PathBuf::from(value()?)),
            "--work" => work = Some(PathBuf::from(value()?)),
            "--matrix" => matrix = value()?,
            "--filter" => filter = Some(value()?),
            "--jobs" => jobs = value()?.parse().map_err(|_| format!("not a number of jobs\n{USAGE}"))?,
            "--round" => round = value()?.parse().map_err(|_| format!("not a number of a round\n{USAGE}"))?,
            "--list" => list = true,
            _ => return Err(format!("unknown option: {word}\n{USAGE}")),
        }
    }
    let mut cases = match matrix.as_str() {
        "quick" => cases::quick(),
        "full" => cases::full(),
        "suites" => cases::suites(),
        "soak" => cases::soak(round),
        other => return Err(format!("unknown matrix: {other}\n{USAGE}")),
    };
    if let Some(filter) = filter {
        cases.retain(|case| case.name.contains(&filter));
    }
    if list {
        cases.iter().for_each(|case| println!("{}", case.name));
        return Ok(true);
    }
    let (Some(nospin), Some(mkimage), Some(work)) = (nospin, mkimage, work) else { return Err(USAGE.into()) };
    if cases.iter().any(taps::are_needed)
        && let Err(reason) = taps::try_one()
    {
        // Containers seldom permit it; what is left out is said.
        for case in cases.extract_if(.., |case| taps::are_needed(case)) {
            println!("left out: {}: this machine gives no tap device: {reason}", case.name);
        }
    }
    let counts = runner::run(&Lab::new(nospin, mkimage, &work)?, &cases, jobs);
    println!("{} passed, {} failed", counts.passed, counts.failed);
    Ok(counts.failed == 0)
}
