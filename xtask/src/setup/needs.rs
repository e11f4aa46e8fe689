//! What the purposes need of a machine, and where to get it.

use super::Purpose;
use crate::process;
use std::path::Path;

/// One thing that a purpose needs, and the packages that have it.
pub struct Need {
    pub purpose: Purpose,
    /// What it is, for people.
    pub what: &'static str,
    test: Test,
    pub debian: &'static str,
    pub fedora: &'static str,
    pub arch: &'static str,
}

/// How it is found.
enum Test {
    /// One of these files is there.
    Files(&'static [&'static str]),
    /// Anything else.
    Of(fn() -> bool),
}

impl Need {
    /// Whether it is there.
    pub fn is_present(&self) -> bool {
        match self.test {
            Test::Files(paths) => paths.iter().any(|path| Path::new(path).is_file()),
            Test::Of(test) => test(),
        }
    }
}

/// A row of the table.
const fn need(purpose: Purpose, what: &'static str, test: Test, packages: [&'static str; 3]) -> Need {
    let [debian, fedora, arch] = packages;
    Need { purpose, what, test, debian, fedora, arch }
}

use Purpose::{Build, Conformance, Demo, Run};
use Test::{Files, Of};

/// Everything; the packages are those of Debian, Fedora and Arch.
pub const NEEDS: &[Need] = &[
    need(Build, "a C compiler (the linker of Rust programs)", Of(|| found("cc") && found("gcc")), ["gcc"; 3]),
    need(
        Build,
        "the C library to link with",
        Of(|| Path::new("/usr/include/stdio.h").exists() && static_glibc()),
        ["libc6-dev", "glibc-static", "glibc"],
    ),
    need(
        Run,
        "QEMU for x86-64",
        Of(|| found("qemu-system-x86_64")),
        ["qemu-system-x86", "qemu-system-x86-core", "qemu-system-x86"],
    ),
    need(Demo, "memcached", Files(&["/usr/bin/memcached"]), ["memcached"; 3]),
    need(
        Demo,
        "memcached's clients",
        Files(&["/usr/bin/memccat"]),
        ["libmemcached-tools", "libmemcached", "libmemcached"],
    ),
    need(Purpose::Test, "the musl C library", Of(|| found("musl-gcc")), ["musl-tools", "musl-gcc", "musl"]),
    need(
        Purpose::Test,
        "a static busybox",
        Of(|| process::find_program("busybox").is_some_and(|path| is_static(&path))),
        ["busybox-static", "busybox", "busybox"],
    ),
    need(Purpose::Test, "binutils", Of(|| found("objdump") && found("as")), ["binutils"; 3]),
    need(Purpose::Test, "cpio", Of(|| found("cpio")), ["cpio"; 3]),
    need(Purpose::Test, "gawk", Files(&["/usr/bin/gawk"]), ["gawk"; 3]),
    need(Purpose::Test, "Lua 5.4", Files(&["/usr/bin/lua5.4"]), ["lua5.4", "lua", "lua"]),
    need(Purpose::Test, "SQLite's shell", Files(&["/usr/bin/sqlite3"]), ["sqlite3", "sqlite", "sqlite"]),
    need(Purpose::Test, "Perl", Files(&["/usr/bin/perl"]), ["perl"; 3]),
    need(
        Purpose::Test,
        "Python 3.11",
        Files(&["/usr/lib/python3.11/sqlite3/dbapi2.py"]),
        ["python3", "python3", "python"],
    ),
    need(Purpose::Test, "Go", Files(&["/usr/bin/go", "/usr/local/go/bin/go"]), ["golang-go", "golang", "go"]),
    need(Purpose::Test, "openssl", Files(&["/usr/bin/openssl"]), ["openssl"; 3]),
    need(Purpose::Test, "find", Files(&["/usr/bin/find"]), ["findutils"; 3]),
    need(Purpose::Test, "redis", Files(&["/usr/bin/redis-server"]), ["redis-server", "redis", "redis"]),
    need(Purpose::Test, "redis's clients", Files(&["/usr/bin/redis-cli"]), ["redis-tools", "redis", "redis"]),
    need(Purpose::Test, "lighttpd", Files(&["/usr/sbin/lighttpd"]), ["lighttpd"; 3]),
    need(Purpose::Test, "dnsmasq", Files(&["/usr/sbin/dnsmasq"]), ["dnsmasq-base", "dnsmasq", "dnsmasq"]),
    need(Purpose::Test, "nginx", Files(&["/usr/sbin/nginx"]), ["nginx-light", "nginx", "nginx"]),
    need(Purpose::Test, "haproxy", Files(&["/usr/sbin/haproxy"]), ["haproxy"; 3]),
    need(Purpose::Test, "wrk", Files(&["/usr/bin/wrk"]), ["wrk"; 3]),
    need(Conformance, "node", Files(&["/usr/bin/node"]), ["nodejs"; 3]),
    need(Purpose::Test, "curl", Files(&["/usr/bin/curl"]), ["curl"; 3]),
    need(Purpose::Test, "iproute2", Of(|| found("ip")), ["iproute2", "iproute", "iproute2"]),
    need(
        Conformance,
        "CPython's own tests",
        Files(&["/usr/lib/python3.11/test/test_os.py"]),
        ["libpython3.11-testsuite", "python3-test", "python"],
    ),
    need(Conformance, "Tcl", Files(&["/usr/bin/tclsh"]), ["tcl"; 3]),
    need(Conformance, "dpkg-source", Files(&["/usr/bin/dpkg-source"]), ["dpkg-dev", "dpkg-dev", "dpkg"]),
];

fn found(program: &str) -> bool {
    process::find_program(program).is_some()
}

fn static_glibc() -> bool {
    ["/usr/lib/x86_64-linux-gnu/libc.a", "/usr/lib64/libc.a", "/usr/lib/libc.a"]
        .iter()
        .any(|file| Path::new(file).exists())
}

/// Whether an ELF file asks for no interpreter. A crude but sufficient look: PT_INTERP names a loader.
fn is_static(path: &Path) -> bool {
    let Ok(bytes) = std::fs::read(path) else { return false };
    let head = bytes.get(..4096.min(bytes.len())).unwrap_or_default();
    head.starts_with(b"\x7fELF")
        && !head.windows(7).any(|window| window == b"/lib64/" || window == b"ld-musl")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dynamic_program_is_not_static() {
        let me = std::env::current_exe().unwrap();
        assert!(!is_static(&me));
        assert!(!is_static(Path::new("/etc/passwd")));
    }
}
