//! Running a command under test: input given, output taken, time limited. Used for native runs, `nospin` and `mkimage`.
//!
//! Invariant: when [`run`] returns, no process of the command's group is left.

use rustix::process::{Pid, Signal, kill_process_group};
use std::io::{Read, Write};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;
use std::time::{Duration, Instant};

/// Output beyond this is an error of the program, not something to keep in memory.
pub(crate) const MAX_OUTPUT: u64 = 64 << 20;

/// What a command did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    /// Exit status as a shell shows it: 128 + n for signal n.
    pub status: i32,
    /// What came on stdout (and stderr, if they were one stream).
    pub stdout: Vec<u8>,
    /// What came on stderr.
    pub stderr: Vec<u8>,
    /// Whether it was ended because its time was up.
    pub timed_out: bool,
    /// How long it ran.
    pub took: Duration,
}

/// Whether stderr is a stream of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Streams {
    /// stdout and stderr apart.
    Apart,
    /// Both in one, in the order written.
    Merged,
}

/// Runs a command to its end or for at most `limit`.
///
/// # Errors
/// A line of text when it cannot be started.
pub fn run(
    command: &mut Command,
    stdin: &[u8],
    streams: Streams,
    limit: Duration,
) -> Result<Outcome, String> {
    let name = command.get_program().to_string_lossy().into_owned();
    let cannot = |error: std::io::Error| format!("cannot run {name}: {error}");
    command.process_group(0).stdin(Stdio::piped());
    let (out_reader, out_writer) = std::io::pipe().map_err(cannot)?;
    let (err_reader, err_writer) = std::io::pipe().map_err(cannot)?;
    match streams {
        Streams::Apart => command.stderr(err_writer),
        Streams::Merged => {
            drop(err_writer);
            command.stderr(out_writer.try_clone().map_err(cannot)?)
        }
    };
    command.stdout(out_writer);
    let start = Instant::now();
    let mut child = command.spawn().map_err(cannot)?;
    // The command object holds the write ends too; the streams end only when they are closed.
    command.stdout(Stdio::null()).stderr(Stdio::null());
    feed(&mut child, stdin.to_vec());
    let (stdout, stderr) = (collect(out_reader), collect(err_reader));
    let (status, timed_out) = wait(&mut child, limit).map_err(cannot)?;
    end_group(&child);
    Ok(Outcome {
        status: shell_status(status),
        stdout: taken(&stdout),
        stderr: taken(&stderr),
        timed_out,
        took: start.elapsed(),
    })
}

/// The status that a shell shows.
pub(crate) fn shell_status(status: ExitStatus) -> i32 {
    status.code().or_else(|| status.signal().map(|signal| 128 + signal)).unwrap_or(-1)
}

/// Writes the input from a thread, for a program may write before it reads. A program that does not read is fine.
fn feed(child: &mut Child, input: Vec<u8>) {
    if let Some(mut stdin) = child.stdin.take() {
        thread::spawn(move || {
            let _ = stdin.write_all(&input);
        });
    }
}

pub(crate) fn collect(reader: impl Read + Send + 'static) -> Receiver<Vec<u8>> {
    let (sender, receiver) = channel();
    thread::spawn(move || {
        let mut bytes = Vec::new();
        // What was read before an error still counts.
        let _ = reader.take(MAX_OUTPUT).read_to_end(&mut bytes);
        let _ = sender.send(bytes);
    });
    receiver
}

/// The collected bytes; the group is gone by now, so that the stream ends soon.
pub(crate) fn taken(receiver: &Receiver<Vec<u8>>) -> Vec<u8> {
    match receiver.recv_timeout(Duration::from_secs(10)) {
        Ok(bytes) => bytes,
        Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => {
            b"(the stream did not end)".to_vec()
        }
    }
}

/// Waits for the end; when the time is up, asks the group to end and then ends it.
pub(crate) fn wait(child: &mut Child, limit: Duration) -> std::io::Result<(ExitStatus, bool)> {
    let grace = Duration::from_secs(2);
    let start = Instant::now();
    let mut asked = false;
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok((status, asked));
        }
        if !asked && start.elapsed() > limit {
            asked = true;
            signal_group(child, Signal::TERM);
        }
        if asked && start.elapsed() > limit + grace {
            signal_group(child, Signal::KILL);
        }
        // Short programs dominate: a fine step costs less than it saves.
        thread::sleep(Duration::from_millis(if start.elapsed() < Duration::from_millis(100) {
            1
        } else {
            10
        }));
    }
}

pub(crate) fn signal_group(child: &Child, signal: Signal) {
    if let Some(group) = i32::try_from(child.id()).ok().and_then(Pid::from_raw) {
        // The group may be gone already, which is what is wanted.
        let _ = kill_process_group(group, signal);
    }
}

fn end_group(child: &Child) {
    signal_group(child, Signal::KILL);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        command
    }

    const LIMIT: Duration = Duration::from_secs(20);

    #[test]
    fn streams_status_and_input() {
        let done = run(&mut shell("cat; echo err >&2; exit 200"), b"in", Streams::Apart, LIMIT).unwrap();
        assert_eq!(
            (done.status, done.stdout.as_slice(), done.stderr.as_slice()),
            (200, &b"in"[..], &b"err\n"[..])
        );
        let done = run(&mut shell("echo a; echo b >&2; echo c"), b"", Streams::Merged, LIMIT).unwrap();
        assert_eq!(done.stdout, b"a\nb\nc\n");
        assert!(done.stderr.is_empty() && !done.timed_out);
    }

    #[test]
    fn a_signal_is_shown_as_a_shell_shows_it() {
        assert_eq!(run(&mut shell("kill -SEGV $$"), b"", Streams::Apart, LIMIT).unwrap().status, 139);
    }

    #[test]
    fn time_is_limited_and_the_whole_group_ends() {
        let start = Instant::now();
        let done =
            run(&mut shell("sleep 100 & echo $!; wait"), b"", Streams::Apart, Duration::from_millis(200))
                .unwrap();
        assert!(done.timed_out && start.elapsed() < Duration::from_secs(10));
        let sleeper = String::from_utf8(done.stdout).unwrap();
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", sleeper.trim())).unwrap_or_default();
        assert!(stat.is_empty() || stat.contains(") Z "), "{stat}");
    }

    #[test]
    fn much_input_and_output_do_not_block_each_other() {
        let input = vec![7u8; 1 << 20];
        assert_eq!(run(&mut shell("cat"), &input, Streams::Apart, LIMIT).unwrap().stdout, input);
        assert_eq!(run(&mut shell("exit 3"), &input, Streams::Apart, LIMIT).unwrap().status, 3);
        assert!(run(&mut Command::new("/no/such/program"), b"", Streams::Apart, LIMIT).is_err());
    }
}
