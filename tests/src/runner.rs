//! Runs cases, several at a time, prints a line for each and counts. No case is tried twice.

use crate::case::{Body, Case};
use crate::cpython;
use crate::golang;
use crate::lab::Lab;
use crate::oracle;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::Instant;

/// Passed and failed cases.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Passed.
    pub passed: usize,
    /// Failed.
    pub failed: usize,
}

/// Runs all cases on `jobs` threads.
pub fn run(lab: &Lab, cases: &[Case], jobs: usize) -> Counts {
    let next = AtomicUsize::new(0);
    let counts = Mutex::new(Counts::default());
    thread::scope(|scope| {
        for _ in 0..jobs.max(1) {
            scope.spawn(|| {
                while let Some(case) = cases.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let start = Instant::now();
                    let result = one(lab, case);
                    // Printing under the lock keeps the lines whole.
                    let mut counts = counts.lock().unwrap_or_else(PoisonError::into_inner);
                    match result {
                        Ok(()) => {
                            println!("ok    {} ({:.1} s)", case.name, start.elapsed().as_secs_f64());
                            counts.passed += 1;
                        }
                        Err(reason) => {
                            println!("FAIL  {}: {reason}", case.name);
                            counts.failed += 1;
                        }
                    }
                }
            });
        }
    });
    counts.into_inner().unwrap_or_else(PoisonError::into_inner)
}

/// Runs one case; a panic in it is its failure, not the runner's.
fn one(lab: &Lab, case: &Case) -> Result<(), String> {
    let result = catch_unwind(AssertUnwindSafe(|| match &case.body {
        Body::Program(program) => oracle::run(lab, program),
        Body::Tool(run) => run(lab),
        Body::Server(program, talk) => talk(lab, program),
        Body::Cpython(module) => cpython::run(lab, module),
        Body::Go(package) => golang::run(lab, package),
    }));
    result.unwrap_or_else(|_| Err("the test itself panicked".into()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::case::tool;

    #[test]
    fn every_case_is_counted_once() {
        let work = tempfile::tempdir().unwrap();
        let me = std::env::current_exe().unwrap();
        let lab = Lab::new(me.clone(), me, work.path()).unwrap();
        let cases = [
            tool("a/passes", |_| Ok(())),
            tool("a/fails", |_| Err("because".into())),
            tool("a/panics", |_| panic!("oh")),
            tool("a/passes too", |_| Ok(())),
        ];
        assert_eq!(run(&lab, &cases, 2), Counts { passed: 2, failed: 2 });
        assert_eq!(run(&lab, &[], 2), Counts::default());
    }
}
