//! Sockets of AF_UNIX without a program: names, queues, closing. What the calls make of it is tested with the calls.

use super::*;
use crate::Stack;
use abi::{OpenFlags, PollEvents};
use fs::socket::{Address, Caller, Control, MessageFlags, NoTree, Received, Shutdown, Socket, UnixName};
use fs::{File, OpenFile, SliceSink, SliceSource};
use proptest::prelude::*;

const ME: Ucred = Ucred { pid: 7, uid: 8, gid: 9 };

fn with<T>(operation: impl FnOnce(&Caller<'_>) -> T) -> T {
    operation(&Caller { credentials: ME, capable: &|_| true, tree: &NoTree })
}

fn name(text: &str) -> Address {
    Address::Unix(Some(UnixName::Abstract(text.as_bytes().to_vec())))
}

fn send_with(socket: &UnixSocket, bytes: &[u8], control: Control) -> Result<usize, SocketError> {
    with(|caller| socket.send(&mut SliceSource::new(bytes), None, control, MessageFlags::default(), caller))
}

fn send(socket: &UnixSocket, bytes: &[u8]) -> Result<usize, SocketError> {
    send_with(socket, bytes, Control::default())
}

fn receive(socket: &UnixSocket, len: usize) -> Result<(Vec<u8>, Received), SocketError> {
    let mut bytes = vec![0; len];
    let received = socket.receive(&mut SliceSink::new(&mut bytes), MessageFlags::default())?;
    bytes.truncate(received.bytes);
    Ok((bytes, received))
}

fn text(socket: &UnixSocket, len: usize) -> Result<Vec<u8>, SocketError> {
    receive(socket, len).map(|(bytes, _)| bytes)
}

fn file(socket: &Arc<UnixSocket>) -> Arc<OpenFile> {
    OpenFile::new(socket.clone(), OpenFlags::RDWR)
}

fn files(files: Vec<Arc<OpenFile>>) -> Control {
    Control { files, ..Control::default() }
}

#[test]
fn connections() {
    let domain = Arc::new(Domain::default());
    let listener = domain.socket(Kind::Stream, ME);
    with(|caller| {
        listener.bind(&name("l"), caller).unwrap();
        listener.listen(0, caller).unwrap();
    });
    let clients: Vec<_> = (0..2).map(|_| domain.socket(Kind::Stream, ME)).collect();
    let connect = |socket: &UnixSocket| with(|caller| socket.connect(&name("l"), caller));
    assert_eq!(connect(&clients[0]), Ok(()));
    assert_eq!(connect(&clients[1]), Err(WOULD_BLOCK), "the backlog is full");
    assert_eq!(send(&clients[0], b"early"), Ok(5));
    let (server, peer) = listener.accept_one().unwrap();
    assert_eq!(peer, Address::Unix(None));
    assert_eq!(server.local_address(), Ok(name("l")));
    assert_eq!(text(&server, 9), Ok(b"early".to_vec()));
    assert_eq!(connect(&clients[1]), Ok(()));
    assert_eq!(connect(&clients[1]), Err(WOULD_BLOCK), "as on Linux, before it is seen to be connected");
    drop(listener);
    assert!(clients[1].readiness().contains(PollEvents::HUP | PollEvents::ERR));
    assert_eq!(text(&clients[1], 1), Err(SocketError::Reset));
    assert_eq!(text(&clients[1], 1), Ok(vec![]));
    assert_eq!(connect(&domain.socket(Kind::Stream, ME)), Err(SocketError::Refused));
    assert_eq!(clients[0].peer_address(), Ok(name("l")), "the name outlives its socket");
    drop(server);
    assert_eq!(send(&clients[0], b"x"), Err(SocketError::Shutdown));
    drop(clients);
    assert_eq!(domain.count(), (0, 0), "nothing is left");
}

#[test]
fn what_is_sent_is_charged_until_it_is_gone() {
    let domain = Arc::new(Domain::default());
    for kind in [Kind::Stream, Kind::Datagram, Kind::SeqPacket] {
        let (one, other) = domain.pair(kind, ME);
        let mut sent = 0;
        while let Ok(n) = send(&one, &[1; 1000]) {
            sent += n;
        }
        assert_eq!(send(&one, b"x"), Err(WOULD_BLOCK));
        assert!(!one.readiness().contains(PollEvents::OUT));
        let mut got = 0;
        while let Ok(bytes) = text(&other, 1000) {
            got += bytes.len();
        }
        assert_eq!((sent, one.charged.load(core::sync::atomic::Ordering::Relaxed)), (got, 0));
        assert!(one.readiness().contains(PollEvents::OUT));
        send(&one, b"unread").unwrap();
        drop(other);
        assert_eq!(one.charged.load(core::sync::atomic::Ordering::Relaxed), 0);
    }
}

#[test]
fn descriptors_on_their_way_are_counted_and_closed() {
    let domain = Arc::new(Domain::default());
    let in_flight = || domain.in_flight.load(core::sync::atomic::Ordering::Relaxed);
    let (one, other) = domain.pair(Kind::Stream, ME);
    let (sent, kept) = domain.pair(Kind::Stream, ME);
    send_with(&one, b"a", files(vec![file(&sent), file(&sent)])).unwrap();
    drop(sent);
    assert_eq!(in_flight(), 2);
    let (_, received) = receive(&other, 9).unwrap();
    assert_eq!((received.control.files.len(), in_flight()), (2, 0));
    send_with(&one, b"b", received.control).unwrap();
    assert!(!kept.readiness().contains(PollEvents::HUP));
    drop(other);
    assert!(kept.readiness().contains(PollEvents::HUP), "closed with what held it");
    assert_eq!(in_flight(), 0);
    let (one, _other) = domain.pair(Kind::Datagram, ME);
    let many = || files((0..250).map(|_| file(&kept)).collect());
    let full = (0..1000).map(|_| send_with(&one, b"x", many())).find(|result| result.is_err());
    assert!(matches!(full, Some(Err(SocketError::TooManyReferences | WOULD_BLOCK))));
}

#[test]
fn a_long_chain_of_sockets_in_sockets_needs_no_stack() {
    let domain = Arc::new(Domain::default());
    let mut held = None;
    for _ in 0..10_000 {
        let (one, other) = domain.pair(Kind::Datagram, ME);
        if let Some(inner) = held.take() {
            send_with(&one, b"x", files(vec![inner])).unwrap();
        }
        held = Some(file(&other));
    }
    drop(held);
    assert_eq!(domain.count(), (0, 0));
}

#[test]
fn lost_sockets_are_found_and_others_are_kept() {
    let domain = Arc::new(Domain::default());
    let (kept, other) = domain.pair(Kind::Stream, ME);
    let kept_file = file(&kept);
    let (alive, holder) = domain.pair(Kind::Datagram, ME);
    let (inner, witness) = domain.pair(Kind::Datagram, ME);
    // Open in a message only, but one that can be received.
    send_with(&alive, b"x", files(vec![file(&inner)])).unwrap();
    let holder_file = file(&holder);
    drop((inner, holder));
    for round in 0..500 {
        // Each in the queue of the other, and a socket that has a descriptor in both.
        let (one, two) = domain.pair(Kind::Datagram, ME);
        let (a, b) = (file(&one), file(&two));
        send_with(&one, b"x", files(vec![b.clone(), kept_file.clone()])).unwrap();
        send_with(&two, b"x", files(vec![a.clone()])).unwrap();
        if round % 3 == 0 {
            // A listener in its own backlog's queue.
            let address = name(&round.to_string());
            let listener = domain.socket(Kind::Stream, ME);
            let client = domain.socket(Kind::Stream, ME);
            with(|caller| {
                listener.bind(&address, caller).unwrap();
                listener.listen(3, caller).unwrap();
                client.connect(&address, caller).unwrap();
            });
            send_with(&client, b"x", files(vec![file(&listener)])).unwrap();
        }
    }
    assert!(domain.in_flight.load(core::sync::atomic::Ordering::Relaxed) < 200, "collected");
    assert!(domain.count().0 < 200);
    assert_eq!(send(&kept, b"fine"), Ok(4));
    assert_eq!(text(&other, 9), Ok(b"fine".to_vec()));
    let holder = holder_file.file().as_socket().unwrap();
    let received = holder.receive(&mut SliceSink::new(&mut [0; 9]), MessageFlags::default()).unwrap();
    assert_eq!(received.control.files.len(), 1);
    assert_eq!(send(&witness, b"to inner"), Ok(8), "it is alive");
}

#[test]
fn names_and_credentials() {
    let stack = Stack::default();
    let domain = stack.unix().clone();
    let (one, other) = domain.pair(Kind::Datagram, ME);
    with(|caller| {
        assert_eq!(one.bind(&Address::Unix(None), caller), Ok(()));
        assert_eq!(one.bind(&name("x"), caller), Err(INVALID));
        assert_eq!(one.bind(&Address::Unspecified, caller), Err(INVALID));
        assert_eq!(one.local_address(), Ok(name("00000")));
        other.set_option(1, 16, &1i32.to_le_bytes(), caller).unwrap();
        let family = |family| stack.socket(family, 1, 0, caller).err();
        assert_eq!([family(2), family(99), family(-1)], [Some(SocketError::WrongFamily); 3]);
        assert_eq!(stack.socket(1, 1, 6, caller).err(), Some(SocketError::NoProtocol));
        assert_eq!(stack.socket(1, 4, 0, caller).err(), Some(SocketError::NoKind));
        assert_eq!(stack.socket(1, 11, 0, caller).err(), Some(INVALID));
        assert!(stack.socket(1, 5, 1, caller).is_ok());
    });
    send(&one, b"hi").unwrap();
    let (_, received) = receive(&other, 9).unwrap();
    assert_eq!((received.from, received.control.credentials), (Some(name("00000")), Some(ME)));
    one.shutdown(Shutdown::Both).unwrap();
    assert_eq!(send(&other, b"x"), Err(SocketError::Shutdown), "it receives no more");
    let mut table = fs::pseudo::Output::new();
    domain.text(&mut table);
    assert!(
        String::from_utf8(table.finish().unwrap()).unwrap().lines().any(|line| line.ends_with(" @00000"))
    );
}

/// Threads that send, receive, connect and close with descriptors on their way, while lost sockets are looked for.
#[test]
fn threads() {
    let domain = Arc::new(Domain::default());
    let (one, other) = domain.pair(Kind::Datagram, ME);
    let listener = domain.socket(Kind::Stream, ME);
    with(|caller| {
        listener.bind(&name("threads"), caller).unwrap();
        listener.listen(4, caller).unwrap();
    });
    let sender = || {
        for _ in 0..2000 {
            let (a, b) = domain.pair(Kind::Stream, ME);
            let (a, b) = (file(&a), file(&b));
            let inner = b.file().as_socket().unwrap();
            let through = |files| {
                let control = Control { files, ..Control::default() };
                let (mut src, flags) = (SliceSource::new(b"x"), MessageFlags::default());
                with(|caller| inner.send(&mut src, None, control, flags, caller))
            };
            through(vec![a.clone(), b.clone()]).unwrap();
            let _ = send_with(&one, b"message", files(vec![a]));
        }
    };
    let receiver = || {
        for _ in 0..4000 {
            let _ = receive(&other, 9);
        }
    };
    let client = || {
        for _ in 0..1000 {
            let socket = domain.socket(Kind::Stream, ME);
            if with(|caller| socket.connect(&name("threads"), caller)).is_ok() {
                let _ = send_with(&socket, b"hello", files(vec![file(&socket)]));
            }
            let _ = listener.accept().map(|(accepted, _)| accepted.readiness());
        }
    };
    std::thread::scope(|scope| {
        scope.spawn(sender);
        scope.spawn(sender);
        scope.spawn(receiver);
        scope.spawn(client);
        scope.spawn(client);
    });
    drop((one, other, listener));
    domain.collect();
    assert_eq!(domain.in_flight.load(core::sync::atomic::Ordering::Relaxed), 0);
    assert_eq!(domain.count(), (0, 0));
}

proptest! {
    #[test]
    fn a_stream_is_a_stream_and_messages_are_messages(
        ops in prop::collection::vec((any::<bool>(), 1usize..3000), 1..80),
        stream in any::<bool>(),
    ) {
        let domain = Arc::new(Domain::default());
        let (one, other) = domain.pair(if stream { Kind::Stream } else { Kind::SeqPacket }, ME);
        let mut model: VecDeque<Vec<u8>> = VecDeque::new();
        let mut next = 0u8;
        for (sending, len) in ops {
            if sending {
                let bytes: Vec<u8> = (0..len).map(|i| next.wrapping_add(i as u8)).collect();
                if let Ok(n) = send(&one, &bytes) {
                    prop_assert_eq!(n, len);
                    next = next.wrapping_add(len as u8);
                    model.push_back(bytes);
                }
            } else if model.is_empty() {
                prop_assert_eq!(text(&other, len), Err(WOULD_BLOCK));
            } else if stream {
                let all: Vec<u8> = model.drain(..).flatten().collect();
                let (now, later) = all.split_at(len.min(all.len()));
                prop_assert_eq!(text(&other, len), Ok(now.to_vec()));
                if !later.is_empty() {
                    model.push_back(later.to_vec());
                }
            } else {
                let message = model.pop_front().unwrap_or_default();
                let (bytes, received) = receive(&other, len).unwrap();
                prop_assert_eq!(&bytes[..], &message[..len.min(message.len())]);
                prop_assert_eq!(received.length, message.len());
            }
        }
    }
}
