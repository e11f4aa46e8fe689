//! Neighbour discovery for IPv6 (RFC 4861): solicitations and advertisements of neighbours and routers.
//!
//! Called by ICMPv6 input and by output. A message counts only if it cannot have passed a router (hop limit 255) and all its options
//! are well-formed. What routers advertise goes to the automatic configuration.

use crate::frame::Frame;
use crate::ip::address::{self, ALL_NODES, ALL_ROUTERS, Mac, Prefix, is_station};
use crate::ip::input::Arrival;
use crate::ip::interface::{AddressState, Interface, Net};
use crate::ip::layer::Pass;
use crate::ip::neighbour::Claim;
use crate::ip::route::Path;
use crate::ip::send::{HeaderChoice, TRANSPORT_ROOM};
use crate::ip::wire;
use crate::ip::{input::protocol, interface::Cast};
use alloc::vec::Vec;
use core::net::{IpAddr, Ipv6Addr};

/// Router solicitation.
const ROUTER_SOLICIT: u8 = 133;
/// Router advertisement.
const ROUTER_ADVERTISEMENT: u8 = 134;
/// Neighbour solicitation.
const NEIGHBOUR_SOLICIT: u8 = 135;
/// Neighbour advertisement.
const NEIGHBOUR_ADVERTISEMENT: u8 = 136;
/// MLD queries, of both versions.
const LISTENER_QUERY: u8 = 130;
/// Prefixes or name servers of one advertisement at most.
const MAX_ITEMS: usize = 16;

/// A prefix that a router advertises.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PrefixInfo {
    /// The prefix.
    pub prefix: Prefix,
    /// Its hosts are on the link.
    pub on_link: bool,
    /// Addresses may be made from it.
    pub autonomous: bool,
    /// Seconds; `u32::MAX` for ever.
    pub valid: u32,
    /// Seconds; `u32::MAX` for ever.
    pub preferred: u32,
}

/// What a router advertises.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Advertisement {
    /// Hop limit, 0 for none said.
    pub hop_limit: u8,
    /// Seconds for which it is a default router.
    pub lifetime: u16,
    /// The link's MTU.
    pub mtu: Option<u32>,
    /// The router's Ethernet address.
    pub mac: Option<Mac>,
    /// Prefixes.
    pub prefixes: Vec<PrefixInfo>,
    /// Name servers, and seconds for which they are.
    pub dns: Vec<(Ipv6Addr, u32)>,
}

/// Calls `each` with kind and content of every option from `at`; `None` if one is malformed.
fn options(message: &[u8], mut at: usize, mut each: impl FnMut(u8, &[u8])) -> Option<()> {
    while at < message.len() {
        let [kind, words] = wire::bytes(message, at)?;
        let end = at + usize::from(words) * 8;
        if words == 0 {
            return None;
        }
        each(kind, message.get(at..end)?);
        at = end;
    }
    Some(())
}

/// The Ethernet address in an option of kind `wanted`; the outer `None` if the options are malformed.
fn link_address(message: &[u8], at: usize, wanted: u8) -> Option<Option<Mac>> {
    let mut found = None;
    options(message, at, |kind, data| {
        if kind == wanted && data.len() == 8 {
            found = wire::mac(data, 2);
        }
    })?;
    Some(found.filter(|&mac| is_station(mac)))
}

impl Advertisement {
    /// From a message that begins with the ICMPv6 type.
    pub fn parse(message: &[u8]) -> Option<Self> {
        let mut out = Advertisement {
            hop_limit: *message.get(4)?,
            lifetime: wire::be16(message, 6)?,
            ..Advertisement::default()
        };
        // Reachable time and retransmission timer stay the defaults.
        message.get(..16)?;
        options(message, 16, |kind, data| match kind {
            1 => out.mac = wire::mac(data, 2).filter(|&mac| is_station(mac)),
            3 if data.len() == 32 && out.prefixes.len() < MAX_ITEMS => out.prefixes.extend(prefix_info(data)),
            5 => out.mtu = wire::be32(data, 4),
            25 => {
                let Some(lifetime) = wire::be32(data, 4) else { return };
                let room = MAX_ITEMS.saturating_sub(out.dns.len());
                let servers = data.get(8..).unwrap_or_default().as_chunks::<16>().0;
                out.dns.extend(servers.iter().take(room).map(|&a| (Ipv6Addr::from(a), lifetime)));
            }
            _ => {}
        })?;
        Some(out)
    }
}

fn prefix_info(data: &[u8]) -> Option<PrefixInfo> {
    let [len, flags] = wire::bytes(data, 2)?;
    let prefix = Prefix::new(wire::ipv6(data, 16)?.into(), len)?.network();
    let (valid, preferred) = (wire::be32(data, 4)?, wire::be32(data, 8)?);
    let useless = address::scope(prefix.address) <= 2 || prefix.address.is_multicast() || preferred > valid;
    (!useless).then_some(PrefixInfo {
        prefix,
        on_link: flags & 0x80 != 0,
        autonomous: flags & 0x40 != 0,
        valid,
        preferred,
    })
}

impl Pass<'_> {
    /// A message of neighbour discovery or MLD, with its checksum found right.
    pub(crate) fn nd_input(&mut self, frame: &Frame, arrival: &Arrival, kind: u8) {
        let stats = &self.layer.stats.v6.icmp;
        let message = frame.data().get(arrival.header_len..).unwrap_or_default();
        if kind == LISTENER_QUERY {
            stats.in_group_queries.inc();
            return self.mld_query(arrival, message);
        }
        let invalid = || self.layer.stats.drops.nd_invalid.inc();
        if arrival.hop_limit != 255 || message.get(1) != Some(&0) {
            return invalid();
        }
        let IpAddr::V6(source) = arrival.source else { return invalid() };
        let net = self.net.clone();
        let Some(out) = net.interface(arrival.interface).filter(|i| !i.is_loopback()) else {
            return invalid();
        };
        let handled = match kind {
            NEIGHBOUR_SOLICIT => {
                stats.in_neighbour_solicits.inc();
                self.solicited(out, source, arrival, message)
            }
            NEIGHBOUR_ADVERTISEMENT => {
                stats.in_neighbour_advertisements.inc();
                self.advertised(out, arrival, message)
            }
            ROUTER_ADVERTISEMENT => {
                stats.in_router_advertisements.inc();
                self.router_advertised(out, source, message)
            }
            ROUTER_SOLICIT => {
                stats.in_router_solicits.inc();
                Some(())
            }
            _ => Some(()),
        };
        if handled.is_none() {
            self.layer.stats.drops.nd_invalid.inc();
        }
    }

    /// Somebody asks who has an address, or whether it is free.
    fn solicited(
        &mut self,
        out: &Interface,
        source: Ipv6Addr,
        arrival: &Arrival,
        message: &[u8],
    ) -> Option<()> {
        let target = wire::ipv6(message, 8).filter(|target| !target.is_multicast())?;
        let mac = link_address(message, 24, 1)?;
        let probing = source.is_unspecified();
        if probing && (mac.is_some() || arrival.destination != IpAddr::V6(address::solicited_node(target))) {
            return None;
        }
        let Some(own) = out.addresses.iter().find(|a| a.ip() == IpAddr::V6(target)) else { return Some(()) };
        match own.state {
            // Both want it: nobody gets it.
            AddressState::Tentative(_) | AddressState::Optimistic(_) if probing => {
                self.duplicate(out.index, target)
            }
            AddressState::Tentative(_) | AddressState::Duplicate => {}
            AddressState::Preferred | AddressState::Optimistic(_) => {
                if let Some(mac) = mac.filter(|_| !probing) {
                    let claim = Claim { solicited: false, overrides: true, router: None, create: true };
                    self.learned((out.index, source.into()), mac, claim);
                }
                self.nd_advertise(out, target, (!probing).then_some(source));
            }
        }
        Some(())
    }

    /// Somebody says that it has an address.
    fn advertised(&mut self, out: &Interface, arrival: &Arrival, message: &[u8]) -> Option<()> {
        let target = wire::ipv6(message, 8).filter(|target| !target.is_multicast())?;
        let flags = *message.get(4)?;
        let mac = link_address(message, 24, 2)?;
        let solicited = flags & 0x40 != 0;
        if solicited && arrival.cast == Cast::Multicast {
            return None;
        }
        if let Some(own) = out.addresses.iter().find(|a| a.ip() == IpAddr::V6(target)) {
            match own.state {
                AddressState::Tentative(_) | AddressState::Optimistic(_) => self.duplicate(out.index, target),
                _ => self.layer.stats.drops.arp_foreign.inc(),
            }
            return Some(());
        }
        let key = (out.index, IpAddr::V6(target));
        // An answer to a probe may leave out what both know.
        let known = || self.layer.neighbours.lock().mac_of(key);
        let mac = mac.or_else(known).filter(|&mac| is_station(mac))?;
        let claim =
            Claim { solicited, overrides: flags & 0x20 != 0, router: Some(flags & 0x80 != 0), create: false };
        self.learned(key, mac, claim);
        Some(())
    }

    fn router_advertised(&mut self, out: &Interface, source: Ipv6Addr, message: &[u8]) -> Option<()> {
        if address::scope(source.into()) != 2 || source.is_multicast() {
            return None;
        }
        let advertisement = Advertisement::parse(message)?;
        if let Some(mac) = advertisement.mac {
            let claim = Claim { solicited: false, overrides: true, router: Some(true), create: true };
            self.learned((out.index, source.into()), mac, claim);
        }
        self.configure_from_router(out.index, source, &advertisement);
        Some(())
    }

    /// Asks who has `target`: the station that had it, or all that might.
    pub(crate) fn nd_solicit(&mut self, out: &Interface, target: Ipv6Addr, to: Option<Mac>) {
        let rank = |ip: &IpAddr| {
            (address::scope(*ip) == address::scope(target.into()), address::common_bits(*ip, target.into()))
        };
        let source = out.usable(true).map(|a| a.ip()).max_by_key(rank);
        let Some(IpAddr::V6(source)) = source else { return };
        let destination = if to.is_some() { target } else { address::solicited_node(target) };
        self.layer.stats.v6.icmp.out_neighbour_solicits.inc();
        self.nd_send(
            out,
            source,
            destination,
            to,
            NEIGHBOUR_SOLICIT,
            [0; 4],
            &[&target.octets(), &option(1, out.mac)],
        );
    }

    /// Asks whether somebody has `target`, which this host wants.
    pub(crate) fn nd_probe(&mut self, out: &Interface, target: Ipv6Addr) {
        self.layer.stats.v6.icmp.out_neighbour_solicits.inc();
        let destination = address::solicited_node(target);
        self.nd_send(
            out,
            Ipv6Addr::UNSPECIFIED,
            destination,
            None,
            NEIGHBOUR_SOLICIT,
            [0; 4],
            &[&target.octets()],
        );
    }

    /// Asks for routers.
    pub(crate) fn nd_solicit_routers(&mut self, out: &Interface) {
        let link_local = |a: &IpAddr| address::scope(*a) == 2;
        let source = out.usable(true).map(|a| a.ip()).find(link_local);
        let source = match source {
            Some(IpAddr::V6(source)) => source,
            _ => Ipv6Addr::UNSPECIFIED,
        };
        let own = option(1, out.mac);
        let options: &[&[u8]] = if source.is_unspecified() { &[] } else { &[&own] };
        self.layer.stats.v6.icmp.out_router_solicits.inc();
        self.nd_send(out, source, ALL_ROUTERS, None, ROUTER_SOLICIT, [0; 4], options);
    }

    /// Says that this host has `target`: to who asked, or to all.
    pub(crate) fn nd_advertise(&mut self, out: &Interface, target: Ipv6Addr, to: Option<Ipv6Addr>) {
        let flags = if to.is_some() { 0x60 } else { 0x20 };
        self.layer.stats.v6.icmp.out_neighbour_advertisements.inc();
        let parts: &[&[u8]] = &[&target.octets(), &option(2, out.mac)];
        self.nd_send(
            out,
            target,
            to.unwrap_or(ALL_NODES),
            None,
            NEIGHBOUR_ADVERTISEMENT,
            [flags, 0, 0, 0],
            parts,
        );
    }

    /// Sends a message of a kind with the word behind the checksum and what follows it; to a station, if that is known.
    #[allow(clippy::too_many_arguments)] // the fields of one message
    fn nd_send(
        &mut self,
        out: &Interface,
        source: Ipv6Addr,
        destination: Ipv6Addr,
        station: Option<Mac>,
        kind: u8,
        word: [u8; 4],
        parts: &[&[u8]],
    ) {
        let len = 8 + parts.iter().map(|part| part.len()).sum::<usize>();
        let Some(mut message) = Frame::with_room(TRANSPORT_ROOM, len) else {
            return self.layer.stats.drops.no_memory.inc();
        };
        message.set_len(len);
        wire::put(message.data_mut(), 0, &[kind, 0, 0, 0]);
        wire::put(message.data_mut(), 4, &word);
        let mut at = 8;
        for part in parts {
            wire::put(message.data_mut(), at, part);
            at += part.len();
        }
        let (from, to) = (IpAddr::V6(source), IpAddr::V6(destination));
        let sum = wire::transport_checksum(from, to, protocol::ICMPV6, message.data());
        wire::put(message.data_mut(), 2, &sum.to_be_bytes());
        self.layer.stats.v6.icmp.out_messages.inc();
        let path = Path {
            interface: out.index,
            next_hop: to,
            source: from,
            destination: to,
            mtu: out.mtu,
            cast: if destination.is_multicast() { Cast::Multicast } else { Cast::Unicast },
        };
        if let Some(mac) = station {
            // A probe must not wait for the answer to itself.
            let claim = Claim { create: true, overrides: false, ..Claim::default() };
            self.layer.neighbours.lock().learn((out.index, to), mac, claim, self.now);
        }
        if self.ip_send(&path, &HeaderChoice::new(protocol::ICMPV6, 255), message).is_err() {
            self.layer.stats.v6.icmp.out_errors.inc();
        }
    }

    /// Somebody else has `target`: this host does without.
    fn duplicate(&mut self, index: u32, target: Ipv6Addr) {
        log::warn!("{target} is in use by another host");
        self.update(|net: &mut Net| {
            let addresses = net.interface_mut(index).map(|i| i.addresses.as_mut_slice()).unwrap_or_default();
            for own in addresses.iter_mut().filter(|a| a.ip() == IpAddr::V6(target)) {
                own.state = AddressState::Duplicate;
            }
        });
    }
}

/// An option with an Ethernet address.
fn option(kind: u8, mac: Mac) -> [u8; 8] {
    let [a, b, c, d, e, f] = mac;
    [kind, 1, a, b, c, d, e, f]
}
