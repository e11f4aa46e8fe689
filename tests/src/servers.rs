//! The servers' own tests: memcached's `t/*.t` and redis' units, from Debian's source packages, against a server natively and
//! against one in the VM. What passes natively must pass in the VM, unless `tests/conformance/servers.list` names it with a
//! cause. Cases of the matrix `suites`.
//!
//! Both sides get a server that the test did not start, so what needs to start its own fails on both and is not wanted.

use crate::case::{Case, Program, server, stock};
use crate::cpython::{Known, Report, judge, known};
use crate::exec::{self, Outcome, Streams};
use crate::lab::Lab;
use crate::server::Server;
use crate::sources::sources;
use crate::stock::installed;
use rustix::process::Signal;
use std::collections::HashMap;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// One file or unit; longer is a hang.
const LIMIT: Duration = Duration::from_secs(400);

/// Until a server is there.
const START: Duration = Duration::from_secs(60);

/// Files of memcached's tests that work against a server that is there, and the options that they want of it.
const FILES: &[(&str, &str)] = &[
    ("64bit", "-m 4098 -M"),
    ("binary-get", ""),
    ("binary", "-o no_modern"),
    ("bogus-commands", ""),
    ("cas", ""),
    ("chunked-items", "-m 48 -o slab_chunk_max=16384"),
    ("conn-limits", "-o read_buf_mem_limit=1 -t 32 -R 500"),
    ("dash-M", "-M -m 2"),
    ("dyn-maxbytes", "-m 3 -o modern,slab_automove_window=3"),
    ("evictions", "-m 3"),
    ("expirations", ""),
    (
        "extstore",
        "-m 64 -o ext_page_size=8,ext_wbuf_size=2,ext_threads=1,ext_io_depth=2,ext_item_size=512,ext_item_age=2,ext_recache_rate=10000,ext_max_frag=0.9,ext_path=ext:64m,slab_automove=0,ext_compact_under=1,ext_max_sleep=100000",
    ),
    (
        "chunked-extstore",
        "-m 64 -o ext_page_size=8,ext_wbuf_size=2,ext_threads=1,ext_io_depth=2,ext_item_size=512,ext_item_age=2,ext_recache_rate=0,ext_max_frag=0,ext_path=ext:64m,slab_chunk_max=16384,slab_automove=0,ext_max_sleep=100000",
    ),
    ("flags", ""),
    ("flush-all", ""),
    ("getandtouch", ""),
    ("getset", "-m 128"),
    ("idle-timeout", "-o idle_timeout=3"),
    ("incrdecr", ""),
    ("issue_104", ""),
    ("issue_108", ""),
    ("issue_14", ""),
    ("issue_152", ""),
    ("issue_163", ""),
    ("issue_183", "-o no_modern"),
    ("issue_192", ""),
    ("issue_22", "-m 3"),
    ("issue_29", ""),
    ("issue_3", ""),
    ("issue_41", ""),
    ("issue_42", "-o no_modern"),
    ("issue_50", "-B binary"),
    ("issue_61", "-R 1"),
    ("issue_68", ""),
    ("issue_70", ""),
    ("lru-crawler", "-m 32 -o no_modern"),
    ("lru", "-o no_modern"),
    ("malicious-commands", ""),
    (
        "metaget",
        "-m 64 -o ext_page_size=8,ext_wbuf_size=2,ext_threads=1,ext_io_depth=2,ext_item_size=512,ext_item_age=2,ext_recache_rate=10000,ext_max_frag=0.9,ext_path=ext:64m,slab_automove=0,ext_compact_under=1,no_lru_crawler",
    ),
    ("multiversioning", ""),
    ("noreply", ""),
    ("quit", ""),
    ("slabs_reassign", "-o slab_reassign -m 4"),
    ("stats-detail", ""),
    ("stats", "-I 1024 -o slab_chunk_max=1024,no_lru_crawler,no_lru_maintainer"),
    ("touch", ""),
    ("watcher", "-m 60 -o watcher_logbuf_size=8"),
];

/// redis' units with tests for a server that is there.
const UNITS: &[&str] = &[
    "unit/dump",
    "unit/protocol",
    "unit/keyspace",
    "unit/scan",
    "unit/info-command",
    "unit/type/string",
    "unit/type/incr",
    "unit/type/list",
    "unit/type/list-3",
    "unit/type/set",
    "unit/type/zset",
    "unit/type/hash",
    "unit/type/stream",
    "unit/sort",
    "unit/expire",
    "unit/multi",
    "unit/quit",
    "unit/latency-monitor",
    "unit/pubsub",
    "unit/slowlog",
    "unit/scripting",
    "unit/functions",
    "unit/introspection",
    "unit/introspection-2",
    "unit/bitops",
    "unit/bitfield",
    "unit/geo",
    "unit/hyperloglog",
    "unit/lazyfree",
    "unit/tracking",
    "unit/replybufsize",
    "unit/other",
];

/// Options of both redis servers.
const REDIS: &[&str] = &["--save", "", "--protected-mode", "no", "--enable-debug-command", "yes"];

/// Where the list and the files that go with these tests lie.
const LIST: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/conformance/servers.list");

/// All files and units.
#[must_use]
pub fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for &(file, options) in FILES {
        let options: Vec<&str> = ["-u", "root"].into_iter().chain(options.split_whitespace()).collect();
        let program = stock("/usr/bin/memcached", "memcached", &options);
        cases.push(case(format!("memcached/t/{file}"), program, move |lab, name, at, _| {
            memcached(lab, name, file, at)
        }));
    }
    for &unit in UNITS {
        let mut options = REDIS.to_vec();
        if ["unit/type/stream", "unit/expire"].contains(&unit) {
            // They switch the log on; a server that has had it from its start needs no fork for that.
            options.extend(["--appendonly", "yes", "--auto-aof-rewrite-percentage", "0"]);
        }
        let program = stock("/usr/bin/redis-server", "redis-server", &options);
        cases.push(case(format!("redis/{unit}"), program, move |lab, name, at, known| {
            redis(lab, name, unit, at, known)
        }));
    }
    cases
}

/// Runs the tests against both servers and compares.
fn case(
    name: String,
    program: Program,
    run: impl Fn(&Lab, &str, SocketAddr, &[Known<'_>]) -> Result<Report, String> + Send + Sync + 'static,
) -> Case {
    let program = program.memory(1024).smp(2).run(&["--net", "tap"]);
    server(&name.clone(), program, move |lab, program| {
        let list = std::fs::read_to_string(LIST).map_err(|error| format!("{LIST}: {error}"))?;
        let known = known(&list)?;
        let native = Native::start(lab, program)?;
        let wanted = run(lab, &name, native.address, &known)?;
        drop(native);
        let wanted: Vec<&str> =
            wanted.order.iter().map(String::as_str).filter(|test| wanted.passed(test)).collect();
        if wanted.is_empty() {
            return Err("no test passes natively".into());
        }
        let mut vm = Server::start(lab, program)?;
        let place = vm.place("tcp", START)?;
        let found = answers(place).and_then(|()| run(lab, &name, place, &known));
        let outcome = vm.stop(Signal::TERM);
        let said = String::from_utf8_lossy(&outcome.stderr).into_owned();
        let result = found.and_then(|found| judge(&name, &wanted, &known, &found, &HashMap::new()));
        let panicked = said.contains("panic").then(|| Err("the kernel panicked".into()));
        panicked
            .unwrap_or(result)
            .map_err(|error| format!("{error}\n    stderr ends:\n{}", crate::compare::tail(&outcome.stderr)))
    })
}

/// Waits until something accepts connections.
fn answers(address: SocketAddr) -> Result<(), String> {
    let start = Instant::now();
    loop {
        match TcpStream::connect_timeout(&address, START) {
            Ok(_) => return Ok(()),
            Err(error) if start.elapsed() > START => return Err(format!("{address}: {error}")),
            Err(_) => std::thread::sleep(Duration::from_millis(20)),
        }
    }
}

/// The server as a process of this host. Ended when dropped.
struct Native {
    child: Child,
    address: SocketAddr,
    _dir: tempfile::TempDir,
}

impl Native {
    fn start(lab: &Lab, program: &Program) -> Result<Self, String> {
        let crate::case::Source::Stock(path, package) = program.source else {
            return Err("no stock program".into());
        };
        installed(path, package)?;
        let address = free()?;
        let dir = lab.scratch()?;
        let mut command = Command::new(path);
        let option = if path.ends_with("memcached") { "-p" } else { "--port" };
        command.args(&program.args).args([option, &address.port().to_string()]);
        command.current_dir(dir.path()).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let child = command.spawn().map_err(|error| format!("cannot run {path}: {error}"))?;
        let native = Native { child, address, _dir: dir };
        answers(address)?;
        Ok(native)
    }
}

/// An address of this host that nobody listens on.
fn free() -> Result<SocketAddr, String> {
    let bound = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr());
    bound.map_err(|error| format!("no free port: {error}"))
}

impl Drop for Native {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Runs a file of memcached's tests.
fn memcached(lab: &Lab, name: &str, file: &str, at: SocketAddr) -> Result<Report, String> {
    let source = sources(lab, "memcached")?;
    // The tests ask this program what it can do, and start it where they are not told of a server.
    let asked = source.join("memcached-debug");
    if !asked.exists() {
        let _ = std::os::unix::fs::symlink("/usr/bin/memcached", &asked);
    }
    let mut command = Command::new("/usr/bin/perl");
    command.args(["-I", "t/lib", &format!("t/{file}.t")]).current_dir(&source);
    command.env("T_MEMD_USE_DAEMON", at.to_string());
    let done = exec::run(&mut command, b"", Streams::Apart, LIMIT)?;
    let mut report = Report::default();
    for line in String::from_utf8_lossy(&done.stdout).lines() {
        // `ok 3 - text`, `not ok 4`
        let (passed, rest) = match line.strip_prefix("not ") {
            Some(rest) => (false, rest),
            None => (true, line),
        };
        let Some(rest) = rest.strip_prefix("ok ") else { continue };
        let number = rest.split(' ').next().unwrap_or_default();
        report.add(&format!("{name}:{number}"), if passed { "ok" } else { line });
    }
    Ok(ended(report, &done))
}

/// Runs a unit of redis' tests, without those that the list says end the run.
fn redis(lab: &Lab, name: &str, unit: &str, at: SocketAddr, known: &[Known<'_>]) -> Result<Report, String> {
    let source = sources(lab, "redis")?;
    installed("/usr/bin/tclsh", "tcl")?;
    let mut command = Command::new("./runtest");
    command.current_dir(&source).args(["--host", &at.ip().to_string(), "--port", &at.port().to_string()]);
    command.args(["--tags", "-slow", "--durable", "--single", unit]);
    // Where driver and client of the tests meet; two runs at the same time must not choose the same.
    command.args(["--baseport", &free()?.port().to_string(), "--portcount", "1000"]);
    for skipped in known.iter().filter(|known| known.never_ends) {
        if let Some(test) = skipped.pattern.strip_prefix(&format!("{name}:")) {
            command.args(["--skiptest", &pattern(test)]);
        }
    }
    let done = exec::run(&mut command, b"", Streams::Merged, LIMIT)?;
    let report = redis_report(name, &String::from_utf8_lossy(&done.stdout));
    if report.order.is_empty() {
        return Err(format!("no test ran, status {}:\n{}", done.status, crate::compare::tail(&done.stdout)));
    }
    Ok(ended(report, &done))
}

/// What redis' driver says: `[ok]: NAME (7 ms)`, `[err]: NAME in FILE`, with colours.
fn redis_report(name: &str, text: &str) -> Report {
    let mut report = Report::default();
    for line in text.lines() {
        let mut parts = line.split('\u{1b}');
        let first = parts.next().unwrap_or_default();
        let plain: String = std::iter::once(first).chain(parts.map(colourless)).collect();
        let entry = [("[ok]: ", " ("), ("[err]: ", " in ")].iter().find_map(|(start, end)| {
            Some((plain.strip_prefix(start)?.rsplit_once(end)?.0.to_owned(), *start == "[ok]: "))
        });
        if let Some((test, passed)) = entry {
            report.add(&format!("{name}:{}", test.replace(' ', "_")), if passed { "ok" } else { "fails" });
        }
    }
    report
}

/// What follows the colour in `[0;32;49mtext`.
fn colourless(part: &str) -> &str {
    part.split_once('m').map_or("", |(_, text)| text)
}

/// A test's name as a regular expression for `--skiptest`.
fn pattern(test: &str) -> String {
    let any: String = test.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '.' }).collect();
    format!(
        "/^{}",
        if test.ends_with('*') { any.trim_end_matches('.').to_owned() } else { format!("{any}$") }
    )
}

fn ended(mut report: Report, done: &Outcome) -> Report {
    if done.timed_out {
        report.unfinished = Some("the run does not end".into());
    }
    report
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn redis_lines_are_read_without_their_colours() {
        let text = "[\u{1b}[0;32;49mok\u{1b}[0m]: EXPIRE (a) works (12 ms)\n[ok]: plain (0 ms)\n\
                    [\u{1b}[0;31;49merr\u{1b}[0m]: SWAPDB in order in tests/unit/x.tcl\n[ignore]: other (1 ms)\nnoise\n";
        let report = redis_report("redis/unit/x", text);
        assert_eq!(report.order.len(), 3);
        assert!(report.passed("redis/unit/x:EXPIRE_(a)_works") && report.passed("redis/unit/x:plain"));
        assert_eq!(report.outcomes["redis/unit/x:SWAPDB_in_order"], "fails");
    }

    #[test]
    fn names_become_patterns() {
        assert_eq!(pattern("a_(b)_c"), "/^a..b..c$");
        assert_eq!(pattern("a_b*"), "/^a.b");
    }

    #[test]
    fn the_checked_in_list_is_good() {
        let text = std::fs::read_to_string(LIST).unwrap();
        let names: Vec<String> = cases().into_iter().map(|case| case.name).collect();
        for entry in known(&text).unwrap() {
            let of = entry.pattern.split(':').next().unwrap_or_default();
            assert!(names.iter().any(|name| name == of), "{} is of no case", entry.pattern);
        }
    }
}
