//! `cargo xtask`: the project's build, test and demo driver (a host program, run by people and by `.ci/run`).
//!
//! Every command begins with the set-up of what it needs and ends with a status that says whether everything it
//! promised has happened. The commands are described in [`USAGE`].

mod build;
mod context;
mod demo;
mod measure;
mod process;
mod rules;
mod setup;
mod suite;
mod tally;
mod toolchain;

use context::Context;
use std::process::ExitCode;

const USAGE: &str = "\
usage: cargo xtask COMMAND

  build                        build the kernel, mkimage and nospin (into target/release)
  demo                         build, make an image of memcached, boot it, let a client ask it
  test [--filter S] [--no-vm]  format, lints, rules, host tests, models and in-VM tests
                               --filter S   only tests whose name contains S
                               --no-vm      leave out everything that boots a virtual machine
  conformance [--filter S]     own tests of CPython, memcached and redis; the in-VM tests on many machines
  soak [--minutes N]           property tests with new inputs; the in-VM tests again and again for N minutes (10)
  measure [--gcount PATH]      kernel size, image overhead, smallest memory, boot time;
                               with the instruction counting plugin also guest instructions
  rules                        only the rule checks over the source
  setup                        only install what the commands above need";

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    match run(&args) {
        Ok(code) => code,
        Err(Failure::Usage(message)) => {
            eprintln!("xtask: {message}\n{USAGE}");
            ExitCode::from(2)
        }
        Err(Failure::Stopped(message)) => {
            eprintln!("xtask: {message}");
            ExitCode::from(1)
        }
    }
}

/// Why a command did not come to its own end.
#[derive(Debug)]
pub enum Failure {
    /// The command line is wrong.
    Usage(String),
    /// A step failed; the text says which and what to do.
    Stopped(String),
}

impl From<String> for Failure {
    fn from(message: String) -> Self {
        Failure::Stopped(message)
    }
}

fn run(args: &[String]) -> Result<ExitCode, Failure> {
    let Some((command, rest)) = args.split_first() else {
        return Err(Failure::Usage("no command given".into()));
    };
    let mut options = Options::new(rest);
    let cx = Context::discover()?;
    match command.as_str() {
        "build" => {
            options.finish()?;
            setup::prepare(&cx, setup::Purpose::Build)?;
            build::all(&cx)?;
            Ok(ExitCode::SUCCESS)
        }
        "demo" => {
            options.finish()?;
            setup::prepare(&cx, setup::Purpose::Demo)?;
            demo::run(&cx, &build::all(&cx)?)?;
            Ok(ExitCode::SUCCESS)
        }
        "test" => {
            let plan = suite::Plan { filter: options.value("--filter")?, vm: !options.flag("--no-vm") };
            options.finish()?;
            Ok(suite::test(&cx, &plan))
        }
        "conformance" => {
            let filter = options.value("--filter")?;
            options.finish()?;
            Ok(suite::conformance(&cx, filter))
        }
        "soak" => {
            let minutes = options.value("--minutes")?.unwrap_or_else(|| "10".into());
            let minutes: u64 =
                minutes.parse().map_err(|_| Failure::Usage(format!("not a number of minutes: {minutes}")))?;
            options.finish()?;
            Ok(suite::soak(&cx, minutes))
        }
        "measure" => {
            let plugin = options.value("--gcount")?;
            options.finish()?;
            setup::prepare(&cx, setup::Purpose::Run)?;
            measure::run(&cx, &build::all(&cx)?, plugin.as_deref())?;
            Ok(ExitCode::SUCCESS)
        }
        "rules" => {
            options.finish()?;
            Ok(suite::rules_only(&cx))
        }
        "setup" => {
            options.finish()?;
            setup::prepare(&cx, setup::Purpose::Test)?;
            Ok(ExitCode::SUCCESS)
        }
        "help" | "--help" | "-h" => {
            println!("{USAGE}");
            Ok(ExitCode::SUCCESS)
        }
        other => Err(Failure::Usage(format!("unknown command: {other}"))),
    }
}

/// The words behind the command, taken out one by one.
struct Options {
    words: Vec<String>,
}

impl Options {
    fn new(words: &[String]) -> Self {
        Options { words: words.to_vec() }
    }

    /// Takes `--name` out and says whether it was there.
    fn flag(&mut self, name: &str) -> bool {
        let before = self.words.len();
        self.words.retain(|word| word != name);
        self.words.len() != before
    }

    /// Takes `--name VALUE` or `--name=VALUE` out.
    fn value(&mut self, name: &str) -> Result<Option<String>, Failure> {
        let prefix = format!("{name}=");
        if let Some(at) = self.words.iter().position(|word| word.starts_with(&prefix)) {
            return Ok(Some(self.words.remove(at).split_off(prefix.len())));
        }
        let Some(at) = self.words.iter().position(|word| word == name) else { return Ok(None) };
        self.words.remove(at);
        if at < self.words.len() {
            Ok(Some(self.words.remove(at)))
        } else {
            Err(Failure::Usage(format!("{name} needs a value")))
        }
    }

    /// Everything must have been taken.
    fn finish(self) -> Result<(), Failure> {
        match self.words.first() {
            None => Ok(()),
            Some(word) => Err(Failure::Usage(format!("unknown option: {word}"))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(words: &[&str]) -> Options {
        Options::new(&words.iter().map(|word| word.to_string()).collect::<Vec<_>>())
    }

    #[test]
    fn options_are_taken_in_both_forms() {
        let mut given = options(&["--filter", "signal", "--no-vm"]);
        assert_eq!(given.value("--filter").unwrap().as_deref(), Some("signal"));
        assert!(given.flag("--no-vm"));
        assert!(!given.flag("--no-vm"));
        given.finish().unwrap();
        assert_eq!(options(&["--filter=a b"]).value("--filter").unwrap().as_deref(), Some("a b"));
    }

    #[test]
    fn what_nobody_takes_is_an_error() {
        assert!(matches!(options(&["--filtre"]).finish(), Err(Failure::Usage(_))));
        assert!(matches!(options(&["--filter"]).value("--filter"), Err(Failure::Usage(_))));
        assert!(matches!(run(&["frobnicate".into()]), Err(Failure::Usage(_))));
        assert!(matches!(run(&[]), Err(Failure::Usage(_))));
    }
}
