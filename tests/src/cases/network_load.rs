//! Area: the network under load. memcached and redis with hundreds to thousands of clients at once, values of all sizes, evictions,
//! clients that vanish.
//!
//! User networking stalls when many connections come at once, so each machine gets a tap device of its own, which `nospin`
//! makes and removes. Where that is not permitted `vmtests` leaves the cases out, and says so.

use super::network::{LIMIT, ask_memcached, ask_redis, client, memcached, pattern, redis, serve, wants};
use crate::case::{Body, Case, Program, server};
use crate::lab::Lab;
use crate::server::ask;
use crate::talk::{Talk, crowd, few_are_left};
use std::net::SocketAddr;
use std::thread;
use std::time::Duration;

/// What is tried with a server.
type Trial = fn(&Lab, SocketAddr) -> Result<(), String>;

/// A case on a tap device: all trials with one machine, in this order.
fn tapped(name: String, program: Program, trials: &'static [(&'static str, Trial)]) -> Case {
    server(&name, program.memory(512).run(&["--net", "tap"]), move |lab, program| {
        serve(lab, program, "tcp", |to| {
            trials
                .iter()
                .try_for_each(|(what, trial)| trial(lab, to).map_err(|error| format!("{what}: {error}")))
        })
    })
}

/// memcached with more arguments.
fn memcached_with(more: &[&str]) -> Program {
    let mut program = memcached();
    program.args.extend(more.iter().map(|word| word.to_string()));
    program
}

/// redis with more arguments.
fn redis_with(more: &[&str]) -> Program {
    let mut program = redis();
    program.args.extend(more.iter().map(|word| word.to_string()));
    program
}

/// One round with each server.
pub fn quick() -> Vec<Case> {
    vec![
        tapped(
            "network/tap/memcached, 200 connections".into(),
            memcached_with(&["-t", "4"]).smp(2),
            &[
                ("its own clients", ask_memcached),
                ("200 connections", |_, to| crowd(to, 200, LIMIT)),
                ("memcslap", memcslap),
                ("vanishing clients", |_, to| vanish(to, 10)),
            ],
        ),
        tapped(
            "network/tap/redis, 200 connections".into(),
            redis().smp(2),
            &[
                ("its own clients", ask_redis),
                ("200 connections", |_, to| storm(to, &["-c", "200", "-n", "2000", "-t", "ping,set,get"])),
                ("blocked clients", |_, to| blocking(to)),
                ("published messages", |_, to| publish(to)),
            ],
        ),
    ]
}

/// The rest: the counts of CPUs and threads that matter, and everything that takes long.
pub fn full() -> Vec<Case> {
    let mut cases = Vec::new();
    for (threads, smp) in [("1", 1), ("1", 2), ("1", 4), ("4", 1), ("4", 2), ("4", 4)] {
        cases.push(tapped(
            format!("network/load/memcached -t {threads}, {smp} CPUs"),
            memcached_with(&["-t", threads, "-c", "2000", "-U", "11211"]).smp(smp),
            &[
                ("sizes", |_, to| sizes(to)),
                ("binary protocol", |_, to| binary(to)),
                ("datagrams", |_, to| datagrams(to)),
                ("vanishing clients", |_, to| vanish(to, 200)),
                ("1,000 connections", |_, to| crowd(to, 1000, LIMIT)),
                ("evictions", |_, to| evictions(to)),
            ],
        ));
    }
    for (threads, smp) in [("1", 1), ("4", 2)] {
        cases.push(tapped(
            format!("network/load/memcached -t {threads}, {smp} CPUs, 10,000 connections"),
            memcached_with(&["-t", threads, "-c", "12000"]).smp(smp),
            &[("10,000 connections", |_, to| crowd(to, 10_000, LIMIT))],
        ));
    }
    let large_memory = |mut case: Case| {
        if let Body::Server(program, _) = &mut case.body {
            program.memory = 1024;
        }
        case
    };
    cases.push(large_memory(tapped(
        "network/load/redis, 1 CPU".into(),
        redis(),
        &[
            ("benchmark", |_, to| storm(to, &["-n", "2000"])),
            ("pipelined benchmark", |_, to| storm(to, &["-n", "20000", "-P", "16", "-t", PIPELINED])),
            ("1,000 connections", |_, to| storm(to, &["-n", "5000", "-c", "1000", "-t", "set,get"])),
            ("blocked clients", |_, to| blocking(to)),
            ("published messages", |_, to| publish(to)),
            ("scripts", |_, to| scripts(to)),
            ("a value of 100 MB", |_, to| large(to)),
            ("evictions", |_, to| keys_leave(to)),
        ],
    )));
    // Its threads wait for each other in loops: with fewer processors than threads, Linux is as slow.
    cases.push(large_memory(tapped(
        "network/load/redis --io-threads 4, 4 CPUs".into(),
        redis_with(&["--io-threads", "4", "--io-threads-do-reads", "yes"]).smp(4),
        &[
            ("pipelined benchmark", |_, to| {
                storm(to, &["-n", "4000", "-P", "16", "-t", "set,get,incr,lpush"])
            }),
            ("200 connections", |_, to| storm(to, &["-n", "1000", "-c", "200", "-t", "set,get"])),
            ("blocked clients", |_, to| blocking(to)),
            ("published messages", |_, to| publish(to)),
            ("a value of 100 MB", |_, to| large(to)),
        ],
    )));
    cases
}

/// 200 threads of a client that nobody here wrote.
fn memcslap(_: &Lab, to: SocketAddr) -> Result<(), String> {
    let servers = format!("--servers={to}");
    let args = [servers.as_str(), "--concurrency=200", "--execute-number=5", "--test=set"];
    client("/usr/bin/memcslap", "libmemcached-tools", &args).map(|_| ())
}

/// Values from nothing to the largest that memcached takes, each beside the edges of packets, pages and rings.
fn sizes(to: SocketAddr) -> Result<(), String> {
    const SIZES: &[usize] = &[
        0, 1, 2, 100, 1459, 1460, 1461, 4095, 4096, 10_000, 65_535, 65_536, 65_537, 262_144, 500_000,
        1_000_000, 1_048_000,
    ];
    let mut talk = Talk::to(to, LIMIT)?;
    for &len in SIZES {
        talk.say(format!("set size{len} 3 0 {len}\r\n").as_bytes())?;
        talk.say(&pattern(len))?;
        talk.ask(b"\r\n", b"STORED\r\n")?;
    }
    // All of them asked for at once, read afterwards.
    for &len in SIZES {
        talk.say(format!("get size{len}\r\n").as_bytes())?;
    }
    for &len in SIZES {
        talk.hear(format!("VALUE size{len} 3 {len}\r\n").as_bytes())?;
        talk.hear(&pattern(len))?;
        talk.hear(b"\r\nEND\r\n")?;
    }
    // A MiB is too large by its header; the connection goes on.
    talk.say(b"set size 0 0 1048576\r\n")?;
    talk.say(&pattern(1 << 20))?;
    talk.ask(b"\r\n", b"SERVER_ERROR object too large for cache\r\n")?;
    talk.ask(b"get size\r\n", b"END\r\n")
}

/// A request of memcached's binary protocol.
fn request(opcode: u8, key: &str, extra: &[u8], value: &[u8]) -> Vec<u8> {
    let total = extra.len() + key.len() + value.len();
    let mut bytes = vec![0x80, opcode];
    bytes.extend((key.len() as u16).to_be_bytes());
    bytes.extend([extra.len() as u8, 0, 0, 0]);
    bytes.extend((total as u32).to_be_bytes());
    bytes.extend([0; 12]);
    [bytes.as_slice(), extra, key.as_bytes(), value].concat()
}

/// Status and body of an answer in the binary protocol.
fn response(talk: &mut Talk) -> Result<(u16, Vec<u8>), String> {
    let header = talk.bytes(24)?;
    let word = |at: usize| header.get(at).copied().map_or(0, usize::from);
    let len = word(8) << 24 | word(9) << 16 | word(10) << 8 | word(11);
    Ok(((word(6) << 8 | word(7)) as u16, talk.bytes(len)?))
}

fn binary(to: SocketAddr) -> Result<(), String> {
    const SET: u8 = 1;
    const GET: u8 = 0;
    const NOOP: u8 = 10;
    let mut talk = Talk::to(to, LIMIT)?;
    for len in [0, 1, 1000, 65_536, 1_000_000] {
        let key = format!("binary{len}");
        talk.say(&request(SET, &key, &[0, 0, 0, 5, 0, 0, 0, 0], &pattern(len)))?;
        let (status, _) = response(&mut talk)?;
        talk.say(&[request(GET, &key, &[], &[]), request(NOOP, "", &[], &[])].concat())?;
        let (found, body) = response(&mut talk)?;
        let (noop, _) = response(&mut talk)?;
        if (status, found, noop) != (0, 0, 0) {
            return Err(format!("{len} bytes: statuses {status}, {found}, {noop}"));
        }
        wants("the value", &[&[0, 0, 0, 5], pattern(len).as_slice()].concat(), &body)?;
    }
    Ok(())
}

/// Requests over UDP: a header of request number, sequence number, count of datagrams, and the text protocol behind it.
fn datagrams(to: SocketAddr) -> Result<(), String> {
    let header = |number: u16| [&number.to_be_bytes()[..], &[0, 0, 0, 1, 0, 0]].concat();
    for number in 0..100_u16 {
        let set = format!("set udp{number} 0 0 5\r\nhello\r\n");
        let heard = ask(to, &[header(number), set.into_bytes()].concat(), LIMIT)?;
        wants("a datagram's answer", &[&header(number), &b"STORED\r\n"[..]].concat(), &heard)?;
    }
    let heard = ask(to, &[header(7), b"get udp99\r\n".to_vec()].concat(), LIMIT)?;
    wants("a value", &[&header(7), &b"VALUE udp99 0 5\r\nhello\r\nEND\r\n"[..]].concat(), &heard)
}

/// More than fits: what is not there was evicted, what is there is right.
fn evictions(to: SocketAddr) -> Result<(), String> {
    const LEN: usize = 8192;
    const COUNT: usize = 12_000;
    let value = pattern(LEN);
    let mut talk = Talk::to(to, LIMIT)?;
    talk.ask(b"flush_all\r\n", b"OK\r\n")?;
    for at in 0..COUNT {
        let head = format!("set evict{at} 0 0 {LEN} noreply\r\n");
        talk.say(&[head.as_bytes(), &value, b"\r\n"].concat())?;
    }
    let evicted = talk.stat("evictions")?;
    let mut found = 0;
    for at in 0..COUNT {
        talk.say(format!("get evict{at}\r\n").as_bytes())?;
        let line = talk.line()?;
        if line != "END" {
            wants("the line before a value", format!("VALUE evict{at} 0 {LEN}").as_bytes(), line.as_bytes())?;
            talk.hear(&value)?;
            talk.hear(b"\r\nEND\r\n")?;
            found += 1;
        }
    }
    if evicted == 0 || !(COUNT / 4..COUNT).contains(&found) {
        return Err(format!("{evicted} evictions, {found} of {COUNT} found"));
    }
    Ok(())
}

/// Clients that end in the middle: of a request, with and without a reset; of an answer; and those that never read. Meanwhile
/// another one is served.
fn vanish(to: SocketAddr, count: usize) -> Result<(), String> {
    const LEN: usize = 1_000_000;
    for at in 0..count {
        let mut talk = Talk::to(to, LIMIT)?;
        talk.say(b"set half 0 0 100000\r\n")?;
        talk.say(&pattern(50_000))?;
        if at % 2 == 0 {
            talk.reset()?;
        }
    }
    let mut steady = Talk::to(to, LIMIT)?;
    steady.say(&[format!("set large 0 0 {LEN}\r\n").as_bytes(), &pattern(LEN), b"\r\n"].concat())?;
    steady.hear(b"STORED\r\n")?;
    let answer = [format!("VALUE large 0 {LEN}\r\n").as_bytes(), &pattern(LEN), b"\r\nEND\r\n"].concat();
    let mut silent = Vec::new();
    for at in 0..10 {
        let mut talk = Talk::to(to, LIMIT)?;
        talk.say(&b"get large\r\n".repeat(20))?;
        match at % 3 {
            0 => talk.reset()?,
            1 => drop(talk),
            _ => silent.push(talk),
        }
        steady.ask(b"get large\r\n", &answer)?;
    }
    steady.ask(b"get half\r\n", b"END\r\n")?;
    drop(silent);
    few_are_left(to, LIMIT)
}

/// The commands of redis-benchmark that gain by pipelines.
const PIPELINED: &str = "ping,set,get,incr,lpush,rpush,lpop,rpop,sadd,hset,spop,zadd,zpopmin,mset";

/// redis-benchmark, which fails when an answer is an error.
fn storm(to: SocketAddr, args: &[&str]) -> Result<(), String> {
    let (host, port) = (to.ip().to_string(), to.port().to_string());
    let all = [&["-h", &host, "-p", &port, "-q"], args].concat();
    let said = client("/usr/bin/redis-benchmark", "redis-tools", &all)?;
    let said = String::from_utf8_lossy(&said).into_owned();
    let bad = said.lines().find(|line| line.to_lowercase().contains("error"));
    bad.map_or(Ok(()), |line| Err(format!("redis-benchmark {}: {line}", args.join(" "))))
}

/// Those who wait get what others bring, in their order; those who gave up or vanished get nothing.
fn blocking(to: SocketAddr) -> Result<(), String> {
    let mut giver = Talk::to(to, LIMIT)?;
    giver.ask(b"DEL queue\r\n", b":").and_then(|()| giver.line().map(|_| ()))?;
    Talk::to(to, LIMIT)?.ask(b"BLPOP queue 0.2\r\n", b"*-1\r\n")?;
    let mut waiting = Vec::new();
    for number in 1..=50_u32 {
        let mut talk = Talk::to(to, LIMIT)?;
        talk.say(b"BLPOP queue 0\r\n")?;
        waiting.push(talk);
        blocked(&mut giver, number)?;
    }
    // Two of them vanish, one without a word.
    drop(waiting.remove(10));
    waiting.remove(20).reset()?;
    blocked(&mut giver, 48)?;
    for (number, talk) in waiting.iter_mut().enumerate() {
        let value = format!("{number:04}");
        giver.ask(format!("RPUSH queue {value}\r\n").as_bytes(), b":1\r\n")?;
        talk.hear(format!("*2\r\n$5\r\nqueue\r\n$4\r\n{value}\r\n").as_bytes())?;
    }
    giver.ask(b"RPUSH queue last\r\n", b":1\r\n")?;
    giver.ask(b"LPOP queue\r\n", b"$4\r\nlast\r\n")
}

/// Waits until so many clients are blocked.
fn blocked(talk: &mut Talk, count: u32) -> Result<(), String> {
    let wanted = format!("blocked_clients:{count}");
    for _ in 0..1000 {
        talk.say(b"INFO clients\r\n")?;
        let len =
            talk.line()?.trim_start_matches('$').parse().map_err(|error| format!("no length: {error}"))?;
        let text = talk.bytes(len)?;
        talk.hear(b"\r\n")?;
        if String::from_utf8_lossy(&text).lines().any(|line| line == wanted) {
            return Ok(());
        }
        thread::sleep(Duration::from_millis(10));
    }
    Err(format!("never {wanted}"))
}

/// Every subscriber hears every message, in the order in which they were published.
fn publish(to: SocketAddr) -> Result<(), String> {
    let mut publisher = Talk::to(to, LIMIT)?;
    let mut listeners = Vec::new();
    for _ in 0..20 {
        let mut talk = Talk::to(to, LIMIT)?;
        talk.ask(b"SUBSCRIBE news\r\n", b"*3\r\n$9\r\nsubscribe\r\n$4\r\nnews\r\n:1\r\n")?;
        listeners.push(talk);
    }
    for number in 0..50 {
        publisher.ask(format!("PUBLISH news {number:04}\r\n").as_bytes(), b":20\r\n")?;
    }
    for listener in &mut listeners {
        for number in 0..50 {
            listener
                .hear(format!("*3\r\n$7\r\nmessage\r\n$4\r\nnews\r\n$4\r\n{number:04}\r\n").as_bytes())?;
        }
    }
    Ok(())
}

/// A script that takes long, one that never ends and is killed, and what others hear meanwhile.
fn scripts(to: SocketAddr) -> Result<(), String> {
    let mut talk = Talk::to(to, LIMIT)?;
    let sum = "local n = 0 for i = 1, 200000 do n = n + i end return n";
    talk.ask(format!("EVAL \"{sum}\" 0\r\n").as_bytes(), b":20000100000\r\n")?;
    talk.ask(b"CONFIG SET busy-reply-threshold 50\r\n", b"+OK\r\n")?;
    talk.say(b"EVAL \"while true do end\" 0\r\n")?;
    let mut other = Talk::to(to, LIMIT)?;
    loop {
        other.say(b"PING\r\n")?;
        let line = other.line()?;
        if line.starts_with("-BUSY") {
            break;
        }
        wants("an answer before the script is known to be busy", b"+PONG", line.as_bytes())?;
    }
    other.ask(b"SCRIPT KILL\r\n", b"+OK\r\n")?;
    let line = talk.line()?;
    if !line.starts_with("-ERR") || !line.contains("killed") {
        return Err(format!("the killed script says {line}"));
    }
    talk.ask(b"PING\r\n", b"+PONG\r\n")
}

/// A value of 100 MB in, partly out, out, and gone.
fn large(to: SocketAddr) -> Result<(), String> {
    const LEN: usize = 100_000_000;
    let value = pattern(LEN);
    let mut talk = Talk::to(to, LIMIT)?;
    talk.say(format!("*3\r\n$3\r\nSET\r\n$5\r\nlarge\r\n${LEN}\r\n").as_bytes())?;
    talk.say(&value)?;
    talk.ask(b"\r\n", b"+OK\r\n")?;
    let part = value.get(50_000_000..50_000_010).unwrap_or_default();
    talk.ask(b"GETRANGE large 50000000 50000009\r\n", &[b"$10\r\n", part, b"\r\n"].concat())?;
    // Whoever does not read it to its end is in nobody's way.
    let mut rude = Talk::to(to, LIMIT)?;
    rude.say(b"GET large\r\n")?;
    rude.bytes(1_000_000)?;
    drop(rude);
    talk.ask(b"GET large\r\n", format!("${LEN}\r\n").as_bytes())?;
    wants("the value", &value, &talk.bytes(LEN)?)?;
    talk.hear(b"\r\n")?;
    talk.ask(b"DEL large\r\n", b":1\r\n")
}

/// With a limit on memory old keys leave, and none of the new ones is refused.
fn keys_leave(to: SocketAddr) -> Result<(), String> {
    let mut talk = Talk::to(to, LIMIT)?;
    talk.ask(b"FLUSHALL\r\n", b"+OK\r\n")?;
    talk.ask(b"CONFIG SET maxmemory-policy allkeys-lru\r\n", b"+OK\r\n")?;
    talk.ask(b"CONFIG SET maxmemory 20mb\r\n", b"+OK\r\n")?;
    storm(to, &["-n", "20000", "-d", "4000", "-r", "1000000", "-P", "16", "-t", "set"])?;
    talk.say(b"DBSIZE\r\n")?;
    let left = talk.line()?;
    match left.trim_start_matches(':').parse() {
        Ok(1000..=6000) => Ok(()),
        _ => Err(format!("DBSIZE is {left}")),
    }
}
