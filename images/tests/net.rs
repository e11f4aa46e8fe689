//! The network of `nospin run` around a stub kernel: what is announced, what is refused, and tap devices that come and go.
//!
//! Devices are made in a network namespace of the test's own, so this host's network stays as it is.

mod support;

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};

use rustix::process::{Pid, Signal, kill_process};
use support::{Bench, NOSPIN, Scenario, stderr, stdout};

fn run(args: &[&str], image: &Path) -> Output {
    Command::new("timeout")
        .args(["-s", "KILL", "60", NOSPIN, "run"])
        .arg(image)
        .args(args)
        .stdin(Stdio::null())
        .output()
        .unwrap()
}

/// Lines of `reader` up to and with the first one that holds `last`.
fn lines_until(reader: impl std::io::Read, last: &str) -> String {
    let mut text = String::new();
    for line in BufReader::new(reader).lines() {
        let line = line.unwrap();
        let found = line.contains(last);
        text.push_str(&line);
        text.push('\n');
        if found {
            return text;
        }
    }
    panic!("no {last:?} in:\n{text}");
}

#[test]
fn a_service_behind_a_forwarded_port_is_announced() {
    let bench = Bench::new();
    let image = bench.image(Scenario::Listen);
    let mut child = Command::new(NOSPIN)
        .arg("run")
        .arg(&image)
        .args(["-p", "0:80", "-p", "0.0.0.0:0:80/tcp", "-p", "0:53/udp", "-p", "0:443", "--rng"])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let said = lines_until(child.stderr.as_mut().unwrap(), "(udp)");
    let places: Vec<&str> =
        said.lines().map(|line| line.strip_prefix("nospin: serving on ").expect(line)).collect();
    assert_eq!(places.len(), 3, "{said}");
    let port = |place: &str, before: &str, after: &str| -> u16 {
        let middle = place.strip_prefix(before).and_then(|rest| rest.strip_suffix(after));
        middle.unwrap_or_else(|| panic!("{place}")).parse().unwrap()
    };
    let first = port(places[0], "127.0.0.1:", " (tcp)");
    let second = port(places[1], "0.0.0.0:", " (tcp)");
    assert!(first != 0 && second != 0 && port(places[2], "127.0.0.1:", " (udp)") != 0);
    // QEMU holds the ports that were announced, and with them this host's.
    assert!(TcpListener::bind(("127.0.0.1", first)).is_err());
    assert!(TcpListener::bind(("127.0.0.1", second)).is_err());
    let line = lines_until(child.stdout.as_mut().unwrap(), "ip=");
    assert_eq!(support::without_clock(&line), "ip=10.0.2.15/24 gw=10.0.2.2 dns=10.0.2.3 console=host\n");
    let taken = format!("{first}:80");
    let output = run(&["-p", &taken], &image);
    let expected = format!(
        "nospin: 127.0.0.1:{first} (tcp) is in use by another program on this host; choose another port (-p PORT:80)\n"
    );
    assert_eq!((stderr(&output), output.status.code()), (expected, Some(125)));
    kill_process(Pid::from_child(&child), Signal::TERM).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(143));
    let mut rest = String::new();
    child.stderr.unwrap().read_to_string(&mut rest).unwrap();
    assert_eq!(rest, "", "a socket that listens twice is announced once");
}

#[test]
fn both_machines_take_the_devices() {
    let bench = Bench::new();
    let image = bench.image(Scenario::Hello);
    for machine in ["q35", "microvm"] {
        let output = run(&["--machine", machine, "--net", "user", "--rng"], &image);
        assert_eq!(
            (stdout(&output).as_str(), stderr(&output).as_str()),
            ("hello\n", "a message\n"),
            "{machine}"
        );
        assert_eq!(output.status.code(), Some(7));
    }
}

#[test]
fn what_cannot_be_is_refused() {
    let bench = Bench::new();
    let image = bench.image(Scenario::Hello);
    for (args, piece) in [
        (["-p", "80", "--net", "tap"], "the guest has an address of its own"),
        (["-p", "80", "--net", "none"], "--net none is none"),
        (["-p", "80:80", "-p", "0.0.0.0:80:81"], "two of -p want 0.0.0.0:80 (tcp)"),
        (["-p", "80:80/icmp", "--net", "user"], "unknown protocol icmp"),
        (["--net", "bridge", "-m", "64"], "expected user, none, tap"),
        (["-p", "80", "--append", "ip=10.9.9.9/24"], "ip=10.9.9.9"),
    ] {
        let output = run(&args, &image);
        assert!(stderr(&output).contains(piece), "{args:?}: {}", stderr(&output));
        assert_eq!((output.status.code(), stdout(&output).as_str()), (Some(125), ""), "{args:?}");
    }
}

#[test]
fn a_dry_run_shows_the_network() {
    let bench = Bench::new();
    let image = bench.image(Scenario::Hello);
    let line = stdout(&run(&["--dry-run", "-p", "8080:80"], &image));
    assert!(line.contains(" -netdev user,id=net0,hostfwd=tcp:127.0.0.1:8080-10.0.2.15:80 "), "{line}");
    assert!(line.contains(" -append 'ip=10.0.2.15/24 gw=10.0.2.2 dns=10.0.2.3'"), "{line}");
    let line = stdout(&run(&["--dry-run", "-p", "8080:80", "--append", "ip=dhcp"], &image));
    assert!(line.contains(" -append ip=dhcp\n"), "{line}");
    let line = stdout(&run(&["--dry-run"], &image));
    assert!(!line.contains("net"), "{line}");
}

/// A network namespace, kept by a process that sleeps in it.
struct Namespace(Child);

impl Namespace {
    /// `None` where devices may not be made, which containers seldom permit: the test says so, and how it could be made.
    fn new() -> Option<Self> {
        let child = Command::new("unshare")
            .args(["--net", "sh", "-c"])
            .arg("ip tuntap add dev probe0 mode tap && ip link del dev probe0 && echo ready; exec sleep 600")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn();
        let made = child.and_then(|mut child| {
            let mut line = String::new();
            BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut line)?;
            Ok((Self(child), line))
        });
        match made {
            Ok((space, line)) if line == "ready\n" => Some(space),
            made => {
                // Past the capture of the test's output: nobody shall take this for tested.
                let _ = writeln!(
                    std::io::stderr(),
                    "left out: this machine gives no tap devices in a namespace ({:?}). It takes root (sudo -E cargo test -p \
                     nospin-images --test net) or a container with --cap-add SYS_ADMIN --cap-add NET_ADMIN --device /dev/net/tun",
                    made.map(|(_, line)| line)
                );
                None
            }
        }
    }

    fn command(&self, program: &str) -> Command {
        let mut command = Command::new("nsenter");
        command.arg("--net").args(["-t", &self.0.id().to_string()]).arg(program).stdin(Stdio::null());
        command
    }

    fn ip(&self, words: &str) -> String {
        let output = self.command("ip").args(words.split(' ')).output().unwrap();
        assert!(output.status.success(), "ip {words}: {}", stderr(&output));
        stdout(&output)
    }

    fn start(&self, image: &Path, args: &[&str]) -> Child {
        let mut command = self.command(NOSPIN);
        command.arg("run").arg(image).args(args).stdout(Stdio::piped()).stderr(Stdio::piped());
        command.spawn().unwrap()
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn a_tap_device_lives_as_long_as_the_run() {
    let bench = Bench::new();
    let image = bench.image(Scenario::Listen);
    let Some(space) = Namespace::new() else { return };
    // An address that is taken, so that the first free network is another.
    space.ip("addr add 10.99.0.77/24 dev lo");
    for (signal, args) in
        [(Signal::INT, &["--smp", "2"][..]), (Signal::TERM, &["--machine", "microvm"]), (Signal::HUP, &[])]
    {
        let mut args = args.to_vec();
        args.extend(["--net", "tap"]);
        let mut child = space.start(&image, &args);
        let said = lines_until(child.stderr.as_mut().unwrap(), "(udp)");
        assert_eq!(
            said,
            "nospin: the guest is 10.99.1.2 on nospin1; this host is 10.99.1.1 there\n\
             nospin: serving on 10.99.1.2:80 (tcp)\n\
             nospin: serving on 10.99.1.2:53 (udp)\n"
        );
        let line = lines_until(child.stdout.as_mut().unwrap(), "ip=");
        assert!(line.starts_with("ip=10.99.1.2/24 gw=10.99.1.1 "), "{line}");
        let link = space.ip("-d -o link show dev nospin1");
        assert_eq!(link.contains("numtxqueues 256"), args.contains(&"--smp"), "{link}");
        assert!(link.contains("LOWER_UP"), "QEMU holds the device: {link}");
        assert!(space.ip("-o -4 addr show dev nospin1").contains("10.99.1.1/24"));
        kill_process(Pid::from_child(&child), signal).unwrap();
        assert_eq!(child.wait().unwrap().code(), Some(128 + signal.as_raw()));
        assert!(!space.ip("-o link show").contains("nospin"), "left behind after {signal:?}");
    }
}

/// Processes that have `word` and `image` on their command line.
fn process(word: &str, image: &Path) -> Option<Pid> {
    let has = |line: &[u8], text: &[u8]| line.windows(text.len()).any(|part| part == text);
    let ids = std::fs::read_dir("/proc")
        .unwrap()
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    let mut ids = ids.filter(|id: &i32| {
        let line = std::fs::read(format!("/proc/{id}/cmdline")).unwrap_or_default();
        line.starts_with(word.as_bytes()) && has(&line, image.to_str().unwrap().as_bytes())
    });
    ids.next().and_then(Pid::from_raw)
}

#[test]
fn a_tap_device_goes_when_qemu_dies_or_cannot_start() {
    let bench = Bench::new();
    let image = bench.image(Scenario::Listen);
    let Some(space) = Namespace::new() else { return };
    let mut child = space.start(&image, &["--net", "tap:mine"]);
    lines_until(child.stderr.as_mut().unwrap(), "(udp)");
    assert!(space.ip("-o link show").contains("mine"));
    let qemu = process("qemu-system-x86_64", &image).expect("QEMU runs");
    kill_process(qemu, Signal::KILL).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(253));
    assert!(!space.ip("-o link show").contains("mine"));
    let output = space.start(&image, &["--net", "tap", "--qemu", "no-such-qemu"]).wait_with_output().unwrap();
    assert!(stderr(&output).contains("no-such-qemu not found"), "{}", stderr(&output));
    assert!(!space.ip("-o link show").contains("nospin"));
    // The program's own end.
    let output = space.start(&bench.image(Scenario::Hello), &["--net", "tap"]).wait_with_output().unwrap();
    assert_eq!((output.status.code(), stdout(&output).as_str()), (Some(7), "hello\n"));
    assert!(!space.ip("-o link show").contains("nospin"));
}

#[test]
fn a_device_that_is_there_stays() {
    let bench = Bench::new();
    let image = bench.image(Scenario::CommandLine);
    let Some(space) = Namespace::new() else { return };
    space.ip("tuntap add dev own0 mode tap multi_queue");
    space.ip("addr add 10.7.0.1/30 dev own0");
    space.ip("link set own0 up");
    space.ip("tuntap add dev own1 mode tap");
    let output = space.start(&image, &["--net", "tap:own0"]).wait_with_output().unwrap();
    assert_eq!(support::without_clock(&stdout(&output)), "ip=10.7.0.2/30 gw=10.7.0.1 console=host");
    assert_eq!(stderr(&output), "nospin: the guest is 10.7.0.2 on own0; this host is 10.7.0.1 there\n");
    let output = space.start(&image, &["--net", "tap:own1", "--smp", "2"]).wait_with_output().unwrap();
    assert_eq!(support::without_clock(&stdout(&output)), "console=host");
    assert_eq!(output.status.code(), Some(0));
    let links = space.ip("-o link show");
    assert!(links.contains("own0") && links.contains("own1"), "{links}");
    let output = space.start(&image, &["--net", "tap:lo"]).wait_with_output().unwrap();
    assert_eq!(stderr(&output), "nospin: the device lo is there, but it is no tap device\n");
}

#[test]
fn a_dry_run_makes_no_device_and_shows_how() {
    let bench = Bench::new();
    let image = bench.image(Scenario::Hello);
    let Some(space) = Namespace::new() else { return };
    let output =
        space.start(&image, &["--dry-run", "--net", "tap", "--smp", "2"]).wait_with_output().unwrap();
    let text = stdout(&output);
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines[0], "ip tuntap add dev nospin0 mode tap multi_queue");
    assert_eq!(lines[1..3], ["ip addr add 10.99.0.1/24 dev nospin0", "ip link set dev nospin0 up"]);
    assert!(
        lines[3].contains(" -netdev tap,id=net0,ifname=nospin0,script=no,downscript=no,queues=2 "),
        "{text}"
    );
    assert!(lines[3].contains(",mq=on,vectors=6 "), "{text}");
    assert!(lines[3].contains(" -append 'ip=10.99.0.2/24 gw=10.99.0.1'"), "{text}");
    assert_eq!(lines[4..], ["ip link del dev nospin0"]);
    assert!(!space.ip("-o link show").contains("nospin"));
    // What is shown works as it stands.
    let output = space.command("sh").args(["-ec", &text.replace("\nqemu", "\n! qemu")]).output().unwrap();
    assert!(stdout(&output).contains("hello") && !space.ip("-o link show").contains("nospin"), "{output:?}");
}

#[test]
fn without_privileges_it_says_what_is_missing() {
    let bench = Bench::new();
    let image = bench.image(Scenario::Hello);
    let Some(space) = Namespace::new() else { return };
    let mut command = space.command("setpriv");
    command.args(["--bounding-set", "-net_admin", "--inh-caps", "-net_admin", NOSPIN, "run"]);
    let output = command.arg(&image).args(["--net", "tap:tap7"]).output().unwrap();
    let said = stderr(&output);
    assert!(said.contains("root or the capability CAP_NET_ADMIN"), "{said}");
    assert!(said.contains("sudo ip tuntap add dev tap7 mode tap user"), "{said}");
    assert_eq!(output.status.code(), Some(125));
}
