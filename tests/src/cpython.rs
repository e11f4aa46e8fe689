//! CPython's own tests, one module after the other: those that pass on this Linux must pass in the VM, unless
//! `tests/conformance/cpython.list` names them with a cause. Called by the runner for [`Body::Cpython`].
//!
//! A test that ends the machine or hangs is its own failure, not that of those behind it: the machine is started
//! again with what is left.
//!
//! [`Body::Cpython`]: crate::case::Body::Cpython

use crate::exec::{self, Outcome, Streams};
use crate::lab::Lab;
use crate::sources::upstream;
use crate::stock::{self, PYTHON};
use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

/// The modules. Some of their tests need what the VM cannot do: see the list.
pub const MODULES: &[&str] = &[
    "test_struct",
    "test_time",
    "test_zlib",
    "test_hashlib",
    "test_fcntl",
    "test_epoll",
    "test_select",
    "test_mmap",
    "test_signal",
    "test_sqlite3",
    "test_tempfile",
    "test_posix",
    "test_os",
    "test_io",
    "test_thread",
    "test_threading",
    "test_queue",
    "test_socket",
    "test_selectors",
    "test_concurrent_futures",
    "test_resource",
    "test_poll",
    "test_fileio",
    "test_pathlib",
];

/// The modules that Debian's package of the tests leaves out; they are in the source package.
const SOURCE_ONLY: &[&str] = &["test_sqlite3"];

/// Where driver and list lie.
pub(crate) const DIR: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/conformance");

/// A module natively or in the VM; longer is a hang.
const LIMIT: Duration = Duration::from_secs(900);

/// More ends than this in one module are not worth more machines.
const MACHINES: usize = 12;

/// What became of the tests of one run. Also of other suites: see [`servers`](crate::servers).
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Report {
    /// Outcome and reason by name, in words; a test that did not come to its end is missing.
    pub(crate) outcomes: HashMap<String, String>,
    /// In the order in which they ran.
    pub(crate) order: Vec<String>,
    /// The test that was running at the end.
    pub(crate) unfinished: Option<String>,
}

impl Report {
    fn read(output: &[u8]) -> Self {
        let mut report = Report::default();
        for line in String::from_utf8_lossy(output).lines() {
            match line.split_once(' ') {
                Some((">", name)) => report.unfinished = Some(name.to_owned()),
                Some(("=", rest)) => {
                    let (name, outcome) = rest.split_once(' ').unwrap_or((rest, ""));
                    report.add(name, outcome.trim());
                    report.unfinished = None;
                }
                _ => (),
            }
        }
        report
    }

    pub(crate) fn add(&mut self, name: &str, outcome: &str) {
        self.outcomes.insert(name.to_owned(), outcome.to_owned());
        self.order.push(name.to_owned());
    }

    pub(crate) fn passed(&self, name: &str) -> bool {
        self.outcomes.get(name).is_some_and(|outcome| outcome == "ok")
    }
}

/// One line of the list.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Known<'a> {
    pub(crate) pattern: &'a str,
    pub(crate) never_ends: bool,
    cause: &'a str,
}

impl Known<'_> {
    fn covers(&self, name: &str) -> bool {
        match self.pattern.strip_suffix('*') {
            Some(start) => name.starts_with(start),
            None => name == self.pattern,
        }
    }
}

/// Reads the list.
pub(crate) fn known(text: &str) -> Result<Vec<Known<'_>>, String> {
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
    lines
        .map(|line| {
            let (never_ends, rest) = line.strip_prefix('!').map_or((false, line), |rest| (true, rest.trim()));
            match rest.split_once(char::is_whitespace) {
                Some((pattern, cause)) => Ok(Known { pattern, never_ends, cause: cause.trim() }),
                None => Err(format!("the list gives no cause: {line}")),
            }
        })
        .collect()
}

/// Runs a module and compares.
///
/// # Errors
/// The tests that are neither passed nor listed, with what they said.
pub fn run(lab: &Lab, module: &str) -> Result<(), String> {
    stock::installed(PYTHON, "python3")?;
    let suite = Path::new(stock::PYTHON_LIBRARY).join("test/test_os.py");
    stock::installed(&suite.to_string_lossy(), "libpython3.11-testsuite")?;
    let list = Path::new(DIR).join("cpython.list");
    let list = std::fs::read_to_string(&list).map_err(|error| format!("{}: {error}", list.display()))?;
    let known = known(&list)?;

    // What is not run in the VM need not be run natively.
    let never: Vec<String> =
        known.iter().filter(|known| known.never_ends).map(|known| format!("!{}", known.pattern)).collect();
    let subject = Subject::find(lab, module)?;
    let native = Report::read(&natively(lab, &subject, &never.join("\n"))?.stdout);
    let wanted: Vec<&str> =
        native.order.iter().map(String::as_str).filter(|name| native.passed(name)).collect();
    if wanted.is_empty() {
        return Err("no test passes natively".into());
    }
    let (vm, ends) = in_vms(lab, &subject, wanted.clone())?;
    judge(module, &wanted, &known, &vm, &ends)
}

/// Counts, prints the counts, and names what is not listed.
pub(crate) fn judge(
    module: &str,
    wanted: &[&str],
    known: &[Known<'_>],
    vm: &Report,
    ends: &HashMap<String, String>,
) -> Result<(), String> {
    let (mut passed, mut listed, mut new) = (0, 0, Vec::new());
    for name in wanted {
        let entry = known.iter().find(|known| known.covers(name));
        if vm.passed(name) {
            passed += 1;
            if let Some(entry) = entry.filter(|entry| !entry.pattern.ends_with('*')) {
                println!("      {name} passes, but is listed: {}", entry.cause);
            }
        } else if entry.is_some() {
            listed += 1;
        } else {
            let what = vm.outcomes.get(*name).or(ends.get(*name)).map_or("was not run", String::as_str);
            new.push(format!("    {name}: {what}"));
        }
    }
    println!(
        "      {module}: {passed} of {} that pass on this Linux; {listed} listed with a cause",
        wanted.len()
    );
    if new.is_empty() { Ok(()) } else { Err(format!("{} not listed:\n{}", new.len(), new.join("\n"))) }
}

/// What is run: a module, and where its tests lie if they are not installed.
struct Subject<'a> {
    module: &'a str,
    tests: Option<PathBuf>,
}

impl<'a> Subject<'a> {
    fn find(lab: &Lab, module: &'a str) -> Result<Self, String> {
        let tests = match SOURCE_ONLY.contains(&module) {
            true => Some(upstream(lab, "python3.11")?.join("Lib/test")),
            false => None,
        };
        Ok(Subject { module, tests })
    }

    /// Python's arguments, the same natively and in the VM but for the directory to run in.
    fn arguments(&self, dir: &Path) -> Vec<PathBuf> {
        let driver = Path::new(DIR).join("cpython.py");
        let options = ["-X", "utf8", "-B", "-s"].iter().map(PathBuf::from);
        let words = [driver, PathBuf::from(self.module), dir.to_path_buf()];
        options.chain(words).chain(self.tests.clone()).collect()
    }
}

fn natively(lab: &Lab, subject: &Subject<'_>, never: &str) -> Result<Outcome, String> {
    let dir = lab.scratch()?;
    let mut command = Command::new(PYTHON);
    command.args(subject.arguments(dir.path()));
    command.env_clear().env("HOME", "/").env("PATH", "/usr/bin:/bin").current_dir("/");
    let done = exec::run(&mut command, never.as_bytes(), Streams::Apart, LIMIT)?;
    if done.timed_out { Err("the native run does not end".into()) } else { Ok(done) }
}

/// Runs the tests in as many machines as it takes. Returns the outcomes, and how machines ended by test.
fn in_vms(
    lab: &Lab,
    subject: &Subject<'_>,
    names: Vec<&str>,
) -> Result<(Report, HashMap<String, String>), String> {
    let (mut all, mut ends) = (Report::default(), HashMap::new());
    let mut left: Vec<&str> = names;
    for _ in 0..MACHINES {
        if left.is_empty() {
            break;
        }
        let done = in_vm(lab, subject, &left)?;
        let report = Report::read(&done.stdout);
        let unfinished = report.unfinished.clone();
        let ran: HashSet<&String> = report.outcomes.keys().collect();
        left.retain(|name| !ran.contains(&(*name).to_owned()) && unfinished.as_deref() != Some(*name));
        let progress = !ran.is_empty() || unfinished.is_some();
        all.outcomes.extend(report.outcomes);
        match unfinished {
            Some(name) => {
                let how =
                    if done.timed_out { "never ends".into() } else { format!("status {}", done.status) };
                ends.insert(name, format!("{how}\n{}", crate::compare::tail(&done.stderr)));
            }
            // Set-up failures leave tests out without a word; the same again would do no better.
            None if progress => break,
            None => {
                let text = [done.stdout, done.stderr].concat();
                return Err(format!("no test ran:\n{}", crate::compare::tail(&text)));
            }
        }
    }
    Ok((all, ends))
}

fn in_vm(lab: &Lab, subject: &Subject<'_>, names: &[&str]) -> Result<Outcome, String> {
    let mut command = Command::new(&lab.nospin);
    command.args(["run", PYTHON, "-m", "768", "--smp", "2", "-e", "HOME=/", "-e", "PATH=/usr/bin:/bin"]);
    let mut paths = stock::python(true);
    paths.push(PathBuf::from(DIR));
    paths.extend(subject.tests.as_ref().map(|tests| tests.join(subject.module)));
    for path in paths {
        let kind = if path.is_dir() { "--dir" } else { "--file" };
        command.arg(kind).arg(format!("{0}:{0}", path.display()));
    }
    command.arg("--").args(subject.arguments(Path::new("/tmp")));
    command.env("TMPDIR", &lab.work).current_dir("/");
    exec::run(&mut command, names.join("\n").as_bytes(), Streams::Apart, LIMIT)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_knows_what_did_not_end() {
        let report = Report::read(b"> a.b\n= a.b ok \n# noise\n> a.c\n= a.c skip no fork\n> a.d\n");
        assert!(report.passed("a.b") && !report.passed("a.c") && !report.passed("a.d"));
        assert_eq!(report.outcomes["a.c"], "skip no fork");
        assert_eq!((report.order.len(), report.unfinished.as_deref()), (2, Some("a.d")));
    }

    #[test]
    fn the_list_is_read() {
        let text = "# words\n\nm.A.test  needs fork\n! m.B.*  waits for a child\n";
        let list = known(text).unwrap();
        assert_eq!(list.len(), 2);
        assert!(list[0].covers("m.A.test") && !list[0].covers("m.A.test2") && list[0].cause == "needs fork");
        assert!(list[1].covers("m.B.any") && list[1].never_ends);
        assert!(known("m.A.test\n").is_err());
    }

    #[test]
    fn the_checked_in_list_is_good() {
        let text = std::fs::read_to_string(Path::new(DIR).join("cpython.list")).unwrap();
        for entry in known(&text).unwrap() {
            let module = entry.pattern.split('.').next().unwrap_or_default();
            assert!(MODULES.contains(&module), "{} is of no module that is run", entry.pattern);
        }
    }

    #[test]
    fn what_is_not_listed_must_pass() {
        let list = known("m.a  a cause\n").unwrap();
        let vm = Report::read(b"= m.a fail x\n= m.b ok\n= m.c error y\n");
        assert!(judge("m", &["m.a", "m.b"], &list, &vm, &HashMap::new()).is_ok());
        let error = judge("m", &["m.a", "m.b", "m.c"], &list, &vm, &HashMap::new()).unwrap_err();
        assert!(error.contains("1 not listed") && error.contains("m.c: error y"), "{error}");
        assert!(
            judge("m", &["m.b", "m.z"], &list, &vm, &HashMap::new()).unwrap_err().contains("was not run")
        );
    }
}
