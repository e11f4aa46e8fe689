//! Compiling the test programs: each source once per variant, kept until source or compiler changes.

use crate::exec::{self, Streams};
use crate::lab::Lab;
use std::collections::HashMap;
use std::fmt;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

/// How a program is built.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Variant {
    /// C, glibc, fixed address.
    Glibc,
    /// C, glibc, position-independent.
    GlibcPie,
    /// C, musl, fixed address.
    Musl,
    /// C, musl, position-independent.
    MuslPie,
    /// Rust with std (on glibc), position-independent.
    Rust,
    /// Rust with std (on glibc), fixed address.
    RustFixed,
    /// Go, with its own run-time library and no C library.
    Go,
}

impl Variant {
    /// The variants of C programs.
    pub const C: [Variant; 4] = [Variant::Glibc, Variant::GlibcPie, Variant::Musl, Variant::MuslPie];
    /// The variants of Rust programs.
    pub const RUST: [Variant; 2] = [Variant::Rust, Variant::RustFixed];
}

impl fmt::Display for Variant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Variant::Glibc => "glibc",
            Variant::GlibcPie => "glibc-pie",
            Variant::Musl => "musl",
            Variant::MuslPie => "musl-pie",
            Variant::Rust => "rust-pie",
            Variant::RustFixed => "rust",
            Variant::Go => "go",
        })
    }
}

/// Where musl's start files lie: Debian's place, then others'.
const MUSL_LIBS: &[&str] =
    &["/usr/lib/x86_64-linux-musl", "/usr/lib/musl/lib", "/usr/x86_64-linux-musl/lib64"];
const MUSL_INCLUDES: &[&str] =
    &["/usr/include/x86_64-linux-musl", "/usr/lib/musl/include", "/usr/x86_64-linux-musl/include"];

/// The compiler command for one program, up to its output and source.
fn compiler(variant: Variant, output: &Path, source: &Path) -> Result<Command, String> {
    let first = |places: &[&'static str], what: &str| {
        places
            .iter()
            .find(|place| Path::new(place).is_dir())
            .copied()
            .ok_or(format!("musl's {what} are not found"))
    };
    let c = ["-O1", "-g", "-Wall", "-Wno-unused-result"];
    let mut command = Command::new(match variant {
        Variant::Glibc | Variant::GlibcPie | Variant::MuslPie => "gcc",
        Variant::Musl => "musl-gcc",
        Variant::Rust | Variant::RustFixed => "rustc",
        Variant::Go => "go",
    });
    match variant {
        Variant::Glibc => command.args(c).args(["-static", "-no-pie", "-fno-pie"]).arg(source),
        Variant::GlibcPie => command.args(c).args(["-static-pie", "-fPIE"]).arg(source),
        Variant::Musl => command.args(c).args(["-static", "-no-pie", "-fno-pie"]).arg(source),
        Variant::MuslPie => {
            // musl-gcc cannot: it always asks for the dynamic loader. The parts are the same.
            let libs = Path::new(first(MUSL_LIBS, "libraries")?);
            command
                .args(c)
                .args(["-fPIE", "-static-pie", "-nostdlib", "-nostdinc", "-isystem"])
                .arg(first(MUSL_INCLUDES, "headers")?)
                .args([libs.join("rcrt1.o"), libs.join("crti.o")])
                .arg(source)
                .args(["-Wl,--start-group", "-lgcc", "-lgcc_eh"])
                .arg(libs.join("libc.a"))
                .arg("-Wl,--end-group")
                .arg(libs.join("crtn.o"))
        }
        Variant::Rust | Variant::RustFixed => command
            .args(["--edition", "2024", "-O", "-g", "-C", "target-feature=+crt-static"])
            .args([
                "-C",
                if variant == Variant::Rust { "relocation-model=pie" } else { "relocation-model=static" },
            ])
            .arg(source),
        Variant::Go => &mut command,
    };
    if variant == Variant::Go {
        // The source comes last here.
        command.arg("build").arg("-o").arg(output).arg(source);
        go_settings(&mut command, output)?;
        return Ok(command);
    }
    command.arg("-o").arg(output);
    Ok(command)
}

/// Static programs without C, and a cache beside the directory of `output`.
fn go_settings(command: &mut Command, output: &Path) -> Result<(), String> {
    command.envs([("CGO_ENABLED", "0"), ("GO111MODULE", "off"), ("GOFLAGS", "-p=1")]);
    let cache = output.parent().unwrap_or(output).with_file_name("go-cache");
    command.env("GOPATH", cache.join("path"));
    command.env("GOCACHE", std::path::absolute(cache).map_err(|error| error.to_string())?);
    Ok(())
}

/// The tests of a package of Go's standard library as one program. Go itself knows whether anything has to be built.
///
/// # Errors
/// The compiler's words.
pub fn go_tests(lab: &Lab, package: &str, limit: Duration) -> Result<PathBuf, String> {
    let dir = lab.work.join("bin").join("go-tests");
    std::fs::create_dir_all(&dir).map_err(|error| format!("cannot make {}: {error}", dir.display()))?;
    let file = dir.join(package.replace('/', "-"));
    let mut command = Command::new("go");
    command.args(["test", "-c", "-o"]).arg(&file).arg(package);
    go_settings(&mut command, &file)?;
    let done = exec::run(&mut command, b"", Streams::Merged, limit)?;
    match done.status {
        0 => Ok(file),
        _ => Err(format!("no tests of {package}: {}", String::from_utf8_lossy(&done.stdout))),
    }
}

/// One cell per program, so that two cases that want the same one compile it once.
type Cells = Mutex<HashMap<PathBuf, Arc<OnceLock<Result<(), String>>>>>;

/// The path of a program, compiled if it is not there yet.
///
/// # Errors
/// The compiler's words.
pub fn program(lab: &Lab, name: &str, variant: Variant) -> Result<PathBuf, String> {
    static CELLS: OnceLock<Cells> = OnceLock::new();
    let ending = match variant {
        Variant::Rust | Variant::RustFixed => "rs",
        Variant::Go => "go",
        _ => "c",
    };
    let source = lab.sources.join(format!("{name}.{ending}"));
    let file =
        lab.work.join("bin").join(format!("{name}.{variant}.{:016x}", key(&source, variant)?)).join(name);
    let cell = {
        let cells = CELLS.get_or_init(Mutex::default);
        Arc::clone(cells.lock().unwrap_or_else(PoisonError::into_inner).entry(file.clone()).or_default())
    };
    cell.get_or_init(|| if file.is_file() { Ok(()) } else { compile(variant, &file, &source) }).clone()?;
    Ok(file)
}

fn compile(variant: Variant, file: &Path, source: &Path) -> Result<(), String> {
    let dir = file.parent().ok_or("no directory for a program")?;
    std::fs::create_dir_all(dir).map_err(|error| format!("cannot make {}: {error}", dir.display()))?;
    // Under another name until it is whole, for the next run trusts what it finds.
    let unfinished = file.with_extension("unfinished");
    let output = compiler(variant, &unfinished, source)?
        .output()
        .map_err(|error| format!("no compiler for {variant}: {error}"))?;
    if !output.status.success() {
        return Err(format!(
            "{} does not compile: {}",
            source.display(),
            String::from_utf8_lossy(&output.stderr)
        ));
    }
    std::fs::rename(&unfinished, file).map_err(|error| format!("{}: {error}", file.display()))
}

/// The headers beside a source, in the order of their names.
fn headers(source: &Path) -> Vec<PathBuf> {
    let entries = source.parent().and_then(|dir| std::fs::read_dir(dir).ok()).into_iter().flatten().flatten();
    let mut headers: Vec<PathBuf> = entries.map(|entry| entry.path()).collect();
    headers.retain(|path| path.extension().is_some_and(|ending| ending == "h"));
    headers.sort();
    headers
}

/// Changes with the source, the headers beside it and the compilers.
fn key(source: &Path, variant: Variant) -> Result<u64, String> {
    static COMPILERS: OnceLock<Vec<u8>> = OnceLock::new();
    let mut hasher = DefaultHasher::new();
    for file in std::iter::once(source.to_path_buf()).chain(headers(source)) {
        std::fs::read(&file).map_err(|error| format!("{}: {error}", file.display()))?.hash(&mut hasher);
    }
    variant.hash(&mut hasher);
    let versions = COMPILERS.get_or_init(|| {
        [("gcc", "--version"), ("rustc", "--version"), ("go", "version")]
            .iter()
            .filter_map(|(name, how)| Command::new(name).arg(how).output().ok())
            .flat_map(|output| output.stdout)
            .collect()
    });
    versions.hash(&mut hasher);
    Ok(hasher.finish())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_variant_compiles_once_and_runs() {
        let work = tempfile::tempdir().unwrap();
        let tool = std::env::current_exe().unwrap();
        let lab = Lab::new(tool.clone(), tool, work.path()).unwrap();
        for variant in [Variant::Glibc, Variant::GlibcPie, Variant::Musl, Variant::MuslPie] {
            let file = program(&lab, "hello", variant).unwrap();
            let output = Command::new(&file).output().unwrap();
            assert_eq!(output.stdout, b"hello, world\n", "{variant}");
            assert_eq!(program(&lab, "hello", variant).unwrap(), file);
        }
        assert!(program(&lab, "no-such-program", Variant::Glibc).is_err());
    }
}
