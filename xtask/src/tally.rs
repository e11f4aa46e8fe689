//! Counting tests. Every stage of `cargo xtask test` adds to one [`Tally`]; its last line is the result of the run.
//!
//! Invariant: what could not run is counted as failed; nothing is counted twice.

/// Passed and failed tests, the failed ones by name.
#[derive(Default)]
pub struct Tally {
    passed: u64,
    failed: Vec<String>,
}

impl Tally {
    /// Counts one test; `Err` holds what to say about it.
    pub fn check(&mut self, name: &str, result: Result<(), String>) {
        match result {
            Ok(()) => {
                println!("ok    {name}");
                self.passed += 1;
            }
            Err(reason) => {
                println!("FAIL  {name}: {reason}");
                self.failed.push(name.to_string());
            }
        }
    }

    /// Counts tests that another runner has run and reported.
    pub fn add(&mut self, passed: u64, failed: Vec<String>) {
        self.passed += passed;
        self.failed.extend(failed);
    }

    /// Prints the failures and, as the very last line, the counts. Says whether all passed and at least one ran.
    pub fn finish(&self) -> bool {
        if !self.failed.is_empty() {
            println!("\nfailed:");
            for name in &self.failed {
                println!("  {name}");
            }
        }
        println!("{} passed, {} failed", self.passed, self.failed.len());
        self.failed.is_empty() && self.passed > 0
    }
}

/// Reads the output of `cargo test`, line by line.
#[derive(Default)]
pub struct CargoTest {
    passed: u64,
    counted_failures: u64,
    failed: Vec<String>,
    /// The test binary whose result line is still to come.
    running: Option<String>,
}

impl CargoTest {
    /// Takes one line (stdout or stderr) of cargo.
    pub fn line(&mut self, line: &str) {
        let text = line.trim();
        if let Some(binary) = test_binary(text) {
            self.abandon();
            self.running = Some(binary);
        } else if let Some(result) = text.strip_prefix("test result: ") {
            self.passed += number_before(result, " passed");
            self.counted_failures += number_before(result, " failed");
            self.running = None;
        } else if let Some(name) =
            text.strip_prefix("test ").and_then(|rest| rest.strip_suffix(" ... FAILED"))
        {
            let binary = self.running.as_deref().unwrap_or("?");
            self.failed.push(format!("{binary}::{name}"));
        }
    }

    /// A binary that never came to its result line (killed, aborted, hung up) is one failure.
    fn abandon(&mut self) {
        if let Some(binary) = self.running.take() {
            self.failed.push(format!("{binary} (ended without a result)"));
            self.counted_failures += 1;
        }
    }

    /// The end of cargo's output; `success` is its exit status.
    pub fn finish(mut self, stage: &str, success: bool) -> (u64, Vec<String>) {
        self.abandon();
        // A name can be lost in mixed-up output, the count cannot.
        for lost in self.failed.len() as u64..self.counted_failures {
            self.failed.push(format!("{stage}: failed test {} (name not seen)", lost + 1));
        }
        if !success && self.failed.is_empty() {
            self.failed.push(format!("{stage}: did not build or did not run"));
        }
        (self.passed, self.failed)
    }
}

/// The name of the test binary that cargo announces, as `fs` or `fs(tests/tree.rs)`, or `fs(doc)`.
fn test_binary(text: &str) -> Option<String> {
    if let Some(package) = text.strip_prefix("Doc-tests ") {
        return Some(format!("{package}(doc)"));
    }
    let (source, binary) = text.strip_prefix("Running ")?.split_once(" (")?;
    let file = binary.trim_end_matches(')').rsplit('/').next()?;
    let name = file.rsplit_once('-').map_or(file, |(name, _hash)| name);
    Some(match source.strip_prefix("unittests ") {
        Some("src/lib.rs" | "src/main.rs") => name.to_string(),
        Some(source) => format!("{name}({source})"),
        None => format!("{name}({source})"),
    })
}

/// The number in front of `word` in `3 passed; 1 failed; ...`; 0 if there is none.
pub fn number_before(text: &str, word: &str) -> u64 {
    let Some(at) = text.find(word) else { return 0 };
    let head = &text[..at];
    let digits = head.len() - head.trim_end_matches(|c: char| c.is_ascii_digit()).len();
    head[head.len() - digits..].parse().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(lines: &str, success: bool) -> (u64, Vec<String>) {
        let mut reader = CargoTest::default();
        lines.lines().for_each(|line| reader.line(line));
        reader.finish("host", success)
    }

    #[test]
    fn results_of_all_binaries_are_added_up() {
        let (passed, failed) = read(
            "     Running unittests src/lib.rs (target/debug/deps/fs-0123)\n\
             test tree::walk ... ok\n\
             test result: ok. 3 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out\n\
             \x20  Doc-tests fs\n\
             test result: ok. 2 passed; 0 failed; 0 ignored",
            true,
        );
        assert_eq!((passed, failed.len()), (5, 0));
    }

    #[test]
    fn failures_carry_their_binary() {
        let (passed, failed) = read(
            "Running tests/tree.rs (target/debug/deps/tree-99)\n\
             test walk ... FAILED\n\
             test result: FAILED. 1 passed; 1 failed; 0 ignored",
            false,
        );
        assert_eq!((passed, failed), (1, vec!["tree(tests/tree.rs)::walk".to_string()]));
    }

    #[test]
    fn a_killed_binary_a_lost_name_and_a_failed_build_all_count() {
        let killed = "Running unittests src/lib.rs (t/a-1)\nRunning unittests src/lib.rs (t/b-1)\n\
                      test result: ok. 1 passed; 0 failed";
        assert_eq!(read(killed, false), (1, vec!["a (ended without a result)".to_string()]));
        let lost = "Running unittests src/lib.rs (t/a-1)\ntest result: FAILED. 0 passed; 2 failed";
        assert_eq!(read(lost, false).1.len(), 2);
        assert_eq!(read("error: could not compile", false).1.len(), 1);
    }

    #[test]
    fn an_empty_tally_is_not_a_success() {
        let mut tally = Tally::default();
        assert!(!tally.finish());
        tally.check("one", Ok(()));
        assert!(tally.finish());
        tally.check("two", Err("no".into()));
        assert!(!tally.finish());
    }
}
