//! The tests of packages of Go's standard library, built as one static program per package: those that pass on this Linux must
//! pass in the VM, unless `tests/conformance/go.list` names them with a cause. Called by the runner for [`Body::Go`].
//!
//! [`Body::Go`]: crate::case::Body::Go

use crate::compile;
use crate::cpython::{DIR, Report, judge, known};
use crate::exec::{self, Outcome, Streams};
use crate::lab::Lab;
use std::collections::HashMap;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

/// The packages: those whose tests are about threads and system calls.
pub const PACKAGES: &[&str] = &["sync", "syscall", "internal/poll"];

/// Building, or one run; longer is a hang.
const LIMIT: Duration = Duration::from_secs(600);

/// Runs the tests of a package and compares.
///
/// # Errors
/// The tests that are neither passed nor listed.
pub fn run(lab: &Lab, package: &str) -> Result<(), String> {
    let program = compile::go_tests(lab, package, LIMIT)?;
    let list = Path::new(DIR).join("go.list");
    let list = std::fs::read_to_string(&list).map_err(|error| format!("{}: {error}", list.display()))?;
    let known = known(&list)?;

    let mut native = Command::new(&program);
    let native = in_order(package, &exec_tests(native.env_clear().args(ARGS))?);
    let mut vm = Command::new(&lab.nospin);
    vm.arg("run").arg(&program).args(["-m", "512", "--smp", "2", "--"]).args(ARGS);
    let done = exec_tests(vm.env("TMPDIR", &lab.work))?;
    let vm = in_order(package, &done);

    let wanted: Vec<&str> =
        native.order.iter().map(String::as_str).filter(|name| native.passed(name)).collect();
    if wanted.is_empty() {
        return Err("no test passes natively".into());
    }
    let ends = vm.unfinished.iter().map(|name| (name.clone(), format!("status {}", done.status))).collect();
    judge(package, &wanted, &known, &vm, &ends).map_err(|error: String| {
        let words = [done.stdout, done.stderr].concat();
        format!("{error}\n{}", crate::compare::tail(&words))
    })
}

/// What the program of tests is told.
const ARGS: [&str; 2] = ["-test.v", "-test.short"];

fn exec_tests(command: &mut Command) -> Result<Outcome, String> {
    exec::run(command.current_dir("/"), b"", Streams::Apart, LIMIT)
}

/// Reads `=== RUN   NAME` and `--- PASS: NAME (0.00s)`, the latter indented for parts of a test.
fn in_order(package: &str, done: &Outcome) -> Report {
    let mut report = Report { outcomes: HashMap::new(), order: Vec::new(), unfinished: None };
    for line in String::from_utf8_lossy(&done.stdout).lines().map(str::trim_start) {
        if let Some(name) = line.strip_prefix("=== RUN") {
            report.unfinished = Some(format!("{package}.{}", name.trim()));
        } else if let Some((outcome, name)) = line.strip_prefix("--- ").and_then(|rest| rest.split_once(": "))
        {
            let name = format!("{package}.{}", name.split(' ').next().unwrap_or(name));
            let outcome = if outcome == "PASS" { "ok".into() } else { outcome.to_lowercase() };
            report.outcomes.insert(name.clone(), outcome);
            report.order.push(name);
            report.unfinished = None;
        }
    }
    report
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_is_read() {
        let text = "=== RUN   TestA\n    a.go:1: words\n--- PASS: TestA (0.00s)\n=== RUN   TestB/part\n\
                    \x20   --- SKIP: TestB/part (0.00s)\n=== RUN   TestC\n";
        let report = in_order("p/q", &Outcome { stdout: text.into(), ..Outcome::default() });
        assert!(report.passed("p/q.TestA") && !report.passed("p/q.TestB/part"));
        assert_eq!((report.order.len(), report.unfinished.as_deref()), (2, Some("p/q.TestC")));
    }

    #[test]
    fn the_checked_in_list_is_good() {
        let text = std::fs::read_to_string(Path::new(DIR).join("go.list")).unwrap();
        for entry in known(&text).unwrap() {
            let package = entry.pattern.split('.').next().unwrap_or_default();
            assert!(PACKAGES.contains(&package), "{} is of no package that is run", entry.pattern);
        }
    }
}
