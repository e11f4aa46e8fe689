//! Tests of the whole IP layer: a card on a virtual wire, and a scripted peer on its other end whose packets are made and read by
//! smoltcp's parsers, which the stack does not use for links, neighbours and DHCP.

mod dhcp;
mod hostile;
mod v4;
mod v6;

use crate::ip::address::Mac;
use crate::ip::testing::Bench;
use crate::udp::{Protocol, UdpSocket};
use core::net::{IpAddr, SocketAddr};
use fs::socket::{
    Address, Caller, Control, Family, MessageFlags, NoTree, Received, Socket, SocketError, Ucred,
};
use fs::{SliceSink, SliceSource};
use smoltcp::phy::ChecksumCapabilities;
pub use smoltcp::wire::{
    ArpOperation, ArpPacket, ArpRepr, EthernetAddress, EthernetFrame, EthernetProtocol, Icmpv4DstUnreachable,
    Icmpv4Packet, Icmpv4Repr, Icmpv6Packet, IpProtocol, IpRepr, Ipv4Packet, Ipv6Packet, RawHardwareAddress,
    UdpPacket, UdpRepr,
};
use std::sync::Arc;

/// The peer's station address.
pub const PEER: Mac = [2, 0, 0, 0, 0, 0x99];

pub fn ip(text: &str) -> IpAddr {
    text.parse().expect("an address")
}

pub fn at(text: &str) -> SocketAddr {
    text.parse().expect("an address and a port")
}

pub fn caps() -> ChecksumCapabilities {
    ChecksumCapabilities::default()
}

/// A frame from the peer to `to`.
pub fn ethernet(to: Mac, kind: EthernetProtocol, payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![0; 14 + payload.len()];
    let mut header = EthernetFrame::new_unchecked(&mut frame);
    header.set_dst_addr(EthernetAddress(to));
    header.set_src_addr(EthernetAddress(PEER));
    header.set_ethertype(kind);
    header.payload_mut().copy_from_slice(payload);
    frame
}

/// An IP packet.
pub fn packet(from: IpAddr, to: IpAddr, protocol: IpProtocol, hops: u8, payload: &[u8]) -> Vec<u8> {
    let repr = IpRepr::new(from.into(), to.into(), protocol, payload.len(), hops);
    let mut out = vec![0; repr.header_len() + payload.len()];
    repr.emit(&mut out[..], &caps());
    out[repr.header_len()..].copy_from_slice(payload);
    out
}

/// A UDP datagram.
pub fn datagram(from: SocketAddr, to: SocketAddr, payload: &[u8]) -> Vec<u8> {
    let repr = UdpRepr { src_port: from.port(), dst_port: to.port() };
    let mut out = vec![0; 8 + payload.len()];
    let (source, destination) = (from.ip().into(), to.ip().into());
    let mut udp = UdpPacket::new_unchecked(&mut out);
    repr.emit(&mut udp, &source, &destination, payload.len(), |data| data.copy_from_slice(payload), &caps());
    out
}

pub fn udp_frame(bench: &Bench, from: SocketAddr, to: SocketAddr, payload: &[u8]) -> Vec<u8> {
    let kind = if to.is_ipv4() { EthernetProtocol::Ipv4 } else { EthernetProtocol::Ipv6 };
    let body = datagram(from, to, payload);
    ethernet(bench.mac(), kind, &packet(from.ip(), to.ip(), IpProtocol::Udp, 64, &body))
}

/// Destination station, source address, destination, protocol, payload of an IP frame, with its header found right.
pub fn read(frame: &[u8]) -> (Mac, IpAddr, IpAddr, IpProtocol, Vec<u8>) {
    let ethernet = EthernetFrame::new_checked(frame).expect("a frame");
    let to = ethernet.dst_addr().0;
    match ethernet.ethertype() {
        EthernetProtocol::Ipv4 => {
            let packet = Ipv4Packet::new_checked(ethernet.payload()).expect("a packet");
            assert!(packet.verify_checksum() && packet.version() == 4);
            assert_eq!(usize::from(packet.total_len()), ethernet.payload().len());
            let payload = packet.payload().to_vec();
            (to, packet.src_addr().into(), packet.dst_addr().into(), packet.next_header(), payload)
        }
        EthernetProtocol::Ipv6 => {
            let packet = Ipv6Packet::new_checked(ethernet.payload()).expect("a packet");
            let payload = packet.payload().to_vec();
            (to, packet.src_addr().into(), packet.dst_addr().into(), packet.next_header(), payload)
        }
        other => panic!("no IP: {other}"),
    }
}

/// Source, destination and payload of a UDP frame, with its checksum found right.
pub fn read_udp(frame: &[u8]) -> (SocketAddr, SocketAddr, Vec<u8>) {
    let (_, from, to, protocol, payload) = read(frame);
    assert_eq!(protocol, IpProtocol::Udp);
    let udp = UdpPacket::new_checked(payload.as_slice()).expect("a datagram");
    assert!(udp.checksum() != 0 && udp.verify_checksum(&from.into(), &to.into()));
    let ends = (SocketAddr::new(from, udp.src_port()), SocketAddr::new(to, udp.dst_port()));
    (ends.0, ends.1, udp.payload().to_vec())
}

/// An ARP packet from the peer.
pub fn arp(operation: ArpOperation, from: &str, to_mac: Mac, to: &str) -> Vec<u8> {
    let (IpAddr::V4(source), IpAddr::V4(target)) = (ip(from), ip(to)) else { panic!("IPv4") };
    let repr = ArpRepr::EthernetIpv4 {
        operation,
        source_hardware_addr: EthernetAddress(PEER),
        source_protocol_addr: source,
        target_hardware_addr: EthernetAddress(to_mac),
        target_protocol_addr: target,
    };
    let mut out = vec![0; repr.buffer_len()];
    repr.emit(&mut ArpPacket::new_unchecked(&mut out));
    out
}

pub fn arp_frame(to: Mac, operation: ArpOperation, from: &str, target_mac: Mac, target: &str) -> Vec<u8> {
    ethernet(to, EthernetProtocol::Arp, &arp(operation, from, target_mac, target))
}

/// A bench whose stack knows the peer at 10.0.0.9.
pub fn acquainted() -> Bench {
    let bench = Bench::new(Some("10.0.0.5/24,fd00::5/64"), Some("10.0.0.1"));
    bench.pass(3);
    bench.exchange(&arp_frame(bench.mac(), ArpOperation::Request, "10.0.0.9", [0; 6], "10.0.0.5"));
    bench
}

/// A program without privilege.
pub fn with_caller<R>(f: impl FnOnce(&Caller<'_>) -> R) -> R {
    f(&Caller { credentials: Ucred::default(), capable: &|_| false, tree: &NoTree })
}

pub fn socket(bench: &Bench, family: Family, protocol: Protocol) -> Arc<UdpSocket> {
    UdpSocket::new(&bench.layer, family, protocol, Ucred::default())
}

pub fn udp(bench: &Bench, bind: &str) -> Arc<UdpSocket> {
    let family = if at(bind).is_ipv4() { Family::Inet } else { Family::Inet6 };
    let socket = socket(bench, family, Protocol::Udp);
    with_caller(|caller| socket.bind(&Address::Ip(at(bind)), caller)).expect("a free address");
    socket
}

pub fn send(socket: &UdpSocket, data: &[u8], to: Option<&str>) -> Result<usize, SocketError> {
    let to = to.map(|to| Address::Ip(at(to)));
    let flags = MessageFlags::default();
    with_caller(|caller| {
        socket.send(&mut SliceSource::new(data), to.as_ref(), Control::default(), flags, caller)
    })
}

pub fn receive(socket: &UdpSocket) -> Result<(Vec<u8>, Received), SocketError> {
    let mut buffer = vec![0; 65536];
    let received = socket.receive(&mut SliceSink::new(&mut buffer), MessageFlags::default())?;
    buffer.truncate(received.bytes);
    Ok((buffer, received))
}

pub fn from(received: &Received) -> SocketAddr {
    match received.from {
        Some(Address::Ip(from)) => from,
        ref other => panic!("{other:?}"),
    }
}

pub fn set(socket: &UdpSocket, level: i32, name: i32, value: &[u8]) -> Result<(), SocketError> {
    with_caller(|caller| socket.set_option(level, name, value, caller))
}
