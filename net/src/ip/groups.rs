//! Multicast groups: who is in them, IGMP and MLD reports (RFC 3376, RFC 3810, as a host that takes all sources).
//!
//! Called by sockets that join and leave, and by input for queries. Each interface and group is counted once per socket; reports
//! tell routers and switches of the first that comes and the last that goes. A query is answered at once, for all groups.

use crate::frame::Frame;
use crate::ip::address::{ALL_MLD_ROUTERS, scope};
use crate::ip::input::{Arrival, protocol};
use crate::ip::interface::{Cast, Interface, MAX_GROUPS};
use crate::ip::layer::Pass;
use crate::ip::route::Path;
use crate::ip::send::{HeaderChoice, TRANSPORT_ROOM};
use crate::ip::wire;
use alloc::vec::Vec;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use fs::socket::SocketError;

/// Records of the version 3 and 2 reports: a filter that excludes nothing, or includes nothing.
const NOW_EXCLUDES: u8 = 4;
const NOW_INCLUDES: u8 = 3;
const IS_EXCLUDING: u8 = 2;
/// Records of one report.
const MAX_RECORDS: usize = 40;
/// Where IGMPv3 reports go.
const ALL_IGMP_ROUTERS: Ipv4Addr = Ipv4Addr::new(224, 0, 0, 22);

impl Pass<'_> {
    /// A socket joins `group` on an interface. Memberships of several sockets are kept several times.
    pub(crate) fn join(&mut self, index: u32, group: IpAddr) -> Result<(), SocketError> {
        let first = self.update(|net| {
            if net.groups.len() >= MAX_GROUPS {
                return Err(SocketError::NoBuffers);
            }
            let first = !net.groups.contains(&(index, group));
            net.groups.push((index, group));
            Ok(first)
        })?;
        if first {
            self.report_group(index, group, true);
        }
        Ok(())
    }

    /// A socket that had joined leaves.
    pub(crate) fn leave(&mut self, index: u32, group: IpAddr) {
        let last = self.update(|net| {
            let at = net.groups.iter().position(|&g| g == (index, group));
            let found = at.map(|at| net.groups.swap_remove(at)).is_some();
            found && !net.groups.contains(&(index, group))
        });
        if last {
            self.report_group(index, group, false);
        }
    }

    fn report_group(&mut self, index: u32, group: IpAddr, joined: bool) {
        let net = self.net.clone();
        let Some(out) = net.interface(index).filter(|i| !i.is_loopback()) else { return };
        match group {
            IpAddr::V4(group) => {
                self.igmp_report(out, &[group], if joined { NOW_EXCLUDES } else { NOW_INCLUDES })
            }
            IpAddr::V6(group) => self.mld_report(out, &[group], joined),
        }
    }

    /// An IGMP message.
    pub(crate) fn igmp_input(&mut self, frame: &Frame, arrival: &Arrival) {
        let message = frame.data().get(arrival.header_len..).unwrap_or_default();
        if message.len() < 8 || wire::plain_checksum(message) != 0 || message.first() != Some(&0x11) {
            return;
        }
        let asked = wire::ipv4(message, 4).filter(|group| !group.is_unspecified());
        let net = self.net.clone();
        let Some(out) = net.interface(arrival.interface).filter(|i| !i.is_loopback()) else { return };
        let mut groups: Vec<Ipv4Addr> = Vec::new();
        for &(index, group) in &net.groups {
            if let (IpAddr::V4(group), true) = (group, index == out.index)
                && asked.is_none_or(|asked| asked == group)
                && !groups.contains(&group)
            {
                groups.push(group);
            }
        }
        for part in groups.chunks(MAX_RECORDS) {
            self.igmp_report(out, part, IS_EXCLUDING);
        }
    }

    /// An MLD query.
    pub(crate) fn mld_query(&mut self, arrival: &Arrival, message: &[u8]) {
        if arrival.hop_limit != 1 || scope(arrival.source) != 2 {
            return self.layer.stats.drops.nd_invalid.inc();
        }
        let Some(asked) = wire::ipv6(message, 8) else { return };
        let net = self.net.clone();
        let Some(out) = net.interface(arrival.interface).filter(|i| !i.is_loopback()) else { return };
        let own = out.addresses.iter().filter_map(|a| match a.ip() {
            IpAddr::V6(ip) => Some(crate::ip::address::solicited_node(ip)),
            IpAddr::V4(_) => None,
        });
        let joined = net.groups.iter().filter_map(|&(index, group)| match group {
            IpAddr::V6(group) if index == out.index => Some(group),
            _ => None,
        });
        let mut groups: Vec<Ipv6Addr> =
            own.chain(joined).filter(|&group| asked.is_unspecified() || asked == group).collect();
        groups.sort_unstable();
        groups.dedup();
        for part in groups.chunks(MAX_RECORDS) {
            self.send_mld(out, part, IS_EXCLUDING);
        }
    }

    fn igmp_report(&mut self, out: &Interface, groups: &[Ipv4Addr], record: u8) {
        let records: Vec<[u8; 8]> = groups
            .iter()
            .map(|group| {
                let [a, b, c, d] = group.octets();
                [record, 0, 0, 0, a, b, c, d]
            })
            .collect();
        let source = out.usable(false).next().map_or(Ipv4Addr::UNSPECIFIED.into(), |a| a.ip());
        self.send_report(out, source, ALL_IGMP_ROUTERS.into(), records.as_flattened(), groups.len());
    }

    /// Tells routers that this host is in groups, or not any more.
    pub(crate) fn mld_report(&mut self, out: &Interface, groups: &[Ipv6Addr], joined: bool) {
        self.send_mld(out, groups, if joined { NOW_EXCLUDES } else { NOW_INCLUDES });
    }

    fn send_mld(&mut self, out: &Interface, groups: &[Ipv6Addr], record: u8) {
        let mut records = Vec::new();
        for group in groups {
            records.extend_from_slice(&[record, 0, 0, 0]);
            records.extend_from_slice(&group.octets());
        }
        let source = out.usable(true).map(|a| a.ip()).find(|&ip| scope(ip) == 2);
        let source = source.unwrap_or(Ipv6Addr::UNSPECIFIED.into());
        self.layer.stats.v6.icmp.out_group_reports.inc();
        self.send_report(out, source, ALL_MLD_ROUTERS.into(), &records, groups.len());
    }

    fn send_report(&mut self, out: &Interface, source: IpAddr, to: IpAddr, records: &[u8], count: usize) {
        let v6 = to.is_ipv6();
        let Some(mut message) = Frame::with_room(TRANSPORT_ROOM, 8 + records.len()) else {
            return self.layer.stats.drops.no_memory.inc();
        };
        message.set_len(8 + records.len());
        wire::put(message.data_mut(), 0, &[if v6 { 143 } else { 0x22 }, 0, 0, 0, 0, 0]);
        wire::put(message.data_mut(), 6, &(count as u16).to_be_bytes());
        wire::put(message.data_mut(), 8, records);
        let protocol = if v6 { protocol::ICMPV6 } else { protocol::IGMP };
        let sum = match v6 {
            true => wire::transport_checksum(source, to, protocol, message.data()),
            false => wire::plain_checksum(message.data()),
        };
        wire::put(message.data_mut(), 2, &sum.to_be_bytes());
        let path = Path {
            interface: out.index,
            next_hop: to,
            source,
            destination: to,
            mtu: out.mtu,
            cast: Cast::Multicast,
        };
        let choice = HeaderChoice {
            router_alert: true,
            traffic_class: if v6 { 0 } else { 0xc0 },
            ..HeaderChoice::new(protocol, 1)
        };
        if self.ip_send(&path, &choice, message).is_err() {
            self.layer.stats.family(v6).ip.out_discards.inc();
        }
    }
}
