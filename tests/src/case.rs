//! A test case as data, and how it is written down: `c("hello", Variant::Musl).args(&["a"]).smp(4).case("args/musl")`.

use crate::compare::{Status, Text};
use crate::compile::Variant;
use crate::lab::Lab;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// One test.
#[derive(Clone)]
pub struct Case {
    /// Its name: area, subject, variant, separated by `/`.
    pub name: String,
    /// What is done.
    pub body: Body,
}

/// How a running program is tried: gets its VM's description, judges by itself.
pub type Talk = Arc<dyn Fn(&Lab, &Program) -> Result<(), String> + Send + Sync>;

/// What a case does.
#[derive(Clone)]
pub enum Body {
    /// Runs a program in a VM, natively too if that is the measure.
    Program(Box<Program>),
    /// Does anything with the tools; `Err` says what is wrong.
    Tool(fn(&Lab) -> Result<(), String>),
    /// Runs a program in a VM and talks to it.
    Server(Box<Program>, Talk),
    /// Runs a module of CPython's own tests natively and in VMs.
    Cpython(&'static str),
    /// Runs the tests of a package of Go's standard library natively and in a VM.
    Go(&'static str),
}

/// Where a program comes from.
#[derive(Clone, Debug)]
pub enum Source {
    /// `tests/programs`.
    Ours(&'static str, Variant),
    /// A program of this crate, which cargo has put beside the test runner.
    Beside(&'static str),
    /// A program of the host, by name.
    Host(&'static str),
    /// A distribution's program: its path, and Debian's package to install when it is missing.
    Stock(&'static str, &'static str),
}

/// The machines that are tested.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Machine {
    /// A PC with PCI Express.
    Q35,
    /// QEMU's minimal machine.
    Microvm,
}

impl Machine {
    /// The name that `nospin run --machine` takes.
    pub fn name(self) -> &'static str {
        match self {
            Machine::Q35 => "q35",
            Machine::Microvm => "microvm",
        }
    }
}

/// A run of a program in a VM, and what must come of it.
#[derive(Clone)]
pub struct Program {
    /// The program.
    pub source: Source,
    /// Its arguments; `{data}` stands for the directory of test data, `{work}` for the work directory,
    /// `{stock}` for the directory of scripts for stock programs, `{fresh}` for a directory that is empty at the start.
    pub args: Vec<String>,
    /// Its environment.
    pub env: Vec<(String, String)>,
    /// Its input.
    pub stdin: Vec<u8>,
    /// Whether the test data is in the image (at its own path).
    pub data: bool,
    /// Files and directories of the host that are in the image too, at their own paths.
    pub extra: Vec<PathBuf>,
    /// MiB of memory.
    pub memory: u32,
    /// CPUs.
    pub smp: u32,
    /// Machine.
    pub machine: Machine,
    /// More options for the guest's command line.
    pub append: Vec<String>,
    /// More arguments for `nospin run`.
    pub run: Vec<String>,
    /// Wanted exit status.
    pub status: Status,
    /// What stdout must hold (the program's stdout and stderr).
    pub stdout: Vec<Text>,
    /// What stderr must hold (kernel messages).
    pub stderr: Vec<Text>,
    /// Longest run.
    pub limit: Duration,
}

/// A run under TCG with two others beside it is slow; a hang is slower.
const LIMIT: Duration = Duration::from_secs(90);

impl Program {
    fn new(source: Source) -> Self {
        Program {
            source,
            args: Vec::new(),
            env: Vec::new(),
            stdin: Vec::new(),
            data: false,
            extra: Vec::new(),
            memory: 256,
            smp: 1,
            machine: Machine::Q35,
            append: Vec::new(),
            run: Vec::new(),
            status: Status::AsNative,
            stdout: vec![Text::AsNative],
            // The console is quiet.
            stderr: vec![Text::Empty],
            limit: LIMIT,
        }
    }

    /// Sets the arguments.
    #[must_use]
    pub fn args(mut self, args: &[&str]) -> Self {
        self.args = args.iter().map(|arg| arg.to_string()).collect();
        self
    }

    /// Adds a variable to the environment.
    #[must_use]
    pub fn env(mut self, name: &str, value: &str) -> Self {
        self.env.push((name.into(), value.into()));
        self
    }

    /// Sets the input.
    #[must_use]
    pub fn stdin(mut self, bytes: impl Into<Vec<u8>>) -> Self {
        self.stdin = bytes.into();
        self
    }

    /// Puts the test data into the image.
    #[must_use]
    pub fn data(mut self) -> Self {
        self.data = true;
        self
    }

    /// Puts more of the host into the image.
    #[must_use]
    pub fn extra(mut self, paths: Vec<PathBuf>) -> Self {
        self.extra.extend(paths);
        self
    }

    /// Sets the memory in MiB.
    #[must_use]
    pub fn memory(mut self, mib: u32) -> Self {
        self.memory = mib;
        self
    }

    /// Sets the number of CPUs.
    #[must_use]
    pub fn smp(mut self, cpus: u32) -> Self {
        self.smp = cpus;
        self
    }

    /// Sets the machine.
    #[must_use]
    pub fn machine(mut self, machine: Machine) -> Self {
        self.machine = machine;
        self
    }

    /// Adds to the guest's command line.
    #[must_use]
    pub fn append(mut self, option: &str) -> Self {
        self.append.push(option.into());
        self
    }

    /// Adds arguments for `nospin run`.
    #[must_use]
    pub fn run(mut self, args: &[&str]) -> Self {
        self.run.extend(args.iter().map(|arg| arg.to_string()));
        self
    }

    /// Wants a status that is not the native run's.
    #[must_use]
    pub fn status(mut self, status: i32) -> Self {
        self.status = Status::Is(status);
        self
    }

    /// Wants one of several statuses.
    #[must_use]
    pub fn status_one_of(mut self, any: &[i32]) -> Self {
        self.status = Status::OneOf(any.to_vec());
        self
    }

    /// Wants something else of stdout than equality with the native run.
    #[must_use]
    pub fn stdout(mut self, wanted: Vec<Text>) -> Self {
        self.stdout = wanted;
        self
    }

    /// Wants something else of stderr than silence.
    #[must_use]
    pub fn stderr(mut self, wanted: Vec<Text>) -> Self {
        self.stderr = wanted;
        self
    }

    /// Wants pieces of text on stderr.
    #[must_use]
    pub fn reports(self, pieces: &[&str]) -> Self {
        self.stderr(vec![has(pieces)])
    }

    /// Sets its longest run in seconds.
    #[must_use]
    pub fn limit(mut self, seconds: u64) -> Self {
        self.limit = Duration::from_secs(seconds);
        self
    }

    /// Gives it a name.
    #[must_use]
    pub fn case(self, name: impl Into<String>) -> Case {
        Case { name: name.into(), body: Body::Program(Box::new(self)) }
    }

    /// Whether anything is compared with a native run.
    pub fn needs_native(&self) -> bool {
        matches!(self.status, Status::AsNative)
            || self
                .stdout
                .iter()
                .chain(&self.stderr)
                .any(|text| matches!(text, Text::AsNative | Text::LikeNative | Text::SameLines))
    }
}

/// A program of ours.
#[must_use]
pub fn ours(name: &'static str, variant: Variant) -> Program {
    Program::new(Source::Ours(name, variant))
}

/// A C program of ours, glibc at a fixed address.
#[must_use]
pub fn c(name: &'static str) -> Program {
    ours(name, Variant::Glibc)
}

/// A Rust program of this crate, which may use other crates; linked dynamically.
#[must_use]
pub fn beside(name: &'static str) -> Program {
    Program::new(Source::Beside(name))
}

/// The static busybox of the host.
#[must_use]
pub fn busybox(args: &[&str]) -> Program {
    Program::new(Source::Host("busybox")).args(args)
}

/// A program of the distribution, from a package of Debian's.
#[must_use]
pub fn stock(path: &'static str, package: &'static str, args: &[&str]) -> Program {
    Program::new(Source::Stock(path, package)).args(args)
}

/// A test of the tools.
#[must_use]
pub fn tool(name: &str, run: fn(&Lab) -> Result<(), String>) -> Case {
    Case { name: name.into(), body: Body::Tool(run) }
}

/// A test of a program that serves, which judges by itself.
#[must_use]
pub fn server(
    name: &str,
    program: Program,
    talk: impl Fn(&Lab, &Program) -> Result<(), String> + Send + Sync + 'static,
) -> Case {
    Case { name: name.into(), body: Body::Server(Box::new(program), Arc::new(talk)) }
}

/// Pieces of text that must be there.
#[must_use]
pub fn has(pieces: &[&str]) -> Text {
    Text::Has(pieces.iter().map(|piece| piece.to_string()).collect())
}

/// Pieces of text that must not be there.
#[must_use]
pub fn lacks(pieces: &[&str]) -> Text {
    Text::Lacks(pieces.iter().map(|piece| piece.to_string()).collect())
}
