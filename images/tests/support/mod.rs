//! What the tests of the tools share: a stub kernel, small programs, and running the tools.
#![allow(dead_code)] // each test binary uses a part

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::{SystemTime, UNIX_EPOCH};

use tempfile::TempDir;

pub const MKIMAGE: &str = env!("CARGO_BIN_EXE_mkimage");
pub const NOSPIN: &str = env!("CARGO_BIN_EXE_nospin");

/// What the stub kernel does. The numbers are those of `stub.s`.
#[derive(Clone, Copy, Debug)]
pub enum Scenario {
    Hello = 0,
    Echo = 1,
    CommandLine = 2,
    Flood = 3,
    Silent = 4,
    Panic = 5,
    Hang = 6,
    Signal = 7,
    Listen = 8,
}

/// A directory for one test, with a program and kernels in it.
pub struct Bench {
    pub dir: TempDir,
}

impl Bench {
    pub fn new() -> Self {
        Self { dir: tempfile::tempdir().unwrap() }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub fn text(&self, name: &str) -> String {
        self.path(name).to_str().unwrap().to_owned()
    }

    pub fn write(&self, name: &str, contents: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, contents).unwrap();
        path
    }

    /// Assembles a stub kernel.
    pub fn kernel(&self, scenario: Scenario) -> PathBuf {
        let object = self.path("stub.o");
        let kernel = self.path(&format!("{scenario:?}.kernel"));
        let source = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/stub.s");
        run(Command::new("as")
            .args(["--64", "--defsym", &format!("SCENARIO={}", scenario as u32), "-o"])
            .arg(&object)
            .arg(source));
        let build_id = format!("--build-id=0x{}", "ab".repeat(20));
        run(Command::new("ld")
            .args(["-static", "-Ttext-segment=0x100000", &build_id, "-o"])
            .arg(&kernel)
            .arg(&object));
        kernel
    }

    /// A static program that was never meant to run here: the smallest ELF file there is.
    pub fn program(&self) -> PathBuf {
        self.write("program", elf())
    }

    /// An image of [`program`](Self::program) with a stub kernel.
    pub fn image(&self, scenario: Scenario) -> PathBuf {
        let image = self.path(&format!("{scenario:?}.img"));
        let (kernel, program) = (self.kernel(scenario), self.program());
        let output = Command::new(MKIMAGE)
            .args(["--elf".as_ref(), program.as_os_str(), "-o".as_ref(), image.as_os_str()])
            .args(["--kernel".as_ref(), kernel.as_os_str()])
            .output()
            .unwrap();
        assert_eq!(stderr(&output).lines().filter(|line| !line.contains("ing ")).count(), 0, "{output:?}");
        assert!(output.status.success(), "{output:?}");
        image
    }

    /// Compiles C source to `name` with gcc.
    pub fn gcc(&self, name: &str, source: &str, args: &[&str]) -> PathBuf {
        let file = self.write(&format!("{name}.c"), source);
        let out = self.path(name);
        run(Command::new("gcc").arg("-o").arg(&out).arg(&file).args(args).current_dir(self.dir.path()));
        fs::remove_file(file).unwrap();
        out
    }
}

/// Runs a build step that has to succeed.
pub fn run(command: &mut Command) {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    assert!(output.status.success(), "{command:?}: {}", stderr(&output));
}

pub fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

pub fn stdout(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// Runs mkimage with a stub kernel.
pub fn mkimage(bench: &Bench, args: &[&str]) -> Output {
    let kernel = bench.kernel(Scenario::Hello);
    Command::new(MKIMAGE)
        .current_dir(bench.dir.path())
        .arg("--kernel")
        .arg(kernel)
        .args(args)
        .output()
        .unwrap()
}

/// The names of the files in a directory, sorted.
pub fn names(dir: &Path) -> Vec<String> {
    let mut names: Vec<_> =
        fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

/// An ELF64 file with one segment of code: `mov $60, %eax; xor %edi, %edi; syscall`.
pub fn elf() -> Vec<u8> {
    let code = b"\xb8\x3c\0\0\0\x31\xff\x0f\x05";
    let mut out = b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0".to_vec();
    out.extend_from_slice(&[2, 0, 62, 0, 1, 0, 0, 0]);
    for word in [0x40_0078u64, 64, 0] {
        out.extend_from_slice(&word.to_le_bytes());
    }
    out.extend_from_slice(&[0, 0, 0, 0, 64, 0, 56, 0, 1, 0, 0, 0, 0, 0, 0, 0]);
    out.extend_from_slice(&[1, 0, 0, 0, 5, 0, 0, 0]);
    for word in [0u64, 0x40_0000, 0x40_0000, 120 + code.len() as u64, 120 + code.len() as u64, 4096] {
        out.extend_from_slice(&word.to_le_bytes());
    }
    out.extend_from_slice(code);
    out
}

/// The guest's command line without the time that `nospin run` tells, which must be there once and be this host's.
pub fn without_clock(line: &str) -> String {
    let (clocks, others): (Vec<&str>, Vec<&str>) =
        line.split(' ').partition(|word| word.starts_with("clock="));
    let [clock] = clocks[..] else { panic!("the time is not told once: {line}") };
    let told: f64 = clock.trim_end().trim_start_matches("clock=").parse().unwrap();
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs_f64();
    assert!((now - 60.0..=now).contains(&told), "{line}");
    let end = if clock.ends_with('\n') { "\n" } else { "" };
    others.join(" ") + end
}
