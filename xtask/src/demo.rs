//! `cargo xtask demo`: an image of stock memcached, booted, and asked by a client that knows nothing of it.
//!
//! A demo is three steps, each a function of its own: make the image, run it, talk to it. `cargo xtask measure` uses the steps
//! for a program that ends by itself.

use crate::build::Built;
use crate::context::Context;
use crate::process;
use std::io::{BufRead, BufReader, Lines};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, Command, Stdio};
use std::time::{Duration, Instant};

/// What a run of an image took.
pub struct Run {
    /// From the start of `nospin` to the first line of the program.
    pub first_line: Option<Duration>,
    /// The exit status.
    pub status: Option<i32>,
}

/// The program of the demo.
const MEMCACHED: &str = "/usr/bin/memcached";
/// How `nospin` announces a service.
const SERVING: &str = "nospin: serving on ";

/// Shows the demo.
///
/// # Errors
/// A line that names the step that failed.
pub fn run(cx: &Context, built: &Built) -> Result<(), String> {
    let program = Path::new(MEMCACHED);
    let image = image(cx, built, program, &["--", "-u", "root", "-m", "64"])?;
    println!("\n--- nospin run {} -p 0:11211", image.display());
    let start = Instant::now();
    let mut server = Server::start(built, &image)?;
    let place = server.place()?;
    let took = start.elapsed();
    println!("{SERVING}{place} (tcp)");
    let answered = talk(cx, &place);
    server.stop()?;
    println!("---");
    answered?;
    let bytes = |path: &Path| std::fs::metadata(path).map(|meta| meta.len()).unwrap_or(0);
    println!("program {} bytes, image {} bytes", bytes(program), bytes(&image));
    println!("served after {:.2} s", took.as_secs_f64());
    Ok(())
}

/// Puts a file into memcached and gets it back, with the clients of libmemcached.
fn talk(cx: &Context, place: &str) -> Result<(), String> {
    let greeting = format!("this text has been in a unikernel, at {place}\n");
    let file = cx.work_dir("demo")?.join("greeting");
    std::fs::write(&file, &greeting).map_err(|error| format!("{}: {error}", file.display()))?;
    let servers = format!("--servers={place}");
    println!("$ memccp {servers} greeting");
    process::run(Command::new("memccp").arg(&servers).arg(&file))?;
    println!("$ memccat {servers} greeting");
    let got = process::output(Command::new("memccat").args([&servers, "greeting"]))?;
    println!("{got}");
    if got.trim_end() == greeting.trim_end() {
        Ok(())
    } else {
        Err(format!("the client got {got:?} back, not {greeting:?}"))
    }
}

/// A running image that serves. Ended when dropped.
struct Server {
    nospin: Child,
    lines: Lines<BufReader<ChildStderr>>,
}

impl Server {
    fn start(built: &Built, image: &Path) -> Result<Self, String> {
        let mut command = Command::new(&built.nospin);
        command.arg("run").arg(image).args(["-p", "0:11211"]).stdin(Stdio::null()).stderr(Stdio::piped());
        let mut nospin = command.spawn().map_err(|error| format!("cannot run nospin: {error}"))?;
        let stderr = nospin.stderr.take().ok_or("nospin without a standard error")?;
        Ok(Server { nospin, lines: BufReader::new(stderr).lines() })
    }

    /// The address, once it serves. Whatever else is said until then is shown.
    fn place(&mut self) -> Result<String, String> {
        for line in self.lines.by_ref() {
            let line = line.map_err(|error| format!("cannot read what nospin says: {error}"))?;
            match line.strip_prefix(SERVING).and_then(|rest| rest.split_once(' ')) {
                Some((place, _)) => return Ok(place.to_owned()),
                None => eprintln!("{line}"),
            }
        }
        Err("memcached ended before it served".into())
    }

    /// Ends it as Ctrl-C does.
    fn stop(mut self) -> Result<(), String> {
        process::run(Command::new("kill").arg("-INT").arg(self.nospin.id().to_string()))?;
        self.nospin.wait().map(drop).map_err(|error| format!("cannot wait for nospin: {error}"))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // After `stop` there is nothing to end.
        let _ = self.nospin.kill();
        let _ = self.nospin.wait();
    }
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

/// Boots an image to its end, without showing what it says.
///
/// # Errors
/// A line of text when `nospin` cannot be run.
pub fn boot(built: &Built, image: &Path, words: &[&str]) -> Result<Run, String> {
    let cannot = |error| format!("cannot run nospin: {error}");
    let start = Instant::now();
    let mut command = Command::new(&built.nospin);
    command
        .arg("run")
        .arg(image)
        .args(words)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null());
    let mut child = command.spawn().map_err(cannot)?;
    let mut first_line = None;
    if let Some(stdout) = child.stdout.take() {
        let mut stdout = BufReader::new(stdout);
        let mut line = Vec::new();
        while stdout.read_until(b'\n', &mut line).map_err(cannot)? > 0 {
            first_line.get_or_insert_with(|| start.elapsed());
            line.clear();
        }
    }
    let status = child.wait().map_err(cannot)?.code();
    Ok(Run { first_line, status })
}
