//! `nospin run` around a stub kernel: the relay, the status, the end. The real kernel has its own tests.

mod support;

use std::fs;
use std::io::{Read as _, Write as _};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use support::{Bench, NOSPIN, Scenario, stderr, stdout};

/// QEMU is what the tool is about: without it these tests have nothing to test.
fn nospin(args: &[&str], image: &Path) -> Command {
    let mut command = Command::new("timeout");
    // On a loaded machine emulation is slow; a run that hangs is ended and fails the test.
    command.args(["-s", "KILL", "120", NOSPIN, "run"]).arg(image).args(args);
    command.stdin(Stdio::null());
    command
}

fn run(args: &[&str], image: &Path) -> Output {
    nospin(args, image).output().unwrap()
}

/// Runs with this on standard input.
fn run_with_input(image: &Path, input: &[u8]) -> Output {
    let mut child = nospin(&["--accel", "tcg"], image)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let input = input.to_vec();
    let writer = std::thread::spawn(move || stdin.write_all(&input));
    let output = child.wait_with_output().unwrap();
    let _ = writer.join().unwrap();
    output
}

#[test]
fn output_messages_and_status_go_their_ways() {
    let bench = Bench::new();
    let image = bench.image(Scenario::Hello);
    for args in [&["--machine", "q35"][..], &["--machine", "microvm", "--smp", "2", "-m", "64"]] {
        let output = run(args, &image);
        assert_eq!(stdout(&output), "hello\n", "{args:?}");
        assert_eq!(stderr(&output), "a message\n", "{args:?}");
        assert_eq!(output.status.code(), Some(7), "{args:?}");
    }
}

#[test]
fn a_signal_is_shown_as_a_shell_does() {
    let bench = Bench::new();
    let output = run(&[], &bench.image(Scenario::Signal));
    assert_eq!((output.status.code(), stderr(&output).as_str()), (Some(139), ""));
}

#[test]
fn input_arrives_unchanged_with_its_end() {
    let bench = Bench::new();
    let image = bench.image(Scenario::Echo);
    let input: Vec<u8> =
        (0..20_000u32).map(|i| ((i * i) >> 3) as u8).chain([0xff, 0, 0xff, 0xff, 0]).collect();
    let output = run_with_input(&image, &input);
    assert!(output.stdout == input, "{} of {} bytes came back", output.stdout.len(), input.len());
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(run_with_input(&image, b"").stdout, b"");
}

#[test]
fn a_slow_reader_loses_nothing() {
    let bench = Bench::new();
    let image = bench.image(Scenario::Flood);
    let mut child = nospin(&[], &image).stdout(Stdio::piped()).spawn().unwrap();
    let mut out = child.stdout.take().unwrap();
    // Longer than the guest takes to fill the pipe and everything before it.
    std::thread::sleep(Duration::from_secs(3));
    let mut got = Vec::new();
    out.read_to_end(&mut got).unwrap();
    let expected: Vec<u8> = (0..300_000u32).map(|i| i as u8).collect();
    assert!(got == expected, "{} bytes", got.len());
    assert_eq!(child.wait().unwrap().code(), Some(3));
}

#[test]
fn a_reader_that_leaves_ends_it_quietly() {
    let bench = Bench::new();
    let image = bench.image(Scenario::Flood);
    let mut child = nospin(&[], &image).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut some = [0; 10];
    child.stdout.take().unwrap().read_exact(&mut some).unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!((output.status.code(), stderr(&output).as_str()), (Some(141), ""));
}

#[test]
fn the_guest_sees_its_command_line() {
    let bench = Bench::new();
    let image = bench.image(Scenario::CommandLine);
    let program = bench.text("program");
    let output = run(&["-e", "X=a \"b\"", "--append", "ip=dhcp", "--", "one", "two words"], &image);
    let expected = format!(r#"ip=dhcp env.X="a \"b\"" console=host -- {program} one "two words""#);
    assert_eq!(support::without_clock(&stdout(&output)), expected);
    // Without arguments the program that is baked in stays.
    assert_eq!(support::without_clock(&stdout(&run(&[], &image))), "console=host");
}

#[test]
fn the_longest_command_line_arrives_whole() {
    let bench = Bench::new();
    let image = bench.image(Scenario::CommandLine);
    let others = stdout(&run(&["--", "x"], &image)).len() - 1;
    let longest = "x".repeat(4095 - others);
    let output = run(&["--", &longest], &image);
    assert_eq!(stdout(&output).len(), 4095);
    assert!(stdout(&output).ends_with(&longest));
    let output = run(&["--", &format!("x{longest}")], &image);
    let said = stderr(&output);
    assert!(
        said.starts_with("nospin: the guest's command line has 4096 bytes, 4095 can be passed"),
        "{said}"
    );
    assert_eq!(output.status.code(), Some(125));
}

#[test]
fn a_program_becomes_an_image_on_the_fly() {
    let bench = Bench::new();
    let program = bench.program();
    let kernel = bench.kernel(Scenario::CommandLine);
    let temporary = bench.path("tmp");
    fs::create_dir(&temporary).unwrap();
    let kernel = kernel.to_str().unwrap();
    let output = nospin(&["--kernel", kernel, "-e", "A=1", "--", "x"], &program)
        .env("TMPDIR", &temporary)
        .output()
        .unwrap();
    // Arguments and environment are in the image, which leaves the line of the hypervisor short.
    assert_eq!(
        (support::without_clock(&stdout(&output)).as_str(), stderr(&output).as_str()),
        ("console=host", "")
    );
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(support::names(&temporary), [""; 0]);
    bench.write("text", "no program");
    let output = run(&["--kernel", kernel], &bench.path("text"));
    assert_eq!(stderr(&output), format!("nospin: {}: not an ELF file\n", bench.text("text")));
    assert_eq!(output.status.code(), Some(125));
}

#[test]
fn an_end_without_a_status_is_told() {
    let bench = Bench::new();
    let output = run(&[], &bench.image(Scenario::Silent));
    assert_eq!(stdout(&output), "partial");
    assert!(stderr(&output).starts_with("nospin: the VM ended without a status"), "{}", stderr(&output));
    assert_eq!(output.status.code(), Some(253));
}

#[test]
fn a_backtrace_gets_names_if_the_kernel_is_the_same() {
    let bench = Bench::new();
    let image = bench.image(Scenario::Panic);
    let output = run(&["--kernel", bench.kernel(Scenario::Panic).to_str().unwrap()], &image);
    let said = stderr(&output);
    assert!(said.starts_with("panicked at nothing\n  at 0x401136\n  at 0xffffffff80100000\n"), "{said}");
    assert!(said.ends_with("nospin: the guest kernel panicked\n"), "{said}");
    assert_eq!(output.status.code(), Some(254));
    // A kernel with another build id explains nothing.
    let other = bench.write("other", fs::read(bench.kernel(Scenario::Panic)).unwrap());
    let mut bytes = fs::read(&other).unwrap();
    let at = bytes.windows(20).position(|id| id == [0xab; 20]).unwrap();
    bytes[at] = 0;
    fs::write(&other, bytes).unwrap();
    let said = stderr(&run(&["--kernel", other.to_str().unwrap()], &image));
    assert!(said.contains("nospin: no symbols for this kernel (build id abab"), "{said}");
}

/// Waits until `nospin` has shown that the guest runs, and returns it.
fn running(image: &Path) -> Child {
    let mut child = Command::new(NOSPIN)
        .arg("run")
        .arg(image)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut line = [0; 8];
    child.stdout.as_mut().unwrap().read_exact(&mut line).unwrap();
    assert_eq!(&line, b"running\n");
    child
}

/// How many processes have `image` on their command line.
fn processes_with(image: &Path) -> usize {
    let text = image.to_str().unwrap().as_bytes();
    fs::read_dir("/proc")
        .unwrap()
        .flatten()
        .filter_map(|entry| fs::read(entry.path().join("cmdline")).ok())
        .filter(|line| line.windows(text.len()).any(|part| part == text))
        .count()
}

#[test]
fn signals_end_qemu_too() {
    let bench = Bench::new();
    let image = bench.image(Scenario::Hang);
    for (signal, status) in [(Signal::INT, Some(130)), (Signal::TERM, Some(143)), (Signal::KILL, None)] {
        let mut child = running(&image);
        assert_eq!(processes_with(&image), 2);
        kill_process(Pid::from_child(&child), signal).unwrap();
        assert_eq!(child.wait().unwrap().code(), status);
        let start = Instant::now();
        while processes_with(&image) > 0 {
            assert!(start.elapsed() < Duration::from_secs(10), "QEMU outlives nospin after {signal:?}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

#[test]
fn a_dry_run_prints_a_command_that_works() {
    let bench = Bench::new();
    let image = bench.image(Scenario::Hello);
    let output = run(&["--dry-run", "--smp", "2", "-m", "32", "--", "a b"], &image);
    let line = stdout(&output);
    assert_eq!((line.lines().count(), output.status.code()), (1, Some(0)));
    assert!(line.starts_with("qemu-system-x86_64 -nodefaults "), "{line}");
    assert!(line.contains(" -smp 2 -m 32 "), "{line}");
    let output = Command::new("sh").args(["-c", &line]).stdin(Stdio::null()).output().unwrap();
    assert!(stdout(&output).contains("hello"), "{output:?}");
    assert!(stderr(&output).contains("a message"), "{output:?}");
    let program = bench.program();
    let output = run(&["--dry-run", "--gdb", "1234"], &program);
    assert!(stdout(&output).contains(" -gdb tcp:127.0.0.1:1234 -S -kernel program.img"), "{output:?}");
}

#[test]
fn what_keeps_it_from_running_is_status_125() {
    let bench = Bench::new();
    let image = bench.image(Scenario::Hello);
    let fails = |args: &[&str], image: &Path, expected: &str| {
        let output = run(args, image);
        assert_eq!(stderr(&output), format!("nospin: {expected}\n"));
        assert_eq!((output.status.code(), stdout(&output).as_str()), (Some(125), ""));
    };
    fails(
        &["--qemu", "no-such-qemu"],
        &image,
        "no-such-qemu not found; install it (Debian: apt-get install qemu-system-x86)",
    );
    let name = image.display();
    let too_small =
        format!("{name}: does not fit into 1 MiB of memory; it takes 2 MiB before the program starts (-m)");
    fails(&["-m", "1"], &image, &too_small);
    fails(&[], &bench.path("none"), &format!("{}: No such file or directory", bench.text("none")));
    let mut bytes = fs::read(&image).unwrap();
    let last = bytes.len() - 200;
    bytes[last] ^= 1;
    let damaged = bench.write("damaged.img", &bytes);
    fails(&[], &damaged, &format!("{}: damaged (checksum)", damaged.display()));
    fails(
        &[],
        &bench.kernel(Scenario::Hello),
        &format!("{}: not a nospin image", bench.text("Hello.kernel")),
    );
    let output = run(&["--bogus"], &image);
    assert_eq!(output.status.code(), Some(125));
    let cpuinfo = fs::read_to_string("/proc/cpuinfo").unwrap();
    if !cpuinfo.contains("vmx") && !cpuinfo.contains("svm") {
        let expected = "no KVM here: this CPU shows neither vmx nor svm (use --accel tcg or auto)";
        fails(&["--accel", "kvm"], &image, expected);
    }
}
