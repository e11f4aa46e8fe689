//! `cargo xtask demo`: an image of a real program, booted, with a summary of what it took.
//!
//! A demo is three steps, each a function of its own: get the program, make its image, run it. One that serves a
//! network client replaces the first and the last.

use crate::build::Built;
use crate::context::Context;
use crate::process;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// What a run of an image took.
pub struct Run {
    /// From the start of `nospin` to the first line of the program.
    pub first_line: Option<Duration>,
    /// From the start of `nospin` to its end.
    pub total: Duration,
    /// The exit status.
    pub status: Option<i32>,
}

/// Shows the demo.
///
/// # Errors
/// A line that names the step that failed.
pub fn run(cx: &Context, built: &Built) -> Result<(), String> {
    let program = compile(cx, "hello")?;
    let image = image(cx, built, &program, &["-e", "GREETING=hello", "--", "one", "two words"])?;
    println!("\n--- nospin run {}", image.display());
    let run = boot(built, &image, &[], true)?;
    println!("---");
    if run.status != Some(0) {
        return Err(format!("the demo ended with status {:?}", run.status));
    }
    let bytes = |path: &Path| std::fs::metadata(path).map(|meta| meta.len()).unwrap_or(0);
    println!("program {} bytes, image {} bytes", bytes(&program), bytes(&image));
    if let Some(first) = run.first_line {
        println!("first line after {:.2} s, end after {:.2} s", first.as_secs_f64(), run.total.as_secs_f64());
    }
    Ok(())
}

/// Compiles `tests/demo/NAME.c` as a static program.
///
/// # Errors
/// A line that names the step that failed.
pub fn compile(cx: &Context, name: &str) -> Result<PathBuf, String> {
    let program = cx.work_dir("demo")?.join(name);
    let source = cx.root.join("tests/demo").join(format!("{name}.c"));
    process::run(Command::new("gcc").args(["-O2", "-Wall", "-static", "-o"]).arg(&program).arg(&source))?;
    Ok(program)
}

/// Makes the image of a program; `words` go to `mkimage` as they are.
///
/// # Errors
/// A line that names the step that failed.
pub fn image(cx: &Context, built: &Built, program: &Path, words: &[&str]) -> Result<PathBuf, String> {
    let name = program.file_name().ok_or("a program without a name")?;
    let image = cx.work_dir("demo")?.join(name).with_extension("img");
    process::run(Command::new(&built.mkimage).arg("--elf").arg(program).arg("-o").arg(&image).args(words))?;
    Ok(image)
}

/// Boots an image to its end; its output is shown if `show`.
///
/// # Errors
/// A line of text when `nospin` cannot be run.
pub fn boot(built: &Built, image: &Path, words: &[&str], show: bool) -> Result<Run, String> {
    let cannot = |error| format!("cannot run nospin: {error}");
    let start = Instant::now();
    let mut command = Command::new(&built.nospin);
    command.arg("run").arg(image).args(words).stdin(Stdio::null()).stdout(Stdio::piped());
    if !show {
        command.stderr(Stdio::null());
    }
    let mut child = command.spawn().map_err(cannot)?;
    let mut first_line = None;
    if let Some(stdout) = child.stdout.take() {
        let mut stdout = BufReader::new(stdout);
        let mut line = Vec::new();
        while stdout.read_until(b'\n', &mut line).map_err(cannot)? > 0 {
            first_line.get_or_insert_with(|| start.elapsed());
            if show {
                let _ = std::io::stdout().lock().write_all(&line);
            }
            line.clear();
        }
    }
    let status = child.wait().map_err(cannot)?.code();
    Ok(Run { first_line, total: start.elapsed(), status })
}
