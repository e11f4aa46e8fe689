//! DHCP over the wire, with smoltcp's parser as the server.

use super::*;
use crate::ip::interface::Origin;
use core::net::Ipv4Addr;
use smoltcp::wire::{DhcpMessageType, DhcpPacket, DhcpRepr};

const SERVER: Ipv4Addr = Ipv4Addr::new(10, 0, 2, 2);
const OFFERED: Ipv4Addr = Ipv4Addr::new(10, 0, 2, 15);

/// The answer to a client's frame, if it is one.
fn serve(frame: &[u8], lease: u32) -> Option<(DhcpMessageType, Vec<u8>)> {
    let ethernet_frame = EthernetFrame::new_checked(frame).expect("a frame");
    if ethernet_frame.ethertype() != EthernetProtocol::Ipv4 || frame[23] != 17 {
        return None;
    }
    let (from, to, data) = read_udp(frame);
    assert_eq!((from.port(), to.port()), (68, 67));
    let question = DhcpPacket::new_checked(data.as_slice()).expect("DHCP");
    let question = DhcpRepr::parse(&question).expect("DHCP");
    let kind = match question.message_type {
        DhcpMessageType::Discover => DhcpMessageType::Offer,
        DhcpMessageType::Request => DhcpMessageType::Ack,
        other => panic!("{other:?}"),
    };
    if question.client_ip.is_unspecified() {
        assert!(question.broadcast && from.ip().is_unspecified() && to.ip() == ip("255.255.255.255"));
    }
    let answer = DhcpRepr {
        message_type: kind,
        your_ip: OFFERED,
        server_ip: SERVER,
        router: Some(SERVER),
        subnet_mask: Some(Ipv4Addr::new(255, 255, 255, 0)),
        requested_ip: None,
        client_identifier: None,
        server_identifier: Some(SERVER),
        parameter_request_list: None,
        dns_servers: Some([Ipv4Addr::new(10, 0, 2, 3)].into_iter().collect()),
        max_size: None,
        lease_duration: Some(lease),
        renew_duration: None,
        rebind_duration: None,
        relay_agent_ip: Ipv4Addr::UNSPECIFIED,
        additional_options: &[],
        secs: 0,
        ..question.clone()
    };
    let mut body = vec![0; answer.buffer_len()];
    answer.emit(&mut DhcpPacket::new_unchecked(&mut body)).expect("room");
    let to = if question.client_ip.is_unspecified() { Ipv4Addr::BROADCAST } else { question.client_ip };
    let (from, to) = (SocketAddr::new(SERVER.into(), 67), SocketAddr::new(to.into(), 68));
    let packet = packet(from.ip(), to.ip(), IpProtocol::Udp, 64, &datagram(from, to, &body));
    Some((kind, ethernet([2, 0, 0, 0, 0, 1], EthernetProtocol::Ipv4, &packet)))
}

/// Answers everything for so many seconds; the kinds of the answers.
fn run(bench: &Bench, seconds: u64, lease: u32) -> Vec<DhcpMessageType> {
    let mut kinds = Vec::new();
    let mut frames = bench.pass(0);
    for second in 0..=seconds {
        while let Some(frame) = frames.pop() {
            if let Some((kind, answer)) = serve(&frame, lease) {
                kinds.push(kind);
                frames.extend(bench.exchange(&answer));
            } else if frame[12..14] == [8, 6] && frame[21] == 1 && frame[38..42] == SERVER.octets() {
                let reply = arp_frame(bench.mac(), ArpOperation::Reply, "10.0.2.2", bench.mac(), "10.0.2.15");
                frames.extend(bench.exchange(&reply));
            }
        }
        if second < seconds {
            frames = bench.pass(1);
        }
    }
    kinds
}

#[test]
fn gets_configured_renews_and_loses_it() {
    let bench = Bench::new(None, None);
    use DhcpMessageType::{Ack, Offer};
    assert_eq!(run(&bench, 0, 600), [Offer, Ack]);
    let net = bench.layer.net();
    let own = net.interfaces[1].usable(false).next().expect("an address");
    assert_eq!((own.ip(), own.prefix.len, own.origin), (ip("10.0.2.15"), 24, Origin::Dhcp));
    assert_eq!(net.path(ip("8.8.8.8"), None, None).expect("a route").next_hop, ip("10.0.2.2"));
    assert_eq!(crate::ip::resolv_conf(&net.dns, net.domain.as_deref()), "nameserver 10.0.2.3\n");
    assert_eq!(run(&bench, 650, 600), [Ack, Ack], "renewed at half of the lease, twice");
    assert!(bench.layer.net().is_local(ip("10.0.2.15")));
    // The server goes away.
    bench.pass(601);
    assert!(!bench.layer.net().is_local(ip("10.0.2.15")));
    assert!(bench.layer.net().path(ip("8.8.8.8"), None, None).is_err());
    assert_eq!(run(&bench, 70, 600), [Offer, Ack], "and comes back");
}

/// Whoever waits for the addresses finds all that came with the lease.
#[test]
fn is_configured_when_all_is() {
    for _ in 0..100 {
        let bench = Bench::new(None, None);
        let layer = bench.layer.clone();
        let waiting = std::thread::spawn(move || {
            while !layer.is_configured() {
                std::thread::yield_now();
            }
            let net = layer.net();
            (net.is_local(ip("10.0.2.15")), net.dns.clone(), net.path(ip("8.8.8.8"), None, None).is_ok())
        });
        run(&bench, 0, 600);
        assert_eq!(waiting.join().expect("no panic"), (true, vec![ip("10.0.2.3")], true));
    }
}
