//! The stage that boots virtual machines: runs `vmtests` of the `tests` crate and takes over its counts.

use crate::build::Built;
use crate::context::Context;
use crate::process;
use crate::tally::{Tally, number_before};
use std::process::Command;

/// Runs the in-VM tests of a matrix: `quick`, `full`, `suites`, or `soak` and the number of its round.
pub fn run(cx: &Context, built: &Built, matrix: &[&str], filter: Option<&str>, tally: &mut Tally) {
    if let Err(error) = try_run(cx, built, matrix, filter, tally) {
        tally.check("in-VM tests", Err(error));
    }
}

fn try_run(
    cx: &Context,
    built: &Built,
    matrix: &[&str],
    filter: Option<&str>,
    tally: &mut Tally,
) -> Result<(), String> {
    process::run(cx.cargo().args(["build", "--quiet", "-p", "nospin-tests", "--bins"]))?;
    let mut command = Command::new(cx.target.join("debug/vmtests"));
    cx.clean(&mut command);
    command.arg("--nospin").arg(&built.nospin).arg("--mkimage").arg(&built.mkimage);
    command.arg("--work").arg(cx.work_dir("vmtests")?);
    for (option, value) in ["--matrix", "--round"].iter().zip(matrix) {
        command.args([option, value]);
    }
    if let Some(filter) = filter {
        command.args(["--filter", filter]);
    }
    let mut report = Report::default();
    let status = process::watch(&mut command, |line| report.line(line))?;
    let (passed, failed) = report.finish(status.success())?;
    tally.add(passed, failed);
    Ok(())
}

/// What `vmtests` prints: `ok    NAME ...`, `FAIL  NAME: why`, at the end `N passed, N failed`.
#[derive(Default)]
struct Report {
    failed: Vec<String>,
    counts: Option<(u64, u64)>,
}

impl Report {
    fn line(&mut self, line: &str) {
        if let Some(rest) = line.strip_prefix("FAIL  ") {
            self.failed.push(rest.split(": ").next().unwrap_or(rest).to_string());
        } else if line.contains(" passed, ") && line.ends_with(" failed") {
            self.counts = Some((number_before(line, " passed"), number_before(line, " failed")));
        }
    }

    fn finish(mut self, success: bool) -> Result<(u64, Vec<String>), String> {
        let Some((passed, failed)) = self.counts else { return Err("vmtests ended without a result".into()) };
        if failed != self.failed.len() as u64 {
            return Err(format!("vmtests counts {failed} failures and names {}", self.failed.len()));
        }
        if !success && failed == 0 {
            self.failed.push("vmtests failed without a failing test".into());
        }
        Ok((passed, self.failed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(lines: &[&str], success: bool) -> Result<(u64, Vec<String>), String> {
        let mut report = Report::default();
        lines.iter().for_each(|line| report.line(line));
        report.finish(success)
    }

    #[test]
    fn counts_and_names_are_taken_over() {
        let lines = ["ok    vm/hello/glibc (1.0 s)", "FAIL  vm/cat/empty: status 1", "1 passed, 1 failed"];
        assert_eq!(read(&lines, false).unwrap(), (1, vec!["vm/cat/empty".to_string()]));
    }

    #[test]
    fn a_report_that_does_not_add_up_is_a_failure() {
        assert!(read(&["ok    a"], true).is_err());
        assert!(read(&["FAIL  a: b", "1 passed, 2 failed"], false).is_err());
        assert_eq!(read(&["1 passed, 0 failed"], false).unwrap().1.len(), 1);
    }
}
