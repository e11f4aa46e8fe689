//! ARP, IPv4, ICMP and UDP over it.

use super::*;
use crate::ip::testing::SECOND;
use fs::FsError;

#[test]
fn answers_arp_for_its_own_address_only() {
    let bench = Bench::new(Some("10.0.0.5/24"), None);
    let announced = bench.card.take();
    let is_arp = |f: &&Vec<u8>| {
        EthernetFrame::new_checked(f.as_slice()).expect("a frame").ethertype() == EthernetProtocol::Arp
    };
    assert_eq!(announced.iter().filter(is_arp).count(), 1, "a gratuitous request");
    let answers =
        bench.exchange(&arp_frame([0xff; 6], ArpOperation::Request, "10.0.0.9", [0; 6], "10.0.0.5"));
    let [answer] = answers.as_slice() else { panic!("{answers:?}") };
    let header = EthernetFrame::new_checked(answer.as_slice()).expect("a frame");
    assert_eq!((header.dst_addr(), header.ethertype()), (EthernetAddress(PEER), EthernetProtocol::Arp));
    let repr = ArpRepr::parse(&ArpPacket::new_checked(header.payload()).expect("ARP")).expect("ARP");
    assert_eq!(
        repr,
        ArpRepr::EthernetIpv4 {
            operation: ArpOperation::Reply,
            source_hardware_addr: EthernetAddress(bench.mac()),
            source_protocol_addr: "10.0.0.5".parse().expect("ip"),
            target_hardware_addr: EthernetAddress(PEER),
            target_protocol_addr: "10.0.0.9".parse().expect("ip"),
        }
    );
    assert!(
        bench
            .exchange(&arp_frame([0xff; 6], ArpOperation::Request, "10.0.0.9", [0; 6], "10.0.0.6"))
            .is_empty()
    );
    // Nobody asked for this one, and it names no station.
    bench.exchange(&arp_frame(bench.mac(), ArpOperation::Reply, "10.0.0.77", bench.mac(), "10.0.0.5"));
    let mut forged = arp_frame([0xff; 6], ArpOperation::Request, "10.0.0.78", [0; 6], "10.0.0.5");
    forged[22] |= 1;
    assert!(bench.exchange(&forged).is_empty());
    let table = bench.layer.neighbours.lock().list().expect("memory");
    assert_eq!(table.iter().map(|&((_, ip), ..)| ip).collect::<Vec<_>>(), [ip("10.0.0.9")]);
    assert_eq!(bench.layer.stats.drops.arp_invalid.get(), 1);
}

#[test]
fn queues_datagrams_until_the_peer_answers() {
    let bench = Bench::new(Some("10.0.0.5/24"), None);
    let socket = udp(&bench, "0.0.0.0:5000");
    bench.card.take();
    for n in 0..5 {
        send(&socket, &[n], Some("10.0.0.9:7")).expect("queued");
    }
    let asked = bench.card.take();
    assert_eq!(asked.len(), 1, "one question for five datagrams");
    assert_eq!(bench.pass(1).iter().filter(|f| f[12..14] == [8, 6]).count(), 1, "asked again");
    let answer = arp_frame(bench.mac(), ArpOperation::Reply, "10.0.0.9", bench.mac(), "10.0.0.5");
    let sent = bench.exchange(&answer);
    let payloads: Vec<_> = sent
        .iter()
        .map(|f| read_udp(f))
        .map(|(from, to, data)| {
            assert_eq!((from, to), (at("10.0.0.5:5000"), at("10.0.0.9:7")));
            data[0]
        })
        .collect();
    assert_eq!(payloads, [0, 1, 2, 3, 4]);
    assert_eq!(read(&sent[0]).0, PEER);
}

#[test]
fn a_silent_peer_is_reported_to_the_connected_socket() {
    let bench = Bench::new(Some("10.0.0.5/24"), Some("10.0.0.1"));
    let socket = udp(&bench, "0.0.0.0:0");
    set(&socket, 0, 11, &1i32.to_ne_bytes()).expect("IP_RECVERR");
    with_caller(|caller| socket.connect(&Address::Ip(at("8.8.8.8:53")), caller)).expect("a route");
    send(&socket, b"x", None).expect("queued");
    bench.pass(5);
    assert_eq!(socket.take_error(), Some(SocketError::HostUnreachable));
    assert_eq!(bench.layer.stats.drops.neighbour_failed.get(), 1);
}

#[test]
fn answers_pings_and_sends_its_own() {
    let bench = acquainted();
    let echo = Icmpv4Repr::EchoRequest { ident: 7, seq_no: 3, data: b"some data" };
    let mut body = vec![0; echo.buffer_len()];
    echo.emit(&mut Icmpv4Packet::new_unchecked(&mut body), &caps());
    let request = packet(ip("10.0.0.9"), ip("10.0.0.5"), IpProtocol::Icmp, 64, &body);
    let answers = bench.exchange(&ethernet(bench.mac(), EthernetProtocol::Ipv4, &request));
    let (_, source, to, protocol, payload) = read(&answers[0]);
    assert_eq!((answers.len(), source, to, protocol), (1, ip("10.0.0.5"), ip("10.0.0.9"), IpProtocol::Icmp));
    let reply = Icmpv4Repr::parse(&Icmpv4Packet::new_checked(payload.as_slice()).expect("ICMP"), &caps());
    assert_eq!(reply, Ok(Icmpv4Repr::EchoReply { ident: 7, seq_no: 3, data: b"some data" }));
    // To everybody: silence.
    let request = packet(ip("10.0.0.9"), ip("10.0.0.255"), IpProtocol::Icmp, 64, &body);
    assert!(bench.exchange(&ethernet([0xff; 6], EthernetProtocol::Ipv4, &request)).is_empty());

    let ping = socket(&bench, Family::Inet, Protocol::Ping);
    assert_eq!(
        send(&ping, &[0, 0, 0, 0, 0, 0, 0, 1], Some("10.0.0.9:0")),
        Err(SocketError::File(FsError::Invalid))
    );
    send(&ping, &[8, 0, 0, 0, 0, 0, 0, 1, 65], Some("10.0.0.9:0")).expect("sent");
    let sent = bench.card.take();
    let (.., payload) = read(&sent[0]);
    let message = Icmpv4Packet::new_checked(payload.as_slice()).expect("ICMP");
    let Ok(Icmpv4Repr::EchoRequest { ident, seq_no: 1, data: b"A" }) = Icmpv4Repr::parse(&message, &caps())
    else {
        panic!("{message}")
    };
    assert_eq!(ping.local().port(), ident);
    let reply = Icmpv4Repr::EchoReply { ident, seq_no: 1, data: b"A" };
    let mut body = vec![0; reply.buffer_len()];
    reply.emit(&mut Icmpv4Packet::new_unchecked(&mut body), &caps());
    let reply = packet(ip("10.0.0.9"), ip("10.0.0.5"), IpProtocol::Icmp, 64, &body);
    bench.exchange(&ethernet(bench.mac(), EthernetProtocol::Ipv4, &reply));
    let (data, received) = receive(&ping).expect("an answer");
    assert_eq!((data, from(&received)), (body, at("10.0.0.9:0")));
}

#[test]
fn refuses_ports_and_tells_who_was_refused() {
    let bench = acquainted();
    let question = udp_frame(&bench, at("10.0.0.9:1000"), at("10.0.0.5:2000"), b"hello");
    let answers = bench.exchange(&question);
    let (_, _, to, _, payload) = read(&answers[0]);
    let message = Icmpv4Packet::new_checked(payload.as_slice()).expect("ICMP");
    match Icmpv4Repr::parse(&message, &caps()) {
        Ok(Icmpv4Repr::DstUnreachable { reason: Icmpv4DstUnreachable::PortUnreachable, header, data }) => {
            assert_eq!((to, header.src_addr.into(), data), (ip("10.0.0.9"), ip("10.0.0.9"), &question[34..]));
        }
        other => panic!("{other:?}"),
    }
    // The other way round: the peer refuses.
    let socket = udp(&bench, "0.0.0.0:3000");
    with_caller(|caller| socket.connect(&Address::Ip(at("10.0.0.9:9")), caller)).expect("a route");
    send(&socket, b"anyone?", None).expect("sent");
    let sent = bench.card.take();
    let mut body = vec![3, 3, 0, 0, 0, 0, 0, 0];
    body.extend_from_slice(&sent[0][14..]);
    Icmpv4Packet::new_unchecked(&mut body).fill_checksum();
    let error = packet(ip("10.0.0.9"), ip("10.0.0.5"), IpProtocol::Icmp, 64, &body);
    bench.exchange(&ethernet(bench.mac(), EthernetProtocol::Ipv4, &error));
    assert_eq!(receive(&socket).err(), Some(SocketError::Refused));
    assert_eq!(receive(&socket).err(), Some(SocketError::File(FsError::WouldBlock)), "told once");
    // Errors are limited.
    let flood = (0..1000).map(|_| bench.exchange(&question).len()).sum::<usize>();
    assert!((40..=50).contains(&flood), "{flood}");
    assert_eq!(bench.layer.stats.v4.icmp.out_rate_limited.get() as usize, 1000 - flood);
}

#[test]
fn fragments_out_and_in() {
    let bench = acquainted();
    let socket = udp(&bench, "0.0.0.0:4000");
    set(&socket, 0, 10, &0i32.to_ne_bytes()).expect("IP_PMTUDISC_DONT");
    let data: Vec<u8> = (0..5000u32).map(|n| (n % 251) as u8).collect();
    send(&socket, &data, Some("10.0.0.9:4001")).expect("cut");
    let sent = bench.card.take();
    let mut whole = vec![0; 5008];
    let mut covered = 0;
    for frame in &sent {
        let packet = Ipv4Packet::new_checked(&frame[14..]).expect("a packet");
        assert!(packet.verify_checksum() && frame.len() <= 1514 && !packet.dont_frag());
        let offset = usize::from(packet.frag_offset());
        whole[offset..offset + packet.payload().len()].copy_from_slice(packet.payload());
        covered += packet.payload().len();
        assert_eq!(packet.more_frags(), offset + packet.payload().len() < 5008);
    }
    let udp_packet = UdpPacket::new_checked(whole.as_slice()).expect("a datagram");
    assert_eq!((covered, udp_packet.payload()), (5008, data.as_slice()));
    assert!(udp_packet.verify_checksum(&ip("10.0.0.5").into(), &ip("10.0.0.9").into()));
    // Back, in another order.
    for frame in sent.iter().rev() {
        let mut back = frame[14..].to_vec();
        let mut packet = Ipv4Packet::new_unchecked(&mut back);
        packet.set_src_addr("10.0.0.9".parse().expect("ip"));
        packet.set_dst_addr("10.0.0.5".parse().expect("ip"));
        packet.fill_checksum();
        if packet.frag_offset() == 0 {
            packet.payload_mut()[..4].copy_from_slice(&[0x0f, 0xa1, 0x0f, 0xa0]);
        }
        bench.exchange(&ethernet(bench.mac(), EthernetProtocol::Ipv4, &back));
    }
    assert_eq!(receive(&socket).expect("put together").0, data);
    set(&socket, 0, 10, &2i32.to_ne_bytes()).expect("IP_PMTUDISC_DO");
    assert_eq!(send(&socket, &data, Some("10.0.0.9:4001")), Err(SocketError::MessageSize));
    assert!(bench.layer.fragments.lock().usage() == (0, 0));
}

#[test]
fn a_smaller_way_is_learned_from_routers_for_own_packets_only() {
    let bench = acquainted();
    let socket = udp(&bench, "0.0.0.0:4000");
    with_caller(|caller| socket.connect(&Address::Ip(at("10.0.0.9:9")), caller)).expect("a route");
    send(&socket, &[1; 1400], None).expect("sent");
    let sent = bench.card.take().remove(0);
    assert!(Ipv4Packet::new_checked(&sent[14..]).expect("a packet").dont_frag());
    let report = |quoted: &[u8]| {
        let mut body = vec![3, 4, 0, 0, 0, 0, 3, 0xe8];
        body.extend_from_slice(&quoted[..28]);
        Icmpv4Packet::new_unchecked(&mut body).fill_checksum();
        let error = packet(ip("10.0.0.9"), ip("10.0.0.5"), IpProtocol::Icmp, 64, &body);
        bench.exchange(&ethernet(bench.mac(), EthernetProtocol::Ipv4, &error));
    };
    let mtu = || match socket.option(0, 14) {
        Ok(fs::socket::OptionValue::Int(mtu)) => mtu,
        other => panic!("{other:?}"),
    };
    let mut forged = sent[14..].to_vec();
    forged[20] ^= 0x55;
    report(&forged);
    assert_eq!(mtu(), 1500, "not a datagram of any socket");
    report(&sent[14..]);
    assert_eq!(mtu(), 1000);
    send(&socket, &[1; 1400], None).expect("cut here");
    assert_eq!(bench.card.take().len(), 2);
}

#[test]
fn martians_and_strangers_are_dropped_and_counted() {
    let bench = acquainted();
    let socket = udp(&bench, "0.0.0.0:4000");
    for source in ["127.0.0.1:1", "10.0.0.5:1", "224.0.0.1:1", "10.0.0.255:1", "255.255.255.255:1"] {
        bench.exchange(&udp_frame(&bench, at(source), at("10.0.0.5:4000"), b"x"));
    }
    bench.exchange(&udp_frame(&bench, at("10.0.0.9:1"), at("127.0.0.1:4000"), b"x"));
    bench.exchange(&udp_frame(&bench, at("10.0.0.9:1"), at("10.0.0.6:4000"), b"x"));
    let mut unicast_to_all = udp_frame(&bench, at("10.0.0.9:1"), at("10.0.0.5:4000"), b"x");
    unicast_to_all[..6].fill(0xff);
    bench.exchange(&unicast_to_all);
    let mut damaged = udp_frame(&bench, at("10.0.0.9:1"), at("10.0.0.5:4000"), b"x");
    *damaged.last_mut().expect("data") ^= 1;
    bench.exchange(&damaged);
    assert_eq!(receive(&socket).err(), Some(SocketError::File(FsError::WouldBlock)));
    let stats = &bench.layer.stats;
    assert_eq!((stats.v4.udp.in_checksum_errors.get(), stats.v4.ip.in_discards.get()), (1, 1));
    assert!(stats.drops.martian_source.get() >= 5);
    bench.exchange(&udp_frame(&bench, at("10.0.0.9:1"), at("10.0.0.5:4000"), b"fine"));
    assert_eq!(receive(&socket).expect("a datagram").0, b"fine");
}

#[test]
fn a_full_card_keeps_frames_in_order() {
    let bench = acquainted();
    let socket = udp(&bench, "0.0.0.0:4000");
    bench.card.set_room(2);
    for n in 0..6 {
        send(&socket, &[n], Some("10.0.0.9:9")).expect("queued");
    }
    bench.card.set_room(u64::MAX);
    let mut sent = bench.card.take();
    sent.extend(bench.poll());
    assert_eq!(sent.iter().map(|f| read_udp(f).2[0]).collect::<Vec<_>>(), [0, 1, 2, 3, 4, 5]);
}

#[test]
fn multicast_is_reported_looped_and_filtered() {
    let bench = acquainted();
    let socket = udp(&bench, "0.0.0.0:4000");
    let group = [239, 1, 2, 3];
    let mut request = group.to_vec();
    request.extend_from_slice(&[10, 0, 0, 5]);
    let to_group = || {
        let mut frame = udp_frame(&bench, at("10.0.0.9:1"), at("239.1.2.3:4000"), b"news");
        frame[..6].copy_from_slice(&[1, 0, 0x5e, 1, 2, 3]);
        frame
    };
    bench.exchange(&to_group());
    assert!(receive(&socket).is_err(), "not a member");
    set(&socket, 0, 35, &request).expect("joined");
    assert_eq!(set(&socket, 0, 35, &request), Err(SocketError::AddressInUse));
    let report = bench.card.take();
    assert_eq!(
        (&report[0][..6], report[0][14 + 9], &report[0][30..34]),
        (&[1, 0, 0x5e, 0, 0, 22][..], 2, &[224, 0, 0, 22][..])
    );
    assert_eq!(&report[0][38 + 8..], [4, 0, 0, 0, 239, 1, 2, 3], "one record, which excludes nothing");
    bench.exchange(&to_group());
    assert_eq!(receive(&socket).expect("a member").0, b"news");
    send(&socket, b"mine", Some("239.1.2.3:4000")).expect("sent");
    let (data, received) = receive(&socket).expect("looped");
    assert_eq!((data, from(&received)), (b"mine".to_vec(), at("10.0.0.5:4000")));
    let sent = bench.card.take();
    assert_eq!((&sent[0][..6], sent[0][14 + 8]), (&[1, 0, 0x5e, 1, 2, 3][..], 1), "TTL 1");
    set(&socket, 0, 34, &0i32.to_ne_bytes()).expect("IP_MULTICAST_LOOP");
    send(&socket, b"mine", Some("239.1.2.3:4000")).expect("sent");
    assert!(receive(&socket).is_err());
    drop(socket);
    assert!(bench.layer.net().groups.is_empty());
    assert!(bench.card.take().iter().any(|f| f.ends_with(&[3, 0, 0, 0, 239, 1, 2, 3])), "left");
}

#[test]
fn reassembly_gives_up_after_its_time() {
    let bench = acquainted();
    let mut first = packet(ip("10.0.0.9"), ip("10.0.0.5"), IpProtocol::Udp, 64, &[0; 64]);
    let mut header = Ipv4Packet::new_unchecked(&mut first);
    header.clear_flags();
    header.set_more_frags(true);
    header.fill_checksum();
    bench.exchange(&ethernet(bench.mac(), EthernetProtocol::Ipv4, &first));
    let sent = bench.pass(crate::ip::fragment::TIMEOUT / SECOND + 1);
    let errors: Vec<_> = sent.iter().filter(|f| f[12..14] == [8, 0] && f[23] == 1).collect();
    assert_eq!(errors.len(), 1);
    assert_eq!(&errors[0][34..36], [11, 1], "time exceeded in reassembly");
    assert_eq!(bench.layer.stats.v4.ip.reassembly_timeouts.get(), 1);
}

/// Frames that do not leave are counted where programs look for them, and nowhere as sent.
#[test]
fn frames_that_do_not_leave_are_counted() {
    let bench = acquainted();
    let socket = udp(&bench, "0.0.0.0:4000");
    let net = bench.layer.net();
    let card = net.interfaces.get(1).expect("a card");
    let sent = || (card.stats.tx_packets.get(), card.stats.tx_bytes.get(), card.stats.tx_dropped.get());
    let before = sent();
    bench.card.unplug(true);
    send(&socket, b"lost", Some("10.0.0.9:9")).expect("as on Linux");
    assert_eq!(sent(), (before.0, before.1, 1));
    assert_eq!(bench.layer.stats.drops.link_down.get(), 1);
    bench.card.unplug(false);
    assert!(bench.layer.sent_all());
    // With no room, some wait and the rest goes.
    bench.card.set_room(0);
    const FRAMES: u64 = 2000;
    for _ in 0..FRAMES {
        send(&socket, b"four", Some("10.0.0.9:9")).expect("as on Linux");
    }
    assert!(!bench.layer.sent_all());
    let (packets, bytes, dropped) = sent();
    assert!(dropped > 1);
    assert_eq!(packets - before.0 + dropped - 1, FRAMES);
    assert_eq!(bytes - before.1, (packets - before.0) * (14 + 20 + 8 + 4));
    bench.card.set_room(u64::MAX);
    bench.layer.poll(0, 0, 64);
    assert!(bench.layer.sent_all());
    assert_eq!(bench.card.take().len() as u64, packets - before.0);
}

/// A packet whose interface has gone has no way.
#[test]
fn a_packet_without_an_interface_is_counted() {
    let bench = acquainted();
    let to = at("10.0.0.9:9").ip();
    let mut path = bench.layer.net().path(to, None, None).expect("a way");
    path.interface = 99;
    let mut pass = bench.layer.pass();
    let before = bench.layer.stats.v4.ip.out_transmits.get();
    pass.emit(&path, crate::frame::Frame::with_room(60, 20).expect("memory"));
    pass.finish();
    let ip = &bench.layer.stats.v4.ip;
    assert_eq!((ip.out_no_routes.get(), ip.out_transmits.get()), (1, before));
}
