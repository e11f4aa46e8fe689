//! Running a program case: natively where Linux is the measure, then in a VM, then the comparison.

use crate::case::{Program, Source};
use crate::compare;
use crate::compile;
use crate::exec::{self, Outcome, Streams};
use crate::lab::Lab;
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

/// Runs and judges a program case.
///
/// # Errors
/// What is wrong, with the end of the output.
pub fn run(lab: &Lab, case: &Program) -> Result<(), String> {
    let program = find(lab, &case.source)?;
    let data = data(lab)?;
    let fresh = lab.scratch()?;
    let fill = |arg: &String| {
        arg.replace("{data}", &data.to_string_lossy())
            .replace("{work}", &lab.work.to_string_lossy())
            .replace("{fresh}", &fresh.path().to_string_lossy())
            .replace("{stock}", crate::stock::SCRIPTS)
    };
    let args: Vec<String> = case.args.iter().map(fill).collect();
    let native = if case.needs_native() { Some(natively(case, &program, &args)?) } else { None };
    let mut command = nospin(lab, case, &program, &data);
    if case.args.iter().any(|arg| arg.contains("{fresh}")) {
        // The VM finds it as empty as the native run did.
        clear(fresh.path()).map_err(|error| format!("{}: {error}", fresh.path().display()))?;
        command.arg("--dir").arg(format!("{0}:{0}", fresh.path().display()));
    }
    if !args.is_empty() {
        command.arg("--").args(&args);
    }
    let vm = exec::run(&mut command, &case.stdin, Streams::Apart, case.limit)?;
    judge(case, native.as_ref(), &vm)
}

/// The command that runs a case in a VM, for those who judge by themselves. The case uses no `{fresh}` directory.
///
/// # Errors
/// A line of text when the program or the data cannot be had.
pub fn command(lab: &Lab, case: &Program) -> Result<Command, String> {
    let data = data(lab)?;
    let mut command = nospin(lab, case, &find(lab, &case.source)?, &data);
    if !case.args.is_empty() {
        let fill = |arg: &String| {
            arg.replace("{data}", &data.to_string_lossy())
                .replace("{work}", &lab.work.to_string_lossy())
                .replace("{stock}", crate::stock::SCRIPTS)
        };
        command.arg("--").args(case.args.iter().map(fill));
    }
    Ok(command)
}

fn clear(dir: &Path) -> std::io::Result<()> {
    fs::remove_dir_all(dir)?;
    fs::create_dir(dir)
}

/// Compares; says everything that is known when something is wrong.
fn judge(case: &Program, native: Option<&Outcome>, vm: &Outcome) -> Result<(), String> {
    let mut wrong = Vec::new();
    if vm.timed_out {
        wrong.push(format!("not ended after {} s", case.limit.as_secs()));
    }
    wrong.extend(compare::status(&case.status, vm.status, native).err());
    wrong.extend(
        case.stdout.iter().filter_map(|want| compare::text("stdout", want, &vm.stdout, native).err()),
    );
    wrong.extend(
        case.stderr.iter().filter_map(|want| compare::text("stderr", want, &vm.stderr, native).err()),
    );
    if wrong.is_empty() {
        return Ok(());
    }
    Err(format!(
        "{}\n    stdout ({} bytes) ends:\n{}    stderr ends:\n{}",
        wrong.join("; "),
        vm.stdout.len(),
        compare::tail(&vm.stdout),
        compare::tail(&vm.stderr)
    ))
}

fn natively(case: &Program, program: &Path, args: &[String]) -> Result<Outcome, String> {
    let mut command = Command::new(program);
    command.args(args).env_clear().envs(case.env.iter().map(|(name, value)| (name, value))).current_dir("/");
    let outcome = exec::run(&mut command, &case.stdin, Streams::Merged, case.limit)?;
    if outcome.timed_out { Err("the native run does not end".into()) } else { Ok(outcome) }
}

/// The `nospin run` of a case, without the program's arguments.
fn nospin(lab: &Lab, case: &Program, program: &Path, data: &Path) -> Command {
    let mut command = Command::new(&lab.nospin);
    command.arg("run").arg(program);
    command.args(["-m", &case.memory.to_string(), "--smp", &case.smp.to_string()]);
    command.args(["--machine", case.machine.name()]);
    // In the order of their names, as the standard library hands them to the native run.
    let mut env = case.env.clone();
    env.sort();
    for (name, value) in &env {
        command.arg("-e").arg(format!("{name}={value}"));
    }
    if case.data {
        command.arg("--dir").arg(format!("{0}:{0}", data.display()));
    }
    for path in &case.extra {
        let kind = if path.is_dir() { "--dir" } else { "--file" };
        command.arg(kind).arg(format!("{0}:{0}", path.display()));
    }
    for option in &case.append {
        command.arg("--append").arg(option);
    }
    command.args(&case.run);
    // Temporary images go where there is room, and the caller's terminal does not matter.
    command.env("TMPDIR", &lab.work).current_dir("/");
    command
}

fn find(lab: &Lab, source: &Source) -> Result<PathBuf, String> {
    match source {
        Source::Ours(name, variant) => compile::program(lab, name, *variant),
        Source::Stock(path, package) => {
            crate::stock::installed(path, package)?;
            Ok(PathBuf::from(path))
        }
        Source::Beside(name) => {
            let runner = std::env::current_exe().map_err(|error| error.to_string())?;
            let file = runner.with_file_name(name);
            if file.is_file() { Ok(file) } else { Err(format!("{name} is not beside {}", runner.display())) }
        }
        Source::Host(name) => {
            let path = std::env::var_os("PATH").unwrap_or_default();
            let found = std::env::split_paths(&path).map(|dir| dir.join(name)).find(|file| file.is_file());
            let file = found.ok_or_else(|| format!("{name} is not installed"))?;
            file.canonicalize().map_err(|error| format!("{}: {error}", file.display()))
        }
    }
}

/// The directory of test data: the same files and times in every run.
///
/// # Errors
/// A line of text when it cannot be made.
pub fn data(lab: &Lab) -> Result<PathBuf, String> {
    static MADE: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    MADE.get_or_init(|| make_data(&lab.work.join("data")).map_err(|error| format!("no test data: {error}")))
        .clone()
}

fn make_data(dir: &Path) -> std::io::Result<PathBuf> {
    if dir.exists() {
        fs::remove_dir_all(dir)?;
    }
    fs::create_dir_all(dir.join("dir/nested"))?;
    fs::create_dir_all(dir.join("empty-dir"))?;
    let lines: String = (0..200).map(|n| format!("line {n} of the text, {}\n", (n * 7919) % 1000)).collect();
    let big: Vec<u8> = (0..100_000u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
    for (name, content, mode) in [
        ("text", lines.as_bytes(), 0o644),
        ("big", &big, 0o600),
        ("page", &big[..4096], 0o444),
        ("empty", b"", 0o644),
        ("script", b"#!/bin/sh\n", 0o755),
        ("dir/nested/deep", b"deep down\n", 0o640),
        (".hidden", b"hidden\n", 0o644),
        ("a name with spaces", b"x", 0o644),
    ] {
        let file = dir.join(name);
        fs::write(&file, content)?;
        fs::set_permissions(&file, fs::Permissions::from_mode(mode))?;
        let time =
            std::time::UNIX_EPOCH + std::time::Duration::from_secs(1_600_000_000 + content.len() as u64);
        fs::File::open(&file)?.set_modified(time)?;
    }
    fs::hard_link(dir.join("text"), dir.join("hard-link"))?;
    for (target, name) in [
        ("text", "link"),
        ("dir", "dirlink"),
        ("loop", "loop"),
        ("nowhere", "dangling"),
        ("../text", "dir/up"),
    ] {
        symlink(target, dir.join(name))?;
    }
    Ok(dir.to_path_buf())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::case::c;

    fn outcome(status: i32, stdout: &[u8], stderr: &[u8]) -> Outcome {
        Outcome { status, stdout: stdout.to_vec(), stderr: stderr.to_vec(), ..Outcome::default() }
    }

    #[test]
    fn a_vm_that_differs_in_anything_is_wrong() {
        let case = c("hello");
        let linux = outcome(0, b"hello\n", b"");
        assert!(judge(&case, Some(&linux), &outcome(0, b"hello\n", b"")).is_ok());
        assert!(
            judge(&case, Some(&linux), &outcome(1, b"hello\n", b""))
                .unwrap_err()
                .contains("status 1, wanted 0")
        );
        assert!(
            judge(&case, Some(&linux), &outcome(0, b"hell\n", b"")).unwrap_err().contains("stdout differs")
        );
        assert!(
            judge(&case, Some(&linux), &outcome(0, b"hello\n", b"noise"))
                .unwrap_err()
                .contains("stderr differs")
        );
        let hung = Outcome { timed_out: true, ..outcome(0, b"hello\n", b"") };
        assert!(judge(&case, Some(&linux), &hung).unwrap_err().contains("not ended"));
    }

    #[test]
    fn the_data_is_the_same_each_time() {
        let work = tempfile::tempdir().unwrap();
        let dir = make_data(&work.path().join("data")).unwrap();
        let first = fs::metadata(dir.join("text")).unwrap();
        make_data(&work.path().join("data")).unwrap();
        let second = fs::metadata(dir.join("text")).unwrap();
        assert_eq!(first.modified().unwrap(), second.modified().unwrap());
        assert_eq!(first.len(), second.len());
    }
}
