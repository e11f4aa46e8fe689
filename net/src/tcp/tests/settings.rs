//! Options, and what they do to the flow of data.

use super::*;
use abi::net as raw;
use fs::socket::OptionValue;

fn get(socket: &TcpSocket, level: i32, name: u32) -> Result<i32, SocketError> {
    match Socket::option(socket, level, name as i32)? {
        OptionValue::Int(value) => Ok(value),
        OptionValue::Bytes(bytes) => panic!("{bytes:?}"),
    }
}

const TCP: i32 = 6;

#[test]
fn are_kept() {
    let world = World::new();
    let socket = world.socket(0, Family::Inet);
    let rows = [
        (TCP, raw::TCP_NODELAY, 0, 5, 1),
        (TCP, raw::TCP_CORK, 0, 1, 1),
        (TCP, raw::TCP_KEEPIDLE, 7200, 10, 10),
        (TCP, raw::TCP_KEEPINTVL, 75, 11, 11),
        (TCP, raw::TCP_KEEPCNT, 9, 3, 3),
        (TCP, raw::TCP_SYNCNT, 6, 2, 2),
        (TCP, raw::TCP_LINGER2, 60, 5, 5),
        (TCP, raw::TCP_DEFER_ACCEPT, 0, 2, 3),
        (TCP, raw::TCP_USER_TIMEOUT, 0, 1234, 1234),
        (TCP, raw::TCP_MAXSEG, 536, 1000, 1000),
        (0, 1, 0, 0x13, 0x10),
        (0, 2, 64, 33, 33),
        (1, raw::SO_KEEPALIVE, 0, 1, 1),
        (1, raw::SO_RCVLOWAT, 1, 100, 100),
        (1, raw::SO_SNDBUF, 16384, 20_000, 40_000),
    ];
    for (level, name, before, value, after) in rows {
        assert_eq!(get(&socket, level, name), Ok(before), "{level} {name}");
        assert_eq!(set(&socket, level, name, value), Ok(()), "{level} {name}");
        assert_eq!(get(&socket, level, name), Ok(after), "{level} {name}");
    }
    let invalid = Err(SocketError::File(FsError::Invalid));
    for (name, value) in
        [(raw::TCP_KEEPIDLE, 0), (raw::TCP_KEEPCNT, 128), (raw::TCP_MAXSEG, 80), (raw::TCP_USER_TIMEOUT, -1)]
    {
        assert_eq!(set(&socket, TCP, name, value), invalid, "{name}");
    }
    assert_eq!(set(&socket, TCP, 9999, 1), Err(SocketError::NoOption));
    assert_eq!(set(&socket, 41, 26, 1), Err(SocketError::NoOption), "not a socket for IPv6");
    assert_eq!(get(&socket, 1, raw::SO_ACCEPTCONN), Ok(0));
    let reno = with(|caller| Socket::set_option(&*socket, TCP, raw::TCP_CONGESTION as i32, b"reno", caller));
    assert_eq!(reno, Ok(()));
}

#[test]
fn a_listener_hands_them_down() {
    let mut world = World::new();
    let listener = world.socket(1, Family::Inet);
    set(&listener, TCP, raw::TCP_NODELAY, 1).unwrap();
    set(&listener, 1, raw::SO_KEEPALIVE, 1).unwrap();
    bind(&listener, "10.0.0.2:80").unwrap();
    listen(&listener, 5).unwrap();
    assert_eq!(get(&listener, 1, raw::SO_ACCEPTCONN), Ok(1));
    let (client, server) = world.pair_of(&listener, "10.0.0.2:80");
    assert_eq!(get(&server, TCP, raw::TCP_NODELAY), Ok(1));
    assert_eq!(get(&server, 1, raw::SO_KEEPALIVE), Ok(1));
    assert_eq!(get(&client, TCP, raw::TCP_NODELAY), Ok(0));
    assert_eq!((get(&client, TCP, raw::TCP_MAXSEG), get(&client, 0, 14)), (Ok(1460), Ok(1500)));
    let OptionValue::Bytes(info) = Socket::option(&*client, TCP, raw::TCP_INFO as i32).unwrap() else {
        panic!()
    };
    assert_eq!(info[0], 1, "established");
}

/// Nagle's algorithm: a second small segment waits for the first one's acknowledgement; with TCP_NODELAY it does not.
#[test]
fn small_segments() {
    for no_delay in [false, true] {
        let mut world = World::new();
        let (client, _server) = world.pair();
        set(&client, TCP, raw::TCP_NODELAY, no_delay.into()).unwrap();
        world.pass(SECOND);
        let before = world.delivered;
        send(&client, b"a").unwrap();
        send(&client, b"b").unwrap();
        send(&client, b"c").unwrap();
        world.pump();
        assert_eq!(world.delivered - before, if no_delay { 3 } else { 1 });
    }
}

/// MSG_MORE and TCP_CORK: bytes wait for company, but not for ever.
#[test]
fn company() {
    let more = MessageFlags { more: true, ..MessageFlags::default() };
    let mut world = World::new();
    let (client, server) = world.pair();
    set(&client, TCP, raw::TCP_NODELAY, 1).unwrap();
    let before = world.delivered;
    assert_eq!(send_with(&client, b"header ", more), Ok(7));
    world.pump();
    assert_eq!(receive(&server, 100), Err(WOULD_BLOCK));
    assert_eq!(send(&client, b"body"), Ok(4));
    world.pump();
    assert_eq!(receive(&server, 100).unwrap(), b"header body");
    assert_eq!(world.delivered - before, 1);
    send_with(&client, b"lonely", more).unwrap();
    world.pass(300_000_000);
    assert_eq!(receive(&server, 100).unwrap(), b"lonely");
    set(&client, TCP, raw::TCP_CORK, 1).unwrap();
    send(&client, b"corked").unwrap();
    world.pump();
    assert_eq!(receive(&server, 100), Err(WOULD_BLOCK));
    set(&client, TCP, raw::TCP_CORK, 0).unwrap();
    world.pump();
    assert_eq!(receive(&server, 100).unwrap(), b"corked");
    // Whole segments do not wait.
    set(&client, TCP, raw::TCP_CORK, 1).unwrap();
    assert_eq!(send(&client, &[7; 2000]), Ok(2000));
    world.pump();
    assert_eq!(receive(&server, 4000).map(|bytes| bytes.len()), Ok(1460));
    drop(client);
    world.pump();
    assert_eq!(receive(&server, 4000).map(|bytes| bytes.len()), Ok(540));
}

#[test]
fn low_water() {
    let mut world = World::new();
    let (client, server) = world.pair();
    set(&server, 1, raw::SO_RCVLOWAT, 10).unwrap();
    send(&client, b"12345").unwrap();
    world.pump();
    assert_eq!(events(&server), "o");
    assert_eq!(receive(&server, 100), Err(WOULD_BLOCK));
    send(&client, b"67890").unwrap();
    world.pass(SECOND);
    assert_eq!(events(&server), "io");
    assert_eq!(receive(&server, 100).unwrap(), b"1234567890");
}

#[test]
fn maximum_segments() {
    let mut world = World::new();
    let listener = world.socket(1, Family::Inet);
    set(&listener, TCP, raw::TCP_MAXSEG, 500).unwrap();
    bind(&listener, "10.0.0.2:80").unwrap();
    listen(&listener, 5).unwrap();
    let (client, server) = world.pair_of(&listener, "10.0.0.2:80");
    world.tap = Some(Box::new(|_, segment, _| {
        assert!(segment.payload <= 500);
        true
    }));
    world.faults.delay = 1000;
    super::basic::exchange(&mut world, &client, &server, 20_000);
    assert_eq!(get(&client, TCP, raw::TCP_MAXSEG), Ok(500));
}

#[test]
fn texts() {
    let mut world = World::new();
    let listener = world.listener(1, "10.0.0.2:80", 5);
    let (_client, server) = world.pair_of(&listener, "10.0.0.2:80");
    let tcp = &world.hosts[1].tcp;
    let text = table(tcp, false);
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines.len(), 3);
    assert!(lines.iter().all(|line| line.len() == 149), "{text}");
    assert!(lines[1].starts_with(
        "   0: 0200000A:0050 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1000        0 "
    ));
    assert!(lines[2].starts_with("   1: 0200000A:0050 0100000A:"));
    assert_eq!(table(tcp, true).lines().count(), 1);
    let snmp = tcp.snmp_text();
    let (names, values) = snmp.split_once('\n').unwrap();
    assert_eq!(names.split(' ').count(), values.trim().split(' ').count());
    assert!(names.starts_with(
        "Tcp: RtoAlgorithm RtoMin RtoMax MaxConn ActiveOpens PassiveOpens AttemptFails EstabResets CurrEstab InSegs OutSegs"
    ));
    assert!(tcp.sockstat_text(false).starts_with("TCP: inuse 2 orphan 0 tw 0 alloc 2 mem "));
    drop(server);
}
