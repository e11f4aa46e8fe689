//! How connections end.

use super::*;
use crate::tcp::segment::FIN;

fn abort_on_close(socket: &TcpSocket) {
    let linger = [1i32, 0].map(i32::to_ne_bytes).concat();
    with(|caller| Socket::set_option(socket, 1, abi::net::SO_LINGER as i32, &linger, caller)).unwrap();
}

#[test]
fn one_direction_after_the_other() {
    let mut world = World::new();
    let (client, server) = world.pair();
    send(&client, b"last words").unwrap();
    shut(&client, Shutdown::Write).unwrap();
    assert_eq!(send(&client, b"x"), Err(SocketError::Shutdown));
    world.pump();
    assert_eq!(events(&server), "ior");
    assert_eq!(receive(&server, 100).unwrap(), b"last words");
    assert_eq!(receive(&server, 100), Ok(Vec::new()));
    send(&server, b"still talking").unwrap();
    world.pump();
    assert_eq!(receive(&client, 100).unwrap(), b"still talking");
    drop(server);
    world.pump();
    assert_eq!(events(&client), "iorh");
    assert_eq!(receive(&client, 100), Ok(Vec::new()));
    world.pump();
    // The client ended first: TIME-WAIT is on its side, and nowhere else.
    let waiting = |n: usize| world.hosts[n].tcp.time_wait.lock().count();
    assert_eq!((waiting(0), waiting(1)), (1, 0));
    drop(client);
    assert_eq!([0, 1].map(|n| world.hosts[n].tcp.established_count()), [0, 0]);
    world.pass(61 * SECOND);
    assert_eq!(world.hosts[0].tcp.time_wait.lock().count(), 0);
    assert_eq!(world.hosts[0].tcp.slots.used(), 0);
    assert_eq!([0, 1].map(|n| world.hosts[n].tcp.memory_used()), [0, 0]);
    assert_eq!([0, 1].map(|n| world.hosts[n].tcp.orphan_count()), [0, 0]);
}

/// Data that is on its way when the descriptor is closed arrives.
#[test]
fn closing_does_not_lose_data() {
    let mut world = World::new();
    world.faults.delay = 1_000_000;
    let listener = world.listener(1, "10.0.0.2:80", 5);
    let client = world.connect(0, "10.0.0.2:80");
    world.pass(SECOND);
    let (server, _) = accept(&listener).unwrap();
    let data: Vec<u8> = (0..60_000u32).map(|n| (n >> 3) as u8).collect();
    assert_eq!(send(&client, &data), Ok(data.len()));
    drop(client);
    let mut got = Vec::new();
    while got.len() < data.len() {
        world.pass(5_000_000);
        match receive(&server, 100_000) {
            Ok(bytes) => got.extend(bytes),
            Err(error) => assert_eq!(error, WOULD_BLOCK),
        }
        assert!(world.now() < 100 * SECOND);
    }
    assert!(got == data);
    world.pass(SECOND);
    assert_eq!(receive(&server, 1), Ok(Vec::new()));
    drop(server);
    world.pass(100 * SECOND);
    assert_eq!([0, 1].map(|n| world.hosts[n].tcp.slots.used()), [0, 1]);
}

#[test]
fn unread_data_resets() {
    let mut world = World::new();
    let (client, server) = world.pair();
    send(&client, b"nobody reads this").unwrap();
    world.pump();
    drop(server);
    world.pump();
    assert_eq!(events(&client), "iorhe");
    assert_eq!(receive(&client, 1), Err(SocketError::Reset));
    assert_eq!(receive(&client, 1), Ok(Vec::new()), "it is told once");
    assert_eq!(send(&client, b"x"), Err(SocketError::Shutdown));
    assert_eq!(world.hosts[1].tcp.extended.aborts_on_close.get(), 1);
    // Data that comes after the close is answered by a reset, too.
    let (client, server) = world.pair_at("10.0.0.2:81");
    drop(server);
    world.pump();
    assert_eq!(receive(&client, 1), Ok(Vec::new()));
    assert_eq!(send(&client, b"too late"), Ok(8));
    world.pump();
    assert_eq!(events(&client), "iorhe");
    // As on Linux: the end was seen before, so that it is a broken pipe.
    assert_eq!(send(&client, b"x"), Err(SocketError::Shutdown));
    drop(client);
    world.pass(100 * SECOND);
    assert_eq!([0, 1].map(|n| world.hosts[n].tcp.memory_used()), [0, 0]);
}

/// What has been received before a reset can still be read, as on Linux only when the error has been told.
#[test]
fn resets() {
    let mut world = World::new();
    let (client, server) = world.pair();
    send(&server, b"before").unwrap();
    world.settle(&[&client]);
    abort_on_close(&server);
    drop(server);
    world.pump();
    assert_eq!(events(&client), "iorhe");
    assert_eq!(client.take_error(), Some(SocketError::Reset));
    assert_eq!(receive(&client, 100).unwrap(), b"before");
    assert_eq!(receive(&client, 100), Ok(Vec::new()));
    let tcp = &world.hosts[0].tcp;
    assert_eq!(
        (tcp.stats.established_resets.get(), tcp.established_count(), tcp.time_wait.lock().count()),
        (1, 0, 0)
    );
    assert_eq!(world.hosts[1].tcp.slots.used(), 0);
    // connect(2) to no address resets as well, and the socket can be used again.
    let (client, server) = world.pair_at("10.0.0.2:81");
    with(|caller| Socket::connect(&*client, &Address::Unspecified, caller)).unwrap();
    world.pump();
    assert_eq!(receive(&server, 1), Err(SocketError::Reset));
    assert_eq!(connect(&client, "10.0.0.2:81"), Err(SocketError::InProgress));
}

/// A SYN above the old connection's numbers makes way; an older one does not. The rest of the world gets resets.
#[test]
fn time_wait_and_nobody() {
    let mut world = World::new();
    let listener = world.listener(1, "10.0.0.2:80", 5);
    for round in 0..5 {
        let client = world.socket(0, Family::Inet);
        bind(&client, "10.0.0.1:5555").unwrap();
        assert_eq!(connect(&client, "10.0.0.2:80"), Err(SocketError::InProgress));
        world.settle(&[&client]);
        let (server, _) = accept(&listener).expect("a new connection");
        send(&client, b"ping").unwrap();
        world.pump();
        assert_eq!(receive(&server, 9).unwrap(), b"ping");
        // The server ends first.
        drop(server);
        world.settle(&[&client]);
        drop(client);
        world.pump();
        assert_eq!(world.hosts[1].tcp.time_wait.lock().count(), 1, "round {round}");
        world.pass(SECOND / 10);
    }
    let before = world.hosts[1].tcp.stats.out_resets.get();
    let flow = Flow::new("10.0.0.1:7".parse().unwrap(), "10.0.0.2:80".parse().unwrap());
    for (flag, ack, resets) in
        [(FIN, Some(5), 1), (RST, Some(5), 0), (0, Some(5), 1), (FIN, None, 1), (RST, None, 0)]
    {
        let plain = Plain { flow, seq: 77, ack, flag, window: 5, options: Default::default() };
        let mut frame = segment::build(&plain, false).unwrap();
        let before = world.hosts[1].tcp.stats.out_resets.get();
        world.hosts[1].tcp.input(&mut frame, world.now());
        assert_eq!(world.hosts[1].tcp.stats.out_resets.get() - before, resets);
        let answers = std::mem::take(&mut *world.hosts[1].line.out.lock().unwrap());
        for answer in answers {
            let answer = segment::parse(answer.data()).unwrap();
            let expected = if ack.is_some() { (5, RST) } else { (0, RST | ACK) };
            assert_eq!((answer.seq, answer.flags), expected);
        }
    }
    assert!(before <= world.hosts[1].tcp.stats.out_resets.get());
}

/// Both end at the same moment.
#[test]
fn simultaneous_close() {
    let mut world = World::new();
    let (client, server) = world.pair();
    drop((client, server));
    world.pass(SECOND);
    assert_eq!([0, 1].map(|n| world.hosts[n].tcp.established_count()), [0, 0]);
    world.pass(100 * SECOND);
    assert_eq!([0, 1].map(|n| world.hosts[n].tcp.memory_used()), [0, 0]);
    assert_eq!([0, 1].map(|n| world.hosts[n].tcp.time_wait.lock().count()), [0, 0]);
}

/// The other side vanishes: whatever state the connection is in, nothing is kept for ever.
#[test]
fn nobody_there_any_more() {
    for kind in 0..4 {
        let mut world = World::new();
        let (client, server) = world.pair();
        if kind == 1 {
            shut(&server, Shutdown::Write).unwrap();
            world.settle(&[&client, &server]);
        }
        world.faults.loss = 1000;
        if kind == 2 {
            send(&client, b"question").unwrap();
        }
        if kind == 3 {
            set(&client, 6, abi::net::TCP_KEEPIDLE, 10).unwrap();
            set(&client, 6, abi::net::TCP_KEEPINTVL, 5).unwrap();
            set(&client, 6, abi::net::TCP_KEEPCNT, 3).unwrap();
            set(&client, 1, abi::net::SO_KEEPALIVE, 1).unwrap();
            world.pass(26 * SECOND);
            assert_eq!(events(&client), "iorhe", "three probes without an answer");
            assert_eq!(client.take_error(), Some(SocketError::TimedOut));
        }
        if kind == 2 {
            world.pass(1000 * SECOND);
            assert_eq!(receive(&client, 1), Err(SocketError::TimedOut));
        }
        drop(client);
        world.pass(300 * SECOND);
        assert_eq!(world.hosts[0].tcp.slots.used(), 0, "{kind}");
        assert_eq!(world.hosts[0].tcp.memory_used(), 0, "{kind}");
    }
}

#[test]
fn keep_alive_finds_it_alive() {
    let mut world = World::new();
    let (client, _server) = world.pair();
    set(&client, 6, abi::net::TCP_KEEPIDLE, 10).unwrap();
    set(&client, 6, abi::net::TCP_KEEPINTVL, 5).unwrap();
    set(&client, 6, abi::net::TCP_KEEPCNT, 3).unwrap();
    set(&client, 1, abi::net::SO_KEEPALIVE, 1).unwrap();
    let before = world.delivered;
    world.pass(105 * SECOND);
    assert_eq!(events(&client), "o");
    assert_eq!(world.delivered - before, 20, "ten probes, ten answers");
}

#[test]
fn user_timeout() {
    let mut world = World::new();
    let (client, _server) = world.pair();
    set(&client, 6, abi::net::TCP_USER_TIMEOUT, 5000).unwrap();
    world.faults.loss = 1000;
    world.pass(20 * SECOND);
    assert_eq!(events(&client), "o");
    send(&client, b"x").unwrap();
    world.pass(4 * SECOND);
    assert_eq!(events(&client), "o");
    world.pass(2 * SECOND);
    assert_eq!(send(&client, b"y"), Err(SocketError::TimedOut));
}

/// A client resets its connection and comes again from the same port, before anybody here has looked at the reset.
#[test]
fn back_from_the_same_port() {
    let mut world = World::new();
    let listener = world.listener(1, "10.0.0.2:80", 10);
    let (client, server) = world.pair_of(&listener, "10.0.0.2:80");
    let Address::Ip(from) = client.local_address().unwrap() else { panic!() };
    abort_on_close(&client);
    drop(client);
    let again = world.socket(0, Family::Inet);
    bind(&again, &from.to_string()).unwrap();
    assert_eq!(connect(&again, "10.0.0.2:80"), Err(SocketError::InProgress));
    world.pump();
    assert_eq!(receive(&server, 1), Err(SocketError::Reset));
    world.settle(&[&again]);
    assert_eq!(connect(&again, "10.0.0.2:80"), Ok(()));
    let (server, peer) = accept(&listener).unwrap();
    assert_eq!(peer, Address::Ip(from));
    send(&again, b"hello").unwrap();
    world.pump();
    assert_eq!(receive(&server, 9).unwrap(), b"hello");
}

fn linger(socket: &TcpSocket, seconds: i32) {
    let value = [1i32, seconds].map(i32::to_ne_bytes).concat();
    with(|caller| Socket::set_option(socket, 1, abi::net::SO_LINGER as i32, &value, caller)).unwrap();
}

/// Sends until no more is taken; returns how much that was.
fn fill(socket: &TcpSocket) -> usize {
    let mut sent = 0;
    while let Ok(more) = send(socket, &[7; 10_000]) {
        sent += more;
    }
    sent
}

/// close(2) is to wait as long as the other side does not have all that was sent, and no longer.
#[test]
fn lingering() {
    let mut world = World::new();
    let (client, server) = world.pair();
    assert_eq!(client.begin_close(), None, "nobody has asked for it");
    linger(&client, 0);
    assert_eq!(client.begin_close(), None, "it will be reset");
    linger(&client, 3);
    let sent = fill(&client);
    assert_eq!(client.begin_close(), Some(3 * SECOND));
    assert!(client.is_closing());
    world.pass(SECOND);
    assert!(client.is_closing(), "the other side reads nothing");
    let mut got = 0;
    while let Ok(bytes) = receive(&server, 100_000)
        && !bytes.is_empty()
    {
        got += bytes.len();
        world.settle(&[&client, &server]);
    }
    assert_eq!(got, sent);
    assert!(!client.is_closing());
    // The socket is free as after any close.
    drop(client);
    drop(server);
    world.pass(100 * SECOND);
    assert_eq!([0, 1].map(|n| world.hosts[n].tcp.memory_used()), [0, 0]);
    assert_eq!(world.hosts[0].tcp.slots.used(), 0);
}

/// Who lingers does not read any more: what comes is answered by a reset, also while the socket is there.
#[test]
fn data_for_one_who_lingers() {
    let mut world = World::new();
    let (client, server) = world.pair();
    linger(&client, 3);
    fill(&client);
    assert_eq!(client.begin_close(), Some(3 * SECOND));
    send(&server, b"too late").unwrap();
    world.settle(&[&client, &server]);
    assert!(!client.is_closing());
    assert_eq!(events(&server), "iorhe");
    let (client, server) = world.pair_at("10.0.0.2:81");
    linger(&client, 3);
    send(&server, b"unread").unwrap();
    world.settle(&[&client]);
    assert_eq!(client.begin_close(), None, "it is reset at once");
}

/// A program ends: what it sent arrives, whoever reads slowly, connections that wait for it are reset, and nothing is left to wait for.
#[test]
fn the_end_of_the_program() {
    let mut world = World::new();
    let listener = world.listener(0, "10.0.0.1:80", 5);
    let waiting = world.connect(1, "10.0.0.1:80");
    let (client, server) = world.pair();
    let (idle, other) = world.pair_at("10.0.0.2:81");
    assert!(world.hosts[0].tcp.has_connections());
    let sent = fill(&client);
    let now = world.now();
    let mut leaving = world.hosts[0].tcp.leave_all(now);
    assert_eq!(leaving.rest(), (2, sent));
    world.pass(SECOND);
    assert!(!leaving.is_over());
    assert_eq!(receive(&other, 9), Ok(Vec::new()), "the end of an idle connection");
    assert_eq!(receive(&waiting, 9), Err(SocketError::Reset));
    assert_eq!(leaving.rest().0, 1);
    let mut got = 0;
    while let Ok(bytes) = receive(&server, 100_000)
        && !bytes.is_empty()
    {
        got += bytes.len();
        world.pass(1_000_000);
    }
    assert_eq!(got, sent);
    assert!(leaving.is_over());
    assert_eq!(leaving.rest(), (0, 0));
    // Sockets that somebody still has are good for nothing, and can be given up.
    assert_eq!(send(&idle, b"x"), Err(SocketError::Shutdown));
    drop((listener, waiting, client, server, idle, other));
    world.pass(100 * SECOND);
    assert_eq!([0, 1].map(|n| world.hosts[n].tcp.slots.used()), [0, 0]);
}
