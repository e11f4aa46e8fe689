//! Area: the network. The card's driver against QEMU's user networking, programs of ours that serve and that ask, and stock servers
//! with their own clients.
//!
//! User networking takes connections one after the other, so few clients come at once here; `network_load` has many.

use crate::case::{Case, Machine, Program, busybox, c, has, lacks, server, stock};
use crate::compare::{self, Text};
use crate::exec::{self, Streams};
use crate::lab::Lab;
use crate::oracle;
use crate::server::{Server, ask, connect};
use crate::stock::{SCRIPTS, installed};
use rustix::process::Signal;
use std::io::{Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::Command;
use std::thread;
use std::time::Duration;

/// For every step of a conversation.
pub(super) const LIMIT: Duration = Duration::from_secs(60);

/// Where servers are tried.
const MACHINES: [(Machine, u32); 3] = [(Machine::Q35, 1), (Machine::Q35, 2), (Machine::Microvm, 2)];

/// A server and a round of talk with it.
struct Service {
    name: &'static str,
    program: fn() -> Program,
    /// `tcp` or `udp`, and the port in the guest.
    protocol: &'static str,
    port: u16,
    talk: fn(&Lab, SocketAddr) -> Result<(), String>,
}

const SERVICES: &[Service] = &[
    Service { name: "memcached", program: memcached, protocol: "tcp", port: 11211, talk: ask_memcached },
    Service { name: "redis", program: redis, protocol: "tcp", port: 6379, talk: ask_redis },
    Service { name: "lighttpd", program: lighttpd, protocol: "tcp", port: 80, talk: ask_lighttpd },
    Service { name: "dnsmasq", program: dnsmasq, protocol: "udp", port: 53, talk: ask_dnsmasq },
];

pub fn cases() -> Vec<Case> {
    let mut cases = card();
    cases.extend(configured());
    for (machine, smp) in MACHINES {
        let on = |program: Program| program.machine(machine).smp(smp);
        let name = |what: &str| format!("network/{what}/{}, {smp} CPUs", machine.name());
        let program = c("serve").args(&["7"]).run(&["-p", "0:7", "-p", "0:7/udp"]);
        cases.push(server(&name("echo"), on(program), echo));
        let program = c("dial").run(&["--net", "user"]);
        cases.push(server(&name("dial"), on(program), dial));
        for service in SERVICES {
            let suffix = if service.protocol == "udp" { "/udp" } else { "" };
            let forward = format!("0:{}{suffix}", service.port);
            let program = on((service.program)()).memory(512).run(&["-p", &forward]);
            let talk = service.talk;
            cases.push(server(&name(service.name), program, move |lab, program| {
                serve(lab, program, service.protocol, |to| talk(lab, to))
            }));
        }
    }
    cases
}

/// The card without the stack.
fn card() -> Vec<Case> {
    let mut cases = Vec::new();
    for (machine, smp) in [(Machine::Q35, 1), (Machine::Q35, 4), (Machine::Microvm, 1), (Machine::Microvm, 2)]
    {
        // Every request is answered, and at least one interrupt tells of answers.
        let program = c("hello").machine(machine).smp(smp).append("test=arp").run(&["--net", "user"]);
        cases.push(
            program
                .stderr(vec![has(&["nospin: arp: 600 requests, 600 replies, "]), lacks(&[", 0 interrupts"])])
                .case(format!("network/arp/{}, {smp} CPUs", machine.name())),
        );
        // A card that nobody uses is in nobody's way.
        cases.push(
            c("hello")
                .machine(machine)
                .smp(smp)
                .run(&["-p", "0:80", "--rng"])
                .case(format!("network/unused card/{}, {smp} CPUs", machine.name())),
        );
    }
    cases.push(
        c("hello")
            .append("test=arp")
            .stderr(vec![has(&["test=arp: there is no IPv4 address in ip="])])
            .case("network/arp/without a card"),
    );
    cases.push(
        c("hello")
            .append("ip=10.0.0.1/33")
            .stderr(vec![has(&["ip=: \"10.0.0.1/33\" is not an address"])])
            .case("network/wrong address"),
    );
    cases
}

/// What the configuration leaves in files, from the options that `nospin run` gives and from the leases of user networking.
fn configured() -> Vec<Case> {
    let show = || busybox(&["cat", "/etc/resolv.conf"]);
    let wanted = |text: &str| vec![Text::Is(text.as_bytes().to_vec())];
    vec![
        show()
            .run(&["--net", "user"])
            .status(0)
            .stdout(wanted("nameserver 10.0.2.3\n"))
            .case("network/files/fixed address"),
        show()
            .run(&["--net", "user"])
            .append("ip=dhcp")
            .append("dns=10.1.2.3,fd00::5")
            .status(0)
            .stdout(wanted("nameserver 10.1.2.3\nnameserver fd00::5\n"))
            .case("network/files/name servers that were given"),
        show()
            .run(&["--net", "user"])
            .append("ip=dhcp")
            .append("dns=")
            .status(0)
            .stdout(vec![has(&["nameserver 10.0.2.3\n"])])
            .case("network/files/lease"),
    ]
}

/// Starts the server, talks and ends it; whatever it said belongs to the failure.
pub(super) fn serve(
    lab: &Lab,
    program: &Program,
    protocol: &str,
    talk: impl FnOnce(SocketAddr) -> Result<(), String>,
) -> Result<(), String> {
    let mut vm = Server::start(lab, program)?;
    let place = vm.place(protocol, LIMIT)?;
    let talked = talk(place);
    let outcome = vm.stop(Signal::TERM);
    let said = String::from_utf8_lossy(&outcome.stderr).into_owned();
    let mut lines = said.lines();
    let bad = |line: &str| {
        ["nospin: error", "panic", "not implemented"].into_iter().find(|text| line.contains(text))
    };
    let broken = lines.find_map(bad);
    let result = talked.and(match broken {
        _ if outcome.timed_out => Err("it does not end".into()),
        Some(text) => Err(format!("the kernel said {text:?}")),
        None => Ok(()),
    });
    result.map_err(|error| {
        let (out, err) = (compare::tail(&outcome.stdout), compare::tail(&outcome.stderr));
        format!("{error}; status {}\n    stdout ends:\n{out}    stderr ends:\n{err}", outcome.status)
    })
}

/// Runs a client, which must succeed; gives what it says.
pub(super) fn client(path: &'static str, package: &'static str, args: &[&str]) -> Result<Vec<u8>, String> {
    installed(path, package)?;
    let mut command = Command::new(path);
    command.args(args).current_dir("/");
    let outcome = exec::run(&mut command, b"", Streams::Merged, LIMIT)?;
    if outcome.status == 0 && !outcome.timed_out {
        return Ok(outcome.stdout);
    }
    let said = String::from_utf8_lossy(&outcome.stdout).into_owned();
    Err(format!("{path} {}: status {}, says {said}", args.join(" "), outcome.status))
}

pub(super) fn wants(what: &str, wanted: &[u8], got: &[u8]) -> Result<(), String> {
    if wanted == got {
        return Ok(());
    }
    let shown =
        |bytes: &[u8]| bytes.get(..200.min(bytes.len())).unwrap_or_default().escape_ascii().to_string();
    Err(format!("{what}: {} bytes {}, not {} bytes {}", got.len(), shown(got), wanted.len(), shown(wanted)))
}

pub(super) fn pattern(len: usize) -> Vec<u8> {
    (0..len).map(|at| (at * 7 + at / 251) as u8).collect()
}

/// Our own server: datagrams of all sizes, and several connections at once that carry more than any buffer holds.
fn echo(lab: &Lab, program: &Program) -> Result<(), String> {
    const CLIENTS: usize = 4;
    const BYTES: usize = 400_000;
    let mut vm = Server::start(lab, program)?;
    let udp = vm.place("udp", LIMIT)?;
    let tcp = vm.place("tcp", LIMIT)?;
    // The largest one takes several fragments.
    for len in [0, 1, 1472, 1473, 9000] {
        let sent = pattern(len);
        wants("a datagram's echo", &sent, &ask(udp, &sent, LIMIT)?)?;
    }
    let clients: Vec<_> =
        (0..CLIENTS).map(|_| thread::spawn(move || conversation(tcp, &pattern(BYTES)))).collect();
    for client in clients {
        client.join().map_err(|_| "a client panicked")??;
    }
    ask(udp, b"quit", LIMIT)?;
    let outcome = vm.wait(LIMIT);
    if outcome.timed_out || outcome.status != 0 {
        return Err(format!("status {}:\n{}", outcome.status, compare::tail(&outcome.stderr)));
    }
    wants("stdout", format!("{CLIENTS} clients, {} bytes\n", CLIENTS * BYTES).as_bytes(), &outcome.stdout)
}

/// Sends and reads at the same time; the server closes last.
fn conversation(to: SocketAddr, data: &[u8]) -> Result<(), String> {
    let cannot = |error| format!("in a conversation: {error}");
    let mut stream = connect(to, LIMIT)?;
    let mut sender = stream.try_clone().map_err(cannot)?;
    let sent = data.to_vec();
    let sending = thread::spawn(move || {
        sender.write_all(&sent)?;
        sender.shutdown(Shutdown::Write)
    });
    let mut heard = Vec::new();
    stream.read_to_end(&mut heard).map_err(cannot)?;
    sending.join().map_err(|_| "the sender panicked")?.map_err(cannot)?;
    wants("a connection's echo", data, &heard)
}

/// A program in the guest that connects to this host, at the gateway's address.
fn dial(lab: &Lab, program: &Program) -> Result<(), String> {
    let cannot = |error| format!("cannot listen: {error}");
    let listener = TcpListener::bind("127.0.0.1:0").map_err(cannot)?;
    let port = listener.local_addr().map_err(cannot)?.port().to_string();
    let listening = thread::spawn(move || listener.accept().and_then(|(stream, _)| echo_back(stream)));
    let program = program.clone().args(&["10.0.2.2", &port]);
    let outcome = exec::run(&mut oracle::command(lab, &program)?, b"", Streams::Apart, LIMIT)?;
    if outcome.timed_out {
        return Err(format!("not ended:\n{}", compare::tail(&outcome.stderr)));
    }
    let wanted = "connect -1 Operation now in progress\npoll 1 events 4 error 0 port chosen\nsent 500000 got 500000 wrong 0\n";
    wants("stdout", wanted.as_bytes(), &outcome.stdout)?;
    listening
        .join()
        .map_err(|_| "the listener panicked")?
        .map_err(|error| format!("the host's side: {error}"))
}

fn echo_back(mut stream: TcpStream) -> std::io::Result<()> {
    stream.set_read_timeout(Some(LIMIT))?;
    stream.set_write_timeout(Some(LIMIT))?;
    let mut piece = [0; 10_000];
    loop {
        match stream.read(&mut piece)? {
            0 => return Ok(()),
            len => stream.write_all(&piece[..len])?,
        }
    }
}

pub(super) fn memcached() -> Program {
    stock("/usr/bin/memcached", "memcached", &["-u", "root", "-m", "64"])
}

/// A file in and out by the clients of libmemcached, and the protocol by hand.
pub(super) fn ask_memcached(lab: &Lab, to: SocketAddr) -> Result<(), String> {
    let scratch = lab.scratch()?;
    let file = scratch.path().join("value");
    let value = pattern(100_000);
    std::fs::write(&file, &value).map_err(|error| format!("cannot write: {error}"))?;
    let servers = format!("--servers={to}");
    client("/usr/bin/memccp", "libmemcached-tools", &[&servers, &file.to_string_lossy()])?;
    let back = scratch.path().join("back");
    let into = format!("--file={}", back.display());
    client("/usr/bin/memccat", "libmemcached-tools", &[&servers, &into, "value"])?;
    let got = std::fs::read(&back).map_err(|error| format!("cannot read: {error}"))?;
    wants("the value", &value, &got)?;
    lines(to, b"set a 5 0 3\r\nabc\r\n", b"STORED\r\n")?;
    lines(to, b"get a\r\nincr b 1\r\ndelete a\r\n", b"VALUE a 5 3\r\nabc\r\nEND\r\nNOT_FOUND\r\nDELETED\r\n")
}

/// Sends lines on a connection of its own and wants exactly this answer.
fn lines(to: SocketAddr, say: &[u8], wanted: &[u8]) -> Result<(), String> {
    let cannot = |error| format!("in a conversation: {error}");
    let mut stream = connect(to, LIMIT)?;
    stream.write_all(say).map_err(cannot)?;
    let mut got = vec![0; wanted.len()];
    stream.read_exact(&mut got).map_err(cannot)?;
    wants("the answer", wanted, &got)
}

pub(super) fn redis() -> Program {
    stock("/usr/bin/redis-server", "redis-server", &["--save", "", "--protected-mode", "no"])
}

/// Single commands, and a benchmark's storm of them.
pub(super) fn ask_redis(_: &Lab, to: SocketAddr) -> Result<(), String> {
    let (host, port) = (to.ip().to_string(), to.port().to_string());
    let run = |command: &[&str]| {
        client("/usr/bin/redis-cli", "redis-tools", &[&["-h", &host, "-p", &port], command].concat())
    };
    wants("PING", b"PONG\n", &run(&["ping"])?)?;
    wants("SET", b"OK\n", &run(&["set", "key", "some value"])?)?;
    wants("GET", b"some value\n", &run(&["get", "key"])?)?;
    let storm =
        ["-h", &host, "-p", &port, "-q", "-n", "4000", "-c", "4", "-P", "8", "-r", "50", "-t", "incr"];
    client("/usr/bin/redis-benchmark", "redis-tools", &storm)?;
    let script = "local n = 0 for _, k in ipairs(redis.call('keys', 'counter:*')) do n = n + redis.call('get', k) end return n";
    wants("the sum of all counters", b"4000\n", &run(&["eval", script, "0"])?)?;
    wants("DBSIZE", b"51\n", &run(&["dbsize"])?)
}

fn lighttpd() -> Program {
    let mut program = stock("/usr/sbin/lighttpd", "lighttpd", &["-D", "-f", "{stock}/lighttpd.conf"]);
    program.env.push(("ROOT".into(), SCRIPTS.into()));
    program.extra(vec![PathBuf::from(SCRIPTS), PathBuf::from("/usr/lib/lighttpd")])
}

fn ask_lighttpd(_: &Lab, to: SocketAddr) -> Result<(), String> {
    for name in ["library.py", "table.sql"] {
        let wanted =
            std::fs::read(format!("{SCRIPTS}/{name}")).map_err(|error| format!("{name}: {error}"))?;
        let url = format!("http://{to}/{name}");
        // Three times on one connection.
        wants(name, &wanted.repeat(3), &client("/usr/bin/curl", "curl", &["-sS", &url, &url, &url])?)?;
    }
    let args = ["-sS", "-o", "/dev/null", "-w", "%{http_code}", &format!("http://{to}/none")];
    wants("the status of what is not there", b"404", &client("/usr/bin/curl", "curl", &args)?)
}

fn dnsmasq() -> Program {
    let args = [
        "-k",
        "-C",
        "/dev/null",
        "--user=root",
        "--no-resolv",
        "--pid-file=/run/dnsmasq.pid",
        "--address=/x.test/10.1.2.3",
    ];
    stock("/usr/sbin/dnsmasq", "dnsmasq-base", &args)
}

/// Asks for the address of a name (RFC 1035).
fn ask_dnsmasq(_: &Lab, to: SocketAddr) -> Result<(), String> {
    const QUESTION: &[u8] = b"\x12\x34\x01\x00\x00\x01\0\0\0\0\0\0\x01a\x01x\x04test\0\x00\x01\x00\x01";
    let answer = ask(to, QUESTION, LIMIT)?;
    wants("the answer's first number", &[0x12, 0x34], answer.get(..2).unwrap_or_default())?;
    wants("the address", &[10, 1, 2, 3], answer.get(answer.len().saturating_sub(4)..).unwrap_or_default())
}
