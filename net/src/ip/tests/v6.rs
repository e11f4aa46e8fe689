//! Neighbour discovery, routers, ICMPv6, and UDP over IPv6.

use super::*;
use crate::ip::interface::AddressState;
use core::net::Ipv6Addr;
use smoltcp::wire::{Icmpv6Repr, NdiscNeighborFlags, NdiscRepr};

const OWN: &str = "fd00::5";
const PEER_IP: &str = "fd00::9";

fn icmpv6(from: &str, to: &str, repr: &Icmpv6Repr<'_>) -> Vec<u8> {
    let (IpAddr::V6(source), IpAddr::V6(target)) = (ip(from), ip(to)) else { panic!("IPv6") };
    let mut body = vec![0; repr.buffer_len()];
    repr.emit(&source, &target, &mut Icmpv6Packet::new_unchecked(&mut body), &caps());
    packet(ip(from), ip(to), IpProtocol::Icmpv6, 255, &body)
}

fn ndisc(bench: &Bench, from: &str, to: &str, repr: NdiscRepr<'_>) -> Vec<u8> {
    ethernet(bench.mac(), EthernetProtocol::Ipv6, &icmpv6(from, to, &Icmpv6Repr::Ndisc(repr)))
}

fn v6(text: &str) -> Ipv6Addr {
    text.parse().expect("an address")
}

fn read_ndisc(frame: &[u8]) -> Option<(IpAddr, IpAddr, String)> {
    let ethernet = EthernetFrame::new_checked(frame).ok()?;
    if ethernet.ethertype() != EthernetProtocol::Ipv6 {
        return None;
    }
    let (_, from, to, protocol, payload) = read(frame);
    let (IpAddr::V6(source), IpAddr::V6(target)) = (from, to) else { return None };
    if protocol != IpProtocol::Icmpv6 {
        return None;
    }
    let message = Icmpv6Packet::new_checked(payload.as_slice()).expect("ICMPv6");
    assert_eq!(frame[14 + 7], 255, "hop limit");
    match Icmpv6Repr::parse(&source, &target, &message, &caps()).expect("right") {
        Icmpv6Repr::Ndisc(NdiscRepr::NeighborSolicit { target_addr, .. }) => {
            Some((from, to, format!("who has {target_addr}")))
        }
        Icmpv6Repr::Ndisc(NdiscRepr::NeighborAdvert { flags, target_addr, lladdr }) => {
            assert!(lladdr.is_some());
            Some((from, to, format!("I have {target_addr} {}", flags.bits())))
        }
        Icmpv6Repr::Ndisc(NdiscRepr::RouterSolicit { .. }) => Some((from, to, "routers?".into())),
        _ => None,
    }
}

#[test]
fn probes_addresses_before_it_uses_them_and_asks_for_routers() {
    let bench = Bench::new(Some("fd00::5/64"), None);
    let said = |frames: &[Vec<u8>]| {
        frames
            .iter()
            .filter_map(|f| read_ndisc(f))
            .map(|(from, to, what)| format!("{from} {to} {what}"))
            .collect::<Vec<_>>()
    };
    assert_eq!(
        said(&bench.card.take()),
        [":: ff02::1:ff00:1 who has fe80::ff:fe00:1", ":: ff02::1:ff00:5 who has fd00::5"]
    );
    let own_link = |bench: &Bench| bench.layer.net().is_local(ip("fe80::ff:fe00:1"));
    assert!(bench.layer.net().is_local(ip(OWN)), "a fixed address is used while it is tried");
    assert!(!own_link(&bench));
    let sent = said(&bench.pass(20));
    assert_eq!(sent, ["fe80::ff:fe00:1 ff02::2 routers?"; 3]);
    assert!(bench.layer.net().is_local(ip(OWN)) && own_link(&bench));
}

#[test]
fn somebody_else_has_the_address() {
    let bench = Bench::new(Some("fd00::5/64,fd00::6/64,fd00::7/64"), None);
    let flags = NdiscNeighborFlags::OVERRIDE;
    let lladdr = Some(RawHardwareAddress::from_bytes(&PEER));
    bench.exchange(&ndisc(
        &bench,
        OWN,
        "ff02::1",
        NdiscRepr::NeighborAdvert { flags, target_addr: v6(OWN), lladdr },
    ));
    let probe = NdiscRepr::NeighborSolicit { target_addr: v6("fd00::6"), lladdr: None };
    bench.exchange(&ndisc(&bench, "::", "ff02::1:ff00:6", probe));
    bench.pass(3);
    let net = bench.layer.net();
    let states: Vec<_> = net.interfaces[1].addresses.iter().skip(1).map(|a| a.state).collect();
    assert_eq!(states, [AddressState::Duplicate, AddressState::Duplicate, AddressState::Preferred]);
    assert!(!net.is_local(ip(OWN)) && net.is_local(ip("fd00::7")));
}

#[test]
fn answers_solicitations_and_resolves() {
    let bench = acquainted();
    let lladdr = Some(RawHardwareAddress::from_bytes(&PEER));
    let ask = NdiscRepr::NeighborSolicit { target_addr: v6(OWN), lladdr };
    let answers = bench.exchange(&ndisc(&bench, PEER_IP, "ff02::1:ff00:5", ask));
    let answer = answers.iter().find_map(|f| read_ndisc(f)).expect("an answer");
    assert_eq!(answer, (ip(OWN), ip(PEER_IP), format!("I have {OWN} {}", 0x60)));
    // A probe for it is answered to all.
    let probe = NdiscRepr::NeighborSolicit { target_addr: v6(OWN), lladdr: None };
    let answers = bench.exchange(&ndisc(&bench, "::", "ff02::1:ff00:5", probe));
    assert_eq!(read_ndisc(&answers[0]).map(|(_, to, _)| to), Some(ip("ff02::1")));
    // Through a router it does not count.
    let ask = NdiscRepr::NeighborSolicit { target_addr: v6(OWN), lladdr };
    let mut far = ndisc(&bench, PEER_IP, "ff02::1:ff00:5", ask);
    far[14 + 7] = 254;
    assert!(bench.exchange(&far).is_empty());
    assert_eq!(bench.layer.stats.drops.nd_invalid.get(), 1);

    let socket = udp(&bench, "[::]:4000");
    send(&socket, b"hello", Some("[fd00::77]:9")).expect("queued");
    let asked = bench.card.take();
    let question = read_ndisc(&asked[0]).expect("a question");
    assert_eq!(question, (ip(OWN), ip("ff02::1:ff00:77"), "who has fd00::77".into()));
    let flags = NdiscNeighborFlags::SOLICITED | NdiscNeighborFlags::OVERRIDE;
    let advert = NdiscRepr::NeighborAdvert { flags, target_addr: v6("fd00::77"), lladdr };
    let sent = bench.exchange(&ndisc(&bench, "fd00::77", OWN, advert));
    assert_eq!(read_udp(&sent[0]), (at("[fd00::5]:4000"), at("[fd00::77]:9"), b"hello".to_vec()));
}

/// A router's advertisement, written from RFC 4861 and RFC 8106.
fn advertisement(lifetime: u16, prefix: &str, valid: u32) -> Vec<u8> {
    let mut body = vec![134, 0, 0, 0, 55, 0];
    body.extend_from_slice(&lifetime.to_be_bytes());
    body.extend_from_slice(&[0; 8]);
    body.extend_from_slice(&[1, 1]);
    body.extend_from_slice(&PEER);
    body.extend_from_slice(&[5, 1, 0, 0, 0, 0, 5, 0x78]);
    body.extend_from_slice(&[3, 4, 64, 0xc0]);
    body.extend_from_slice(&valid.to_be_bytes());
    body.extend_from_slice(&valid.to_be_bytes());
    body.extend_from_slice(&[0; 4]);
    body.extend_from_slice(&v6(prefix).octets());
    body.extend_from_slice(&[25, 3, 0, 0, 0, 0, 4, 0]);
    body.extend_from_slice(&v6("2001:db8::53").octets());
    let (from, to) = (v6("fe80::99"), v6("ff02::1"));
    Icmpv6Packet::new_unchecked(&mut body).fill_checksum(&from, &to);
    packet(from.into(), to.into(), IpProtocol::Icmpv6, 255, &body)
}

#[test]
fn a_router_gives_address_route_and_name_server() {
    let bench = Bench::new(Some("10.0.0.5/24"), None);
    bench.pass(2);
    bench.exchange(&ethernet(bench.mac(), EthernetProtocol::Ipv6, &advertisement(1800, "2001:db8::", 7200)));
    bench.pass(2);
    let net = bench.layer.net();
    let own = ip("2001:db8::ff:fe00:1");
    let path = net.path(ip("2606:4700::1"), None, None).expect("a default route");
    assert_eq!((path.next_hop, path.source, path.mtu), (ip("fe80::99"), own, 1400));
    assert_eq!(
        (net.path(ip("2001:db8::7"), None, None).expect("on link").next_hop, net.hop_limit),
        (ip("2001:db8::7"), 55)
    );
    assert_eq!(net.dns, [ip("2001:db8::53")]);
    // Withdrawn, and the prefix runs out.
    bench.exchange(&ethernet(bench.mac(), EthernetProtocol::Ipv6, &advertisement(0, "2001:db8::", 7200)));
    assert!(bench.layer.net().path(ip("2606:4700::1"), None, None).is_err());
    bench.pass(7300);
    assert!(!bench.layer.net().is_local(own));
    // Not a router's: not link-local.
    let mut forged = advertisement(1800, "2001:db8:1::", 7200);
    forged[8..10].copy_from_slice(&[0x20, 1]);
    bench.exchange(&ethernet(bench.mac(), EthernetProtocol::Ipv6, &forged));
    assert!(bench.layer.net().routes.iter().all(|r| r.gateway.is_none()));
}

#[test]
fn echo_fragments_and_unknown_headers() {
    let bench = acquainted();
    let lladdr = Some(RawHardwareAddress::from_bytes(&PEER));
    bench.exchange(&ndisc(
        &bench,
        PEER_IP,
        "ff02::1:ff00:5",
        NdiscRepr::NeighborSolicit { target_addr: v6(OWN), lladdr },
    ));
    let data = vec![7; 900];
    let echo = icmpv6(PEER_IP, OWN, &Icmpv6Repr::EchoRequest { ident: 1, seq_no: 2, data: &data });
    let whole = &echo[40..];
    // In two fragments, the second first.
    let mut answers = Vec::new();
    for (offset, part, more) in [(512, &whole[512..], 0), (0, &whole[..512], 1u16)] {
        let mut body = vec![58, 0];
        body.extend_from_slice(&(offset as u16 | more).to_be_bytes());
        body.extend_from_slice(&[0, 0, 0, 9]);
        body.extend_from_slice(part);
        let fragment = packet(ip(PEER_IP), ip(OWN), IpProtocol::Ipv6Frag, 64, &body);
        answers = bench.exchange(&ethernet(bench.mac(), EthernetProtocol::Ipv6, &fragment));
    }
    let (_, from, to, _, payload) = read(&answers[0]);
    let message = Icmpv6Packet::new_checked(payload.as_slice()).expect("ICMPv6");
    let reply = Icmpv6Repr::parse(&v6(OWN), &v6(PEER_IP), &message, &caps());
    assert_eq!(
        (from, to, reply),
        (ip(OWN), ip(PEER_IP), Ok(Icmpv6Repr::EchoReply { ident: 1, seq_no: 2, data: &data }))
    );
    // An unknown protocol is answered with a parameter problem.
    let odd = packet(ip(PEER_IP), ip(OWN), IpProtocol::Unknown(200), 64, &[0; 8]);
    let answers = bench.exchange(&ethernet(bench.mac(), EthernetProtocol::Ipv6, &odd));
    assert_eq!(&read(&answers[0]).4[..2], [4, 1]);
    // UDP without checksum is not allowed here.
    let mut frame = udp_frame(&bench, at("[fd00::9]:1"), at("[fd00::5]:2"), b"x");
    frame[14 + 40 + 6..14 + 40 + 8].fill(0);
    assert!(bench.exchange(&frame).is_empty());
    assert_eq!(bench.layer.stats.v6.udp.in_checksum_errors.get(), 1);
}
