//! Area: the tools. Bad input gives one clear line and a status, and leaves nothing behind; images are what they
//! promise to be.

use crate::case::{Case, tool};
use crate::compile::{Variant, program};
use crate::exec::{Outcome, Streams, run};
use crate::lab::Lab;
use rustix::process::{Pid, Signal, kill_process};
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

pub fn cases() -> Vec<Case> {
    vec![
        tool("tools/mkimage/not an ELF", |lab| rejected(lab, b"words\n", &["not an ELF"])),
        tool("tools/mkimage/script without interpreter", |lab| rejected(lab, b"#!\n", &["no interpreter"])),
        tool("tools/mkimage/missing interpreter", |lab| {
            rejected(lab, b"#!/no/such/shell -e\n", &["/no/such/shell"])
        }),
        tool("tools/a script boots with its interpreter", script_boots),
        tool("tools/mkimage/empty file", |lab| rejected(lab, b"", &["ELF"])),
        tool("tools/mkimage/truncated ELF", |lab| {
            let elf = hello(lab)?;
            rejected(lab, &elf[..elf.len() / 3], &["truncated"])
        }),
        tool("tools/mkimage/only the first bytes", |lab| {
            let elf = hello(lab)?;
            rejected(lab, &elf[..40], &["truncated"])
        }),
        tool("tools/mkimage/32-bit ELF", |lab| rejected(lab, &changed(&hello(lab)?, 4, &[1]), &["32-bit"])),
        tool("tools/mkimage/another machine", |lab| {
            rejected(lab, &changed(&hello(lab)?, 18, &[183, 0]), &["machine"])
        }),
        tool("tools/mkimage/object file", |lab| rejected(lab, &changed(&hello(lab)?, 16, &[1, 0]), &[])),
        tool("tools/mkimage/huge segment", |lab| {
            rejected(lab, &with_segment(&hello(lab)?, 40, 1 << 50), &[])
        }),
        tool("tools/mkimage/wrapping segment", |lab| {
            rejected(lab, &with_segment(&hello(lab)?, 16, u64::MAX - 4095), &[])
        }),
        tool("tools/mkimage/missing file", missing_file),
        tool("tools/mkimage/missing directory for the output", missing_output),
        tool("tools/mkimage/unknown option", unknown_option),
        tool("tools/mkimage/same inputs, same bytes", same_bytes),
        tool("tools/mkimage/inspect", inspect),
        tool("tools/mkimage/overhead", overhead),
        tool("tools/nospin/not an image", |lab| refused(lab, b"no image, no ELF", &["not"])),
        tool("tools/nospin/damaged image", damaged),
        tool("tools/nospin/cut image", cut),
        tool("tools/nospin/missing image", |lab| {
            let done = call(Command::new(&lab.nospin).args(["run", "/no/such.img"]))?;
            expect(&done, 125, &["/no/such.img"])
        }),
        tool("tools/nospin/unknown option", |lab| {
            expect(
                &call(Command::new(&lab.nospin).args(["run", "--frobnicate", "x"]))?,
                125,
                &["--frobnicate"],
            )
        }),
        tool("tools/nospin/no QEMU", |lab| {
            let image = image(lab, lab.scratch()?.keep().as_path(), &[])?;
            let done = call(Command::new(&lab.nospin).arg("run").arg(&image).env("PATH", "/nowhere"));
            let _ = image.parent().map(fs::remove_dir_all);
            expect(&done?, 125, &["qemu-system-x86_64", "not found"])
        }),
        tool("tools/nospin/dry run", dry_run),
        tool("tools/nospin/an image boots as an ELF does", image_boots),
        tool("tools/nospin/arguments override the image's", arguments),
        tool("tools/nospin/ends on SIGTERM with its VM", terminated),
        tool("tools/qemu alone boots an image", bare_qemu),
    ]
}

/// The bytes of a working program.
fn hello(lab: &Lab) -> Result<Vec<u8>, String> {
    let path = program(lab, "hello", Variant::Glibc)?;
    fs::read(&path).map_err(|error| format!("{}: {error}", path.display()))
}

fn changed(bytes: &[u8], at: usize, new: &[u8]) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    bytes[at..at + new.len()].copy_from_slice(new);
    bytes
}

/// Changes an 8-byte field (16: address, 40: size in memory) of the last PT_LOAD.
fn with_segment(elf: &[u8], field: usize, value: u64) -> Vec<u8> {
    let word = |at: usize| u64::from_le_bytes(elf[at..at + 8].try_into().expect("eight bytes")) as usize;
    let (table, count) = (word(32), usize::from(elf[56]));
    let last =
        (0..count).map(|n| table + n * 56).rfind(|&at| elf[at..at + 4] == [1, 0, 0, 0]).expect("a PT_LOAD");
    changed(elf, last + field, &value.to_le_bytes())
}

fn call(command: &mut Command) -> Result<Outcome, String> {
    run(command, b"", Streams::Apart, Duration::from_secs(60))
}

/// The status is right, stderr holds the pieces, and nothing looks like a crash.
fn expect(done: &Outcome, status: i32, pieces: &[&str]) -> Result<(), String> {
    let stderr = String::from_utf8_lossy(&done.stderr);
    if done.status != status {
        return Err(format!("status {}, wanted {status}; stderr: {stderr}", done.status));
    }
    if let Some(piece) = pieces.iter().find(|piece| !stderr.contains(**piece)) {
        return Err(format!("stderr lacks {piece:?}: {stderr}"));
    }
    if stderr.contains("panicked") || (status != 0 && stderr.trim().is_empty()) {
        return Err(format!("not a clear message: {stderr:?}"));
    }
    Ok(())
}

/// Bad input is one line, the last, behind the lines of progress (`mkimage: reading ...`).
fn one_line(done: &Outcome) -> Result<(), String> {
    let stderr = String::from_utf8_lossy(&done.stderr);
    let progress = |line: &str| line.split_whitespace().nth(1).is_some_and(|word| word.ends_with("ing"));
    let mut messages = stderr.trim_end().lines().skip_while(|line| progress(line));
    if messages.by_ref().take(2).count() == 1 { Ok(()) } else { Err(format!("not one line: {stderr}")) }
}

/// `mkimage` refuses a file with status 1, one line, and leaves nothing.
fn rejected(lab: &Lab, elf: &[u8], pieces: &[&str]) -> Result<(), String> {
    let dir = lab.scratch()?;
    let input = dir.path().join("input");
    fs::write(&input, elf).map_err(|error| error.to_string())?;
    let out = dir.path().join("out");
    fs::create_dir(&out).map_err(|error| error.to_string())?;
    let done = call(Command::new(&lab.mkimage).arg("--elf").arg(&input).arg("-o").arg(out.join("x.img")))?;
    expect(&done, 1, pieces)?;
    expect(&done, 1, &[&input.to_string_lossy()])?;
    one_line(&done)?;
    nothing_left(&out)
}

fn nothing_left(dir: &Path) -> Result<(), String> {
    let left: Vec<_> =
        fs::read_dir(dir).map_err(|error| error.to_string())?.flatten().map(|e| e.file_name()).collect();
    if left.is_empty() { Ok(()) } else { Err(format!("left behind: {left:?}")) }
}

/// `nospin` refuses a file with status 125.
fn refused(lab: &Lab, bytes: &[u8], pieces: &[&str]) -> Result<(), String> {
    let dir = lab.scratch()?;
    let file = dir.path().join("x.img");
    fs::write(&file, bytes).map_err(|error| error.to_string())?;
    expect(&call(Command::new(&lab.nospin).arg("run").arg(&file))?, 125, pieces)
}

fn missing_file(lab: &Lab) -> Result<(), String> {
    let dir = lab.scratch()?;
    let out = dir.path().join("x.img");
    let done = call(Command::new(&lab.mkimage).args(["--elf", "/no/such/program", "-o"]).arg(&out))?;
    expect(&done, 1, &["/no/such/program"])?;
    one_line(&done)?;
    nothing_left(dir.path())
}

fn missing_output(lab: &Lab) -> Result<(), String> {
    let hello = program(lab, "hello", Variant::Glibc)?;
    let done = call(Command::new(&lab.mkimage).arg("--elf").arg(hello).args(["-o", "/no/such/dir/x.img"]))?;
    expect(&done, 1, &["/no/such/dir"])?;
    one_line(&done)
}

fn unknown_option(lab: &Lab) -> Result<(), String> {
    expect(&call(Command::new(&lab.mkimage).arg("--frobnicate"))?, 2, &["--frobnicate"])
}

/// Makes an image of `args` in `dir`.
fn image(lab: &Lab, dir: &Path, words: &[&str]) -> Result<std::path::PathBuf, String> {
    let out = dir.join("args.img");
    let elf = program(lab, "args", Variant::Glibc)?;
    let done = call(Command::new(&lab.mkimage).arg("--elf").arg(elf).arg("-o").arg(&out).args(words))?;
    expect(&done, 0, &[])?;
    Ok(out)
}

fn same_bytes(lab: &Lab) -> Result<(), String> {
    let (one, two) = (lab.scratch()?, lab.scratch()?);
    let data = crate::oracle::data(lab)?;
    let words = ["-e", "A=1", "--dir", &format!("{}:/data", data.display()), "--", "x"];
    let read = |dir: &Path| {
        let path = image(lab, dir, &words)?;
        fs::read(&path).map_err(|error| error.to_string())
    };
    if read(one.path())? == read(two.path())? { Ok(()) } else { Err("two images of the same differ".into()) }
}

fn inspect(lab: &Lab) -> Result<(), String> {
    let dir = lab.scratch()?;
    let data = crate::oracle::data(lab)?;
    let image =
        image(lab, dir.path(), &["--dir", &format!("{}:/data", data.display()), "--", "first", "two words"])?;
    let ask = |words: &[&str]| call(Command::new(&lab.mkimage).arg("inspect").arg(&image).args(words));
    let holds = |done: &Outcome, piece: &str| {
        let text = String::from_utf8_lossy(&done.stdout);
        if text.contains(piece) { Ok(()) } else { Err(format!("lacks {piece}: {text}")) }
    };
    let ls = ask(&["ls"])?;
    for piece in ["/data/text", "/data/dir/nested/deep", "-> text", "/args"] {
        holds(&ls, piece.trim_start_matches('/'))?;
    }
    holds(&ask(&["cmdline"])?, "first")?;
    let text = fs::read(data.join("text")).map_err(|error| error.to_string())?;
    let cat = ask(&["cat", "/data/text"])?;
    expect(&cat, 0, &[])?;
    if cat.stdout != text {
        return Err("cat shows something else".into());
    }
    expect(&ask(&["cat", "/data/none"])?, 1, &["/data/none"])
}

/// The image is at most the kernel and 2 % more than what is in it.
fn overhead(lab: &Lab) -> Result<(), String> {
    let (small, large) = (lab.scratch()?, lab.scratch()?);
    let blob = large.path().join("blob");
    let size = 20 << 20;
    fs::write(&blob, vec![1u8; size]).map_err(|error| error.to_string())?;
    let length = |path: &Path| fs::metadata(path).map(|meta| meta.len()).map_err(|error| error.to_string());
    let without = length(&image(lab, small.path(), &[])?)?;
    let with = length(&image(lab, large.path(), &["--file", &format!("{}:/blob", blob.display())])?)?;
    let (added, limit) = (with - without, size as u64 + size as u64 / 50);
    if added <= limit { Ok(()) } else { Err(format!("{size} bytes of content add {added}")) }
}

fn damaged(lab: &Lab) -> Result<(), String> {
    let dir = lab.scratch()?;
    let path = image(lab, dir.path(), &[])?;
    let mut bytes = fs::read(&path).map_err(|error| error.to_string())?;
    let at = bytes.len() - 100_000;
    bytes[at] ^= 1;
    fs::write(&path, &bytes).map_err(|error| error.to_string())?;
    expect(&call(Command::new(&lab.nospin).arg("run").arg(&path))?, 125, &["damaged"])?;
    expect(&call(Command::new(&lab.mkimage).arg("inspect").arg(&path))?, 1, &["damaged"])
}

fn cut(lab: &Lab) -> Result<(), String> {
    let dir = lab.scratch()?;
    let path = image(lab, dir.path(), &[])?;
    let bytes = fs::read(&path).map_err(|error| error.to_string())?;
    fs::write(&path, &bytes[..bytes.len() - 50_000]).map_err(|error| error.to_string())?;
    expect(&call(Command::new(&lab.nospin).arg("run").arg(&path))?, 125, &[])
}

fn dry_run(lab: &Lab) -> Result<(), String> {
    let dir = lab.scratch()?;
    let path = image(lab, dir.path(), &[])?;
    let done =
        call(Command::new(&lab.nospin).arg("run").arg(&path).args(["--dry-run", "-m", "77", "--smp", "3"]))?;
    expect(&done, 0, &[])?;
    let text = String::from_utf8_lossy(&done.stdout);
    let wanted = ["qemu-system-x86_64", "-kernel", "77", "-smp"];
    match wanted.iter().find(|piece| !text.contains(**piece)) {
        Some(piece) => Err(format!("lacks {piece}: {text}")),
        None if text.trim_end().lines().count() != 1 => Err(format!("not one line: {text}")),
        None => Ok(()),
    }
}

fn image_boots(lab: &Lab) -> Result<(), String> {
    let dir = lab.scratch()?;
    let path = image(lab, dir.path(), &["-e", "TEST_X=baked", "--", "baked one"])?;
    let done = call(Command::new(&lab.nospin).arg("run").arg(&path))?;
    expect(&done, 0, &[])?;
    let text = String::from_utf8_lossy(&done.stdout);
    if text.contains("argc 2\n") && text.contains("env TEST_X=baked\n") {
        Ok(())
    } else {
        Err(format!("shows {text}"))
    }
}

/// A script and its interpreter, which is a script for a dynamic shell, print what they print here.
fn script_boots(lab: &Lab) -> Result<(), String> {
    use std::os::unix::fs::PermissionsExt as _;
    let dir = lab.scratch()?;
    let outer = dir.path().join("outer");
    let inner = dir.path().join("inner");
    let word = format!("#! {} one  argument \n", inner.display());
    for (path, text) in
        [(&inner, "#!/bin/sh -u\necho \"$0 $#\"; for a; do echo \"$a\"; done\n"), (&outer, &word)]
    {
        fs::write(path, text).map_err(|error| error.to_string())?;
        let mode = fs::Permissions::from_mode(0o755);
        fs::set_permissions(path, mode).map_err(|error| error.to_string())?;
    }
    let native = call(Command::new(&outer).args(["x", "y z"]))?;
    let done = call(Command::new(&lab.nospin).arg("run").arg(&outer).args(["--", "x", "y z"]))?;
    expect(&done, 0, &[])?;
    if done.stdout == native.stdout && native.stdout.starts_with(inner.as_os_str().as_encoded_bytes()) {
        Ok(())
    } else {
        Err(format!(
            "{:?} and natively {:?}",
            String::from_utf8_lossy(&done.stdout),
            String::from_utf8_lossy(&native.stdout)
        ))
    }
}

fn arguments(lab: &Lab) -> Result<(), String> {
    let dir = lab.scratch()?;
    let path = image(lab, dir.path(), &["-e", "TEST_X=baked", "-e", "TEST_Y=kept", "--", "baked"])?;
    let done = call(Command::new(&lab.nospin).arg("run").arg(&path).args([
        "-e",
        "TEST_X=new",
        "--",
        "a",
        "b",
        "c",
    ]))?;
    expect(&done, 0, &[])?;
    let text = String::from_utf8_lossy(&done.stdout);
    let all = ["argc 4\n", "env TEST_X=new\n", "env TEST_Y=kept\n"];
    match all.iter().find(|piece| !text.contains(**piece)) {
        Some(piece) => Err(format!("lacks {piece:?}: {text}")),
        None => Ok(()),
    }
}

/// A program that waits for input for ever: SIGTERM to `nospin` ends QEMU too.
fn terminated(lab: &Lab) -> Result<(), String> {
    let echo = program(lab, "echo", Variant::Glibc)?;
    let mut nospin = Command::new(&lab.nospin)
        .arg("run")
        .arg(&echo)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .map_err(|error| error.to_string())?;
    let pid = nospin.id();
    let qemu = within(Duration::from_secs(20), || qemu_of(pid));
    let signalled = i32::try_from(pid)
        .ok()
        .and_then(Pid::from_raw)
        .is_some_and(|pid| qemu.is_some() && kill_process(pid, Signal::TERM).is_ok());
    let status = within(Duration::from_secs(10), || nospin.try_wait().ok().flatten());
    let gone = qemu.and_then(|qemu| within(Duration::from_secs(5), || is_gone(qemu).then_some(())));
    let _ = nospin.kill();
    let _ = nospin.wait();
    match (qemu, signalled, status.and_then(|status| status.code()), gone) {
        (None, ..) => Err("no QEMU was started".into()),
        (_, false, ..) => Err("nospin was gone before the signal".into()),
        (_, _, Some(143), Some(())) => Ok(()),
        (_, _, status, gone) => Err(format!("status {status:?}, QEMU gone: {}", gone.is_some())),
    }
}

/// Asks again and again until there is an answer or the time is up.
fn within<T>(limit: Duration, mut ask: impl FnMut() -> Option<T>) -> Option<T> {
    let start = Instant::now();
    loop {
        match ask() {
            None if start.elapsed() < limit => std::thread::sleep(Duration::from_millis(50)),
            answer => return answer,
        }
    }
}

/// The child of a process whose program is QEMU.
fn qemu_of(parent: u32) -> Option<u32> {
    let tasks = fs::read_dir(format!("/proc/{parent}/task")).ok()?;
    let children = tasks.flatten().filter_map(|task| fs::read_to_string(task.path().join("children")).ok());
    let pids: Vec<u32> =
        children.flat_map(|text| text.split_whitespace().flat_map(str::parse).collect::<Vec<_>>()).collect();
    pids.into_iter().find(|pid| {
        fs::read_to_string(format!("/proc/{pid}/comm")).is_ok_and(|name| name.starts_with("qemu"))
    })
}

fn is_gone(pid: u32) -> bool {
    fs::read_to_string(format!("/proc/{pid}/stat")).map_or(true, |stat| stat.contains(") Z "))
}

/// The image is one file that QEMU boots by itself; the exit status comes through isa-debug-exit as far as it can.
fn bare_qemu(lab: &Lab) -> Result<(), String> {
    let dir = lab.scratch()?;
    let path = image(lab, dir.path(), &["--", "bare"])?;
    let done = call(
        Command::new("qemu-system-x86_64")
            .args(["-nodefaults", "-no-user-config", "-display", "none", "-no-reboot", "-machine", "q35"])
            .args([
                "-cpu",
                "max",
                "-m",
                "64",
                "-serial",
                "stdio",
                "-device",
                "isa-debug-exit,iobase=0xf4,iosize=0x04",
            ])
            .arg("-kernel")
            .arg(&path),
    )?;
    let text = String::from_utf8_lossy(&done.stdout).replace('\r', "");
    if done.timed_out {
        Err(format!("QEMU did not end: {text}"))
    } else if text.contains("argc 2\n") {
        Ok(())
    } else {
        Err(format!("shows {text}{}", String::from_utf8_lossy(&done.stderr)))
    }
}
