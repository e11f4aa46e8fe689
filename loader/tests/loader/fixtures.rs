//! Real programs, built when the tests run, with the linkers and options that differ in how they lay out segments.

use std::path::{Path, PathBuf};
use std::process::Command;

/// A program on disk.
pub struct Fixture {
    pub name: &'static str,
    pub path: PathBuf,
}

impl Fixture {
    pub fn bytes(&self) -> Vec<u8> {
        std::fs::read(&self.path).unwrap()
    }
}

/// Name, compiler, options.
type Recipe = (&'static str, &'static str, &'static [&'static str]);

/// Programs with a libc.
const LIBC: &[Recipe] = &[
    ("glibc-static", "gcc", &["-static", "-no-pie"]),
    ("glibc-static-pie", "gcc", &["-static-pie"]),
    ("glibc-dynamic", "gcc", &["-pie"]),
    ("glibc-dynamic-fixed", "gcc", &["-no-pie"]),
    ("musl-static", "musl-gcc", &["-static", "-no-pie"]),
    ("musl-dynamic", "musl-gcc", &["-pie", "-fPIE"]),
];

/// Layouts for the program without libc.
const LAYOUTS: &[Recipe] = &[
    ("plain", "gcc", &["-static", "-no-pie"]),
    ("pie", "gcc", &["-static-pie", "-fPIE"]),
    ("noseparate", "gcc", &["-static", "-no-pie", "-Wl,-z,noseparate-code"]),
    ("noseparate-pie", "gcc", &["-static-pie", "-fPIE", "-Wl,-z,noseparate-code"]),
    ("2m", "gcc", &["-static", "-no-pie", "-Wl,-z,max-page-size=0x200000"]),
    ("2m-pie", "gcc", &["-static-pie", "-fPIE", "-Wl,-z,max-page-size=0x200000"]),
    ("2m-noseparate", "gcc", &["-static", "-no-pie", "-Wl,-z,noseparate-code,-z,max-page-size=0x200000"]),
    ("64k-common", "gcc", &["-static", "-no-pie", "-Wl,-z,max-page-size=0x10000,-z,common-page-size=0x1000"]),
    ("execstack", "gcc", &["-static", "-no-pie", "-Wl,-z,execstack"]),
    ("lowest", "gcc", &["-static", "-no-pie", "-Wl,-Ttext-segment=0x10000"]),
    ("omagic", "gcc", &["-static", "-no-pie", "-Wl,-N"]),
    ("gold", "gcc", &["-static", "-no-pie", "-fuse-ld=gold"]),
    ("gold-pie", "gcc", &["-shared", "-fPIC", "-fvisibility=hidden", "-fuse-ld=gold", "-Wl,-e,_start"]),
    ("gold-rosegment", "gcc", &["-static", "-no-pie", "-fuse-ld=gold", "-Wl,--rosegment"]),
    ("lld", "gcc", &["-static", "-no-pie", "-fuse-ld=lld"]),
    ("lld-pie", "gcc", &["-static-pie", "-fPIE", "-fuse-ld=lld"]),
];

/// Whether the linker that the options ask for exists; gold and lld are not everywhere.
fn has_linker(options: &[&str]) -> bool {
    let Some(linker) = options.iter().find_map(|option| option.strip_prefix("-fuse-ld=")) else {
        return true;
    };
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&path).any(|dir| dir.join(format!("ld.{linker}")).exists());
    if !found {
        println!("ld.{linker} is not installed: its layouts are left out");
    }
    found
}

/// Compiles `source` as each recipe says. A missing compiler is an error: the tests need it.
fn build(dir: &Path, source: &str, extra: &[&str], recipes: &[Recipe]) -> Vec<Fixture> {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/loader/c").join(source);
    let make = |&(name, compiler, options): &Recipe| {
        let path = dir.join(name);
        let output =
            Command::new(compiler).args(extra).args(options).arg("-o").arg(&path).arg(&source).output();
        let output = output.unwrap_or_else(|error| panic!("{compiler}: {error}"));
        assert!(output.status.success(), "{name}: {}", String::from_utf8_lossy(&output.stderr));
        Fixture { name, path }
    };
    recipes.iter().filter(|(_, _, options)| has_linker(options)).map(make).collect()
}

/// The programs with a libc.
pub fn build_libc(dir: &Path) -> Vec<Fixture> {
    build(dir, "hello.c", &["-O1"], LIBC)
}

/// The program without libc in all layouts.
pub fn build_layouts(dir: &Path) -> Vec<Fixture> {
    build(dir, "report.c", &["-O1", "-nostdlib", "-ffreestanding", "-fno-stack-protector"], LAYOUTS)
}

/// All programs.
pub fn build_all(dir: &Path) -> Vec<Fixture> {
    let mut all = build_libc(dir);
    all.extend(build_layouts(dir));
    all
}
