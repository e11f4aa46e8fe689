//! [`Segment`]: what the demultiplexer reads of a TCP packet, and the packets that are made without an engine.
//!
//! Called for every packet that comes ([`parse`]), and for answers that no connection gives: SYN-ACKs, resets, acknowledgements of
//! TIME-WAIT (RFC 9293). Offsets are checked once, in [`parse`].

use super::flow::Flow;
use crate::frame::{Frame, HEADROOM};
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use smoltcp::phy::ChecksumCapabilities;
use smoltcp::wire::{IpAddress, IpProtocol, IpRepr, TcpControl, TcpPacket, TcpRepr, TcpSeqNumber};

/// Flag bits of a TCP header.
pub const FIN: u8 = 1;
/// SYN.
pub const SYN: u8 = 2;
/// RST.
pub const RST: u8 = 4;
/// PSH.
pub const PSH: u8 = 8;
/// ACK.
pub const ACK: u8 = 16;

/// Number of the protocol.
const PROTOCOL: u8 = 6;
/// Length of a TCP header without options.
pub const HEADER_LEN: usize = 20;

/// The header fields of a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Segment {
    /// Its connection, as this host sees it.
    pub flow: Flow,
    /// Sequence number.
    pub seq: u32,
    /// Acknowledgement number; means something with [`ACK`] only.
    pub ack: u32,
    /// Flag bits.
    pub flags: u8,
    /// Window, not scaled.
    pub window: u16,
    /// Where the TCP header begins in the packet.
    pub at: usize,
    /// Length of the TCP header.
    pub header_len: usize,
    /// Bytes of data.
    pub payload: usize,
}

impl Segment {
    /// Bytes of the sequence space that it takes.
    pub fn space(&self) -> u32 {
        let control = u32::from(self.flags & SYN != 0) + u32::from(self.flags & FIN != 0);
        (self.payload as u32).wrapping_add(control)
    }

    /// Whether it only acknowledges.
    #[inline]
    pub fn is_pure_ack(&self) -> bool {
        self.payload == 0 && self.flags & (SYN | FIN | RST) == 0
    }

    /// Length of header and data.
    pub fn total(&self) -> usize {
        self.header_len + self.payload
    }
}

fn be16(bytes: &[u8], at: usize) -> Option<u16> {
    bytes.get(at..at + 2).and_then(|b| b.try_into().ok()).map(u16::from_be_bytes)
}

fn be32(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..at + 4).and_then(|b| b.try_into().ok()).map(u32::from_be_bytes)
}

/// Reads an IP packet whose upper protocol is TCP: IPv4 with or without options and not a fragment, or IPv6 without extension
/// headers.
#[inline]
pub fn parse(packet: &[u8]) -> Option<Segment> {
    parse_v4(packet).or_else(|| parse_any(packet))
}

/// As [`parse`], for IPv4 without options.
#[inline]
fn parse_v4(packet: &[u8]) -> Option<Segment> {
    const IP: usize = 20;
    let header: &[u8; IP + HEADER_LEN] = packet.first_chunk()?;
    let half = |at: usize| u16::from_be_bytes([header[at], header[at + 1]]);
    let word = |at: usize| u32::from_be_bytes([header[at], header[at + 1], header[at + 2], header[at + 3]]);
    let (total, header_len) = (usize::from(half(2)), usize::from(header[IP + 12] >> 4) * 4);
    let whole = header[0] == 0x45 && header[9] == PROTOCOL && half(6) & 0x3fff == 0 && total <= packet.len();
    let payload = total.checked_sub(IP + header_len)?;
    let (source, destination) = (word(12), word(16));
    if !whole || header_len < HEADER_LEN || source == 0 || destination == 0 {
        return None;
    }
    Some(Segment {
        flow: Flow::of_v4((destination, half(IP + 2)), (source, half(IP))),
        seq: word(IP + 4),
        ack: word(IP + 8),
        flags: header[IP + 13],
        window: half(IP + 14),
        at: IP,
        header_len,
        payload,
    })
}

/// As [`parse`], whatever the IP header.
fn parse_any(packet: &[u8]) -> Option<Segment> {
    let (at, end, source, destination): (usize, usize, IpAddr, IpAddr) = match packet.first()? >> 4 {
        4 => {
            let at = usize::from(packet.first()? & 15) * 4;
            let fragment = be16(packet, 6)? & 0x3fff;
            if at < 20 || *packet.get(9)? != PROTOCOL || fragment != 0 {
                return None;
            }
            let address = |at| be32(packet, at).map(Ipv4Addr::from_bits);
            (at, be16(packet, 2)?.into(), address(12)?.into(), address(16)?.into())
        }
        6 => {
            if *packet.get(6)? != PROTOCOL {
                return None;
            }
            let address = |at: usize| {
                packet.get(at..at + 16).and_then(|b| <[u8; 16]>::try_from(b).ok()).map(Ipv6Addr::from)
            };
            (40, usize::from(be16(packet, 4)?) + 40, address(8)?.into(), address(24)?.into())
        }
        _ => return None,
    };
    let header = packet.get(at..end)?;
    let header_len = usize::from(header.get(12)? >> 4) * 4;
    let payload = header.len().checked_sub(header_len)?;
    if header_len < HEADER_LEN || source.is_unspecified() || destination.is_unspecified() {
        return None;
    }
    // A mapped address on the wire is not one of IPv4.
    let mapped = |ip: IpAddr| matches!(ip, IpAddr::V6(ip) if ip.to_ipv4_mapped().is_some());
    if mapped(source) || mapped(destination) {
        return None;
    }
    let remote = SocketAddr::new(source, be16(header, 0)?);
    let local = SocketAddr::new(destination, be16(header, 2)?);
    Some(Segment {
        flow: Flow::new(local, remote),
        seq: be32(header, 4)?,
        ack: be32(header, 8)?,
        flags: *header.get(13)?,
        window: be16(header, 14)?,
        at,
        header_len,
        payload,
    })
}

/// The sum of a packet's words as the machine reads them, which does not depend on the byte order but for one swap at the end; at
/// most 35 bits wide.
#[inline(always)]
fn add_up(bytes: &[u8]) -> u64 {
    let mut chunks = bytes.chunks_exact(8);
    let (mut sum, mut carries) = (0u64, 0u64);
    for chunk in &mut chunks {
        let (next, carry) = sum.overflowing_add(chunk.try_into().map_or(0, u64::from_ne_bytes));
        (sum, carries) = (next, carries + u64::from(carry));
    }
    let mut total = (sum & 0xffff_ffff) + (sum >> 32) + (carries & 0xffff_ffff);
    let mut rest = chunks.remainder();
    if let Some((word, behind)) = rest.split_first_chunk() {
        total += u64::from(u32::from_ne_bytes(*word));
        rest = behind;
    }
    if let Some((half, behind)) = rest.split_first_chunk() {
        total += u64::from(u16::from_ne_bytes(*half));
        rest = behind;
    }
    if let [last] = rest {
        total += u64::from(u16::from_ne_bytes([*last, 0]));
    }
    total
}

/// The 16 bits of a sum that [`add_up`] made, in the byte order of the network.
#[inline(always)]
fn fold(mut total: u64) -> u16 {
    total = (total & 0xffff_ffff) + (total >> 32);
    total = (total & 0xffff) + (total >> 16);
    total = (total & 0xffff) + (total >> 16);
    total = (total & 0xffff) + (total >> 16);
    (total as u16).to_be()
}

/// A number as a summand for [`add_up`].
#[inline(always)]
fn summand(start: u32) -> u64 {
    u64::from((start as u16).to_be()) + u64::from(((start >> 16) as u16).to_be())
}

/// The one's complement sum of big-endian words, folded to 16 bits (RFC 1071); an odd last byte is padded with zero.
pub fn sum(bytes: &[u8], start: u32) -> u16 {
    fold(add_up(bytes) + summand(start))
}

/// Whether the checksum of an IPv4 header without options is right.
#[inline]
pub fn header_ok(header: &[u8; 20]) -> bool {
    fold(add_up(header)) == 0xffff
}

/// The sum of the pseudo-header of a TCP packet, not complemented.
#[inline]
pub fn pseudo_header_sum(packet: &[u8], tcp_len: usize) -> u16 {
    let start = summand(u32::from(PROTOCOL) + (tcp_len as u32 & 0xffff) + (tcp_len as u32 >> 16));
    let addresses = match packet.first().map(|byte| byte >> 4) {
        Some(4) => packet.get(12..).and_then(|rest| rest.first_chunk::<8>()).map(|bytes| add_up(bytes)),
        _ => packet.get(8..).and_then(|rest| rest.first_chunk::<32>()).map(|bytes| add_up(bytes)),
    };
    fold(addresses.unwrap_or(0) + start)
}

/// Whether the TCP checksum of a packet is right.
pub fn checksum_ok(packet: &[u8], segment: &Segment) -> bool {
    let bytes = packet.get(segment.at..segment.at + segment.total()).unwrap_or_default();
    sum(bytes, u32::from(pseudo_header_sum(packet, segment.total()))) == 0xffff
}

/// Puts in the checksums of a packet whose checksum fields are zero; the TCP one only as far as the device wants it if `partial`.
/// The TCP header begins at `at`.
pub fn fill_checksums(frame: &mut Frame, at: usize, partial: bool) {
    let packet = frame.data_mut();
    if let Some(header) = packet.first_chunk_mut::<20>().filter(|header| header[0] >> 4 == 4) {
        // Packets that are made here have no options of IP.
        let value = !fold(add_up(header));
        [header[10], header[11]] = value.to_be_bytes();
    }
    let pseudo = pseudo_header_sum(packet, packet.len().saturating_sub(at));
    let value = if partial { pseudo } else { !sum(packet.get(at..).unwrap_or_default(), u32::from(pseudo)) };
    if let Some(field) = packet.get_mut(at + 16..at + 18) {
        field.copy_from_slice(&value.to_be_bytes());
    }
    if partial {
        frame.offload.partial_checksum = Some((at as u16, 16));
    }
}

/// What a SYN asks for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SynOptions {
    /// Largest segment that it takes.
    pub mss: Option<u16>,
    /// Shift of its window.
    pub scale: Option<u8>,
    /// It understands selective acknowledgements.
    pub sack: bool,
}

/// The options of a packet that [`parse`] has read.
pub fn syn_options(packet: &[u8], segment: &Segment) -> SynOptions {
    let bytes = packet.get(segment.at..segment.at + segment.total()).unwrap_or_default();
    let summary = TcpPacket::new_checked(bytes).ok().and_then(|packet| packet.options_summary().ok());
    let Some(summary) = summary else { return SynOptions::default() };
    SynOptions {
        mss: summary.max_segment_size,
        scale: summary.window_scale.map(|shift| shift.min(14)),
        sack: summary.sack_permitted,
    }
}

/// A segment to be made.
#[derive(Clone, Copy, Debug)]
pub struct Plain {
    /// The connection, from the sender's side.
    pub flow: Flow,
    /// Sequence number.
    pub seq: u32,
    /// Acknowledgement number.
    pub ack: Option<u32>,
    /// [`SYN`], [`FIN`] or [`RST`]; only one of them.
    pub flag: u8,
    /// Window.
    pub window: u16,
    /// Options, for a SYN.
    pub options: SynOptions,
}

/// An IP packet without data; `None` without memory.
pub fn build(plain: &Plain, partial: bool) -> Option<Frame> {
    let (local, remote) = (plain.flow.local(), plain.flow.remote());
    let repr = TcpRepr {
        src_port: local.port(),
        dst_port: remote.port(),
        control: match plain.flag {
            SYN => TcpControl::Syn,
            FIN => TcpControl::Fin,
            RST => TcpControl::Rst,
            _ => TcpControl::None,
        },
        seq_number: TcpSeqNumber(plain.seq as i32),
        ack_number: plain.ack.map(|ack| TcpSeqNumber(ack as i32)),
        window_len: plain.window,
        window_scale: plain.options.scale,
        max_seg_size: plain.options.mss,
        sack_permitted: plain.options.sack,
        sack_ranges: [None; 3],
        timestamp: None,
        payload: &[],
    };
    let (source, destination): (IpAddress, IpAddress) = (local.ip().into(), remote.ip().into());
    let ip = IpRepr::new(source, destination, IpProtocol::Tcp, repr.buffer_len(), 64);
    let mut frame = Frame::with_room(HEADROOM, ip.buffer_len())?;
    if !frame.set_len(ip.buffer_len()) {
        return None;
    }
    let none = ChecksumCapabilities::ignored();
    let at = ip.header_len();
    ip.emit(frame.data_mut(), &none);
    let mut packet = TcpPacket::new_unchecked(frame.data_mut().get_mut(at..)?);
    repr.emit(&mut packet, &source, &destination, &none);
    fill_checksums(&mut frame, at, partial);
    Some(frame)
}

/// The reset that answers a segment nobody expects (RFC 9293, 3.10.7.1); not for one that is a reset itself.
pub fn reset_for(segment: &Segment) -> Option<Plain> {
    if segment.flags & RST != 0 {
        return None;
    }
    let (seq, ack) = match segment.flags & ACK {
        0 => (0, Some(segment.seq.wrapping_add(segment.space()))),
        _ => (segment.ack, None),
    };
    Some(Plain { flow: segment.flow, seq, ack, flag: RST, window: 0, options: SynOptions::default() })
}

/// Whether sequence number `a` comes after `b`.
#[inline]
pub fn after(a: u32, b: u32) -> bool {
    (a.wrapping_sub(b) as i32) > 0
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn slow_sum(bytes: &[u8], start: u32) -> u16 {
        let mut total = u64::from(start);
        for pair in bytes.chunks(2) {
            total += u64::from(pair[0]) << 8 | pair.get(1).map_or(0, |&b| u64::from(b));
        }
        while total > 0xffff {
            total = (total & 0xffff) + (total >> 16);
        }
        total as u16
    }

    proptest! {
        #[test]
        fn sums_agree(bytes in prop::collection::vec(any::<u8>(), 0..300), start in any::<u32>()) {
            prop_assert_eq!(sum(&bytes, start), slow_sum(&bytes, start));
        }

        #[test]
        fn made_packets_are_read(v6 in any::<bool>(), seq in any::<u32>(), ack in any::<Option<u32>>(),
            flag in prop::sample::select(vec![0, SYN, FIN, RST]), mss in any::<Option<u16>>(), sack in any::<bool>(),
            scale in prop::option::of(0u8..15)) {
            let ends = if v6 { ("[fe80::1]:80", "[fe80::2]:40000") } else { ("10.0.0.1:80", "10.0.0.2:40000") };
            let flow = Flow::new(ends.0.parse().unwrap(), ends.1.parse().unwrap());
            let options = if flag == SYN { SynOptions { mss, scale, sack } } else { SynOptions::default() };
            let plain = Plain { flow, seq, ack, flag, window: 77, options };
            let frame = build(&plain, false).unwrap();
            let segment = parse(frame.data()).unwrap();
            prop_assert_eq!(parse_any(frame.data()), Some(segment));
            prop_assert!(v6 || header_ok(frame.data().first_chunk().unwrap()));
            prop_assert!(checksum_ok(frame.data(), &segment));
            prop_assert_eq!(segment.flow, flow.reversed());
            prop_assert_eq!((segment.seq, segment.window, segment.payload), (seq, 77, 0));
            prop_assert_eq!(segment.flags & !ACK, flag);
            prop_assert_eq!((segment.flags & ACK != 0).then_some(segment.ack), ack);
            if flag == SYN {
                prop_assert_eq!(syn_options(frame.data(), &segment), options);
            }
        }

        #[test]
        fn anything_is_survived(bytes in prop::collection::vec(any::<u8>(), 0..80), version in prop::sample::select(vec![0x45u8, 0x46, 0x60])) {
            let mut bytes = bytes;
            if let Some(first) = bytes.first_mut() {
                *first = version;
            }
            // A length that fits, most of the time.
            if let (0x45, Some([_, _, high, low, ..])) = (version, bytes.first_chunk_mut::<4>()) {
                (*high, *low) = (0, *low & 0x7f);
            }
            prop_assert_eq!(parse(&bytes), parse_any(&bytes));
            if let Some(segment) = parse(&bytes) {
                let _ = (checksum_ok(&bytes, &segment), syn_options(&bytes, &segment), reset_for(&segment));
            }
        }
    }
}
