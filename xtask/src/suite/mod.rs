//! The three tiers of tests: `test`, `conformance` and `soak`. Called by `main`.
//!
//! Invariant: the last line a tier prints is `N passed, N failed`, whatever happened before; a stage that could not
//! run counts as failed.

mod host;
mod vm;

use crate::build::{self, Built};
use crate::context::Context;
use crate::rules;
use crate::setup::{self, Purpose};
use crate::tally::Tally;
use std::process::ExitCode;
use std::time::{Duration, Instant};

/// What `cargo xtask test` is to run.
pub struct Plan {
    /// Only tests whose name contains this.
    pub filter: Option<String>,
    /// Whether to boot virtual machines.
    pub vm: bool,
}

impl Plan {
    fn wants(&self, name: &str) -> bool {
        self.filter.as_deref().is_none_or(|filter| name.contains(filter))
    }
}

/// Every test, within 25 minutes on two cores.
pub fn test(cx: &Context, plan: &Plan) -> ExitCode {
    let mut tally = Tally::default();
    if let Some(built) = prepared(cx, Purpose::Test, &mut tally) {
        stage("rules", || rules::check(cx, plan.filter.as_deref(), &mut tally));
        stage("format and lints", || host::lints(cx, &built, plan, &mut tally));
        stage("host tests", || host::tests(cx, &built, plan, &mut tally));
        stage("models", || host::models(cx, plan, &mut tally));
        if plan.vm {
            stage("in-VM tests", || vm::run(cx, &built, &["quick"], plan.filter.as_deref(), &mut tally));
        }
    }
    verdict(&tally)
}

/// The in-VM tests over a wide matrix of memory sizes, CPU counts and machines.
pub fn conformance(cx: &Context, filter: Option<String>) -> ExitCode {
    let mut tally = Tally::default();
    if let Some(built) = prepared(cx, Purpose::Conformance, &mut tally) {
        println!(
            "conformance: the own tests of CPython, memcached and redis; the in-VM tests, each on q35 and microvm, with \
             1 to 8 CPUs and 16 to 4096 MiB"
        );
        stage("long suites", || vm::run(cx, &built, &["suites"], filter.as_deref(), &mut tally));
        stage("in-VM tests", || vm::run(cx, &built, &["full"], filter.as_deref(), &mut tally));
    }
    verdict(&tally)
}

/// The property tests with inputs of their own choice; then the in-VM tests again and again, with other random calls each
/// time, until the time is up; at least once.
pub fn soak(cx: &Context, minutes: u64) -> ExitCode {
    let mut tally = Tally::default();
    if let Some(built) = prepared(cx, Purpose::Test, &mut tally) {
        println!("soak: the in-VM tests, again and again for {minutes} minutes");
        stage("property tests", || host::properties(cx, &mut tally));
        let end = Instant::now() + Duration::from_secs(minutes * 60);
        for round in 1u64.. {
            let matrix = ["soak", &round.to_string()];
            stage(&format!("round {round}"), || vm::run(cx, &built, &matrix, None, &mut tally));
            if Instant::now() >= end {
                break;
            }
        }
    }
    verdict(&tally)
}

/// Only the rules, which need nothing built.
pub fn rules_only(cx: &Context) -> ExitCode {
    let mut tally = Tally::default();
    rules::check(cx, None, &mut tally);
    verdict(&tally)
}

/// Set-up and build; each is counted only if it fails, for success shows in what follows.
fn prepared(cx: &Context, purpose: Purpose, tally: &mut Tally) -> Option<Built> {
    if let Err(error) = setup::prepare(cx, purpose) {
        tally.check("set-up", Err(error));
        return None;
    }
    match build::all(cx) {
        Ok(built) => Some(built),
        Err(error) => {
            tally.check("build", Err(error));
            None
        }
    }
}

fn stage(name: &str, run: impl FnOnce()) {
    println!("\n== {name}");
    let start = Instant::now();
    run();
    println!("== {name}: {:.0} s", start.elapsed().as_secs_f64());
}

fn verdict(tally: &Tally) -> ExitCode {
    println!();
    if tally.finish() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
