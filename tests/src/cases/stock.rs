//! Area: stock programs, straight from Debian's packages, each with what it prints natively.
//!
//! The scripts lie in `tests/stock`. They start no second process. A static-PIE
//! Rust program is in the area `rust`, a static Go program in `threads`.

use crate::case::{Case, Program, has, stock};
use crate::compare::Text;
use crate::stock::{PYTHON, SCRIPTS, python};
use std::path::PathBuf;

/// The core utilities and their kin, over the test data: path, package, arguments.
const UTILITIES: &[(&str, &str, &[&str])] = &[
    ("/bin/ls", "coreutils", &["-1RQpb", "{data}"]),
    ("/bin/ls", "coreutils", &["-lnRG", "--time-style=+%s", "{data}/dir/nested"]),
    ("/bin/ls", "coreutils", &["-FRa", "--group-directories-first", "{data}"]),
    ("/bin/ls", "coreutils", &["-nS", "--time-style=long-iso", "{data}/text", "{data}/big", "{data}/none"]),
    ("/usr/bin/sort", "coreutils", &["-t", ",", "-k2n", "{data}/text"]),
    (
        "/usr/bin/sort",
        "coreutils",
        &["-S", "32K", "-ur", "{data}/text", "{data}/big", "-o", "{fresh}/sorted"],
    ),
    ("/usr/bin/sha256sum", "coreutils", &["{data}/text", "{data}/big", "{data}/empty", "{data}/none"]),
    ("/usr/bin/md5sum", "coreutils", &["--tag", "{data}/page", "{data}/dir"]),
    ("/usr/bin/stat", "coreutils", &["-c", "%n %s %a %A %F %h %b %B %Y %y", "{data}/text", "{data}/page"]),
    ("/usr/bin/stat", "coreutils", &["-L", "-c", "%N %s %F", "{data}/dirlink/up", "{data}/loop"]),
    ("/usr/bin/wc", "coreutils", &["{data}/text", "{data}/big"]),
    ("/usr/bin/cp", "coreutils", &["-av", "{data}/dir/nested/deep", "{data}/dir/up", "{fresh}"]),
    (
        "/usr/bin/dd",
        "coreutils",
        &["if={data}/big", "of={fresh}/out", "bs=1000", "skip=3", "count=5", "status=none"],
    ),
    ("/usr/bin/od", "coreutils", &["-A", "d", "-t", "x2z", "{data}/page"]),
    ("/usr/bin/truncate", "coreutils", &["-s", "1M", "{fresh}/sparse"]),
    ("/usr/bin/mkdir", "coreutils", &["-pv", "-m", "750", "{fresh}/a/b/c"]),
    ("/usr/bin/date", "coreutils", &["-u", "-d", "@1600000000", "+%F %T %A"]),
    ("/usr/bin/factor", "coreutils", &["18446744073709551557", "600851475143"]),
];

/// Programs that ask for the names of users and groups. The C library looks for its name service daemon first,
/// through a socket, which the kernel may remark on.
const NAMES: &[(&str, &[&str])] = &[
    ("/bin/ls", &["-l", "--time-style=full-iso", "{data}/text", "{data}/dir/nested/deep"]),
    ("/usr/bin/stat", &["-c", "%n %u %g %U %G", "{data}/text"]),
    ("/usr/bin/id", &["-gn", "root"]),
];

/// `find`, which lists directories in the order in which the file system has them.
const FIND: &[&[&str]] = &[
    &["{data}", "-type", "f", "-size", "+1", "-printf", "%f %s %m %d %k\\n"],
    &["{data}", "-type", "l", "-printf", "%f -> %l %Y\\n"],
    &["{data}", "-name", "*e*", "-newermt", "2020-01-01", "-perm", "-u+r"],
];

pub fn cases() -> Vec<Case> {
    let mut cases: Vec<Case> = Vec::new();
    for (path, package, args) in UTILITIES {
        cases.push(utility(path, package, args).case(name(path, args)));
    }
    for (path, args) in NAMES {
        cases.push(utility(path, "coreutils", args).stderr(vec![]).case(name(path, args)));
    }
    for args in FIND {
        let find = utility("/usr/bin/find", "findutils", args).stdout(vec![Text::SameLines]);
        cases.push(find.case(name("find", args)));
    }
    cases.extend([
        stock("/bin/bash", "bash", &["--norc", "{stock}/builtins.bash", "{fresh}"])
            .env("HOME", "/")
            .env("SHELL", "/bin/bash")
            .env("PATH", "/usr/bin:/bin")
            .stdin("from stdin\nabcdef")
            .scripts()
            .case("stock/bash"),
        stock("/usr/bin/perl", "perl", &["{stock}/report.pl", "{fresh}"])
            .stdin("first\nsecond\n")
            .scripts()
            .extra(vec![PathBuf::from("/usr/lib/x86_64-linux-gnu/perl-base")])
            .case("stock/perl"),
        stock(
            "/usr/bin/gawk",
            "gawk",
            &["-v", "out={fresh}/squares", "-f", "{stock}/tables.awk", "{data}/text"],
        )
        .data()
        .env("MARK", "found")
        .scripts()
        .case("stock/gawk"),
        stock(crate::stock::PYTHON, "python3", &["-I", "{stock}/threads.py"])
            .smp(2)
            .memory(512)
            .scripts()
            .extra(crate::stock::python(false))
            .case("stock/python with threads"),
        stock("/usr/bin/lua5.4", "lua5.4", &["{stock}/work.lua", "{fresh}"])
            .env("MARK", "found")
            .stdin("12 rest\nmore\nall\nof it")
            .scripts()
            .case("stock/lua"),
        sqlite("table", include_str!("../../stock/table.sql")),
        sqlite("wal", include_str!("../../stock/wal.sql")),
        stock(PYTHON, "python3", &["-X", "utf8", "-B", "-s", "{stock}/library.py", "{fresh}"])
            .env("HOME", "/")
            .stdin("first line\nand more\n")
            .scripts()
            .extra(python(false))
            .case("stock/python"),
    ]);
    cases.extend(openssl());
    cases
}

/// Those that take minutes on a busy host.
pub fn full() -> Vec<Case> {
    let node = stock("/usr/bin/node", "nodejs", &["{stock}/threads.js"]).env("HOME", "/");
    // It names a call that is missing, once.
    let node = node.memory(1024).stderr(vec![]).limit(600).scripts();
    [1, 2, 4].iter().map(|&smp| node.clone().smp(smp).case(format!("stock/node, {smp} CPUs"))).collect()
}

fn utility(path: &'static str, package: &'static str, args: &[&str]) -> Program {
    stock(path, package, args).data().env("LC_ALL", "C")
}

fn name(path: &str, args: &[&str]) -> String {
    let program = path.rsplit('/').next().unwrap_or(path);
    let words = args.join(" ").replace("{data}", "").replace("{fresh}", "").replace(": ", ":");
    format!("stock/{program} {words}")
}

impl Program {
    /// Puts the scripts into the image.
    fn scripts(self) -> Self {
        self.extra(vec![PathBuf::from(SCRIPTS)])
    }
}

fn sqlite(name: &str, script: &str) -> Case {
    stock("/usr/bin/sqlite3", "sqlite3", &["-init", "/dev/null", "{fresh}/test.db"])
        .env("HOME", "/")
        .stdin(script)
        .case(format!("stock/sqlite {name}"))
}

fn openssl() -> Vec<Case> {
    let openssl = |args: &[&str]| stock("/usr/bin/openssl", "openssl", args).data();
    const KEY: &str = "000102030405060708090a0b0c0d0e0f";
    let known: &[&[&str]] = &[
        &["dgst", "-sha3-256", "{data}/big", "{data}/text"],
        &["dgst", "-sha1", "-hmac", "key", "{data}/big"],
        &["enc", "-aes-128-ctr", "-K", KEY, "-iv", KEY, "-base64", "-in", "{data}/page"],
        &[
            "enc",
            "-aes-256-cbc",
            "-pbkdf2",
            "-pass",
            "pass:word",
            "-S",
            "0011223344556677",
            "-a",
            "-in",
            "{data}/text",
        ],
        &["prime", "-hex", "1fffffffffffffff"],
        &["version", "-d"],
    ];
    let mut cases: Vec<Case> = known
        .iter()
        .map(|args| {
            let words = args.join(" ").replace("{data}", "");
            openssl(args).case(format!("stock/openssl {}", words.replace(KEY, "key")))
        })
        .collect();
    cases.push(
        openssl(&["speed", "-seconds", "1", "-bytes", "1024", "sha256"])
            .stdout(vec![Text::LikeNative, has(&["Doing sha256 for 1s on 1024 size blocks"])])
            .case("stock/openssl speed"),
    );
    cases
}
