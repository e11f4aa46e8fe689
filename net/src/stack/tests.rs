//! Tests of whole stacks: two hosts on a virtual wire, and one with itself.

use super::*;
use crate::ip::testing::{Bench, SECOND};
use crate::ip::tests::{at, with_caller};
use abi::PollEvents;
use fs::socket::{Address, Control, MessageFlags, Shutdown, Socket};
use fs::{SliceSink, SliceSource};

/// A host.
struct Host {
    bench: Bench,
    stack: Stack,
}

impl Host {
    fn new(number: u8, ip: &str) -> Self {
        let bench = Bench::numbered(number, Some(ip), None);
        bench.pass(3);
        let stack = Stack::over(bench.layer.clone(), 0);
        Host { bench, stack }
    }

    fn stream(&self, family: i32) -> Arc<dyn File> {
        with_caller(|caller| self.stack.socket(family, 1, 0, caller)).expect("a socket")
    }

    fn listener(&self, address: &str) -> Arc<dyn File> {
        let file = self.stream(if at(address).is_ipv4() { INET } else { INET6 });
        with_caller(|caller| {
            let socket = of(&file);
            socket.bind(&Address::Ip(at(address)), caller).expect("a free address");
            socket.listen(16, caller).expect("it listens");
        });
        file
    }

    fn connect(&self, address: &str) -> (Arc<dyn File>, Result<(), SocketError>) {
        let file = self.stream(if at(address).is_ipv4() { INET } else { INET6 });
        let result = with_caller(|caller| of(&file).connect(&Address::Ip(at(address)), caller));
        (file, result)
    }
}

fn of(file: &Arc<dyn File>) -> &dyn Socket {
    file.as_socket().expect("a socket")
}

fn send(file: &Arc<dyn File>, data: &[u8]) -> Result<usize, SocketError> {
    let flags = MessageFlags { nonblocking: true, ..MessageFlags::default() };
    with_caller(|caller| of(file).send(&mut SliceSource::new(data), None, Control::default(), flags, caller))
}

fn receive(file: &Arc<dyn File>) -> Result<Vec<u8>, SocketError> {
    let mut buffer = vec![0; 65536];
    let received = of(file).receive(&mut SliceSink::new(&mut buffer), MessageFlags::default())?;
    buffer.truncate(received.bytes);
    Ok(buffer)
}

/// What a wire does to frames.
struct Wire<'a> {
    ends: [&'a Host; 2],
    count: u64,
    /// Every frame with such a number is lost; 0 for none.
    lose: u64,
}

impl Wire<'_> {
    /// Carries what is there; whether there was anything.
    fn carry(&mut self) -> bool {
        let mut any = false;
        for (from, to) in [(0, 1), (1, 0)] {
            for frame in self.ends[from].bench.card.take() {
                self.count += 1;
                any = true;
                if self.lose == 0 || !self.count.is_multiple_of(self.lose) {
                    self.ends[to].bench.card.arrive(&frame);
                }
            }
        }
        for host in self.ends {
            host.stack.poll(host.bench.now(), 0, usize::MAX);
        }
        any
    }

    /// Carries until all is quiet, then lets `ms` pass on both sides.
    fn run(&mut self, ms: u64) {
        while self.carry() {}
        for host in self.ends {
            host.bench.advance(ms * 1_000_000);
        }
    }
}

/// Sends `data` from one socket to the other, with time passing on the wire.
fn transfer(wire: &mut Wire<'_>, from: &Arc<dyn File>, to: &Arc<dyn File>, data: &[u8]) {
    let (mut sent, mut got) = (0, Vec::new());
    for _ in 0..20_000 {
        if sent < data.len() {
            match send(from, &data[sent..]) {
                Ok(n) => sent += n,
                Err(error) => assert_eq!(error, SocketError::File(FsError::WouldBlock)),
            }
        }
        wire.run(2);
        match receive(to) {
            Ok(part) => got.extend(part),
            Err(error) => assert_eq!(error, SocketError::File(FsError::WouldBlock)),
        }
        if got.len() == data.len() {
            break;
        }
    }
    assert!(got == data, "{} of {} bytes", got.len(), data.len());
}

fn pattern(len: usize, seed: u32) -> Vec<u8> {
    (0..len as u32).map(|n| (n.wrapping_mul(2_654_435_761).wrapping_add(seed) >> 13) as u8).collect()
}

fn conversation(listen: &str, to: &str, lose: u64, len: usize) {
    let hosts = [Host::new(1, "10.0.0.5/24,fd00::5/64"), Host::new(2, "10.0.0.6/24,fd00::6/64")];
    let mut wire = Wire { ends: [&hosts[0], &hosts[1]], count: 0, lose };
    let server = hosts[0].listener(listen);
    let (client, result) = hosts[1].connect(to);
    assert_eq!(result, Err(SocketError::InProgress));
    for _ in 0..10_000 {
        wire.run(2);
        if client.readiness().contains(PollEvents::OUT) && server.readiness().contains(PollEvents::IN) {
            break;
        }
    }
    assert_eq!(of(&client).take_error(), None);
    let (accepted, peer) = of(&server).accept().expect("a connection");
    let plain = |address| match address {
        Address::Ip(address) => (address.ip().to_canonical(), address.port()),
        other => panic!("{other:?}"),
    };
    assert_eq!(plain(peer), plain(of(&client).local_address().expect("connected")));
    transfer(&mut wire, &client, &accepted, &pattern(len, 1));
    transfer(&mut wire, &accepted, &client, &pattern(len, 2));
    of(&client).shutdown(Shutdown::Write).expect("connected");
    for _ in 0..5000 {
        wire.run(2);
        if accepted.readiness().contains(PollEvents::RDHUP) {
            break;
        }
    }
    assert_eq!(receive(&accepted), Ok(Vec::new()));
    transfer(&mut wire, &accepted, &client, b"the other half stays");
    drop(accepted);
    for _ in 0..5000 {
        wire.run(2);
        if client.readiness().contains(PollEvents::HUP) {
            break;
        }
    }
    assert_eq!(receive(&client), Ok(Vec::new()));
}

#[test]
fn tcp_over_a_wire() {
    conversation("0.0.0.0:8000", "10.0.0.5:8000", 0, 300_000);
    conversation("[::]:8000", "[fd00::5]:8000", 0, 300_000);
    conversation("[::]:8000", "10.0.0.5:8000", 0, 10_000);
}

#[test]
fn tcp_over_a_wire_that_loses_frames() {
    conversation("0.0.0.0:8000", "10.0.0.5:8000", 23, 100_000);
}

#[test]
fn tcp_within_the_host() {
    let host = Host::new(1, "10.0.0.5/24,fd00::5/64");
    for (listen, to) in [
        ("127.0.0.1:8000", "127.0.0.1:8000"),
        ("0.0.0.0:8001", "10.0.0.5:8001"),
        ("[::1]:8002", "[::1]:8002"),
        ("[::]:8003", "127.0.0.1:8003"),
        ("[::]:8004", "[fd00::5]:8004"),
    ] {
        let server = host.listener(listen);
        let (client, result) = host.connect(to);
        if let Err(error) = result {
            assert_eq!(error, SocketError::InProgress);
            assert!(client.readiness().contains(PollEvents::OUT));
        }
        let (accepted, _) = of(&server).accept().expect("a connection");
        let data = pattern(100_000, 3);
        let (mut sent, mut got) = (0, Vec::new());
        while got.len() < data.len() {
            if sent < data.len()
                && let Ok(n) = send(&client, &data[sent..])
            {
                sent += n;
            }
            match receive(&accepted) {
                Ok(part) => got.extend(part),
                Err(_) => host.bench.advance(10_000_000),
            }
        }
        assert!(got == data);
        drop(client);
        host.bench.advance(10_000_000);
        assert_eq!(receive(&accepted), Ok(Vec::new()));
    }
    assert!(
        host.bench.card.take().iter().all(|frame| frame[12..14] == [0x86, 0xdd]),
        "the card saw nothing of it"
    );
    let mut text = fs::pseudo::Output::new();
    host.stack.proc_text("tcp", &mut text);
    assert!(String::from_utf8_lossy(&text.finish().unwrap()).lines().count() >= 3);
}

#[test]
fn connecting_to_nobody() {
    let hosts = [Host::new(1, "10.0.0.5/24"), Host::new(2, "10.0.0.6/24")];
    let mut wire = Wire { ends: [&hosts[0], &hosts[1]], count: 0, lose: 0 };
    let (client, result) = hosts[1].connect("10.0.0.5:9");
    assert_eq!(result, Err(SocketError::InProgress));
    wire.run(2);
    assert!(client.readiness().contains(PollEvents::ERR));
    assert_eq!(of(&client).take_error(), Some(SocketError::Refused));
    let (client, _) = hosts[1].connect("10.0.0.77:9");
    hosts[1].bench.advance(4 * SECOND);
    assert_eq!(of(&client).take_error(), Some(SocketError::HostUnreachable));
    let (_, result) = hosts[1].connect("192.0.2.1:9");
    assert_eq!(result, Err(SocketError::NetworkUnreachable));
}
