//! [`Route`] and [`Path`]: which way a packet leaves, and from which address.
//!
//! Called with the current [`Net`] for each datagram, and once for a connection. Longest prefix first, then the smallest metric
//! (RFC 1812); sources as in RFC 6724, without its policy table.

use crate::ip::address::{self, Prefix};
use crate::ip::interface::{Cast, IfAddress, Interface, LOOPBACK, LOOPBACK_BROADCAST, Net, Origin};
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use fs::socket::SocketError;

/// Routes at most.
pub const MAX_ROUTES: usize = 64;

/// A way to a network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Route {
    /// Where to; length 0 for everywhere.
    pub to: Prefix,
    /// The router, `None` for neighbours.
    pub gateway: Option<IpAddr>,
    /// The interface.
    pub interface: u32,
    /// Smaller is better.
    pub metric: u32,
    /// Address to use as source.
    pub source: Option<IpAddr>,
    /// Where it comes from.
    pub origin: Origin,
    /// Until when it exists, monotonic nanoseconds.
    pub valid_until: u64,
}

/// How a packet leaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Path {
    /// The interface.
    pub interface: u32,
    /// The station on the link that gets it.
    pub next_hop: IpAddr,
    /// The source address.
    pub source: IpAddr,
    /// The destination, which is this host's for an unspecified one.
    pub destination: IpAddr,
    /// Largest IP packet.
    pub mtu: u16,
    /// Kind of the destination.
    pub cast: Cast,
}

impl Path {
    /// Whether it stays in this host.
    pub fn is_local(&self) -> bool {
        self.interface == LOOPBACK
    }
}

impl Net {
    /// Adds or replaces a route; false without room.
    pub fn set_route(&mut self, route: Route) -> bool {
        let same = |r: &&mut Route| {
            r.to == route.to
                && r.gateway == route.gateway
                && r.interface == route.interface
                && r.metric == route.metric
        };
        if let Some(old) = self.routes.iter_mut().find(same) {
            *old = route;
            return true;
        }
        let room = self.routes.len() < MAX_ROUTES;
        if room {
            self.routes.push(route);
        }
        room
    }

    /// Adds the route to the network of an address of an interface.
    pub fn add_connected(&mut self, interface: u32, prefix: Prefix, origin: Origin) {
        if prefix.len < address::bits(prefix.address) {
            self.set_route(Route {
                to: prefix.network(),
                gateway: None,
                interface,
                metric: if prefix.address.is_ipv6() { 256 } else { 0 },
                source: prefix.address.is_ipv4().then_some(prefix.address),
                origin,
                valid_until: u64::MAX,
            });
        }
    }

    /// The best route to `dst`, over `interface` if that is given.
    pub fn lookup(&self, dst: IpAddr, interface: Option<u32>) -> Option<&Route> {
        self.routes
            .iter()
            .filter(|r| r.to.contains(dst) && interface.is_none_or(|index| index == r.interface))
            .min_by_key(|r| (core::cmp::Reverse(r.to.len), r.metric))
    }

    /// The way to `dst`, with a source address that the caller may have chosen, over an interface that it may have chosen.
    pub fn path(
        &self,
        dst: IpAddr,
        source: Option<IpAddr>,
        interface: Option<u32>,
    ) -> Result<Path, SocketError> {
        let source = source.filter(|s| !s.is_unspecified());
        let dst = match dst {
            IpAddr::V4(a) if a.is_unspecified() => IpAddr::V4(Ipv4Addr::LOCALHOST),
            IpAddr::V6(a) if a.is_unspecified() => IpAddr::V6(Ipv6Addr::LOCALHOST),
            other => other,
        };
        if address::is_multicast(dst) {
            return self.on_link(dst, source, interface, Cast::Multicast);
        }
        if self.is_local(dst) {
            let mtu = crate::ip::interface::LOOPBACK_MTU;
            let source = source.unwrap_or(dst);
            return Ok(Path {
                interface: LOOPBACK,
                next_hop: dst,
                source,
                destination: dst,
                mtu,
                cast: Cast::Unicast,
            });
        }
        if dst == IpAddr::V4(LOOPBACK_BROADCAST) {
            return self.on_link(dst, source, Some(LOOPBACK), Cast::Broadcast);
        }
        if matches!(dst, IpAddr::V4(a) if a.is_broadcast()) {
            return self.on_link(dst, source, interface, Cast::Broadcast);
        }
        let route = self.lookup(dst, interface).ok_or(SocketError::NetworkUnreachable)?;
        let out = self.interface(route.interface).ok_or(SocketError::NetworkUnreachable)?;
        let cast = if self.is_broadcast(dst) { Cast::Broadcast } else { Cast::Unicast };
        let next_hop = route.gateway.unwrap_or(dst);
        let chosen = source.or(route.source).or_else(|| self.source(out, dst, next_hop));
        let source = chosen.ok_or(SocketError::AddressNotAvailable)?;
        Ok(Path { interface: out.index, next_hop, source, destination: dst, mtu: out.mtu, cast })
    }

    /// The way to what is on a link without a router: groups, and everybody.
    fn on_link(
        &self,
        dst: IpAddr,
        source: Option<IpAddr>,
        interface: Option<u32>,
        cast: Cast,
    ) -> Result<Path, SocketError> {
        let bound = source.and_then(|s| self.owner(s)).map(|i| i.index);
        let default = || self.lookup(address::unspecified_like(dst), None).map(|r| r.interface);
        let first = || self.interfaces.iter().find(|i| !i.is_loopback()).map(|i| i.index);
        let index = interface.or(bound).or_else(default).or_else(first);
        let out = index.and_then(|index| self.interface(index)).ok_or(SocketError::NetworkUnreachable)?;
        let source = match source.or_else(|| self.source(out, dst, dst)) {
            Some(source) => source,
            // As a host without an address asks for one.
            None if dst.is_ipv4() => Ipv4Addr::UNSPECIFIED.into(),
            None => return Err(SocketError::AddressNotAvailable),
        };
        Ok(Path { interface: out.index, next_hop: dst, source, destination: dst, mtu: out.mtu, cast })
    }

    /// The source address for `dst` over an interface, if the host has one.
    fn source(&self, out: &Interface, dst: IpAddr, next_hop: IpAddr) -> Option<IpAddr> {
        let v6 = dst.is_ipv6();
        if !v6 {
            let here = |i: &Interface| {
                let near = i.usable(false).find(|a| a.prefix.contains(next_hop));
                near.or_else(|| i.usable(false).next()).map(IfAddress::ip)
            };
            let others = || self.interfaces.iter().filter(|i| !i.is_loopback()).find_map(here);
            return here(out).or_else(others);
        }
        let wanted = address::scope(dst);
        let rank = |a: &&IfAddress| {
            let scope = address::scope(a.ip());
            // Rule 2: the smallest scope that reaches the destination; below it, the largest.
            let reaches = scope >= wanted;
            let closeness = if reaches { u8::MAX - scope } else { scope };
            let preferred = a.preferred_until > 0;
            (reaches, preferred, closeness, address::common_bits(a.ip(), dst))
        };
        let best = out.usable(true).max_by_key(rank);
        let others = || {
            self.interfaces
                .iter()
                .flat_map(|i| i.usable(true))
                .filter(|a| address::scope(a.ip()) > 2)
                .max_by_key(rank)
        };
        best.or_else(others).map(IfAddress::ip)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ip::testing::FakeCard;
    use alloc::sync::Arc;

    fn ip(text: &str) -> IpAddr {
        text.parse().expect("an address")
    }

    fn prefix(text: &str, len: u8) -> Prefix {
        Prefix::new(ip(text), len).expect("a prefix")
    }

    fn net() -> Net {
        let mut net = Net { interfaces: vec![Interface::loopback()], ..Net::default() };
        for (index, list) in
            [(2, ["10.0.0.5", "fe80::5", "2001:db8::5"]), (3, ["10.1.0.5", "fe80::6", "fd00::6"])]
        {
            let mut card =
                Interface::card(index, format!("eth{}", index - 2), Arc::new(FakeCard::new(index as u8)));
            for (text, len) in list.into_iter().zip([24, 64, 64]) {
                card.set_address(IfAddress::fixed(prefix(text, len), Origin::Static));
            }
            let prefixes: Vec<_> = card.addresses.iter().map(|a| a.prefix).collect();
            net.interfaces.push(card);
            prefixes.into_iter().for_each(|p| net.add_connected(index, p, Origin::Kernel));
        }
        let default = |gateway, interface, metric| Route {
            to: prefix("0.0.0.0", 0),
            gateway: Some(ip(gateway)),
            interface,
            metric,
            source: None,
            origin: Origin::Static,
            valid_until: u64::MAX,
        };
        assert!(net.set_route(default("10.1.0.1", 3, 200)) && net.set_route(default("10.0.0.1", 2, 100)));
        net
    }

    #[test]
    fn longest_prefix_then_metric() {
        let net = net();
        let hop = |dst: &str, oif| net.path(ip(dst), None, oif).map(|p| (p.interface, p.next_hop, p.source));
        assert_eq!(hop("10.1.0.9", None), Ok((3, ip("10.1.0.9"), ip("10.1.0.5"))));
        assert_eq!(hop("8.8.8.8", None), Ok((2, ip("10.0.0.1"), ip("10.0.0.5"))));
        assert_eq!(hop("8.8.8.8", Some(3)), Ok((3, ip("10.1.0.1"), ip("10.1.0.5"))));
        assert_eq!(hop("2001:4860::1", None), Err(SocketError::NetworkUnreachable));
        assert_eq!(hop("fd00::9", None), Ok((3, ip("fd00::9"), ip("fd00::6"))));
        assert_eq!(hop("ff02::9", Some(3)), Ok((3, ip("ff02::9"), ip("fe80::6"))));
    }

    #[test]
    fn local_and_on_link() {
        let net = net();
        for own in ["127.0.0.1", "127.9.9.9", "10.0.0.5", "::1", "fd00::6", "0.0.0.0", "::"] {
            let path = net.path(ip(own), None, None).expect("a path");
            assert!(path.is_local() && net.is_local(path.destination), "{own}");
        }
        let cast = |dst: &str| net.path(ip(dst), None, None).map(|p| (p.interface, p.cast));
        assert_eq!(cast("10.1.0.255"), Ok((3, Cast::Broadcast)));
        assert_eq!(cast("255.255.255.255"), Ok((2, Cast::Broadcast)));
        assert_eq!(cast("224.1.2.3"), Ok((2, Cast::Multicast)));
        assert_eq!(net.path(ip("224.1.2.3"), Some(ip("10.1.0.5")), None).expect("a path").interface, 3);
        assert_eq!(net.for_us(2, ip("10.1.0.5")), Some(Cast::Unicast), "any interface");
        assert_eq!(net.for_us(2, ip("ff02::1:ff00:5")), Some(Cast::Multicast));
        assert_eq!(net.for_us(2, ip("239.1.1.1")), None);
    }
}
