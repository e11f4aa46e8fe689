//! Running other programs: to the end, with their output shown, and optionally read line by line.

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};

/// Runs a command with this program's own stdin, stdout and stderr.
///
/// # Errors
/// A line of text when it cannot be started or fails.
pub fn run(command: &mut Command) -> Result<(), String> {
    let status = command.status().map_err(|error| format!("cannot start {}: {error}", name_of(command)))?;
    if status.success() { Ok(()) } else { Err(format!("{} failed ({status})", words_of(command))) }
}

/// Runs a command and returns what it wrote to stdout, without the last newline. Its stderr is shown.
///
/// # Errors
/// A line of text when it cannot be started or fails.
pub fn output(command: &mut Command) -> Result<String, String> {
    let output = command
        .stderr(Stdio::inherit())
        .output()
        .map_err(|error| format!("cannot start {}: {error}", name_of(command)))?;
    if !output.status.success() {
        return Err(format!("{} failed ({})", words_of(command), output.status));
    }
    Ok(String::from_utf8_lossy(&output.stdout).trim_end().to_string())
}

/// Runs a command with stdout and stderr in one stream, shows every line and gives it to `see`.
///
/// # Errors
/// A line of text when it cannot be started or its output cannot be read; a failing command is not an error.
pub fn watch(command: &mut Command, mut see: impl FnMut(&str)) -> Result<ExitStatus, String> {
    let cannot = |error| format!("cannot run {}: {error}", name_of(command));
    let (reader, writer) = std::io::pipe().map_err(cannot)?;
    let error_writer = writer.try_clone().map_err(cannot)?;
    command.stdout(writer).stderr(error_writer).stdin(Stdio::null());
    let name = name_of(command);
    let mut child = command.spawn().map_err(|error| format!("cannot start {name}: {error}"))?;
    // The command holds the write ends too; without this the stream would never end.
    command.stdout(Stdio::null()).stderr(Stdio::null());
    let mut reader = BufReader::new(reader);
    let mut line = Vec::new();
    while reader.read_until(b'\n', &mut line).map_err(|error| format!("{name}: {error}"))? > 0 {
        // A closed stdout must not stop the tests: the status still tells.
        let _ = std::io::stdout().lock().write_all(&line);
        see(String::from_utf8_lossy(&line).trim_end_matches(['\n', '\r']));
        line.clear();
    }
    child.wait().map_err(|error| format!("{name}: {error}"))
}

/// Where a program lies on `PATH`.
pub fn find_program(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|dir| dir.join(name)).find(|file| is_executable(file))
}

fn is_executable(file: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    file.metadata().is_ok_and(|meta| meta.is_file() && meta.permissions().mode() & 0o111 != 0)
}

fn name_of(command: &Command) -> String {
    Path::new(command.get_program())
        .file_name()
        .map_or_else(|| "the program".into(), |name| name.to_string_lossy().into_owned())
}

fn words_of(command: &Command) -> String {
    let mut words = name_of(command);
    for word in command.get_args() {
        words.push(' ');
        words.push_str(&word.to_string_lossy());
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_streams_are_seen_in_order_and_the_status_is_told() {
        let mut lines = Vec::new();
        let mut shell = Command::new("sh");
        shell.args(["-c", "echo one; echo two >&2; printf three; exit 7"]);
        let status = watch(&mut shell, |line| lines.push(line.to_string())).unwrap();
        assert_eq!(lines, ["one", "two", "three"]);
        assert_eq!(status.code(), Some(7));
    }

    #[test]
    fn a_failing_or_missing_program_is_an_error() {
        assert!(run(Command::new("sh").args(["-c", "exit 3"])).unwrap_err().contains("sh -c exit 3 failed"));
        assert!(output(&mut Command::new("no-such-program-here")).unwrap_err().contains("cannot start"));
        assert!(find_program("no-such-program-here").is_none());
        assert!(find_program("sh").is_some());
    }
}
