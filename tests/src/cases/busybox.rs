//! Area: a real static program, busybox, with many of its applets.

use crate::case::{Case, busybox};

/// Applets with arguments that need no input.
const PLAIN: &[&[&str]] = &[
    &["echo", "hello", "from", "busybox"],
    &["echo", "-n", "no newline"],
    &["echo", "-e", "tab\\there\\0101"],
    &["true"],
    &["false"],
    &["printf", "%s-%05d-%x\\n", "a", "42", "255"],
    &["seq", "1", "200"],
    &["seq", "-w", "1", "3", "30"],
    &["expr", "6", "*", "7"],
    &["test", "1", "-eq", "2"],
    &["basename", "/a/b/c.txt", ".txt"],
    &["dirname", "/a/b/c.txt"],
    &["uname", "-sm"],
    &["pwd"],
    &["sleep", "0.05"],
    &["usleep", "1000"],
    &["factor", "1234567890"],
    &["cal", "9", "1752"],
    &["date", "-u", "-d", "@1600000000"],
    &["no-such-applet"],
    &["cat", "/no/such/file"],
    &["sh", "-c", "x=$((6*7)); echo $x; for i in a b c; do echo -n $i; done; exit 9"],
];

/// Applets over the test data.
const WITH_DATA: &[&[&str]] = &[
    &["cat", "{data}/text"],
    &["cat", "{data}/text", "{data}/empty", "{data}/dir/nested/deep"],
    &["head", "-n", "3", "{data}/text"],
    &["tail", "-n", "3", "{data}/text"],
    &["tail", "-c", "100", "{data}/big"],
    &["wc", "{data}/text", "{data}/big"],
    &["md5sum", "{data}/big", "{data}/text"],
    &["sha256sum", "{data}/big"],
    &["cksum", "{data}/big", "{data}/page"],
    &["sort", "-t", ",", "-k", "2", "{data}/text"],
    &["grep", "-n", "of the text, 9", "{data}/text"],
    &["sed", "-n", "s/line \\([0-9]*\\) .*/[\\1]/p", "{data}/text"],
    &["awk", "{ sum += $2 } END { print sum }", "{data}/text"],
    &["cut", "-d", " ", "-f", "2", "{data}/text"],
    &["hexdump", "-C", "{data}/page"],
    &["od", "-c", "{data}/text"],
    &["ls", "-1a", "{data}"],
    &["ls", "-1R", "{data}"],
    &["find", "{data}/dir", "-type", "f"],
    &["stat", "-c", "%s %a %F %Y", "{data}/text", "{data}/dir/nested/deep", "{data}/link"],
    &["readlink", "{data}/link"],
    &["readlink", "-f", "{data}/dir/up"],
    &["cmp", "{data}/big", "{data}/page"],
    &["diff", "{data}/text", "{data}/hard-link"],
    &["ls", "{data}/no-such-file"],
    &["test", "-x", "{data}/script"],
    &["base64", "{data}/page"],
    &["rev", "{data}/text"],
    &["tac", "{data}/text"],
    &["gzip", "-c", "{data}/page"],
    &["strings", "{data}/big"],
    &["nl", "{data}/text"],
    &["fold", "-w", "11", "{data}/text"],
    &["sha1sum", "{data}/big"],
    &["sha512sum", "{data}/page"],
    &["sha3sum", "{data}/page"],
    &["sum", "{data}/text"],
    &["paste", "{data}/text", "{data}/hard-link"],
    &["uuencode", "{data}/page", "page"],
    &["bzip2", "-c", "{data}/text"],
    &["realpath", "{data}/dirlink/up"],
    &["dd", "if={data}/big", "of={fresh}/part", "bs=512", "skip=7", "count=9"],
    &["mkdir", "-p", "{fresh}/a/b/c"],
    &["cp", "-r", "{data}/dir", "{fresh}/copy"],
    &["touch", "-d", "2020-01-01 00:00:00", "{fresh}/touched"],
    &["cpio", "-t", "-F", "{data}/text"],
];

/// Applets that filter their input.
const FILTERS: &[(&[&str], &str)] = &[
    (&["cat"], "from stdin\n"),
    (&["cat", "-n"], "a\nb\n\nc"),
    (&["tr", "a-z", "A-Z"], "shout this\n"),
    (&["wc"], "one two\nthree\n"),
    (&["sort", "-n"], "10\n9\n-1\n100\n"),
    (&["uniq", "-c"], "a\na\nb\na\n"),
    (&["sed", "s/o/0/g"], "foo boo\n"),
    (&["md5sum"], "abc"),
    (&["head", "-c", "4"], "123456789"),
    (&["expand", "-t", "4"], "a\tb\n\tc\n"),
    (&["unexpand", "-a"], "a       b\n"),
    (&["dc"], "6 7 * p\n2 32 ^ p\n"),
    (&["bc"], "scale=20\n355/113\n2^64\n"),
    (&["tsort"], "a b\nb c\na c\n"),
    (&["xxd"], "hex\u{e9}\n"),
    (&["sh"], "echo from a script\nread line\nthis is the line\necho got $line\nexit 3\n"),
];

pub fn cases() -> Vec<Case> {
    let plain = PLAIN.iter().map(|args| busybox(args).case(name("busybox", args)));
    let with_data = WITH_DATA.iter().map(|args| busybox(args).data().case(name("busybox with files", args)));
    let filters =
        FILTERS.iter().map(|(args, input)| busybox(args).stdin(*input).case(name("busybox filter", args)));
    let env = busybox(&["env"]).env("TEST_A", "x y").env("PATH", "/bin").env("HOME", "/");
    let env =
        env.stdout(vec![crate::case::has(&["TEST_A=x y\n", "PATH=/bin\n", "HOME=/\n"])]).case("busybox/env");
    // The roots differ: what must be there is known.
    let root = busybox(&["ls", "-l", "/"]).status(0);
    let root =
        root.stdout(vec![crate::case::has(&["dev", "etc", "proc", "tmp"])]).case("busybox/ls -l of the root");
    plain.chain(with_data).chain(filters).chain([env, root]).collect()
}

fn name(area: &str, args: &[&str]) -> String {
    format!(
        "{area}/{}",
        args.join(" ").replace("{data}/", "").replace("{fresh}/", "").replace(": ", ":").replace('\n', " ")
    )
}
