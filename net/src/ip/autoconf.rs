//! Automatic configuration: what the command line says, duplicate address detection, routers' advertisements (RFC 4862), lifetimes.
//!
//! Called when the stack is made, by neighbour discovery, and by the timer.

use crate::ip::address::{self, Prefix};
use crate::ip::config::Config;
use crate::ip::interface::{AddressState, FOREVER, IfAddress, Net, Origin};
use crate::ip::layer::Pass;
use crate::ip::nd::{Advertisement, PrefixInfo};
use crate::ip::route::Route;
use alloc::vec::Vec;
use core::net::{IpAddr, Ipv6Addr};

/// How long an address is tried before it is used, nanoseconds.
pub const PROBE_TIME: u64 = 1_000_000_000;
/// Time between two questions for routers, and how many there are (RFC 4861, section 10).
const SOLICIT_TIME: u64 = 4_000_000_000;
const SOLICITS: u8 = 3;
/// Metric of routes that routers advertise.
const ROUTER_METRIC: u32 = 1024;
/// An advertisement that nobody signed may not shorten a lifetime below this (RFC 4862, 5.5.3), nanoseconds.
const TWO_HOURS: u64 = 7_200_000_000_000;

/// What is going on.
pub struct Autoconf {
    /// Name servers were given; others are not wanted.
    pub dns_fixed: bool,
    /// Interfaces on which routers are asked for: number, questions left, time of the next.
    solicits: Vec<(u32, u8, u64)>,
}

impl Autoconf {
    /// Nothing yet.
    pub fn new(dns_fixed: bool) -> Self {
        Autoconf { dns_fixed, solicits: Vec::new() }
    }

    /// The questions that are due, and when the next is.
    fn due(&mut self, now: u64) -> (Vec<u32>, Option<u64>) {
        let mut due = Vec::new();
        for (index, left, at) in &mut self.solicits {
            if *at <= now {
                due.push(*index);
                *left = left.saturating_sub(1);
                *at = now.saturating_add(SOLICIT_TIME);
            }
        }
        self.solicits.retain(|&(_, left, _)| left > 0);
        (due, self.solicits.iter().map(|&(.., at)| at).min())
    }
}

/// `seconds` from now, in nanoseconds; `u32::MAX` is for ever.
fn until(now: u64, seconds: u32) -> u64 {
    if seconds == u32::MAX { FOREVER } else { now.saturating_add(u64::from(seconds) * 1_000_000_000) }
}

impl Pass<'_> {
    /// Begins with what the command line says.
    pub(crate) fn configure(&mut self, config: &Config) {
        let cards: Vec<_> =
            self.net.interfaces.iter().filter(|i| !i.is_loopback()).map(|i| (i.index, i.mac)).collect();
        for &(index, mac) in &cards {
            let own = Prefix { address: address::link_local(mac).into(), len: 64 };
            self.try_address(index, IfAddress::fixed(own, Origin::Kernel));
            self.layer.autoconf.lock().solicits.push((index, SOLICITS, self.now.saturating_add(PROBE_TIME)));
            self.layer.schedule(self.now.saturating_add(PROBE_TIME));
        }
        let Some(&(first, _)) = cards.first() else { return };
        for &prefix in &config.addresses {
            self.try_address(first, IfAddress::fixed(prefix, Origin::Static));
        }
        for &gateway in &config.gateways {
            let everywhere = Prefix { address: address::unspecified_like(gateway), len: 0 };
            let route = Route {
                to: everywhere,
                gateway: Some(gateway),
                interface: first,
                metric: 0,
                source: None,
                origin: Origin::Static,
                valid_until: FOREVER,
            };
            self.update(|net| net.set_route(route));
        }
        if config.dhcp {
            self.dhcp_start(first);
        }
    }

    /// Gives an interface an address and the route to its network. An IPv6 address is probed first, an IPv4 address announced.
    pub(crate) fn try_address(&mut self, index: u32, mut address: IfAddress) {
        let ip = address.ip();
        if ip.is_ipv6() {
            let decided = self.now.saturating_add(PROBE_TIME);
            address.state = match address.origin {
                Origin::Static => AddressState::Optimistic(decided),
                _ => AddressState::Tentative(decided),
            };
        }
        let done = self.update(|net| {
            let done = net.interface_mut(index).is_some_and(|i| i.set_address(address));
            if done && address.origin != Origin::Router {
                net.add_connected(index, address.prefix, Origin::Kernel);
            }
            done
        });
        let net = self.net.clone();
        let Some(out) = net.interface(index).filter(|_| done) else { return };
        match ip {
            IpAddr::V4(ip) => self.arp_announce(out, ip),
            IpAddr::V6(ip) => {
                self.mld_report(out, &[address::solicited_node(ip)], true);
                self.nd_probe(out, ip);
                self.layer.schedule(self.now.saturating_add(PROBE_TIME));
            }
        }
    }

    /// What a router says.
    pub(crate) fn configure_from_router(&mut self, index: u32, router: Ipv6Addr, said: &Advertisement) {
        {
            // One answer is enough; later ones come by themselves.
            self.layer.autoconf.lock().solicits.retain(|&(i, ..)| i != index);
        }
        let now = self.now;
        let dns_fixed = self.layer.autoconf.lock().dns_fixed;
        self.update(|net| {
            if said.hop_limit > 0 {
                net.hop_limit = said.hop_limit;
            }
            if let (Some(mtu), Some(i)) = (said.mtu, net.interface_mut(index)) {
                i.mtu = u16::try_from(mtu).unwrap_or(u16::MAX).clamp(1280, i.info.mtu.max(1280));
            }
            let everywhere = Prefix { address: Ipv6Addr::UNSPECIFIED.into(), len: 0 };
            set_router_route(
                net,
                index,
                everywhere,
                Some(router.into()),
                until(now, said.lifetime.into()),
                now,
            );
            for info in said.prefixes.iter().filter(|info| info.on_link) {
                set_router_route(net, index, info.prefix, None, until(now, info.valid), now);
            }
            // Lifetimes are not watched: what programs see of it is a file that is written once.
            for &(server, lifetime) in said.dns.iter().filter(|_| !dns_fixed) {
                net.dns.retain(|&known| known != IpAddr::V6(server));
                if lifetime > 0 && net.dns.len() < 8 {
                    net.dns.push(server.into());
                }
            }
        });
        for info in said.prefixes.iter().filter(|info| info.autonomous && info.prefix.len == 64) {
            self.address_from_prefix(index, info);
        }
        self.layer.schedule_some(next_expiry(&self.net));
    }

    fn address_from_prefix(&mut self, index: u32, info: &PrefixInfo) {
        let (IpAddr::V6(prefix), Some(mac)) = (info.prefix.address, self.net.interface(index).map(|i| i.mac))
        else {
            return;
        };
        let ip = IpAddr::V6(address::eui64(prefix, mac));
        let (valid, preferred) = (until(self.now, info.valid), until(self.now, info.preferred));
        let now = self.now;
        let known = self.update(|net| {
            let i = net.interface_mut(index)?;
            let own = i.addresses.iter_mut().find(|a| a.ip() == ip)?;
            if own.origin == Origin::Router {
                let left = own.valid_until.saturating_sub(now);
                if info.valid == u32::MAX || valid > own.valid_until || valid.saturating_sub(now) > TWO_HOURS
                {
                    own.valid_until = valid;
                } else if left > TWO_HOURS {
                    own.valid_until = now.saturating_add(TWO_HOURS);
                }
                own.preferred_until = preferred;
            }
            Some(())
        });
        if known.is_none() && info.valid > 0 {
            let fresh = IfAddress {
                preferred_until: preferred,
                valid_until: valid,
                ..IfAddress::fixed(Prefix { address: ip, len: 64 }, Origin::Router)
            };
            self.try_address(index, fresh);
        }
    }

    /// Ends probes, lifetimes, and asks for routers.
    pub(crate) fn autoconf_work(&mut self) {
        let now = self.now;
        let (ask, next) = self.layer.autoconf.lock().due(now);
        self.layer.schedule_some(next);
        if next_expiry(&self.net).is_some_and(|at| at <= now) {
            self.update(|net| expire(net, now));
        }
        self.layer.schedule_some(next_expiry(&self.net));
        let net = self.net.clone();
        for out in ask.into_iter().filter_map(|index| net.interface(index)) {
            self.nd_solicit_routers(out);
        }
    }
}

/// Adds a route that a router advertised, or takes it away when its time is over.
fn set_router_route(
    net: &mut Net,
    interface: u32,
    to: Prefix,
    gateway: Option<IpAddr>,
    valid_until: u64,
    now: u64,
) {
    let same = |r: &Route| {
        r.origin == Origin::Router && r.to == to && r.gateway == gateway && r.interface == interface
    };
    if valid_until <= now {
        net.routes.retain(|r| !same(r));
        return;
    }
    let metric = if gateway.is_some() { ROUTER_METRIC } else { 256 };
    net.set_route(Route {
        to,
        gateway,
        interface,
        metric,
        source: None,
        origin: Origin::Router,
        valid_until,
    });
}

/// When the next address or route changes by itself.
fn next_expiry(net: &Net) -> Option<u64> {
    let addresses = net.interfaces.iter().flat_map(|i| &i.addresses).map(|a| {
        let probed = if let AddressState::Tentative(at) | AddressState::Optimistic(at) = a.state {
            at
        } else {
            FOREVER
        };
        let preferred = if a.preferred_until == 0 { FOREVER } else { a.preferred_until };
        probed.min(preferred).min(a.valid_until)
    });
    addresses.chain(net.routes.iter().map(|r| r.valid_until)).min().filter(|&at| at != FOREVER)
}

fn expire(net: &mut Net, now: u64) {
    for interface in &mut net.interfaces {
        interface.addresses.retain(|a| a.valid_until > now);
        for own in &mut interface.addresses {
            if matches!(own.state, AddressState::Tentative(at) | AddressState::Optimistic(at) if at <= now) {
                own.state = AddressState::Preferred;
            }
            if own.preferred_until <= now {
                own.preferred_until = 0;
            }
        }
    }
    net.routes.retain(|r| r.valid_until > now);
}
