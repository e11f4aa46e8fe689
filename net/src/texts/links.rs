//! Interfaces, addresses, routes, neighbours and groups.

use super::{number, padded, put};
use crate::Stack;
use crate::ip::address::netmask;
use crate::ip::interface::{Interface, LOOPBACK, Net, Origin};
use crate::ip::neighbour::State;
use crate::ip::route::Route;
use alloc::format;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::net::{IpAddr, Ipv6Addr};
use fs::pseudo::Output;

/// Flags of routes (`RTF_*`).
const UP: u32 = 1;
const GATEWAY: u32 = 2;
const HOST: u32 = 4;
/// Of IPv6 only: a default route, one from a router, one of an own address.
const DEFAULT: u32 = 0x1_0000;
const FROM_ROUTER: u32 = 0x4_0000;
const LOCAL: u32 = 0x8000_0000;

fn net(stack: &Stack) -> Arc<Net> {
    stack.ip().map(|ip| ip.net()).unwrap_or_default()
}

/// `/proc/net/dev`.
pub fn dev(stack: &Stack, out: &mut Output) {
    out.extend_from_slice(
        b"Inter-|   Receive                                                |  Transmit\n \
          face |bytes    packets errs drop fifo frame compressed multicast|\
          bytes    packets errs drop fifo colls carrier compressed\n",
    );
    for Interface { name, stats, card, .. } in &net(stack).interfaces {
        let [rx_bytes, rx, rx_dropped, multicast] =
            [&stats.rx_bytes, &stats.rx_packets, &stats.rx_dropped, &stats.rx_multicast].map(|c| c.get());
        let [tx_bytes, tx, tx_dropped] =
            [&stats.tx_bytes, &stats.tx_packets, &stats.tx_dropped].map(|c| c.get());
        let lost = card.as_ref().map(|card| card.lost()).unwrap_or_default();
        let (bad, dropped) = (lost.malformed, rx_dropped + lost.no_memory);
        put!(
            out,
            "{name:>6}: {rx_bytes:7} {rx:7} {bad:4} {dropped:4} {:4} {bad:5} {:10} {multicast:9} ",
            0,
            0
        );
        put!(out, "{tx_bytes:8} {tx:7} {:4} {tx_dropped:4} {:4} {:5} {:7} {:10}\n", 0, 0, 0, 0, 0);
    }
}

/// `/proc/net/route`: routes of IPv4.
pub fn route(stack: &Stack, out: &mut Output) {
    padded(out, "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT");
    let net = net(stack);
    let mut routes: Vec<&Route> = net.routes.iter().filter(|r| r.to.address.is_ipv4()).collect();
    routes.sort_by_key(|r| (r.to.address, r.metric));
    for route in routes {
        let Some(interface) = net.interface(route.interface) else { continue };
        let host = if route.to.len == 32 { HOST } else { 0 };
        let flags = UP | host | if route.gateway.is_some() { GATEWAY } else { 0 };
        let line = format!(
            "{}\t{:08X}\t{:08X}\t{flags:04X}\t0\t0\t{}\t{:08X}\t0\t0\t0",
            interface.name,
            number(route.to.address),
            route.gateway.map_or(0, number),
            route.metric,
            number(netmask(route.to.len).into()),
        );
        padded(out, &line);
    }
}

/// `/proc/net/ipv6_route`: routes of IPv6, with those of own addresses.
pub fn ipv6_route(stack: &Stack, out: &mut Output) {
    let net = net(stack);
    let mut line = |to: IpAddr, len: u8, gateway: Option<IpAddr>, metric: u32, flags: u32, name: &str| {
        let IpAddr::V6(to) = to else { return };
        let gateway = match gateway {
            Some(IpAddr::V6(gateway)) => gateway,
            _ => Ipv6Addr::UNSPECIFIED,
        };
        put!(out, "{:032x} {len:02x} {:032x} 00 {:032x} ", to.to_bits(), 0, gateway.to_bits());
        put!(out, "{metric:08x} 00000001 00000000 {flags:08x} {name:>8}\n");
    };
    for route in &net.routes {
        let Some(interface) = net.interface(route.interface) else { continue };
        let mut flags = UP;
        for (on, flag) in [
            (route.gateway.is_some(), GATEWAY),
            (route.to.len == 128, HOST),
            (route.to.len == 0 && route.origin == Origin::Router, DEFAULT),
            (route.origin == Origin::Router, FROM_ROUTER),
        ] {
            flags |= if on { flag } else { 0 };
        }
        line(route.to.address, route.to.len, route.gateway, route.metric, flags, &interface.name);
    }
    for interface in &net.interfaces {
        for own in interface.usable(true) {
            line(own.ip(), 128, None, 0, UP | LOCAL, &interface.name);
        }
    }
}

/// `/proc/net/arp`.
pub fn arp(stack: &Stack, out: &mut Output) {
    out.extend_from_slice(
        b"IP address       HW type     Flags       HW address            Mask     Device\n",
    );
    let Some(ip) = stack.ip() else { return };
    let Ok(neighbours) = ip.neighbours.lock().list() else { return out.give_up() };
    let net = ip.net();
    for ((index, address), state, mac, _) in neighbours {
        let (true, Some(interface)) = (address.is_ipv4(), net.interface(index)) else { continue };
        let known = !matches!(state, State::Incomplete | State::Failed);
        let [a, b, c, d, e, f] = if known { mac } else { [0; 6] };
        let mac = format!("{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{f:02x}");
        let address = format!("{address}");
        put!(
            out,
            "{address:<16} 0x{:<10x}0x{:<10x}{mac:<17}     *        {}\n",
            1,
            if known { 2 } else { 0 },
            interface.name
        );
    }
}

/// Kind of an address, as Linux keeps it for IPv6 (`IPV6_ADDR_*`): this host, this link, or everywhere.
fn scope(ip: IpAddr) -> u8 {
    match ip {
        ip if ip.is_loopback() => 0x10,
        ip if crate::ip::address::scope(ip) == 2 => 0x20,
        _ => 0,
    }
}

/// `/proc/net/if_inet6`.
pub fn if_inet6(stack: &Stack, out: &mut Output) {
    for interface in &net(stack).interfaces {
        for own in &interface.addresses {
            let IpAddr::V6(ip) = own.ip() else { continue };
            put!(out, "{:032x} {:02x} {:02x} ", ip.to_bits(), interface.index, own.prefix.len);
            put!(out, "{:02x} {:02x} {:>8}\n", scope(own.ip()), own.flags(), interface.name);
        }
    }
}

/// Groups of an interface that somebody joined, with how often.
fn groups(net: &Net, index: u32) -> Vec<(IpAddr, usize)> {
    let mut groups: Vec<(IpAddr, usize)> = Vec::new();
    for &(_, group) in net.groups.iter().filter(|&&(at, _)| at == index) {
        match groups.iter_mut().find(|(known, _)| *known == group) {
            Some((_, users)) => *users += 1,
            None => groups.push((group, 1)),
        }
    }
    groups
}

/// `/proc/net/igmp`.
pub fn igmp(stack: &Stack, out: &mut Output) {
    out.extend_from_slice(b"Idx\tDevice    : Count Querier\tGroup    Users Timer\tReporter\n");
    let net = net(stack);
    for interface in &net.interfaces {
        let mut joined = groups(&net, interface.index);
        joined.retain(|(group, _)| group.is_ipv4());
        joined.push((crate::ip::address::ALL_HOSTS.into(), 1));
        put!(out, "{}\t{:<10}: {:5} {:>7}\n", interface.index, interface.name, joined.len(), "V3");
        for (group, users) in joined {
            put!(out, "\t\t\t\t{:08X} {users:5} 0:00000000\t\t0\n", number(group));
        }
    }
}

/// `/proc/net/igmp6`.
pub fn igmp6(stack: &Stack, out: &mut Output) {
    let net = net(stack);
    for interface in &net.interfaces {
        let mut joined = groups(&net, interface.index);
        if interface.index != LOOPBACK {
            for own in &interface.addresses {
                if let IpAddr::V6(own) = own.ip() {
                    joined.push((crate::ip::address::solicited_node(own).into(), 1));
                }
            }
        }
        joined.push((crate::ip::address::ALL_NODES.into(), 1));
        for (group, users) in joined {
            let IpAddr::V6(group) = group else { continue };
            put!(
                out,
                "{:<4} {:<15} {:032x} {users:5} 00000004 0\n",
                interface.index,
                interface.name,
                group.to_bits()
            );
        }
    }
}
