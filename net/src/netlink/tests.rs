//! Tests of requests and answers, read as rtnetlink(7) describes them.

use super::{NetlinkSocket, Ports};
use crate::ip::tests::{acquainted, with_caller};
use abi::PollEvents;
use fs::socket::{Address, Control, Kind, MessageFlags, Socket, SocketError, Ucred};
use fs::{File, FsError, SliceSink, SliceSource};
use std::sync::Arc;

const DUMP: u16 = 0x301;

/// A message: type, flags, and what is behind its header.
type Message = (u16, u16, Vec<u8>);

fn request(kind: u16, flags: u16, body: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    out.extend_from_slice(&(16 + body.len() as u32).to_ne_bytes());
    out.extend_from_slice(&kind.to_ne_bytes());
    out.extend_from_slice(&flags.to_ne_bytes());
    out.extend_from_slice(&[7, 0, 0, 0, 0, 0, 0, 0]);
    out.extend_from_slice(body);
    out
}

fn u32_at(data: &[u8], at: usize) -> u32 {
    u32::from_ne_bytes(data[at..at + 4].try_into().expect("four bytes"))
}

fn u16_at(data: &[u8], at: usize) -> u16 {
    u16::from_ne_bytes(data[at..at + 2].try_into().expect("two bytes"))
}

fn ask(socket: &NetlinkSocket, data: &[u8]) -> Result<Vec<Message>, SocketError> {
    let flags = MessageFlags::default();
    with_caller(|caller| socket.send(&mut SliceSource::new(data), None, Control::default(), flags, caller))?;
    let mut messages = Vec::new();
    let mut buffer = [0; 4096];
    while socket.readiness().contains(PollEvents::IN) {
        let received = socket.receive(&mut SliceSink::new(&mut buffer), flags)?;
        assert_eq!(received.bytes, received.length, "a page is enough");
        assert_eq!(received.from, Some(Address::Netlink { port: 0, groups: 0 }));
        let mut rest = &buffer[..received.bytes];
        while !rest.is_empty() {
            let len = u32_at(rest, 0) as usize;
            assert_eq!((u32_at(rest, 8), u32_at(rest, 12)), (7, 42), "sequence and port");
            messages.push((u16_at(rest, 4), u16_at(rest, 6), rest[16..len].to_vec()));
            rest = &rest[len.next_multiple_of(4)..];
        }
    }
    Ok(messages)
}

/// The value of an attribute behind `fixed` bytes.
fn attribute(message: &[u8], fixed: usize, kind: u16) -> Option<&[u8]> {
    let mut rest = &message[fixed..];
    while !rest.is_empty() {
        let len = usize::from(u16_at(rest, 0));
        if u16_at(rest, 2) == kind {
            return Some(&rest[4..len]);
        }
        rest = &rest[len.next_multiple_of(4)..];
    }
    None
}

fn socket() -> Arc<NetlinkSocket> {
    let bench = acquainted();
    let creator = Ucred { pid: 42, ..Ucred::default() };
    NetlinkSocket::new(&bench.layer, &Ports::new(), Kind::Raw, creator)
}

fn list(socket: &NetlinkSocket, kind: u16, body: &[u8]) -> Vec<Vec<u8>> {
    let mut messages = ask(socket, &request(kind, DUMP, body)).expect("an answer");
    let (last, flags, _) = messages.pop().expect("an end");
    assert_eq!((last, flags), (3, 2));
    assert!(messages.iter().all(|&(got, flags, _)| (got, flags) == (kind - 2, 2)));
    messages.into_iter().map(|(_, _, body)| body).collect()
}

#[test]
fn links_and_addresses() {
    let socket = socket();
    let links = list(&socket, 18, &[0; 16]);
    let names: Vec<_> = links.iter().map(|link| attribute(link, 16, 3).expect("a name")).collect();
    assert_eq!(names, [b"lo\0".as_slice(), b"eth0\0"]);
    assert_eq!((u16_at(&links[1], 2), u32_at(&links[1], 4)), (1, 2));
    assert_eq!(attribute(&links[1], 16, 1), Some(&[2, 0, 0, 0, 0, 1][..]));
    assert_eq!(attribute(&links[1], 16, 23).map(<[u8]>::len), Some(192));
    let addresses = list(&socket, 22, &[0; 8]);
    let own: Vec<_> = addresses.iter().map(|a| (a[0], a[1], u32_at(a, 4), a[3])).collect();
    assert_eq!(own[..2], [(2, 8, 1, 254), (10, 128, 1, 254)]);
    assert!(own.contains(&(2, 24, 2, 0)) && own.contains(&(10, 64, 2, 253)) && own.contains(&(10, 64, 2, 0)));
    let v4 = addresses.iter().find(|a| a[..2] == [2, 24]).expect("the card's");
    assert_eq!(attribute(v4, 8, 2), Some(&[10, 0, 0, 5][..]));
    assert_eq!(attribute(v4, 8, 4), Some(&[10, 0, 0, 255][..]));
    assert_eq!(list(&socket, 22, &[2, 0, 0, 0, 0, 0, 0, 0]).len(), 2, "one family");
    // A filter by interface counts only for those who say that they mean it.
    let lo = [0, 0, 0, 0, 1, 0, 0, 0];
    assert_eq!(list(&socket, 22, &lo).len(), addresses.len());
    with_caller(|caller| socket.set_option(270, 12, &1i32.to_ne_bytes(), caller))
        .expect("NETLINK_GET_STRICT_CHK");
    assert_eq!(list(&socket, 22, &lo).len(), 2);
    // One link by its name, one that is not there.
    let mut named = vec![0; 16];
    named.extend_from_slice(&[9, 0, 3, 0, b'e', b't', b'h', b'0', 0, 0, 0, 0]);
    let answer = ask(&socket, &request(18, 1, &named)).expect("an answer");
    assert_eq!((answer.len(), u32_at(&answer[0].2, 4)), (1, 2));
    named[22] = b'x';
    let answer = ask(&socket, &request(18, 1, &named)).expect("an answer");
    assert_eq!((answer[0].0, u32_at(&answer[0].2, 0) as i32), (2, -19));
}

#[test]
fn routes_and_neighbours() {
    let socket = socket();
    let routes = list(&socket, 26, &[2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    let main: Vec<_> = routes.iter().filter(|r| r[4] == 254).collect();
    assert_eq!(main.iter().map(|r| r[1]).collect::<Vec<_>>(), [24, 0]);
    assert_eq!(attribute(main[1], 12, 5), Some(&[10, 0, 0, 1][..]));
    assert_eq!(attribute(main[0], 12, 1), Some(&[10, 0, 0, 0][..]));
    assert!(routes.iter().any(|r| r[7] == 3 && attribute(r, 12, 1) == Some(&[10, 0, 0, 255][..])));
    assert!(list(&socket, 26, &[0; 12]).iter().any(|r| r[0] == 10));
    // The way to one host.
    let mut to = vec![2, 32, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    to.extend_from_slice(&[8, 0, 1, 0, 8, 8, 8, 8]);
    let answer = ask(&socket, &request(26, 1, &to)).expect("an answer");
    assert_eq!(attribute(&answer[0].2, 12, 5), Some(&[10, 0, 0, 1][..]));
    assert_eq!(attribute(&answer[0].2, 12, 7), Some(&[10, 0, 0, 5][..]));
    let neighbours = list(&socket, 30, &[0; 12]);
    let peer = neighbours.iter().find(|n| attribute(n, 12, 1) == Some(&[10, 0, 0, 9][..])).expect("the peer");
    assert_eq!((u32_at(peer, 4), u16_at(peer, 8)), (2, 4));
    assert_eq!(attribute(peer, 12, 2), Some(&crate::ip::tests::PEER[..]));
}

#[test]
fn what_is_refused() {
    let socket = socket();
    let error = |kind, flags| {
        let answer = ask(&socket, &request(kind, flags, &[0; 16])).expect("an answer");
        assert_eq!((answer.len(), answer[0].0), (1, 2));
        u32_at(&answer[0].2, 0) as i32
    };
    assert_eq!(error(16, 5), -1, "RTM_NEWLINK: EPERM");
    assert_eq!(error(38, DUMP), -95, "RTM_GETQDISC: EOPNOTSUPP");
    assert_eq!(error(200, 1), -95);
    assert_eq!(ask(&socket, &request(18, 0, &[0; 16])), Ok(vec![]), "no request");
    for garbage in [&[][..], &[1, 2, 3], &[255; 64], &request(26, 1, &[])[..], &request(26, 1, &[2; 30])] {
        let _ = ask(&socket, garbage);
    }
    let mut long = request(18, 1, &[0; 16]);
    long[0] = 200;
    assert_eq!(ask(&socket, &long), Ok(vec![]), "longer than the datagram");
    let mut buffer = [0; 64];
    let empty = socket.receive(&mut SliceSink::new(&mut buffer), MessageFlags::default());
    assert_eq!(empty.err(), Some(SocketError::File(FsError::WouldBlock)));
}

#[test]
fn ports_are_one_sockets_each() {
    let bench = acquainted();
    let ports = Ports::new();
    let make = || NetlinkSocket::new(&bench.layer, &ports, Kind::Raw, Ucred { pid: 42, ..Ucred::default() });
    let bind =
        |socket: &NetlinkSocket, port| with_caller(|c| socket.bind(&Address::Netlink { port, groups: 5 }, c));
    let (one, other) = (make(), make());
    bind(&one, 0).expect("its process's number");
    assert_eq!(one.local_address(), Ok(Address::Netlink { port: 42, groups: 5 }));
    assert_eq!(bind(&other, 42), Err(SocketError::AddressInUse));
    bind(&other, 0).expect("another one");
    assert_ne!(other.local_address(), one.local_address());
    drop(one);
    let third = make();
    bind(&third, 42).expect("free again");
}
