//! Area: what a network can do to a server: frames lost, doubled, delayed and put out of order, a link that is down for a while, clients
//! that never read, floods of SYNs, frames of noise. The server is stock memcached; a client of it must get what it asks for.

use super::network::{LIMIT, memcached, pattern, wants};
use crate::case::{Case, Program, c, server};
use crate::compare;
use crate::lab::Lab;
use crate::lan::{GUEST, Lan, NOBODY, Tap, ToVm};
use crate::relay::{PPM, Rules};
use crate::server::{Server, connect};
use rustix::process::Signal;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;
use std::time::Duration;

const PORT: u16 = 11211;
/// Under the largest value of memcached.
const VALUE: usize = 1_000_000;
/// User networking repeats after a second, then after two, and so on: a conversation over a bad line takes its time.
const PATIENCE: Duration = Duration::from_secs(280);

/// Short forms.
pub fn cases() -> Vec<Case> {
    vec![link_down(2), never_read(8), flood(2000), noise(10_000), last_words()]
}

/// Long forms.
pub fn full() -> Vec<Case> {
    let mut cases = Vec::new();
    for (name, share) in [("0.1 %", 1000), ("1 %", 10_000), ("3 %", 30_000), ("10 %", 100_000)] {
        for seed in [1, 2] {
            let bytes = if share > 20_000 { 200_000 } else { VALUE };
            cases.push(bad_line(&format!("{name}, seed {seed}"), share, bytes, seed));
        }
    }
    cases.extend([link_down(30), never_read(100), flood(100_000), noise(300_000)]);
    cases
}

fn program() -> Program {
    memcached().memory(192).smp(2)
}

/// Sends a value, gets it back, and does both again and again on other connections for its parts.
fn store_and_get(to: SocketAddr, bytes: usize) -> Result<(), String> {
    let value = pattern(bytes);
    let mut stream = connect(to, PATIENCE)?;
    exchange(&mut stream, &set("value", &value), b"STORED\r\n")?;
    let mut wanted = format!("VALUE value 0 {bytes}\r\n").into_bytes();
    wanted.extend(&value);
    wanted.extend(b"\r\nEND\r\n");
    exchange(&mut stream, b"get value\r\n", &wanted)?;
    for round in 0..20 {
        let key = format!("small{round}");
        exchange(&mut stream, &set(&key, key.as_bytes()), b"STORED\r\n")?;
    }
    let mut other = connect(to, PATIENCE)?;
    exchange(&mut other, b"get small19\r\n", b"VALUE small19 0 7\r\nsmall19\r\nEND\r\n")
}

fn set(key: &str, value: &[u8]) -> Vec<u8> {
    [format!("set {key} 0 0 {}\r\n", value.len()).as_bytes(), value, b"\r\n"].concat()
}

/// Says something and wants exactly this answer.
fn exchange(stream: &mut TcpStream, say: &[u8], wanted: &[u8]) -> Result<(), String> {
    let cannot = |error| format!("in a conversation: {error}");
    stream.write_all(say).map_err(cannot)?;
    let mut got = vec![0; wanted.len()];
    stream.read_exact(&mut got).map_err(cannot)?;
    if got == wanted {
        return Ok(());
    }
    let at = got.iter().zip(wanted).take_while(|(a, b)| a == b).count();
    wants("an answer from its first wrong byte on", &wanted[at..], &got[at..])
}

/// Ends the VM; the kernel must have had nothing to say.
fn ended(vm: Server, talked: Result<(), String>) -> Result<(), String> {
    let outcome = vm.stop(Signal::TERM);
    let said = String::from_utf8_lossy(&outcome.stderr).into_owned();
    let broken = ["nospin: error", "panic", "not implemented"].into_iter().find(|text| said.contains(text));
    let result = match broken {
        Some(text) => Err(format!("the kernel said {text:?}")),
        None if outcome.timed_out => Err("it does not end".into()),
        None => Ok(()),
    };
    talked
        .and(result)
        .map_err(|error| format!("{error}\n    stderr ends:\n{}", compare::tail(&outcome.stderr)))
}

/// Frames are lost and overtake each other. They are not doubled, nor are SYNs or ARP lost, for QEMU's user networking sends no more
/// once it has got a SYN-ACK twice: it takes what its client writes, and leaves it there while the window is open and all that it sent is
/// acknowledged. The tests of `net` do both.
fn bad_line(name: &str, share: u32, bytes: usize, seed: u64) -> Case {
    let rules = Rules {
        loss: share.min(PPM),
        reorder: share.min(PPM),
        delay: Duration::from_millis(2),
        jitter: Duration::from_millis(2),
        spare_beginnings: true,
        ..Rules::default()
    };
    server(&format!("faults/bad line, {name}"), program(), move |lab, program| {
        let lan = Lan::start(lab, program, PORT, &rules, seed)?;
        let talked = store_and_get(lan.place, bytes);
        let counts = lan.counts();
        let hit = counts.iter().any(|counts| counts.lost + counts.late > 0);
        let talked = talked.map_err(|error| format!("{error}; frames {counts:?}"));
        ended(lan.vm, talked.and(if hit { Ok(()) } else { Err("no frame was hit".into()) }))
    })
}

/// The link goes down while a value is on its way, and comes back.
fn link_down(seconds: u64) -> Case {
    server(&format!("faults/link down for {seconds} s"), program(), move |lab, program| {
        let down = Some((Duration::from_secs(5), Duration::from_secs(seconds)));
        let rules = Rules { down, delay: Duration::from_millis(1), ..Rules::default() };
        let lan = Lan::start(lab, program, PORT, &rules, 1)?;
        let talked = (|| {
            let mut stream = connect(lan.place, PATIENCE)?;
            let mut rounds = 0;
            while lan.counts().iter().map(|counts| counts.down).sum::<u64>() == 0 {
                let value = pattern(5000 + rounds % 1000);
                exchange(&mut stream, &set("value", &value), b"STORED\r\n")?;
                rounds += 1;
            }
            exchange(&mut stream, &set("after", b"all"), b"STORED\r\n")?;
            store_and_get(lan.place, 100_000)
        })();
        ended(lan.vm, talked)
    })
}

/// Clients ask for much more than fits anywhere and read nothing; others are served, and the first ones get all of it when they read
/// after all.
fn never_read(clients: usize) -> Case {
    const GETS: usize = 40;
    let program = program().run(&["-p", "0:11211"]);
    server(&format!("faults/{clients} clients that do not read"), program, move |lab, program| {
        let mut vm = Server::start(lab, program)?;
        let to = vm.place("tcp", LIMIT)?;
        let talked = (|| {
            let cannot = |error| format!("a client that does not read: {error}");
            store_and_get(to, 500_000)?;
            let mut lazy = Vec::new();
            for _ in 0..clients {
                let mut stream = connect(to, PATIENCE)?;
                stream.write_all(&b"get value\r\n".repeat(GETS)).map_err(cannot)?;
                lazy.push(stream);
            }
            thread::sleep(Duration::from_millis(500));
            store_and_get(to, 500_000)?;
            let Some(mut first) = lazy.pop() else { return Ok(()) };
            // The rest vanish.
            drop(lazy);
            let one = 500_000 + "VALUE value 0 500000\r\n\r\nEND\r\n".len();
            let mut got = vec![0; one * GETS];
            first.read_exact(&mut got).map_err(cannot)?;
            if got.chunks(one).any(|chunk| chunk != &got[..one]) {
                return Err("answers differ".into());
            }
            store_and_get(to, 500_000)
        })();
        ended(vm, talked)
    })
}

/// A program sends and ends at once, over a line that loses and delays: its client gets all of it, and then the end.
fn last_words() -> Case {
    const SENT: usize = 1_000_000;
    let rules =
        Rules { loss: 10_000, delay: Duration::from_millis(5), spare_beginnings: true, ..Rules::default() };
    let program = c("linger").args(&["11211"]);
    server("faults/last words of a program that ends", program, move |lab, program| {
        let cannot = |error| format!("a client: {error}");
        let lan = Lan::start(lab, program, PORT, &rules, 1)?;
        let mut stream = connect(lan.place, LIMIT)?;
        let mut got = Vec::new();
        stream.read_to_end(&mut got).map_err(cannot)?;
        let outcome = lan.vm.wait(LIMIT);
        wants("what was sent", &pattern(SENT), &got)?;
        if outcome.status != 3 {
            return Err(format!("status {}:\n{}", outcome.status, compare::tail(&outcome.stderr)));
        }
        wants("stdout", format!("sent {SENT}\n").as_bytes(), &outcome.stdout)
    })
}

/// A random number (SplitMix64).
fn random(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut z = *state;
    z = (z ^ z >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ z >> 31
}

/// The first of the last bytes of IPv4 addresses of hosts that do not exist; all above are theirs too.
const FIRST: u8 = 100;

/// Asks for the guest's Ethernet address.
fn guest_mac(tap: &Tap) -> Result<[u8; 6], String> {
    let cannot = |error| format!("at the tap: {error}");
    tap.to.send(&arp(1, [255; 6], GUEST, FIRST)).map_err(cannot)?;
    loop {
        let frame = tap.from.recv_timeout(LIMIT).map_err(|_| "no answer at the tap")?;
        if frame.get(12..14) == Some(&[8, 6]) && frame.get(28..32) == Some(&GUEST) {
            return frame
                .get(22..28)
                .and_then(|mac| mac.try_into().ok())
                .ok_or_else(|| "a short frame".into());
        }
    }
}

/// An ARP message of a host that does not exist: a request (1) or a reply (2).
fn arp(operation: u8, to: [u8; 6], target: [u8; 4], host: u8) -> Vec<u8> {
    let mut frame = [&to[..], &NOBODY, &[8, 6, 0, 1, 8, 0, 6, 4, 0, operation], &NOBODY].concat();
    frame.extend([10, 0, 2, host]);
    frame.extend(to);
    frame.extend(target);
    frame.resize(60, 0);
    frame
}

/// What the guest says by ARP.
enum Heard {
    /// It asks for a host that does not exist.
    Asked(u8),
    /// It answers.
    Answer,
}

/// Hears what the guest says by ARP, until the tap ends.
fn hear_arp(from: &Receiver<Vec<u8>>, heard: &Sender<Heard>) {
    for frame in from {
        if frame.get(12..14) != Some(&[8, 6]) {
            continue;
        }
        let what = match (frame.get(20..22), frame.get(41)) {
            (Some([0, 1]), Some(&host)) if host >= FIRST => Heard::Asked(host),
            (Some([0, 2]), _) if frame.get(28..32) == Some(&GUEST) => Heard::Answer,
            _ => continue,
        };
        if heard.send(what).is_err() {
            return;
        }
    }
}

/// So many frames are on their way at most: those of clients are behind them.
const SALVO: usize = 500;

/// Sends all frames, and answers for hosts that do not exist, until the tap ends. Tells when all are sent.
fn fire(
    to: &ToVm,
    guest: [u8; 6],
    heard: &Receiver<Heard>,
    frames: impl Iterator<Item = Vec<u8>>,
    done: &AtomicBool,
) -> std::io::Result<()> {
    let answer = |host| to.send(&arp(2, guest, GUEST, host));
    for (number, frame) in frames.enumerate() {
        to.send(&frame)?;
        let mut waits = number % SALVO == SALVO - 1;
        if waits {
            to.send(&arp(1, [255; 6], GUEST, FIRST))?;
        }
        loop {
            let next = if waits { heard.recv_timeout(LIMIT).ok() } else { heard.try_recv().ok() };
            match next {
                Some(Heard::Asked(host)) => answer(host)?,
                Some(Heard::Answer) => waits = false,
                None if waits => return Err(std::io::ErrorKind::TimedOut.into()),
                None => break,
            }
        }
    }
    done.store(true, Ordering::Release);
    heard.iter().try_for_each(|what| match what {
        Heard::Asked(host) => answer(host),
        Heard::Answer => Ok(()),
    })
}

fn checksum(words: &[&[u8]]) -> [u8; 2] {
    let bytes = words.concat();
    let mut sum: u32 = bytes
        .chunks(2)
        .map(|pair| u32::from(pair[0]) << 8 | u32::from(pair.get(1).copied().unwrap_or(0)))
        .sum();
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    (!(sum as u16)).to_be_bytes()
}

/// An IPv4 packet in a frame, with right checksums of its header and, if it is long enough, of TCP.
fn ip_frame(guest: [u8; 6], host: u8, protocol: u8, mut payload: Vec<u8>) -> Vec<u8> {
    let source = [10, 0, 2, host];
    let len = (20 + payload.len()) as u16;
    let mut header = vec![0x45, 0];
    header.extend(len.to_be_bytes());
    header.extend([0, 0, 0x40, 0, 64, protocol, 0, 0]);
    header.extend(source);
    header.extend(GUEST);
    let sum = checksum(&[&header]);
    header[10..12].copy_from_slice(&sum);
    if protocol == 6 && payload.len() >= 20 {
        payload[16..18].fill(0);
        let pseudo = [&source[..], &GUEST, &[0, 6], &(payload.len() as u16).to_be_bytes()].concat();
        let sum = checksum(&[&pseudo, &payload]);
        payload[16..18].copy_from_slice(&sum);
    }
    [&guest[..], &NOBODY, &[8, 0], &header, &payload].concat()
}

fn syn(guest: [u8; 6], number: u32) -> Vec<u8> {
    let hosts = u32::from(u8::MAX - 1 - FIRST);
    let (host, port) = (FIRST + (number % hosts) as u8, 1024 + (number / hosts) as u16);
    let mut tcp = port.to_be_bytes().to_vec();
    tcp.extend(PORT.to_be_bytes());
    tcp.extend(number.to_be_bytes());
    tcp.extend([0, 0, 0, 0, 0x60, 2, 0xff, 0xff, 0, 0, 0, 0, 2, 4, 5, 0xb4]);
    ip_frame(guest, host, 6, tcp)
}

/// Lets `count` frames at the guest while a client of it is served again and again.
fn under_fire(
    lab: &Lab,
    program: &Program,
    count: u32,
    frame: impl Fn([u8; 6], u32) -> Vec<u8> + Send + 'static,
) -> Result<(), String> {
    let mut lan = Lan::start(lab, program, PORT, &Rules::default(), 1)?;
    let talked = (|| {
        let tap = lan.tap()?;
        let guest = guest_mac(&tap)?;
        let Tap { from, to } = tap;
        let (tell, heard) = channel();
        let done = Arc::new(AtomicBool::new(false));
        let all = Arc::clone(&done);
        thread::spawn(move || hear_arp(&from, &tell));
        let frames = (0..count).map(move |n| frame(guest, n));
        let firing = thread::spawn(move || fire(&to, guest, &heard, frames, &all));
        while !done.load(Ordering::Acquire) {
            if firing.is_finished() {
                let fired = firing.join().map_err(|_| "the one who fires panicked")?;
                return Err(format!("the tap ended: {fired:?}"));
            }
            store_and_get(lan.place, 20_000)?;
        }
        store_and_get(lan.place, 100_000)
    })();
    ended(lan.vm, talked)
}

/// SYNs from hosts that never go on. With 96 MiB of memory, 64 of which are memcached's, they must not cost much each.
fn flood(count: u32) -> Case {
    let program = program().memory(96);
    server(&format!("faults/{count} SYNs"), program, move |lab, program| under_fire(lab, program, count, syn))
}

/// Frames of noise, ever closer to good ones.
fn noise(count: u32) -> Case {
    server(&format!("faults/{count} frames of noise"), program(), move |lab, program| {
        under_fire(lab, program, count, |guest, number| {
            let mut state = u64::from(number);
            let kind = random(&mut state) % 6;
            let len = (random(&mut state) % 1460) as usize;
            let mut bytes: Vec<u8> = (0..len).map(|_| random(&mut state) as u8).collect();
            let host = FIRST + (random(&mut state) % 100) as u8;
            let protocol = random(&mut state);
            match kind {
                0 => [&guest[..], &NOBODY, &bytes].concat(),
                1 => [&guest[..], &NOBODY, [&[8, 0], &[8, 6], &[0x86, 0xdd]][number as usize % 3], &bytes]
                    .concat(),
                2 => ip_frame(guest, host, protocol as u8, bytes),
                3 | 4 => {
                    // To a port that is served, with random flags.
                    bytes.resize(len.max(20), 0);
                    bytes[2..4].copy_from_slice(&PORT.to_be_bytes());
                    if kind == 4 {
                        bytes[12] = 0x50;
                    }
                    ip_frame(guest, host, 6, bytes)
                }
                _ => {
                    // A good one with a few bytes changed.
                    let mut frame = syn(guest, number);
                    for _ in 0..1 + protocol % 3 {
                        let at = 12 + random(&mut state) as usize % (frame.len() - 12);
                        frame[at] = random(&mut state) as u8;
                    }
                    frame
                }
            }
        })
    })
}
