//! Listeners: queues and their bounds, SYN floods, sharing, deferring.

use super::*;

#[test]
fn the_accept_queue_is_bounded() {
    let mut world = World::new();
    let listener = world.listener(1, "10.0.0.2:80", 2);
    let clients: Vec<_> = (0..6).map(|_| world.connect(0, "10.0.0.2:80")).collect();
    world.settle(&clients.iter().map(|c| &**c).collect::<Vec<_>>());
    // As on Linux there may be one more than the backlog. To the others the SYN-ACK says that they are connected.
    assert_eq!(world.hosts[1].tcp.established_count(), 3);
    assert!(world.hosts[1].tcp.extended.listen_overflows.get() >= 3);
    let mut accepted = 0;
    while accept(&listener).is_ok() {
        accepted += 1;
    }
    assert_eq!(accepted, 3);
    // Room again: the others come in as the handshake is repeated.
    world.pass(4 * SECOND);
    while accept(&listener).is_ok() {
        accepted += 1;
    }
    assert_eq!(accepted, 6);
}

/// Packets of a peer that does not exist.
fn syn(n: u32) -> Frame {
    let [_, b, c, d] = n.to_be_bytes();
    let remote = SocketAddr::new(IpAddr::from([11, b, c, d]), 1000 + (n % 50_000) as u16);
    let flow = Flow::new(remote, "10.0.0.2:80".parse().unwrap());
    let options = segment::SynOptions { mss: Some(1460), scale: Some(7), sack: true };
    segment::build(&Plain { flow, seq: n, ack: None, flag: SYN, window: 5000, options }, false).unwrap()
}

#[test]
fn a_flood_of_syns_is_bounded() {
    let mut world = World::new();
    let listener = world.listener(1, "10.0.0.2:80", 128);
    let tcp = world.hosts[1].tcp.clone();
    for n in 0..100_000 {
        tcp.input(&mut syn(n), world.now());
        world.hosts[1].line.out.lock().unwrap().clear();
    }
    assert_eq!(tcp.syn.lock().count(), 128);
    assert_eq!(tcp.extended.cookies_sent.get(), 100_000 - 128);
    assert_eq!((tcp.slots.used(), tcp.memory_used()), (1, 0));
    // Real clients still get in, by cookies; with all that the options give.
    let client = world.connect(0, "10.0.0.2:80");
    world.settle(&[&client]);
    let (server, _) = accept(&listener).expect("a connection");
    assert_eq!(tcp.extended.cookies_received.get(), 1);
    world.faults.delay = 1000;
    super::basic::exchange(&mut world, &client, &server, 300_000);
    // Nothing is left after a while.
    world.hosts[1].tcp.work(world.now());
    world.tap = Some(Box::new(|_, _, _| false));
    for _ in 0..80 {
        world.clock.fetch_add(SECOND, Ordering::Relaxed);
        tcp.work(world.now());
        world.hosts[1].line.out.lock().unwrap().clear();
    }
    assert_eq!(tcp.syn.lock().count(), 0);
}

#[test]
fn closing_a_listener_resets_who_waits() {
    let mut world = World::new();
    let listener = world.listener(1, "10.0.0.2:80", 5);
    let client = world.connect(0, "10.0.0.2:80");
    world.settle(&[&client]);
    assert_eq!(events(&client), "o");
    drop(listener);
    world.pump();
    assert_eq!(events(&client), "iorhe");
    assert_eq!(world.hosts[1].tcp.slots.used(), 0);
    assert_eq!(world.hosts[1].tcp.memory_used(), 0);
    // And the port is free.
    let _again = world.listener(1, "10.0.0.2:80", 5);
}

#[test]
fn reset_while_it_waits_to_be_accepted() {
    let mut world = World::new();
    let listener = world.listener(1, "10.0.0.2:80", 5);
    let client = world.connect(0, "10.0.0.2:80");
    world.settle(&[&client]);
    with(|caller| Socket::connect(&*client, &Address::Unspecified, caller)).unwrap();
    world.pump();
    // As on Linux it is accepted, and then found to be reset.
    let (server, _) = accept(&listener).unwrap();
    assert_eq!(receive(&server, 1), Err(SocketError::Reset));
}

#[test]
fn deferred_until_there_is_data() {
    let mut world = World::new();
    let listener = world.socket(1, Family::Inet);
    set(&listener, 6, abi::net::TCP_DEFER_ACCEPT, 3).unwrap();
    bind(&listener, "10.0.0.2:80").unwrap();
    listen(&listener, 5).unwrap();
    let client = world.connect(0, "10.0.0.2:80");
    world.settle(&[&client]);
    assert_eq!(accept(&listener).err(), Some(WOULD_BLOCK));
    send(&client, b"hello").unwrap();
    world.pump();
    let (server, _) = accept(&listener).unwrap();
    assert_eq!(receive(&server, 9).unwrap(), b"hello");
    // One that says nothing comes in after the time.
    let client = world.connect(0, "10.0.0.2:80");
    world.settle(&[&client]);
    assert_eq!(accept(&listener).err(), Some(WOULD_BLOCK));
    world.pass(8 * SECOND);
    assert!(accept(&listener).is_ok());
}

#[test]
fn lost_packets_of_the_handshake() {
    // Each of the three packets in turn.
    for lost in 0..3 {
        let mut world = World::new();
        let listener = world.listener(1, "10.0.0.2:80", 5);
        let mut count = 0;
        world.tap = Some(Box::new(move |_, _, _| {
            count += 1;
            count != lost + 1
        }));
        let client = world.connect(0, "10.0.0.2:80");
        world.pass(5 * SECOND);
        assert_eq!(events(&client), "o", "{lost}");
        let (server, _) = accept(&listener).expect("a connection");
        send(&server, b"first words").unwrap();
        world.pump();
        assert_eq!(receive(&client, 100).unwrap(), b"first words");
    }
    // The last packet is lost, but data follows.
    let mut world = World::new();
    let listener = world.listener(1, "10.0.0.2:80", 5);
    world.tap = Some(Box::new(|to, segment, _| to == 0 || segment.flags & SYN != 0 || segment.payload > 0));
    let client = world.connect(0, "10.0.0.2:80");
    world.settle(&[&client]);
    send(&client, b"data").unwrap();
    world.pump();
    assert_eq!(receive(&accept(&listener).unwrap().0, 9).unwrap(), b"data");
}

#[test]
fn several_listeners_share_a_port() {
    let mut world = World::new();
    let listeners: Vec<_> = (0..2)
        .map(|_| {
            let socket = world.socket(1, Family::Inet);
            set(&socket, 1, abi::net::SO_REUSEPORT, 1).unwrap();
            bind(&socket, "0.0.0.0:80").unwrap();
            listen(&socket, 100).unwrap();
            socket
        })
        .collect();
    let clients: Vec<_> = (0..100).map(|_| world.connect(0, "10.0.0.2:80")).collect();
    world.settle(&clients.iter().map(|c| &**c).collect::<Vec<_>>());
    let counts: Vec<usize> =
        listeners.iter().map(|l| std::iter::from_fn(|| accept(l).ok()).count()).collect();
    assert_eq!(counts[0] + counts[1], 100);
    assert!(counts[0] > 25 && counts[1] > 25, "{counts:?}");
}

/// Bind rules as programs meet them.
#[test]
fn ports_are_taken() {
    let mut world = World::new();
    let listener = world.listener(1, "10.0.0.2:80", 5);
    let other = world.socket(1, Family::Inet);
    assert_eq!(bind(&other, "0.0.0.0:80"), Err(SocketError::AddressInUse));
    assert_eq!(bind(&other, "10.9.9.9:80"), Err(SocketError::AddressNotAvailable));
    let (client, server) = world.pair_of(&listener, "10.0.0.2:80");
    drop(listener);
    // A connection of the port is left: only with SO_REUSEADDR on both can it be bound.
    assert_eq!(bind(&other, "0.0.0.0:80"), Err(SocketError::AddressInUse));
    drop((client, server));
    world.pass(61 * SECOND);
    assert_eq!(bind(&other, "0.0.0.0:80"), Ok(()));
    assert_eq!(bind(&other, "0.0.0.0:81"), Err(SocketError::File(FsError::Invalid)));
    // A server that starts again at once, as servers do.
    for round in 0..3 {
        let again = world.socket(1, Family::Inet);
        set(&again, 1, abi::net::SO_REUSEADDR, 1).unwrap();
        assert_eq!(bind(&again, "0.0.0.0:8080"), Ok(()), "{round}");
        listen(&again, 5).unwrap();
        let (client, server) = world.pair_of(&again, "10.0.0.2:8080");
        drop(server);
        world.settle(&[&client]);
        drop(client);
        world.pump();
    }
}
