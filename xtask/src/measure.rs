//! `cargo xtask measure`: the figures of size and boot. Called by people; nothing here passes or fails.

use crate::build::Built;
use crate::context::Context;
use crate::demo;
use crate::process;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

/// Boots for the median boot time.
const BOOTS: usize = 5;

/// Measures and prints; with an instruction counting plugin for QEMU also guest instructions.
///
/// # Errors
/// A line that names the step that failed.
pub fn run(cx: &Context, built: &Built, plugin: Option<&str>) -> Result<(), String> {
    let program = demo::compile(cx, "hello")?;
    let image = demo::image(cx, built, &program, &[])?;
    println!();
    sizes(cx, built, &program, &image)?;
    smallest(built, &image)?;
    times(built, &image)?;
    if let Some(plugin) = plugin {
        instructions(cx, built, &image, plugin)?;
    }
    Ok(())
}

fn sizes(cx: &Context, built: &Built, program: &Path, image: &Path) -> Result<(), String> {
    let stripped = cx.work_dir("demo")?.join("kernel.stripped");
    process::run(Command::new("objcopy").arg("--strip-all").arg(&built.kernel).arg(&stripped))?;
    let bytes =
        |path: &Path| std::fs::metadata(path).map(|meta| meta.len()).map_err(|error| error.to_string());
    let (kernel, total) = (bytes(&stripped)?, bytes(image)?);
    let listing = process::output(Command::new(&built.mkimage).arg("inspect").arg(image).arg("ls"))?;
    let content = content(&listing);
    let overhead = total.saturating_sub(kernel + content);
    println!("kernel, stripped      {kernel} bytes");
    println!("program               {} bytes", bytes(program)?);
    println!("files in the image    {content} bytes");
    println!("image                 {total} bytes");
    println!(
        "overhead over both    {overhead} bytes, {:.2} % of the files",
        overhead as f64 * 100.0 / content as f64
    );
    Ok(())
}

/// The sum of the sizes of the regular files in an `ls -l` listing (mode first, size in the second column).
fn content(listing: &str) -> u64 {
    listing
        .lines()
        .filter(|line| line.starts_with('-'))
        .filter_map(|line| line.split_whitespace().find_map(|word| word.parse::<u64>().ok()))
        .sum()
}

fn smallest(built: &Built, image: &Path) -> Result<(), String> {
    let works = |mib: usize| {
        let mib = mib.to_string();
        demo::boot(built, image, &["-m", &mib]).map(|run| run.status == Some(0))
    };
    for mib in 1..=64 {
        if works(mib)? {
            println!("smallest memory       {mib} MiB");
            return Ok(());
        }
    }
    println!("smallest memory       more than 64 MiB");
    Ok(())
}

fn times(built: &Built, image: &Path) -> Result<(), String> {
    for machine in ["q35", "microvm"] {
        let mut times: Vec<Duration> = Vec::new();
        for _ in 0..BOOTS {
            times.extend(demo::boot(built, image, &["--machine", machine])?.first_line);
        }
        times.sort_unstable();
        match times.get(times.len() / 2) {
            Some(median) => {
                println!("first line on {machine:<8} {:.2} s, median of {BOOTS}", median.as_secs_f64())
            }
            None => println!("first line on {machine:<8} never came"),
        }
    }
    Ok(())
}

/// Layout of the plugin's file: 256 bytes per vCPU, the first counter is instructions, the second those in the
/// upper half.
const COUNTERS: usize = 2;

fn instructions(cx: &Context, built: &Built, image: &Path, plugin: &str) -> Result<(), String> {
    let null = null_kernel(cx)?;
    let firmware = count(cx, built, &null, plugin, false)?;
    let hello = count(cx, built, image, plugin, true)?;
    println!("instructions, firmware {}", firmware[0]);
    println!("instructions to the first line, without firmware {}", hello[0].saturating_sub(firmware[0]));
    println!("  of these in the kernel's half {}", hello[1].saturating_sub(firmware[1]));
    Ok(())
}

/// A PVH kernel that only stops: what is counted for it is the firmware's.
fn null_kernel(cx: &Context) -> Result<std::path::PathBuf, String> {
    let file = cx.work_dir("demo")?.join("null-kernel");
    process::run(
        Command::new("gcc")
            .args(["-nostdlib", "-static", "-no-pie", "-Wl,-Ttext=0x100000", "-Wl,--build-id=none", "-o"])
            .arg(&file)
            .arg(cx.root.join("tests/bench/null-kernel.S")),
    )?;
    Ok(file)
}

/// Starts QEMU with the plugin, waits for the first line (or the end), and reads the counters of the first vCPU.
fn count(
    cx: &Context,
    built: &Built,
    image: &Path,
    plugin: &str,
    line: bool,
) -> Result<[u64; COUNTERS], String> {
    let out = cx.work_dir("demo")?.join("counters");
    let _ = std::fs::remove_file(&out);
    let _ = built;
    let mut command = Command::new("qemu-system-x86_64");
    command.args(["-nodefaults", "-no-user-config", "-display", "none", "-no-reboot", "-machine", "q35"]);
    command.args(["-accel", "tcg,thread=single", "-cpu", "max", "-smp", "1", "-m", "64"]);
    command.arg("-kernel").arg(image);
    command.args(["-chardev", "stdio,id=console,signal=off", "-serial", "chardev:console"]);
    command.args(["-chardev", "null,id=log", "-device", "isa-debugcon,iobase=0xe9,chardev=log"]);
    command.args(["-device", "isa-debug-exit,iobase=0xf4,iosize=0x04"]);
    command.arg("-plugin").arg(format!("{plugin},out={}", out.display()));
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .map_err(|error| format!("cannot start qemu-system-x86_64: {error}"))?;
    if let (true, Some(stdout)) = (line, child.stdout.take()) {
        let mut text = String::new();
        BufReader::new(stdout).read_line(&mut text).map_err(|error| error.to_string())?;
    } else {
        child.wait().map_err(|error| error.to_string())?;
    }
    let bytes = std::fs::read(&out).map_err(|error| format!("the plugin left no counters: {error}"));
    let _ = child.kill();
    let _ = child.wait();
    let bytes = bytes?;
    let counter =
        |n: usize| bytes.get(n * 8..n * 8 + 8).and_then(|raw| raw.try_into().ok()).map(u64::from_le_bytes);
    match (counter(0), counter(1)) {
        (Some(all), Some(high)) => Ok([all, high]),
        _ => Err("the plugin's counters are too short".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::content;

    #[test]
    fn sizes_of_regular_files_are_added() {
        let listing = "drwxr-xr-x 0 bin\n-rwxr-xr-x  1234 bin/a\nlrwxrwxrwx 3 b -> a\n-rw-r--r-- 6 etc/x 9\n";
        assert_eq!(content(listing), 1240);
    }
}
