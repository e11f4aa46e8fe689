//! What there is, as messages (rtnetlink(7)).

use super::message::Answers;
use crate::ip::interface::{Cast, IfAddress, Interface, LOOPBACK, Net, Origin};
use crate::ip::ioctl::{flags, link_type};
use crate::ip::neighbour::State;
use crate::ip::route::Route;
use crate::ip::{IpLayer, address};
use alloc::vec::Vec;
use core::net::IpAddr;

/// Types of messages (`RTM_*`).
pub const NEW_LINK: u16 = 16;
/// RTM_NEWADDR.
pub const NEW_ADDRESS: u16 = 20;
/// RTM_NEWROUTE.
pub const NEW_ROUTE: u16 = 24;
/// RTM_NEWNEIGH.
pub const NEW_NEIGHBOUR: u16 = 28;

/// What a request wants to see; 0 is everything.
#[derive(Clone, Copy, Debug, Default)]
pub struct Filter {
    /// AF_INET or AF_INET6.
    pub family: u8,
    /// Number of the interface.
    pub interface: u32,
}

impl Filter {
    fn wants(&self, ip: IpAddr, interface: u32) -> bool {
        (self.family == 0 || self.family == family(ip))
            && (self.interface == 0 || self.interface == interface)
    }
}

/// The number of the family.
pub fn family(ip: IpAddr) -> u8 {
    if ip.is_ipv6() { 10 } else { 2 }
}

/// The bytes of an address.
pub fn octets(ip: IpAddr) -> Vec<u8> {
    match ip {
        IpAddr::V4(ip) => ip.octets().to_vec(),
        IpAddr::V6(ip) => ip.octets().to_vec(),
    }
}

/// Where an address or a route means something (`RT_SCOPE_*`): everywhere, on the link, in the host.
fn scope(ip: IpAddr) -> u8 {
    match ip {
        ip if ip.is_loopback() => 254,
        IpAddr::V6(_) if address::scope(ip) == 2 => 253,
        _ => 0,
    }
}

/// One interface.
pub fn link(answers: &mut Answers, interface: &Interface, flag: u16) {
    /// IFF_LOWER_UP.
    const LOWER_UP: u32 = 0x1_0000;
    let running = interface.running();
    let shown = flags(interface) | if running { LOWER_UP } else { 0 };
    // IF_OPER_UNKNOWN for the loopback, IF_OPER_UP, IF_OPER_DOWN.
    let state = if interface.is_loopback() {
        0
    } else if running {
        6
    } else {
        2
    };
    let queues = u32::from(interface.info.queues.max(1));
    answers.add(NEW_LINK, flag, |message| {
        message.fields(&[[0, 0], link_type(interface).to_ne_bytes()].concat());
        message.fields(&interface.index.to_ne_bytes());
        message.fields(&shown.to_ne_bytes());
        message.fields(&[0; 4]);
        message.attribute(3, &[interface.name.as_bytes(), &[0]].concat());
        message.number(13, 1000);
        message.attribute(16, &[state]);
        message.attribute(17, &[0]);
        message.number(4, interface.mtu.into());
        // Group, promiscuity, queues out and in.
        for (kind, value) in [(27, 0), (30, 0), (31, queues), (32, queues)] {
            message.number(kind, value);
        }
        message.attribute(33, &[running.into()]);
        message.attribute(6, b"noqueue\0");
        message.attribute(1, &interface.mac);
        message.attribute(2, &interface.broadcast_mac());
        let counters = counters(interface);
        message.attribute(23, counters.map(u64::to_ne_bytes).as_flattened());
        message.attribute(7, counters.map(|n| (n as u32).to_ne_bytes()).as_flattened());
    });
}

/// `struct rtnl_link_stats64`.
fn counters(interface: &Interface) -> [u64; 24] {
    let stats = &interface.stats;
    let mut counters = [0; 24];
    let known = [
        (0, &stats.rx_packets),
        (1, &stats.tx_packets),
        (2, &stats.rx_bytes),
        (3, &stats.tx_bytes),
        (6, &stats.rx_dropped),
        (7, &stats.tx_dropped),
        (8, &stats.rx_multicast),
    ];
    for (at, counter) in known {
        if let Some(place) = counters.get_mut(at) {
            *place = counter.get();
        }
    }
    counters
}

/// All addresses.
pub fn addresses(answers: &mut Answers, net: &Net, filter: Filter, now: u64, flag: u16) {
    for interface in &net.interfaces {
        for own in interface.addresses.iter().filter(|own| filter.wants(own.ip(), interface.index)) {
            one_address(answers, interface, own, now, flag);
        }
    }
}

fn one_address(answers: &mut Answers, interface: &Interface, own: &IfAddress, now: u64, flag: u16) {
    let ip = own.ip();
    let flags = own.flags();
    let seconds = |until: u64| match until {
        u64::MAX => u32::MAX,
        until => u32::try_from(until.saturating_sub(now) / 1_000_000_000).unwrap_or(u32::MAX),
    };
    answers.add(NEW_ADDRESS, flag, |message| {
        message.fields(&[family(ip), own.prefix.len, flags as u8, scope(ip)]);
        message.fields(&interface.index.to_ne_bytes());
        message.attribute(1, &octets(ip));
        if ip.is_ipv4() {
            message.attribute(2, &octets(ip));
            if let Some(broadcast) = own.prefix.broadcast().filter(|_| !interface.is_loopback()) {
                message.attribute(4, &broadcast.octets());
            }
            message.attribute(3, &[interface.name.as_bytes(), &[0]].concat());
        }
        message.number(8, flags);
        let times = [seconds(own.preferred_until), seconds(own.valid_until), 0, 0];
        message.attribute(6, times.map(u32::to_ne_bytes).as_flattened());
    });
}

/// What a route message says beside its destination.
pub struct RouteLine {
    /// Where to, and how many bits count.
    pub to: (IpAddr, u8),
    /// `RT_TABLE_*`: main (254) or local (255).
    pub table: u8,
    /// `RTPROT_*`.
    pub protocol: u8,
    /// `RT_SCOPE_*`.
    pub scope: u8,
    /// `RTN_*`.
    pub kind: u8,
    /// The router.
    pub gateway: Option<IpAddr>,
    /// The address to send from.
    pub source: Option<IpAddr>,
    /// The interface.
    pub interface: u32,
    /// Smaller is better.
    pub metric: u32,
    /// RTM_F_*.
    pub flags: u32,
}

/// One route.
pub fn route(answers: &mut Answers, line: &RouteLine, flag: u16) {
    let (to, len) = line.to;
    answers.add(NEW_ROUTE, flag, |message| {
        message.fields(&[family(to), len, 0, 0, line.table, line.protocol, line.scope, line.kind]);
        message.fields(&line.flags.to_ne_bytes());
        message.number(15, line.table.into());
        if len > 0 {
            message.attribute(1, &octets(to));
        }
        if let Some(gateway) = line.gateway {
            message.attribute(5, &octets(gateway));
        }
        if let Some(source) = line.source {
            message.attribute(7, &octets(source));
        }
        message.number(4, line.interface);
        if line.metric > 0 {
            message.number(6, line.metric);
        }
        if to.is_ipv6() {
            message.attribute(20, &[0]);
        }
    });
}

/// All routes, also those of own addresses and broadcasts.
pub fn routes(answers: &mut Answers, net: &Net, filter: Filter, flag: u16) {
    for known in net.routes.iter().filter(|r| filter.wants(r.to.address, r.interface)) {
        route(answers, &main_line(known), flag);
    }
    for interface in &net.interfaces {
        let own = interface.addresses.iter().filter(|a| a.usable() && filter.wants(a.ip(), interface.index));
        for own in own {
            local_lines(answers, interface, own, flag);
        }
    }
}

fn main_line(known: &Route) -> RouteLine {
    let on_link_v4 = known.gateway.is_none() && known.to.address.is_ipv4();
    RouteLine {
        to: (known.to.address, known.to.len),
        table: 254,
        protocol: match known.origin {
            Origin::Kernel => 2,
            Origin::Static => 4,
            Origin::Router => 9,
            Origin::Dhcp => 16,
        },
        scope: if on_link_v4 { 253 } else { 0 },
        kind: 1,
        gateway: known.gateway,
        source: known.source,
        interface: known.interface,
        metric: known.metric,
        flags: 0,
    }
}

/// What is not looked up as a route here, but is one for Linux.
fn local_lines(answers: &mut Answers, interface: &Interface, own: &IfAddress, flag: u16) {
    let ip = own.ip();
    let v4 = ip.is_ipv4();
    let mut line = RouteLine {
        to: (ip, address::bits(ip)),
        table: 255,
        protocol: 2,
        scope: if v4 { 254 } else { 0 },
        kind: 2,
        gateway: None,
        source: v4.then_some(ip),
        interface: interface.index,
        metric: 0,
        flags: 0,
    };
    if interface.index == LOOPBACK && v4 {
        line.to = (own.prefix.network().address, own.prefix.len);
        route(answers, &line, flag);
        line.to = (ip, 32);
    }
    route(answers, &line, flag);
    if let Some(broadcast) = own.prefix.broadcast() {
        (line.to, line.kind, line.scope) = ((broadcast.into(), 32), 3, 253);
        route(answers, &line, flag);
    }
}

/// The way to one address; `None` if there is none.
pub fn route_to(answers: &mut Answers, net: &Net, to: IpAddr) -> Option<()> {
    let path = net.path(to, None, None).ok()?;
    let kind = match path.cast {
        _ if path.is_local() => 2,
        Cast::Unicast => 1,
        Cast::Broadcast => 3,
        Cast::Multicast => 5,
    };
    let line = RouteLine {
        to: (to, address::bits(to)),
        table: 254,
        protocol: 0,
        scope: 0,
        kind,
        gateway: (path.next_hop != path.destination).then_some(path.next_hop),
        source: Some(path.source),
        interface: path.interface,
        metric: 0,
        // RTM_F_CLONED: of one destination, not of the table.
        flags: 0x200,
    };
    route(answers, &line, 0);
    Some(())
}

/// All neighbours.
pub fn neighbours(answers: &mut Answers, layer: &IpLayer, filter: Filter, flag: u16) {
    let Ok(list) = layer.neighbours.lock().list() else {
        answers.short = true;
        return;
    };
    for ((index, ip), state, mac, router) in list {
        if !filter.wants(ip, index) {
            continue;
        }
        let (number, known) = match state {
            State::Incomplete => (1u16, false),
            State::Reachable => (2, true),
            State::Stale => (4, true),
            State::Delay => (8, true),
            State::Probe => (0x10, true),
            State::Failed => (0x20, false),
        };
        answers.add(NEW_NEIGHBOUR, flag, |message| {
            message.fields(&[family(ip), 0, 0, 0]);
            message.fields(&index.to_ne_bytes());
            let [a, b] = number.to_ne_bytes();
            message.fields(&[a, b, if router { 0x80 } else { 0 }, 1]);
            message.attribute(1, &octets(ip));
            if known {
                message.attribute(2, &mac);
            }
        });
    }
}
