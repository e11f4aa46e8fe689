//! Connecting, sending, receiving.

use super::*;
use std::sync::atomic::AtomicBool;

#[test]
fn a_conversation() {
    for (at, local) in [("10.0.0.2:80", "10.0.0.2:80"), ("[fd00::2]:80", "[fd00::2]:80")] {
        let mut world = World::new();
        let listener = world.listener(1, at, 5);
        assert_eq!(events(&listener), "");
        assert_eq!(accept(&listener).err(), Some(WOULD_BLOCK));
        let client = world.connect(0, at);
        assert_eq!(events(&client), "");
        assert_eq!(connect(&client, at), Err(SocketError::Already));
        assert_eq!(client.peer_address(), Err(SocketError::NotConnected));
        world.settle(&[&client]);
        assert_eq!((events(&client).as_str(), events(&listener).as_str()), ("o", "i"));
        assert_eq!(client.take_error(), None);
        assert_eq!(connect(&client, at), Err(SocketError::IsConnected));
        let (server, peer) = accept(&listener).unwrap();
        assert_eq!(client.local_address().unwrap(), peer);
        assert_eq!(client.peer_address().unwrap(), address(local));
        assert_eq!(server.local_address().unwrap(), address(local));
        assert_eq!(events(&server), "o");
        assert_eq!(receive(&server, 10), Err(WOULD_BLOCK));
        assert_eq!(send(&client, b"question"), Ok(8));
        world.pump();
        assert_eq!(events(&server), "io");
        assert_eq!(receive(&server, 3).unwrap(), b"que");
        assert_eq!(receive(&server, 10).unwrap(), b"stion");
        assert_eq!(send(&server, b"answer"), Ok(6));
        world.pump();
        assert_eq!(receive(&client, 100).unwrap(), b"answer");
        for host in &world.hosts {
            assert_eq!((host.tcp.stats.out_resets.get(), host.tcp.established_count()), (0, 1));
        }
    }
}

/// A request and its response are one packet each way: acknowledgements go with data.
#[test]
fn acknowledgements_travel_with_data() {
    let mut world = World::new();
    let (client, server) = world.pair();
    world.pass(SECOND);
    let before = world.delivered;
    for _ in 0..100 {
        send(&client, b"get key\r\n").unwrap();
        world.pump();
        assert_eq!(receive(&server, 100).unwrap(), b"get key\r\n");
        send(&server, b"value\r\n").unwrap();
        world.pump();
        assert_eq!(receive(&client, 100).unwrap(), b"value\r\n");
        world.pass(1_000_000);
    }
    assert_eq!(world.delivered - before, 200);
    // The last one is acknowledged by itself, in time.
    world.pass(100_000_000);
    assert_eq!(world.delivered - before, 201);
}

#[test]
fn within_one_host() {
    for at in ["127.0.0.1:80", "[::1]:80", "10.0.0.1:80"] {
        let mut world = World::new();
        let listener = world.listener(0, at, 5);
        let (client, server) = world.pair_of(&listener, at);
        let data: Vec<u8> = (0..100_000u32).map(|n| n as u8).collect();
        let sent = send(&client, &data).unwrap();
        let (mut got, mut waits) = (Vec::new(), 0);
        while got.len() < sent {
            world.settle(&[&client, &server]);
            match receive(&server, 1 << 20) {
                Ok(bytes) => got.extend(bytes),
                // An acknowledgement that waits for data to go with, while the rings grow.
                Err(error) => {
                    assert_eq!(error, WOULD_BLOCK);
                    waits += 1;
                    world.pass(1_000_000);
                }
            }
        }
        assert!(got == data[..sent] && sent >= 65536);
        assert!(waits <= 1, "{waits} ms without data");
        drop(client);
        world.settle(&[&server]);
        assert_eq!(receive(&server, 1), Ok(Vec::new()));
        drop(server);
        world.pass(100 * SECOND);
        assert_eq!(world.hosts[0].tcp.slots.used(), 1, "the listener");
        assert_eq!(world.hosts[0].tcp.memory_used(), 0);
    }
}

/// Data in both directions at once, more than fits, with all kinds of cards.
#[test]
fn much_data() {
    for (checksum, segmentation) in [(false, false), (true, false), (true, true)] {
        for at in ["10.0.0.2:80", "[fd00::2]:80"] {
            let mut world =
                World::with(LIMITS, |line| (line.checksum, line.segmentation) = (checksum, segmentation));
            world.faults.delay = 100_000;
            let listener = world.listener(1, at, 5);
            let client = world.connect(0, at);
            world.pass(SECOND);
            let (server, _) = accept(&listener).unwrap();
            exchange(&mut world, &client, &server, 2_000_000);
            assert_eq!(world.hosts[0].tcp.stats.retransmitted.get(), 0);
        }
    }
}

/// Sends `len` bytes both ways and checks them; gives the time it took.
pub fn exchange(world: &mut World, a: &TcpSocket, b: &TcpSocket, len: usize) -> u64 {
    let byte = |n: usize, salt: usize| (n.wrapping_mul(2_654_435_761).wrapping_add(salt) >> 7) as u8;
    let ends = [(a, b, 1), (b, a, 2)];
    let (mut sent, mut got) = ([0; 2], [0; 2]);
    let Address::Ip(at) = a.local_address().unwrap() else { panic!() };
    let (begun, mut pause) = (world.now(), 50_000);
    while got != [len, len] {
        let mut moved = false;
        for (n, (from, to, salt)) in ends.into_iter().enumerate() {
            let piece: Vec<u8> = (sent[n]..(sent[n] + 50_000).min(len)).map(|at| byte(at, salt)).collect();
            if !piece.is_empty() {
                match send(from, &piece) {
                    Ok(more) => {
                        sent[n] += more;
                        moved |= more > 0;
                    }
                    Err(error) => assert_eq!(error, WOULD_BLOCK),
                }
            }
            match receive(to, 30_000) {
                Ok(bytes) => {
                    assert!(!bytes.is_empty(), "the end came early");
                    assert!(
                        bytes.iter().enumerate().all(|(i, got_byte)| *got_byte == byte(got[n] + i, salt))
                    );
                    got[n] += bytes.len();
                    moved = true;
                }
                Err(error) => assert_eq!(error, WOULD_BLOCK),
            }
        }
        world.pump();
        pause = if moved { 50_000 } else { (2 * pause).min(50_000_000) };
        if !moved {
            world.pass(pause);
        }
        assert!(
            world.now() - begun < 1000 * SECOND,
            "{sent:?} {got:?} of {len}\n{}{}",
            table(&world.hosts[0].tcp, at.is_ipv6()),
            table(&world.hosts[1].tcp, at.is_ipv6())
        );
    }
    world.now() - begun
}

#[test]
fn refused_and_without_an_answer() {
    let mut world = World::new();
    let client = world.connect(0, "10.0.0.2:81");
    world.settle(&[&client]);
    assert_eq!(events(&client), "iorhe");
    assert_eq!(client.take_error(), Some(SocketError::Refused));
    assert_eq!(client.take_error(), None);
    assert_eq!(world.hosts[1].tcp.stats.out_resets.get(), 1);
    // The same socket may try again.
    let _listener = world.listener(1, "10.0.0.2:81", 5);
    assert_eq!(connect(&client, "10.0.0.2:81"), Err(SocketError::InProgress));
    world.settle(&[&client]);
    assert_eq!(connect(&client, "10.0.0.2:81"), Ok(()));

    world.faults.loss = 1000;
    let client = world.connect(0, "10.0.0.2:81");
    world.pass(126 * SECOND);
    assert_eq!(events(&client), "");
    world.pass(3 * SECOND);
    assert_eq!(connect(&client, "10.0.0.2:81"), Err(SocketError::TimedOut));
    assert_eq!(world.hosts[0].tcp.stats.attempt_fails.get(), 2);
}

/// A listener for IPv6 takes connections over IPv4, unless it does not want to.
#[test]
fn mapped_addresses() {
    let mut world = World::new();
    let listener = world.listener(1, "[::]:80", 5);
    let client = world.connect(0, "10.0.0.2:80");
    world.settle(&[&client]);
    let (server, peer) = accept(&listener).unwrap();
    let Address::Ip(SocketAddr::V6(peer)) = peer else { panic!("{peer:?}") };
    assert_eq!(peer.ip().to_string(), "::ffff:10.0.0.1");
    assert_eq!(server.local_address().unwrap(), address("[::ffff:10.0.0.2]:80"));
    let client = world.connect(0, "[::ffff:10.0.0.2]:80");
    world.settle(&[&client]);
    assert!(accept(&listener).is_ok());
    let only = world.socket(1, Family::Inet6);
    set(&only, 41, 26, 1).unwrap();
    bind(&only, "[::]:81").unwrap();
    listen(&only, 1).unwrap();
    let client = world.connect(0, "10.0.0.2:81");
    world.settle(&[&client]);
    assert_eq!(client.take_error(), Some(SocketError::Refused));
}

#[test]
fn peeking_dropping_counting() {
    use abi::ioctl;
    use mm::user::UserMemory;
    let mut world = World::new();
    let (client, server) = world.pair();
    send(&client, b"abcdef").unwrap();
    world.pump();
    let peek = MessageFlags { peek: true, ..MessageFlags::default() };
    assert_eq!(receive_with(&server, 4, peek).unwrap(), b"abcd");
    let drop_them = MessageFlags { truncate: true, ..MessageFlags::default() };
    assert_eq!(receive_with(&server, 2, drop_them).map(|bytes| bytes.len()), Ok(2));
    assert_eq!(receive_with(&server, 4, peek).unwrap(), b"cdef");
    assert_eq!(receive(&server, 9).unwrap(), b"cdef");
    assert_eq!(receive_with(&server, 1, peek), Err(WOULD_BLOCK));
    let oob = MessageFlags { out_of_band: true, ..MessageFlags::default() };
    assert_eq!(receive_with(&server, 1, oob), Err(SocketError::File(FsError::Invalid)));
    assert_eq!(send_with(&server, b"!", oob), Err(SocketError::NotSupported));
    let _ = (ioctl::FIONREAD, None::<&dyn UserMemory>);
}

/// A program that sends, but reads nothing until it is done, is stopped by nobody: its data is acknowledged while its window is closed.
#[test]
fn who_only_sends_is_acknowledged() {
    const BYTES: usize = 3_000_000;
    let mut world = World::new();
    let (client, server) = world.pair();
    let (mut sent, mut heard, mut answered) = (0, 0, 0);
    // The server answers as much as it hears, which nobody reads.
    while heard < BYTES {
        sent += send(&client, &vec![1; (BYTES - sent).min(20_000)]).unwrap_or(0);
        heard += receive(&server, 20_000).map_or(0, |bytes| bytes.len());
        answered += send(&server, &vec![2; (heard - answered).min(20_000)]).unwrap_or(0);
        world.pass(10_000_000);
        assert!(world.now() < 300 * SECOND, "{sent} {heard} {answered}");
    }
    let mut got = 0;
    while got < BYTES {
        got += receive(&client, 20_000).map_or(0, |bytes| bytes.len());
        answered += send(&server, &vec![2; (heard - answered).min(20_000)]).unwrap_or(0);
        world.pass(10_000_000);
        assert!(world.now() < 600 * SECOND, "{answered} {got}");
    }
}

/// Who is told to wait looks again only when told. So whatever brings room and is there already is found before.
#[test]
fn who_has_to_wait_has_no_room() {
    const BYTES: usize = 2_000_000;
    let mut world = World::new();
    let (client, server) = world.pair();
    let (mut sent, mut got, mut waits) = (0, 0, 0);
    while sent < BYTES {
        match send(&client, &vec![7; (BYTES - sent).min(65536)]) {
            Ok(len) => sent += len,
            Err(error) => {
                assert_eq!(error, WOULD_BLOCK);
                assert_eq!(events(&client), "", "after {sent} bytes");
                waits += 1;
                world.pass(1_000_000);
            }
        }
        // Acknowledgements come, and nobody looks at them before the next attempt.
        world.pump();
        while let Ok(bytes) = receive(&server, 65536) {
            got += bytes.len();
            world.pump();
        }
    }
    assert!(waits > 3 && got > BYTES / 2, "{waits} {got}");
}

/// Whether somebody who sleeps would have been woken.
#[derive(Default)]
struct Woken(AtomicBool);

impl fs::notify::Watcher for Woken {
    fn changed(self: Arc<Self>) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// A program's thread in a blocking call: who could not go on tries again only when it is woken.
struct Sleepy {
    socket: Arc<TcpSocket>,
    woken: Arc<Woken>,
    sleeps: bool,
}

impl Sleepy {
    fn new(socket: Arc<TcpSocket>) -> Self {
        let woken = Arc::new(Woken::default());
        let watcher: Arc<dyn fs::notify::Watcher> = woken.clone();
        File::notifier(&*socket).unwrap().watch(Arc::downgrade(&watcher)).unwrap();
        Sleepy { socket, woken, sleeps: false }
    }

    fn attempt<T>(&mut self, call: impl FnOnce(&TcpSocket) -> Result<T, SocketError>) -> Option<T> {
        if self.sleeps && !self.woken.0.swap(false, Ordering::Relaxed) {
            return None;
        }
        self.woken.0.store(false, Ordering::Relaxed);
        let result = call(&self.socket);
        self.sleeps = matches!(&result, Err(error) if *error == WOULD_BLOCK);
        (!self.sleeps).then(|| result.unwrap())
    }
}

/// Messages that make rings grow while others wait for room in them.
#[test]
fn echoes_of_any_size() {
    for (host, at) in [(0, "127.0.0.1:80"), (1, "10.0.0.2:80")] {
        for seed in 0..20 {
            let mut world = World::new();
            let listener = world.listener(host, at, 5);
            let (client, server) = world.pair_of(&listener, at);
            let (mut client, mut server) = (Sleepy::new(client), Sleepy::new(server));
            let mut random = Random(seed);
            for _ in 0..100 {
                let most = if random.below(10) == 0 { 6000 } else { 200 };
                let message: Vec<u8> = (0..=random.below(most)).map(|_| random.next() as u8).collect();
                echo(&mut world, &mut client, &mut server, &message);
            }
        }
    }
}

fn echo(world: &mut World, client: &mut Sleepy, server: &mut Sleepy, message: &[u8]) {
    let (mut sent, mut back, mut held) = (0, Vec::new(), Vec::new());
    let mut idle = 0;
    while back.len() < message.len() {
        let before = (sent, back.len(), held.len());
        if sent < message.len() {
            sent += client.attempt(|socket| send(socket, &message[sent..])).unwrap_or(0);
        } else {
            let left = message.len() - back.len();
            back.extend(client.attempt(|socket| receive(socket, left)).unwrap_or_default());
        }
        world.pump();
        if held.is_empty() {
            held = server.attempt(|socket| receive(socket, 3000)).unwrap_or_default();
        } else {
            let len = server.attempt(|socket| send(socket, &held)).unwrap_or(0);
            held.drain(..len);
        }
        world.pump();
        idle = if before == (sent, back.len(), held.len()) { idle + 1 } else { 0 };
        let (all, held, back) = (message.len(), held.len(), back.len());
        assert!(idle < 3000, "stuck: {sent} of {all} sent, {held} to be sent back, {back} back");
        world.pass(1_000_000);
    }
    assert!(back == message);
}
