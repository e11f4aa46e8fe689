//! Frames that nobody sane sends: random ones, and right ones with bytes changed. None may panic or make tables grow without bound.

use super::*;
use crate::ip::{fragment, interface, neighbour, route};
use proptest::prelude::*;

/// Right frames of every kind.
fn seeds(bench: &Bench) -> Vec<Vec<u8>> {
    let mut seeds = vec![
        arp_frame(bench.mac(), ArpOperation::Request, "10.0.0.9", [0; 6], "10.0.0.5"),
        arp_frame(bench.mac(), ArpOperation::Reply, "10.0.0.9", bench.mac(), "10.0.0.5"),
        udp_frame(bench, at("10.0.0.9:1000"), at("10.0.0.5:4000"), &[1; 40]),
        udp_frame(bench, at("10.0.0.9:67"), at("10.0.0.5:68"), &[2; 300]),
        udp_frame(bench, at("[fd00::9]:1000"), at("[fd00::5]:4000"), &[1; 40]),
        udp_frame(bench, at("10.0.0.9:1000"), at("239.1.2.3:4000"), &[1; 40]),
    ];
    for kind in [0u8, 3, 4, 5, 8, 11, 12, 13] {
        let mut body = vec![kind, 0, 0, 0, 0, 0, 0, 0];
        body.extend_from_slice(&packet(ip("10.0.0.5"), ip("10.0.0.9"), IpProtocol::Udp, 64, &[0; 16]));
        Icmpv4Packet::new_unchecked(&mut body).fill_checksum();
        seeds.push(ethernet(
            bench.mac(),
            EthernetProtocol::Ipv4,
            &packet(ip("10.0.0.9"), ip("10.0.0.5"), IpProtocol::Icmp, 64, &body),
        ));
    }
    for kind in [1u8, 2, 3, 4, 128, 129, 130, 133, 134, 135, 136, 137, 143] {
        let mut body = vec![kind, 0, 0, 0, 0, 0, 0, 0];
        body.extend_from_slice(&[0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 5]);
        body.extend_from_slice(&[
            1, 1, 2, 0, 0, 0, 0, 0x99, 3, 4, 64, 0xc0, 0, 0, 9, 9, 0, 0, 9, 9, 0, 0, 0, 0,
        ]);
        body.extend_from_slice(&[0xfd, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
        let (from, to) = ("fe80::9".parse().expect("ip"), "fd00::5".parse().expect("ip"));
        Icmpv6Packet::new_unchecked(&mut body).fill_checksum(&from, &to);
        seeds.push(ethernet(
            bench.mac(),
            EthernetProtocol::Ipv6,
            &packet(from.into(), to.into(), IpProtocol::Icmpv6, 255, &body),
        ));
    }
    for header in [0u8, 43, 44, 60] {
        let body = [58, 0, 0, 1, 0, 0, 0, 9, 17, 0, 5, 2, 0, 0, 1, 0, 0, 1, 0, 2, 0, 8, 0, 0];
        seeds.push(ethernet(
            bench.mac(),
            EthernetProtocol::Ipv6,
            &packet(ip("fd00::9"), ip("fd00::5"), header.into(), 64, &body),
        ));
    }
    for (from, to) in [("10.0.0.9", "10.0.0.5"), ("fd00::9", "fd00::5")] {
        for flags in [0x02u8, 0x10, 0x18, 0x12, 0x04, 0x11] {
            let mut segment = vec![
                0x9c, 0x40, 0x0f, 0xa0, 0, 0, 0, 1, 0, 0, 0, 1, 0x60, flags, 0x10, 0, 0, 0, 0, 0, 2, 4, 5,
                0xb4,
            ];
            segment.extend_from_slice(&[7; 20]);
            let kind = if from.contains(':') { EthernetProtocol::Ipv6 } else { EthernetProtocol::Ipv4 };
            seeds.push(ethernet(bench.mac(), kind, &packet(ip(from), ip(to), IpProtocol::Tcp, 64, &segment)));
        }
    }
    let fragment = packet(ip("10.0.0.9"), ip("10.0.0.5"), IpProtocol::Udp, 64, &[3; 64]);
    for position in [0x2000u16, 0x2008, 8, 0x1fff] {
        let mut piece = fragment.clone();
        piece[6..8].copy_from_slice(&position.to_be_bytes());
        Ipv4Packet::new_unchecked(&mut piece).fill_checksum();
        seeds.push(ethernet(bench.mac(), EthernetProtocol::Ipv4, &piece));
    }
    seeds
}

/// Puts right the checksums that a random change has made wrong, so that what lies behind them is reached.
fn mend(frame: &mut [u8]) {
    let Some(packet) = frame.get_mut(14..) else { return };
    let Some(&first) = packet.first() else { return };
    if first >> 4 == 4 {
        let header_len = usize::from(first & 15) * 4;
        if header_len >= 20 && packet.len() >= header_len {
            packet[10..12].fill(0);
            let sum = crate::ip::wire::plain_checksum(&packet[..header_len]);
            packet[10..12].copy_from_slice(&sum.to_be_bytes());
            if packet[9] == 1 && packet.len() >= header_len + 4 {
                packet[header_len + 2..header_len + 4].fill(0);
                let sum = crate::ip::wire::plain_checksum(&packet[header_len..]);
                packet[header_len + 2..header_len + 4].copy_from_slice(&sum.to_be_bytes());
            }
        }
    } else if first >> 4 == 6 && packet.len() >= 44 && packet[6] == 58 {
        let (from, to) = crate::ip::loopback::ends(packet).unwrap_or((ip("::"), ip("::")));
        packet[42..44].fill(0);
        let sum = crate::ip::wire::transport_checksum(from, to, 58, &packet[40..]);
        packet[42..44].copy_from_slice(&sum.to_be_bytes());
    }
}

/// The same for a TCP segment.
fn mend_tcp(frame: &mut [u8]) {
    let Some(packet) = frame.get_mut(14..) else { return };
    let at = match packet.first().map(|byte| byte >> 4) {
        Some(4) if packet.get(9) == Some(&6) => usize::from(packet[0] & 15) * 4,
        Some(6) if packet.get(6) == Some(&6) => 40,
        _ => return,
    };
    let Some((from, to)) = crate::ip::loopback::ends(packet) else { return };
    if packet.len() >= at + 20 {
        packet[at + 16..at + 18].fill(0);
        let sum = crate::ip::wire::transport_checksum(from, to, 6, &packet[at..]);
        packet[at + 16..at + 18].copy_from_slice(&sum.to_be_bytes());
    }
}

fn check_bounds(bench: &Bench) {
    let net = bench.layer.net();
    assert!(net.routes.len() <= route::MAX_ROUTES);
    assert!(net.interfaces.iter().all(|i| i.addresses.len() <= interface::MAX_ADDRESSES));
    assert!(bench.layer.neighbours.lock().list().expect("memory").len() <= neighbour::MAX_ENTRIES);
    let (packets, bytes) = bench.layer.fragments.lock().usage();
    assert!(packets <= fragment::MAX_PACKETS && bytes <= fragment::MAX_BYTES);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn random_frames(frames in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..120), 0..64)) {
        let bench = Bench::new(Some("10.0.0.5/24,fd00::5/64,dhcp"), None);
        bench.pass(2);
        for (n, mut frame) in frames.into_iter().enumerate() {
            // For this station, and of a known type, or nothing would be looked at.
            let head = [2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 9];
            frame.iter_mut().zip(head).for_each(|(to, from)| *to = from);
            let kind: [u8; 2] = [[8, 0], [8, 6], [0x86, 0xdd]][n % 3];
            if let Some(place) = frame.get_mut(12..14) {
                place.copy_from_slice(&kind);
            }
            if let Some(version) = frame.get_mut(14) {
                *version = if n % 3 == 0 { 0x45 } else { 0x60 };
            }
            bench.exchange(&frame);
        }
        check_bounds(&bench);
    }

    #[test]
    fn changed_frames(
        changes in prop::collection::vec((any::<prop::sample::Index>(), prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..4), any::<prop::sample::Index>(), any::<bool>()), 1..200),
    ) {
        let bench = Bench::new(Some("10.0.0.5/24,fd00::5/64,dhcp"), Some("10.0.0.1"));
        bench.pass(2);
        let member = udp(&bench, "0.0.0.0:4000");
        let _both = socket(&bench, Family::Inet6, Protocol::Udp);
        let stack = crate::Stack::over(bench.layer.clone(), 0);
        let listener = with_caller(|caller| stack.socket(10, 1, 0, caller)).expect("a socket");
        with_caller(|caller| {
            let listener = listener.as_socket().expect("a socket");
            listener.bind(&Address::Ip(at("[::]:4000")), caller).and_then(|()| listener.listen(4, caller))
        })
        .expect("it listens");
        set(&member, 0, 35, &[239, 1, 2, 3, 10, 0, 0, 5]).expect("joined");
        let seeds = seeds(&bench);
        for (seed, bytes, end, cut) in changes {
            let mut frame = seed.get(&seeds).clone();
            for (at, value) in bytes {
                let at = at.index(frame.len());
                frame[at] = value;
            }
            if cut {
                let end = end.index(frame.len());
                frame.truncate(end);
            }
            mend(&mut frame);
            mend_tcp(&mut frame);
            bench.exchange(&frame);
        }
        bench.pass(100);
        check_bounds(&bench);
    }
}
