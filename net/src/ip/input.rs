//! IP packets that came: checks, fragments, and who gets them.
//!
//! Called by a [`Pass`] for packets of cards and for its own local ones. A packet whose header is wrong is counted and dropped; what is
//! right goes to the transport protocols as [`Arrival`] and the packet with its header.

use crate::frame::Frame;
use crate::ip::address;
use crate::ip::fragment::{Key, Piece, Verdict};
use crate::ip::interface::Cast;
use crate::ip::layer::Pass;
use crate::ip::trouble::{ErrorReport, Trouble};
use crate::ip::wire;
use crate::tcp::segment::header_ok;
use core::net::IpAddr;
use smoltcp::wire::{Ipv4Packet, Ipv6Packet};

/// Protocol numbers.
pub mod protocol {
    /// ICMP.
    pub const ICMP: u8 = 1;
    /// IGMP.
    pub const IGMP: u8 = 2;
    /// TCP.
    pub const TCP: u8 = 6;
    /// UDP.
    pub const UDP: u8 = 17;
    /// ICMPv6.
    pub const ICMPV6: u8 = 58;
    /// IPv6: hop-by-hop options.
    pub const HOP_BY_HOP: u8 = 0;
    /// IPv6: routing header.
    pub const ROUTING: u8 = 43;
    /// IPv6: fragment header.
    pub const FRAGMENT: u8 = 44;
    /// IPv6: nothing follows.
    pub const NONE: u8 = 59;
    /// IPv6: destination options.
    pub const DESTINATION: u8 = 60;
}

/// Bytes of an IPv4 header without options.
const HEADER_LEN: usize = 20;
/// Extension headers of one packet at most.
const MAX_EXTENSIONS: usize = 8;

/// What the IP header of a packet for this host says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Arrival {
    /// From whom.
    pub source: IpAddr,
    /// To whom.
    pub destination: IpAddr,
    /// What follows the header.
    pub protocol: u8,
    /// TTL or hop limit.
    pub hop_limit: u8,
    /// TOS or traffic class.
    pub traffic_class: u8,
    /// The interface that it came on.
    pub interface: u32,
    /// Kind of the destination.
    pub cast: Cast,
    /// Length of the IP header with options or extension headers, bytes.
    pub header_len: usize,
}

/// TCP, as the IP layer sees it.
pub trait Segments: Send + Sync {
    /// A packet for an own address, with its IP header (and extension headers) of `header_len` bytes.
    fn input(&self, packet: &mut Frame, header_len: usize, now: u64);

    /// A router or the peer had trouble with a packet that was sent; whether it belongs to a connection.
    fn trouble(&self, report: &ErrorReport<'_>, now: u64) -> bool;

    /// Does what time brings; returns when to be called again.
    fn work(&self, now: u64) -> Option<u64>;
}

/// What following the extension headers of IPv6 led to.
enum Chain {
    /// A protocol, at an offset.
    Protocol(u8, usize),
    /// A fragment header at the first offset; the number of the header before it is stored at the second.
    Fragment(usize, usize),
    /// The packet is to be dropped, perhaps with an answer: code and pointer of a parameter problem.
    Drop(Option<(u8, u32)>),
}

impl Pass<'_> {
    /// A packet that came on interface `index`, perhaps in a frame for several stations.
    pub(crate) fn ip_input(&mut self, index: u32, frame: &mut Frame, link_group: bool) {
        match frame.data().first().map(|byte| byte >> 4) {
            Some(4) => self.ipv4_input(index, frame, link_group),
            Some(6) => self.ipv6_input(index, frame),
            _ => self.layer.stats.v4.ip.in_header_errors.inc(),
        }
    }

    fn ipv4_input(&mut self, index: u32, frame: &mut Frame, link_group: bool) {
        let stats = &self.layer.stats.v4;
        stats.ip.in_receives.inc();
        stats.ext.in_octets.add(frame.len() as u64);
        if !(link_group || self.inside)
            && let Some(total) = self.usual_segment(frame.data())
            && let Some(tcp) = self.layer.tcp.get()
        {
            frame.set_len(total);
            tcp.input(frame, HEADER_LEN, self.now);
            return stats.ip.in_delivers.inc();
        }
        let Some(mut frame) = self.keep(frame) else { return };
        let Ok(header) = Ipv4Packet::new_checked(frame.data()) else {
            stats.ext.in_truncated.inc();
            return stats.ip.in_header_errors.inc();
        };
        let (header_len, total) = (usize::from(header.header_len()), usize::from(header.total_len()));
        if header_len < 20 || total < header_len {
            return stats.ip.in_header_errors.inc();
        }
        if !self.inside && !header.verify_checksum() {
            stats.ext.in_checksum_errors.inc();
            return stats.ip.in_header_errors.inc();
        }
        let arrival = Arrival {
            source: header.src_addr().into(),
            destination: header.dst_addr().into(),
            protocol: header.next_header().into(),
            hop_limit: header.hop_limit(),
            traffic_class: frame.data().get(1).copied().unwrap_or(0),
            interface: index,
            cast: Cast::Unicast,
            header_len,
        };
        let (offset, more, ident) = (usize::from(header.frag_offset()), header.more_frags(), header.ident());
        let broadcast_source = header.src_addr().is_broadcast();
        frame.set_len(total);
        let whole = offset == 0 && !more;
        if whole && self.dhcp_wants(&arrival, &frame) {
            return;
        }
        if broadcast_source || !self.believable(&arrival) {
            return;
        }
        let Some(arrival) = self.addressed(arrival, link_group) else { return };
        if whole {
            return self.deliver(frame, arrival);
        }
        let key = Key {
            source: arrival.source,
            destination: arrival.destination,
            ident: ident.into(),
            protocol: arrival.protocol,
        };
        let piece = Piece { offset, more, header_len, data_at: header_len, next_at: None };
        self.reassemble(key, piece, frame, arrival);
    }

    /// The length of what is a whole TCP packet, beyond doubt from one other host to this one.
    #[inline]
    fn usual_segment(&self, data: &[u8]) -> Option<usize> {
        let header: &[u8; HEADER_LEN] = data.first_chunk()?;
        // No options, and no fragment.
        let usual =
            header[0] == 0x45 && header[9] == protocol::TCP && header[6] & 0x3f == 0 && header[7] == 0;
        let total = usize::from(u16::from_be_bytes([header[2], header[3]]));
        let [.., a, b, c, d, e, f, g, h] = *header;
        let fits = (HEADER_LEN..=data.len()).contains(&total);
        (usual && fits && header_ok(header) && self.net.is_usual([a, b, c, d].into(), [e, f, g, h].into()))
            .then_some(total)
    }

    /// A frame for good. What never left this host is whole already.
    fn keep(&self, frame: &mut Frame) -> Option<Frame> {
        let kept = if self.inside { Some(core::mem::take(frame)) } else { frame.keep() };
        if kept.is_none() {
            self.layer.stats.drops.no_memory.inc();
        }
        kept
    }

    fn ipv6_input(&mut self, index: u32, frame: &mut Frame) {
        let stats = &self.layer.stats.v6;
        stats.ip.in_receives.inc();
        stats.ext.in_octets.add(frame.len() as u64);
        let Some(mut frame) = self.keep(frame) else { return };
        let Ok(header) = Ipv6Packet::new_checked(frame.data()) else {
            stats.ext.in_truncated.inc();
            return stats.ip.in_header_errors.inc();
        };
        let arrival = Arrival {
            source: header.src_addr().into(),
            destination: header.dst_addr().into(),
            protocol: header.next_header().into(),
            hop_limit: header.hop_limit(),
            traffic_class: header.traffic_class(),
            interface: index,
            cast: Cast::Unicast,
            header_len: 40,
        };
        let total = header.total_len();
        frame.set_len(total);
        if !self.believable(&arrival) {
            return;
        }
        let Some(mut arrival) = self.addressed(arrival, false) else { return };
        match follow(frame.data(), arrival.protocol, 40, 6) {
            Chain::Protocol(protocol, at) => {
                (arrival.protocol, arrival.header_len) = (protocol, at);
                self.deliver(frame, arrival);
            }
            Chain::Fragment(at, next_at) => self.ipv6_fragment(frame, arrival, at, next_at),
            Chain::Drop(problem) => {
                self.layer.stats.v6.ip.in_header_errors.inc();
                if let Some((code, pointer)) = problem {
                    self.icmp_error(&arrival, &frame, Trouble::ParameterProblem(code, pointer));
                }
            }
        }
    }

    fn ipv6_fragment(&mut self, frame: Frame, mut arrival: Arrival, at: usize, next_at: usize) {
        let header = (
            wire::bytes::<1>(frame.data(), at),
            wire::be16(frame.data(), at + 2),
            wire::be32(frame.data(), at + 4),
        );
        let (Some([protocol]), Some(position), Some(ident)) = header else {
            return self.layer.stats.v6.ip.in_header_errors.inc();
        };
        let (offset, more) = (usize::from(position & 0xfff8), position & 1 == 1);
        arrival.protocol = protocol;
        let key = Key { source: arrival.source, destination: arrival.destination, ident, protocol };
        let piece = Piece { offset, more, header_len: at, data_at: at + 8, next_at: Some(next_at) };
        self.reassemble(key, piece, frame, arrival);
    }

    /// Takes a fragment; when it is the last one missing, delivers the packet.
    fn reassemble(&mut self, key: Key, piece: Piece, frame: Frame, arrival: Arrival) {
        let stats = &self.layer.stats.family(arrival.source.is_ipv6()).ip;
        stats.reassembly_needed.inc();
        let (verdict, next) = {
            let mut fragments = self.layer.fragments.lock();
            (fragments.add(key, piece, &frame, arrival.interface, self.now), fragments.next_deadline())
        };
        self.layer.schedule_some(next);
        match verdict {
            Verdict::Waiting => {}
            Verdict::Dropped => stats.reassembly_failures.inc(),
            Verdict::Misaligned(at) => {
                stats.in_header_errors.inc();
                self.icmp_error(&arrival, &frame, Trouble::ParameterProblem(0, at));
            }
            Verdict::Complete(packet, header_len) => {
                stats.reassembled.inc();
                let mut arrival = Arrival { header_len, ..arrival };
                if arrival.source.is_ipv6() {
                    // Destination options may follow the fragment header.
                    match follow(packet.data(), arrival.protocol, header_len, 6) {
                        Chain::Protocol(protocol, at) => {
                            (arrival.protocol, arrival.header_len) = (protocol, at);
                        }
                        _ => return stats.in_header_errors.inc(),
                    }
                }
                self.deliver(packet, arrival);
            }
        }
    }

    /// Whether the source may be what it says.
    fn believable(&self, arrival: &Arrival) -> bool {
        let (source, destination) = (arrival.source, arrival.destination);
        let outside = !self.inside;
        let loopback = |ip: IpAddr| ip.is_loopback();
        let strange = address::is_multicast(source)
            || (outside && (loopback(source) || loopback(destination)))
            || (outside && source.is_ipv4() && (self.net.is_local(source) || self.net.is_broadcast(source)));
        if strange {
            let stats = &self.layer.stats;
            stats.drops.martian_source.inc();
            stats.family(source.is_ipv6()).ip.in_address_errors.inc();
        }
        !strange
    }

    /// Fills in how the packet is for this host; `None` if it is not.
    fn addressed(&self, mut arrival: Arrival, link_group: bool) -> Option<Arrival> {
        let stats = self.layer.stats.family(arrival.source.is_ipv6());
        arrival.cast = match self.net.for_us(arrival.interface, arrival.destination) {
            // A packet to one host in a frame to everybody is somebody's mistake (RFC 1122, 3.3.6).
            Some(Cast::Unicast) if link_group && arrival.protocol != protocol::ICMP => {
                stats.ip.in_discards.inc();
                return None;
            }
            Some(cast) => cast,
            None => {
                stats.ip.in_address_errors.inc();
                return None;
            }
        };
        match arrival.cast {
            Cast::Multicast => stats.ext.in_multicast.inc(),
            Cast::Broadcast => stats.ext.in_broadcast.inc(),
            Cast::Unicast => {}
        }
        Some(arrival)
    }

    /// Gives a whole packet to its protocol.
    fn deliver(&mut self, mut frame: Frame, arrival: Arrival) {
        let v6 = arrival.source.is_ipv6();
        let stats = self.layer.stats.family(v6);
        match arrival.protocol {
            protocol::UDP => self.udp_input(frame, &arrival),
            protocol::TCP => {
                let Some(tcp) = self.layer.tcp.get() else { return self.layer.stats.drops.no_tcp.inc() };
                if arrival.cast == Cast::Unicast && !arrival.source.is_unspecified() {
                    tcp.input(&mut frame, arrival.header_len, self.now);
                } else {
                    return stats.ip.in_discards.inc();
                }
            }
            protocol::ICMP if !v6 => self.icmp_input(frame, &arrival),
            protocol::ICMPV6 if v6 => self.icmp_input(frame, &arrival),
            protocol::IGMP if !v6 => self.igmp_input(&frame, &arrival),
            protocol::NONE if v6 => {}
            _ => {
                stats.ip.in_unknown_protocols.inc();
                self.icmp_error(&arrival, &frame, Trouble::NoProtocol);
                return;
            }
        }
        stats.ip.in_delivers.inc();
    }
}

/// Follows extension headers from `at`, whose kind is `next`, which is stored at `next_at`.
fn follow(packet: &[u8], mut next: u8, mut at: usize, mut next_at: usize) -> Chain {
    for n in 0..MAX_EXTENSIONS {
        match next {
            protocol::HOP_BY_HOP | protocol::DESTINATION => {
                // Hop-by-hop options come first or not at all.
                if next == protocol::HOP_BY_HOP && (n > 0 || at != 40) {
                    return Chain::Drop(Some((1, next_at as u32)));
                }
            }
            protocol::ROUTING => {
                // No way through this host: only a header that is done may pass (RFC 8200, 4.4).
                match wire::bytes::<4>(packet, at) {
                    Some([.., 0]) => {}
                    Some(_) => return Chain::Drop(Some((0, at as u32 + 2))),
                    None => return Chain::Drop(None),
                }
            }
            protocol::FRAGMENT => {
                return match packet.get(at..at + 8) {
                    Some(_) => Chain::Fragment(at, next_at),
                    None => Chain::Drop(None),
                };
            }
            protocol => return Chain::Protocol(protocol, at),
        }
        let Some([following, len]) = wire::bytes(packet, at) else { return Chain::Drop(None) };
        let end = at + (usize::from(len) + 1) * 8;
        let Some(header) = packet.get(at..end) else { return Chain::Drop(None) };
        if next != protocol::ROUTING
            && let Err((report, offset)) = options(header)
        {
            return Chain::Drop(report.then_some((2, (at + offset) as u32)));
        }
        (next_at, next, at) = (at, following, end);
    }
    Chain::Drop(None)
}

/// Checks the options in a header; an unknown one that is not to be skipped is an error: whether it is to be reported, and where.
fn options(header: &[u8]) -> Result<(), (bool, usize)> {
    let mut at = 2;
    while let Some(&kind) = header.get(at) {
        if kind == 0 {
            at += 1;
            continue;
        }
        let Some(&len) = header.get(at + 1) else { return Err((false, at)) };
        // PadN, router alert, jumbo payloads are not needed; the two high bits say what to do with others (RFC 8200, 4.2).
        if !matches!(kind, 1 | 5) && kind >> 6 != 0 {
            return Err((kind >> 6 >= 2, at));
        }
        at += 2 + usize::from(len);
    }
    Ok(())
}
