//! Area: the network with peers that carry much or come often. iperf3 both ways, redis as the replica and as the master of a redis on
//! this host, and clients that come and go.
//!
//! Each machine has a tap device of its own, as in [`network_load`](super::network_load).

use super::network::{LIMIT, client, memcached, redis, serve};
use crate::case::{Case, Program, server, stock};
use crate::lab::Lab;
use crate::stock::installed;
use crate::talk::{Talk, few_are_left};
use std::net::{IpAddr, SocketAddr, TcpListener, UdpSocket};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

/// Clients that come and go at the same time.
const AT_ONCE: usize = 8;

pub fn full() -> Vec<Case> {
    let mut cases = Vec::new();
    for smp in [1, 2] {
        for (name, mode) in [("to it", &[][..]), ("from it", &["-R"][..]), ("both ways", &["--bidir"][..])] {
            cases.push(tapped(
                &format!("peers/iperf3 {name}, {smp} CPUs"),
                stock("/usr/bin/iperf3", "iperf3", &["-s"]).smp(smp).memory(512),
                move |_, to| throughput(to, mode),
            ));
        }
    }
    cases.push(tapped("peers/redis, replica of a redis here", redis().smp(2).memory(512), replica));
    cases.push(tapped("peers/redis, master of a redis here", redis().memory(512), master));
    cases.push(churned(10_000));
    cases
}

/// As many as the network's soak wants.
pub fn soak() -> Vec<Case> {
    vec![churned(100_000)]
}

fn tapped(
    name: &str,
    program: Program,
    talk: impl Fn(&Lab, SocketAddr) -> Result<(), String> + Send + Sync + 'static,
) -> Case {
    server(name, program.run(&["--net", "tap"]), move |lab, program| {
        serve(lab, program, "tcp", |to| talk(lab, to))
    })
}

/// A machine that has no room for what connections might leave behind: a kilobyte each would be more than its memory.
fn churned(count: usize) -> Case {
    let program = memcached().smp(2).memory(if count >= 100_000 { 80 } else { 48 });
    let mut program = program;
    program.args = ["-u", "root", "-m", "8", "-t", "2"].map(String::from).to_vec();
    tapped(&format!("peers/memcached, {count} connections come and go"), program, move |_, to| {
        churn(to, count)
    })
}

/// One run; a server takes a moment for its next one, so there is one for each machine.
fn throughput(to: SocketAddr, mode: &[&str]) -> Result<(), String> {
    let (host, port) = (to.ip().to_string(), to.port().to_string());
    let said = client(
        "/usr/bin/iperf3",
        "iperf3",
        &[&["-c", &host, "-p", &port, "-t", "2", "-f", "k"], mode].concat(),
    )?;
    let said = String::from_utf8_lossy(&said).into_owned();
    let ends: Vec<&str> = said.lines().filter(|line| line.ends_with("receiver")).collect();
    let wanted = if mode.contains(&"--bidir") { 2 } else { 1 };
    // Whatever the load of this host, a line that stalls carries less than a megabit.
    let slow = |line: &&&str| {
        let words: Vec<&str> = line.split_whitespace().collect();
        let rate = words
            .iter()
            .position(|&word| word == "Kbits/sec")
            .and_then(|at| words.get(at - 1)?.parse::<f64>().ok());
        rate.is_none_or(|rate| rate < 1000.0)
    };
    if ends.len() != wanted || ends.iter().any(|line| slow(&line)) {
        return Err(format!("iperf3 says {said}"));
    }
    Ok(())
}

/// A redis of this host, on the address at which the machine sees it. Ended when dropped.
struct Here {
    child: Child,
    at: SocketAddr,
    _dir: tempfile::TempDir,
}

impl Drop for Here {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Here {
    fn start(lab: &Lab, machine: SocketAddr) -> Result<Self, String> {
        const PATH: &str = "/usr/bin/redis-server";
        installed(PATH, "redis-server")?;
        let cannot = |error: std::io::Error| format!("cannot run {PATH}: {error}");
        let probe = UdpSocket::bind("0.0.0.0:0").map_err(cannot)?;
        probe.connect(machine).map_err(cannot)?;
        let own: IpAddr = probe.local_addr().map_err(cannot)?.ip();
        let at = TcpListener::bind((own, 0)).and_then(|listener| listener.local_addr()).map_err(cannot)?;
        let dir = lab.scratch()?;
        let mut command = Command::new(PATH);
        command.args(["--save", "", "--protected-mode", "no", "--repl-diskless-sync-delay", "0"]);
        command.args(["--bind", &own.to_string(), "--port", &at.port().to_string()]);
        command.current_dir(dir.path()).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let here = Here { child: command.spawn().map_err(cannot)?, at, _dir: dir };
        let deadline = Instant::now() + LIMIT;
        while Talk::to(at, LIMIT).is_err() {
            if Instant::now() > deadline {
                return Err("the redis of this host does not start".into());
            }
            thread::sleep(Duration::from_millis(20));
        }
        Ok(here)
    }
}

/// An answer of redis-cli, in one line.
fn cli(at: SocketAddr, command: &[&str]) -> Result<String, String> {
    let (host, port) = (at.ip().to_string(), at.port().to_string());
    let said = client("/usr/bin/redis-cli", "redis-tools", &[&["-h", &host, "-p", &port], command].concat())?;
    Ok(String::from_utf8_lossy(&said).trim_end().to_owned())
}

/// Waits until an answer of redis-cli holds `text`.
fn until(at: SocketAddr, command: &[&str], text: &str) -> Result<(), String> {
    let deadline = Instant::now() + LIMIT;
    loop {
        let said = cli(at, command)?;
        if said.contains(text) {
            return Ok(());
        }
        if Instant::now() > deadline {
            return Err(format!("{}: never {text}, but {said}", command.join(" ")));
        }
        thread::sleep(Duration::from_millis(50));
    }
}

/// The machine's redis takes a copy of this host's, follows it, takes it again after the connection was lost, and becomes a master.
fn replica(lab: &Lab, to: SocketAddr) -> Result<(), String> {
    let here = Here::start(lab, to)?;
    let fill =
        "for n = 1, 20000 do redis.call('set', 'key:' .. n, string.rep('value' .. n, 20)) end return 'done'";
    cli(here.at, &["eval", fill, "0"])?;
    cli(to, &["replicaof", &here.at.ip().to_string(), &here.at.port().to_string()])?;
    until(to, &["info", "replication"], "master_link_status:up")?;
    let same = |count: &str| {
        cli(here.at, &["set", "last", count])?;
        until(to, &["get", "last"], count)?;
        for question in [&["dbsize"][..], &["get", "key:1"], &["get", "key:20000"]] {
            let (wanted, got) = (cli(here.at, question)?, cli(to, question)?);
            if wanted != got {
                return Err(format!("{}: {got}, not {wanted}", question.join(" ")));
            }
        }
        Ok(())
    };
    same("1")?;
    let more = "for n = 1, 5000 do redis.call('incr', 'count:' .. n % 100) redis.call('del', 'key:' .. n * 2) end return 'done'";
    cli(here.at, &["eval", more, "0"])?;
    same("2")?;
    cli(here.at, &["client", "kill", "type", "replica"])?;
    cli(here.at, &["eval", more, "0"])?;
    until(to, &["info", "replication"], "master_link_status:up")?;
    same("3")?;
    if !cli(to, &["set", "own", "value"])?.contains("READONLY") {
        return Err("a replica takes a write".into());
    }
    cli(to, &["replicaof", "no", "one"])?;
    cli(to, &["set", "own", "value"]).and_then(|_| until(to, &["get", "own"], "value"))
}

/// A copy for a replica is written by a child process, which the machine has not: the replica is told so, and everybody else is served.
fn master(lab: &Lab, to: SocketAddr) -> Result<(), String> {
    let here = Here::start(lab, to)?;
    cli(to, &["set", "key", "value"])?;
    cli(here.at, &["replicaof", &to.ip().to_string(), &to.port().to_string()])?;
    until(to, &["info", "stats"], "sync_full:1")?;
    until(here.at, &["info", "replication"], "master_link_status:down")?;
    until(to, &["get", "key"], "value")?;
    cli(here.at, &["replicaof", "no", "one"])?;
    until(to, &["info", "replication"], "connected_slaves:0")
}

/// Connections that are opened, used and closed: by the server, by the client, and by a reset.
fn churn(to: SocketAddr, count: usize) -> Result<(), String> {
    let clients: Vec<_> = (0..AT_ONCE)
        .map(|first| {
            thread::spawn(move || {
                (first..count).step_by(AT_ONCE).try_for_each(|number| {
                    come_and_go(to, number)
                        .map_err(|error| format!("connection {number} of {count}: {error}"))
                })
            })
        })
        .collect();
    let ends: Vec<_> = clients.into_iter().map(thread::JoinHandle::join).collect();
    for end in ends {
        end.map_err(|_| "a client panicked")??;
    }
    few_are_left(to, LIMIT)
}

fn come_and_go(to: SocketAddr, number: usize) -> Result<(), String> {
    let mut talk = Talk::to(to, LIMIT)?;
    let key = number % 1000;
    talk.ask(format!("set k{key} 0 0 6\r\nvalue!\r\n").as_bytes(), b"STORED\r\n")?;
    talk.ask(
        format!("get k{key}\r\n").as_bytes(),
        format!("VALUE k{key} 0 6\r\nvalue!\r\nEND\r\n").as_bytes(),
    )?;
    match number % 3 {
        0 => {
            talk.say(b"quit\r\n")?;
            talk.bytes(1).map_or(Ok(()), |_| Err("it goes on".into()))
        }
        1 => talk.reset(),
        _ => Ok(()),
    }
}
