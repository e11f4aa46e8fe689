//! IP packets that leave: headers, fragments, and what neighbours do not answer for.
//!
//! Called by UDP, ICMP and the rest of the stack with the transport's bytes; TCP brings complete packets.

use crate::frame::{Frame, HEADROOM};
use crate::ip::input::{Arrival, protocol};
use crate::ip::interface::{Cast, LOOPBACK};
use crate::ip::layer::Pass;
use crate::ip::loopback::ends;
use crate::ip::route::Path;
use crate::ip::wire;
use core::net::IpAddr;
use core::sync::atomic::Ordering;
use fs::socket::SocketError;

/// Room in front of a transport header for everything below it.
pub const TRANSPORT_ROOM: usize = HEADROOM + 48;
/// Largest IP packet.
const MAX_PACKET: usize = 65535;

/// Whether a packet may be cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fragmentation {
    /// By everybody.
    Allowed,
    /// Only here, if it is too long for what is known of the way.
    Here,
    /// Never.
    Never,
}

/// What the sender chooses of the header.
#[derive(Clone, Copy, Debug)]
pub struct HeaderChoice {
    /// What follows.
    pub protocol: u8,
    /// TTL or hop limit.
    pub hop_limit: u8,
    /// TOS or traffic class.
    pub traffic_class: u8,
    /// Whether it may be cut.
    pub fragmentation: Fragmentation,
    /// This host's members of the group get a copy.
    pub multicast_loop: bool,
    /// A router alert option or hop-by-hop header (RFC 2113, RFC 2711).
    pub router_alert: bool,
}

impl HeaderChoice {
    /// Defaults for a protocol.
    pub fn new(protocol: u8, hop_limit: u8) -> Self {
        HeaderChoice {
            protocol,
            hop_limit,
            traffic_class: 0,
            fragmentation: Fragmentation::Allowed,
            multicast_loop: false,
            router_alert: false,
        }
    }

    fn header_len(&self, v6: bool) -> usize {
        (if v6 { 40 } else { 20 })
            + if !self.router_alert {
                0
            } else if v6 {
                8
            } else {
                4
            }
    }
}

/// Where a fragment lies.
#[derive(Clone, Copy)]
struct Cut {
    ident: u32,
    offset: usize,
    more: bool,
}

impl Pass<'_> {
    /// Sends a transport packet with [`TRANSPORT_ROOM`] in front.
    pub(crate) fn ip_send(
        &mut self,
        path: &Path,
        choice: &HeaderChoice,
        frame: Frame,
    ) -> Result<(), SocketError> {
        let v6 = path.destination.is_ipv6();
        let stats = self.layer.stats.family(v6);
        stats.ip.out_requests.inc();
        stats.ext.out_octets.add(frame.len() as u64);
        let mtu = match path.is_local() || path.cast != Cast::Unicast {
            true => path.mtu,
            false => self.layer.path_mtus.lock().limit(path.destination, path.mtu, self.now),
        };
        let len = frame.len() + choice.header_len(v6);
        if len > MAX_PACKET + if v6 { 40 } else { 0 } {
            return Err(SocketError::MessageSize);
        }
        if len > usize::from(mtu) && frame.offload.segment_size.is_none() {
            if choice.fragmentation == Fragmentation::Never {
                stats.ip.fragment_failures.inc();
                return Err(SocketError::MessageSize);
            }
            return self.send_in_fragments(path, choice, frame, mtu);
        }
        // RFC 6864: a packet that nobody may cut needs no number.
        let atomic = choice.fragmentation != Fragmentation::Allowed;
        let ident = if atomic { 0 } else { self.layer.ident.fetch_add(1, Ordering::Relaxed) };
        self.send_one(path, choice, frame, Cut { ident, offset: 0, more: false })
    }

    fn send_in_fragments(
        &mut self,
        path: &Path,
        choice: &HeaderChoice,
        frame: Frame,
        mtu: u16,
    ) -> Result<(), SocketError> {
        let v6 = path.destination.is_ipv6();
        let stats = &self.layer.stats.family(v6).ip;
        let head = choice.header_len(v6) + if v6 { 8 } else { 0 };
        let size = usize::from(mtu).saturating_sub(head) & !7;
        if size == 0 || frame.offload.partial_checksum.is_some() {
            stats.fragment_failures.inc();
            return Err(SocketError::MessageSize);
        }
        let ident = self.layer.ident.fetch_add(1, Ordering::Relaxed);
        let total = frame.len();
        stats.fragmented.inc();
        for (n, data) in frame.data().chunks(size).enumerate() {
            let Some(mut piece) = Frame::with_room(TRANSPORT_ROOM, data.len()) else {
                stats.fragment_failures.inc();
                return Err(SocketError::NoBuffers);
            };
            piece.set_len(data.len());
            piece.data_mut().copy_from_slice(data);
            stats.fragments_made.inc();
            let offset = n * size;
            self.send_one(path, choice, piece, Cut { ident, offset, more: offset + data.len() < total })?;
        }
        Ok(())
    }

    fn send_one(
        &mut self,
        path: &Path,
        choice: &HeaderChoice,
        mut frame: Frame,
        cut: Cut,
    ) -> Result<(), SocketError> {
        let done = match (path.source, path.destination) {
            (IpAddr::V4(source), IpAddr::V4(destination)) => {
                push_v4(&mut frame, choice, &cut, source.octets(), destination.octets())
            }
            (IpAddr::V6(source), IpAddr::V6(destination)) => {
                push_v6(&mut frame, choice, &cut, source.octets(), destination.octets())
            }
            _ => None,
        };
        if done.is_none() {
            self.layer.stats.family(path.destination.is_ipv6()).ip.out_discards.inc();
            return Err(SocketError::NoBuffers);
        }
        let looped = match path.cast {
            // On the loopback it comes back anyhow.
            _ if path.is_local() => false,
            Cast::Unicast => false,
            // A broadcast comes back to its sender, as on Linux.
            Cast::Broadcast => true,
            Cast::Multicast => choice.multicast_loop && self.net.in_group(path.interface, path.destination),
        };
        if looped {
            match wire::copy(&frame) {
                Some(copy) => self.local.push_back((path.interface, copy)),
                None => self.layer.stats.drops.no_memory.inc(),
            }
        }
        if path.cast == Cast::Multicast && choice.hop_limit == 0 {
            return Ok(());
        }
        self.emit(path, frame);
        Ok(())
    }

    /// A packet whose next hop does not answer: its sender, which is this host, is told.
    pub(crate) fn unresolved(&mut self, frame: Frame) {
        let Some((source, destination)) = ends(frame.data()) else { return };
        let header_len = match frame.data().first() {
            Some(byte) if byte >> 4 == 4 => usize::from(byte & 15) * 4,
            _ => 40,
        };
        let at = if source.is_ipv4() { 9 } else { 6 };
        let Some(&protocol) = frame.data().get(at) else { return };
        let arrival = Arrival {
            source,
            destination,
            protocol,
            hop_limit: 0,
            traffic_class: 0,
            interface: LOOPBACK,
            cast: Cast::Unicast,
            header_len,
        };
        self.report(&arrival, &frame, crate::ip::trouble::Trouble::HostUnreachable);
    }
}

fn push_v4(
    frame: &mut Frame,
    choice: &HeaderChoice,
    cut: &Cut,
    source: [u8; 4],
    destination: [u8; 4],
) -> Option<()> {
    let header_len = choice.header_len(false);
    let total = u16::try_from(frame.len() + header_len).ok()?;
    let header = frame.push_front(header_len)?;
    header.fill(0);
    let words = (header_len / 4) as u8;
    let whole = cut.offset == 0 && !cut.more && choice.fragmentation != Fragmentation::Allowed;
    let position =
        (cut.offset / 8) as u16 | if cut.more { 0x2000 } else { 0 } | if whole { 0x4000 } else { 0 };
    wire::put(header, 0, &[0x40 | words, choice.traffic_class]);
    wire::put(header, 2, &total.to_be_bytes());
    wire::put(header, 4, &(cut.ident as u16).to_be_bytes());
    wire::put(header, 6, &position.to_be_bytes());
    wire::put(header, 8, &[choice.hop_limit, choice.protocol]);
    wire::put(header, 12, &source);
    wire::put(header, 16, &destination);
    if choice.router_alert {
        wire::put(header, 20, &[0x94, 4, 0, 0]);
    }
    let sum = wire::plain_checksum(header);
    wire::put(header, 10, &sum.to_be_bytes());
    Some(())
}

fn push_v6(
    frame: &mut Frame,
    choice: &HeaderChoice,
    cut: &Cut,
    source: [u8; 16],
    destination: [u8; 16],
) -> Option<()> {
    let mut next = choice.protocol;
    if cut.offset > 0 || cut.more {
        let header = frame.push_front(8)?;
        wire::put(header, 0, &[next, 0]);
        wire::put(header, 2, &(cut.offset as u16 | u16::from(cut.more)).to_be_bytes());
        wire::put(header, 4, &cut.ident.to_be_bytes());
        next = protocol::FRAGMENT;
    }
    if choice.router_alert {
        wire::put(frame.push_front(8)?, 0, &[next, 0, 5, 2, 0, 0, 1, 0]);
        next = protocol::HOP_BY_HOP;
    }
    let len = u16::try_from(frame.len()).ok()?;
    let header = frame.push_front(40)?;
    let class = choice.traffic_class;
    wire::put(header, 0, &[0x60 | class >> 4, class << 4, 0, 0]);
    wire::put(header, 4, &len.to_be_bytes());
    wire::put(header, 6, &[next, choice.hop_limit]);
    wire::put(header, 8, &source);
    wire::put(header, 24, &destination);
    Some(())
}
