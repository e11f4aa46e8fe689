//! Tests of datagram sockets: binding, choosing, options, errors, within this host.

use crate::ip::testing::Bench;
use crate::ip::tests::{at, from, receive, send, set, socket, udp, with_caller};
use crate::udp::{Protocol, UdpSocket};
use abi::PollEvents;
use fs::socket::{Address, Control, Family, MessageFlags, OptionValue, Shutdown, Socket, SocketError};
use fs::{File, FsError, SliceSink, SliceSource};

fn bench() -> Bench {
    let bench = Bench::new(Some("10.0.0.5/24,fd00::5/64"), None);
    bench.pass(3);
    bench
}

fn bind(socket: &UdpSocket, address: &str) -> Result<(), SocketError> {
    with_caller(|caller| socket.bind(&Address::Ip(at(address)), caller))
}

fn connect(socket: &UdpSocket, address: &str) -> Result<(), SocketError> {
    with_caller(|caller| socket.connect(&Address::Ip(at(address)), caller))
}

const ON: [u8; 4] = 1i32.to_ne_bytes();

/// MSG_MORE and UDP_CORK: one datagram from several calls, to where the first one said.
#[test]
fn datagrams_from_several_calls() {
    let bench = bench();
    let (server, other) = (udp(&bench, "127.0.0.1:7000"), udp(&bench, "127.0.0.1:7001"));
    let client = socket(&bench, Family::Inet, Protocol::Udp);
    let say = |data: &[u8], to: &str, more: bool| {
        let flags = MessageFlags { more, ..MessageFlags::default() };
        let to = Address::Ip(at(to));
        with_caller(|caller| {
            client.send(&mut SliceSource::new(data), Some(&to), Control::default(), flags, caller)
        })
    };
    assert_eq!(say(b"one ", "127.0.0.1:7000", true), Ok(4));
    assert_eq!(say(b"two ", "127.0.0.1:7001", true), Ok(4));
    assert!(!server.readiness().contains(PollEvents::IN));
    assert_eq!(say(b"three", "127.0.0.1:7001", false), Ok(5));
    assert_eq!(receive(&server).expect("a datagram").0, b"one two three");
    assert!(!other.readiness().contains(PollEvents::IN));
    set(&client, 17, 1, &ON).expect("UDP_CORK");
    assert_eq!((say(b"a", "127.0.0.1:7001", false), say(b"b", "127.0.0.1:7001", false)), (Ok(1), Ok(1)));
    assert!(!other.readiness().contains(PollEvents::IN));
    set(&client, 17, 1, &0i32.to_ne_bytes()).expect("UDP_CORK");
    assert_eq!(receive(&other).expect("a datagram").0, b"ab");
    // What is too long is gone.
    assert_eq!(say(&[0; 40_000], "127.0.0.1:7000", true), Ok(40_000));
    assert_eq!(say(&[0; 40_000], "127.0.0.1:7000", true), Err(SocketError::MessageSize));
    assert_eq!(say(b"short", "127.0.0.1:7000", false), Ok(5));
    assert_eq!(receive(&server).expect("a datagram").0, b"short");
}

#[test]
fn datagrams_stay_in_the_host_and_keep_their_limits() {
    let bench = bench();
    let server = udp(&bench, "127.0.0.1:7000");
    let client = socket(&bench, Family::Inet, Protocol::Udp);
    for data in [&b"one"[..], b"", b"three"] {
        assert_eq!(send(&client, data, Some("127.0.0.1:7000")), Ok(data.len()));
    }
    let port = client.local().port();
    assert!((32768..=60999).contains(&port));
    assert!(server.readiness().contains(PollEvents::IN));
    let mut small = [0; 2];
    let flags = MessageFlags { peek: true, ..MessageFlags::default() };
    let peeked = server.receive(&mut SliceSink::new(&mut small), flags).expect("a datagram");
    assert_eq!((peeked.bytes, peeked.length, &small), (2, 3, b"on"));
    for data in [&b"one"[..], b"", b"three"] {
        let (got, received) = receive(&server).expect("a datagram");
        assert_eq!((got.as_slice(), from(&received).port(), received.length), (data, port, data.len()));
    }
    assert!(!server.readiness().contains(PollEvents::IN));
    assert!(bench.card.take().is_empty(), "the card saw nothing");
    let big = vec![5; 65507];
    assert_eq!(send(&client, &big, Some("10.0.0.5:7000")), Ok(65507), "own addresses are local");
    assert_eq!(send(&client, &[5; 65508], Some("127.0.0.1:7000")), Err(SocketError::MessageSize));
    assert_eq!(send(&client, b"x", None), Err(SocketError::DestinationRequired));
    assert_eq!(send(&client, b"x", Some("127.0.0.1:0")), Err(SocketError::File(FsError::Invalid)));
    assert_eq!(send(&client, b"x", Some("[::1]:7000")), Err(SocketError::WrongFamily));
    assert_eq!(send(&client, b"x", Some("192.0.2.1:7000")), Err(SocketError::NetworkUnreachable));
    assert_eq!(send(&client, b"x", Some("10.0.0.255:7000")), Err(SocketError::File(FsError::Access)));
}

#[test]
fn addresses_and_ports_are_shared_only_on_purpose() {
    let bench = bench();
    let first = udp(&bench, "127.0.0.1:7000");
    let second = socket(&bench, Family::Inet, Protocol::Udp);
    assert_eq!(bind(&second, "127.0.0.1:7000"), Err(SocketError::AddressInUse));
    assert_eq!(bind(&second, "0.0.0.0:7000"), Err(SocketError::AddressInUse));
    assert_eq!(bind(&second, "192.0.2.1:7000"), Err(SocketError::AddressNotAvailable));
    assert_eq!(bind(&second, "127.0.0.1:80"), Err(SocketError::File(FsError::Access)));
    assert_eq!(bind(&second, "[::]:7000"), Err(SocketError::WrongFamily));
    bind(&second, "10.0.0.5:7000").expect("another address");
    assert_eq!(bind(&second, "10.0.0.5:7001"), Err(SocketError::File(FsError::Invalid)), "bound already");
    let both = socket(&bench, Family::Inet6, Protocol::Udp);
    assert_eq!(bind(&both, "[::]:7000"), Err(SocketError::AddressInUse));
    set(&both, 41, 26, &ON).expect("IPV6_V6ONLY");
    bind(&both, "[::]:7000").expect("IPv6 alone");
    assert_eq!(set(&both, 41, 26, &ON), Err(SocketError::File(FsError::Invalid)), "too late");
    drop(first);
    let third = socket(&bench, Family::Inet, Protocol::Udp);
    set(&third, 1, 2, &ON).expect("SO_REUSEADDR");
    bind(&third, "127.0.0.1:7000").expect("free again");
    let fourth = socket(&bench, Family::Inet, Protocol::Udp);
    set(&fourth, 1, 2, &ON).expect("SO_REUSEADDR");
    bind(&fourth, "127.0.0.1:7000").expect("both want to share");
    let client = socket(&bench, Family::Inet, Protocol::Udp);
    send(&client, b"x", Some("127.0.0.1:7000")).expect("sent");
    assert!(receive(&third).is_err() && receive(&fourth).is_ok(), "the last one gets it");
}

#[test]
fn reuse_port_spreads_peers_and_keeps_each() {
    let bench = bench();
    let servers: Vec<_> = (0..4)
        .map(|_| {
            let server = socket(&bench, Family::Inet, Protocol::Udp);
            set(&server, 1, 15, &ON).expect("SO_REUSEPORT");
            bind(&server, "127.0.0.1:7000").expect("shared");
            server
        })
        .collect();
    let mut counts = [0; 4];
    for _ in 0..200 {
        let client = socket(&bench, Family::Inet, Protocol::Udp);
        for _ in 0..3 {
            send(&client, b"x", Some("127.0.0.1:7000")).expect("sent");
        }
        let got: Vec<_> = servers.iter().map(|s| std::iter::from_fn(|| receive(s).ok()).count()).collect();
        assert_eq!(got.iter().filter(|&&n| n == 3).count(), 1, "{got:?}");
        got.iter().zip(&mut counts).for_each(|(n, count)| *count += n / 3);
    }
    assert!(counts.iter().all(|&n| n > 20), "{counts:?}");
}

#[test]
fn connected_sockets_hear_their_peer_only_and_its_refusal() {
    let bench = bench();
    let server = udp(&bench, "127.0.0.1:7000");
    let other = udp(&bench, "127.0.0.1:7001");
    let client = socket(&bench, Family::Inet, Protocol::Udp);
    connect(&client, "127.0.0.1:7000").expect("a route");
    assert_eq!(client.local_address(), Ok(Address::Ip(at(&format!("127.0.0.1:{}", client.local().port())))));
    let to = client.local().to_string();
    send(&other, b"stranger", Some(&to)).expect("sent");
    assert_eq!(other.take_error(), None, "only connected sockets are told");
    send(&server, b"peer", Some(&to)).expect("sent");
    assert_eq!(receive(&client).expect("a datagram").0, b"peer");
    assert!(receive(&client).is_err());
    drop(server);
    send(&client, b"x", None).expect("sent");
    assert!(client.readiness().contains(PollEvents::ERR));
    assert_eq!(send(&client, b"x", None), Err(SocketError::Refused));
    with_caller(|caller| client.connect(&Address::Unspecified, caller)).expect("dissolved");
    assert_eq!(client.peer_address(), Err(SocketError::NotConnected));
    assert_eq!(client.local(), at("0.0.0.0:0"), "a port that nobody chose is given back");
    send(&other, b"nobody", Some(&to)).expect("sent");
    assert!(receive(&client).is_err());
    assert_eq!(client.shutdown(Shutdown::Read), Err(SocketError::NotConnected));
    assert_eq!(receive(&client).expect("the end").0, b"", "but it counts, as on Linux");
}

#[test]
fn one_socket_for_both_families() {
    let bench = bench();
    let server = udp(&bench, "[::]:7000");
    let v4 = socket(&bench, Family::Inet, Protocol::Udp);
    send(&v4, b"four", Some("127.0.0.1:7000")).expect("sent");
    let (data, received) = receive(&server).expect("a datagram");
    assert_eq!(
        (data.as_slice(), from(&received).ip()),
        (&b"four"[..], "::ffff:127.0.0.1".parse().expect("ip"))
    );
    send(&server, b"back", Some(&from(&received).to_string())).expect("sent");
    assert_eq!(receive(&v4).expect("an answer").0, b"back");
    let v6 = socket(&bench, Family::Inet6, Protocol::Udp);
    send(&v6, b"six", Some("[::1]:7000")).expect("sent");
    assert_eq!(receive(&server).expect("a datagram").0, b"six");
    set(&server, 41, 49, &ON).expect("IPV6_RECVPKTINFO");
    set(&server, 41, 51, &ON).expect("IPV6_RECVHOPLIMIT");
    send(&v6, b"info", Some("[fd00::5]:7000")).expect("sent");
    let control = receive(&server).expect("a datagram").1.control;
    let info = control.packet_info.expect("asked for");
    assert_eq!((info.destination, control.hop_limit), ("fd00::5".parse().expect("ip"), Some(64)));
}

#[test]
fn a_full_queue_drops_and_counts() {
    let bench = bench();
    let server = udp(&bench, "127.0.0.1:7000");
    set(&server, 1, 8, &4096i32.to_ne_bytes()).expect("SO_RCVBUF");
    assert_eq!(server.option(1, 8), Ok(OptionValue::Int(8192)));
    set(&server, 1, 40, &ON).expect("SO_RXQ_OVFL");
    let client = socket(&bench, Family::Inet, Protocol::Udp);
    for _ in 0..100 {
        send(&client, &[0; 500], Some("127.0.0.1:7000")).expect("sent");
    }
    let stats = &bench.layer.stats.v4.udp;
    let dropped = stats.receive_buffer_errors.get();
    let mut received = 0;
    let mut told = None;
    while let Ok((_, got)) = receive(&server) {
        received += 1;
        told = got.control.dropped;
    }
    assert_eq!((received + dropped, told), (100, Some(dropped as u32)));
    assert!((4..20).contains(&received), "{received}");
    assert_eq!(server.usage().0, 0);
    send(&client, b"again", Some("127.0.0.1:7000")).expect("sent");
    assert!(receive(&server).is_ok());
}

#[test]
fn options_of_ip() {
    let bench = bench();
    let v4 = socket(&bench, Family::Inet, Protocol::Udp);
    let get = |level, name| v4.option(level, name);
    assert_eq!(
        (get(0, 2), get(0, 33), get(0, 10)),
        (Ok(OptionValue::Int(64)), Ok(OptionValue::Int(1)), Ok(OptionValue::Int(1)))
    );
    set(&v4, 0, 2, &9i32.to_ne_bytes()).expect("IP_TTL");
    set(&v4, 0, 1, &[0x10]).expect("IP_TOS in one byte");
    assert_eq!((get(0, 2), get(0, 1)), (Ok(OptionValue::Int(9)), Ok(OptionValue::Int(0x10))));
    assert_eq!(set(&v4, 0, 2, &256i32.to_ne_bytes()), Err(SocketError::File(FsError::Invalid)));
    assert_eq!(set(&v4, 0, 2, &0i32.to_ne_bytes()), Err(SocketError::File(FsError::Invalid)));
    assert_eq!(set(&v4, 17, 103, &ON), Err(SocketError::NoOption), "UDP_SEGMENT is refused");
    assert_eq!(set(&v4, 41, 26, &ON), Err(SocketError::NoOption));
    assert_eq!(set(&v4, 0, 19, &ON), Err(SocketError::File(FsError::NotPermitted)), "IP_TRANSPARENT");
    assert_eq!(get(0, 14), Err(SocketError::NotConnected));
    let receiver = udp(&bench, "127.0.0.1:7000");
    set(&receiver, 0, 12, &ON).expect("IP_RECVTTL");
    set(&receiver, 0, 13, &ON).expect("IP_RECVTOS");
    send(&v4, b"x", Some("127.0.0.1:7000")).expect("sent");
    let control = receive(&receiver).expect("a datagram").1.control;
    assert_eq!((control.hop_limit, control.traffic_class), (Some(9), Some(0x10)));
}
