//! The client on its interface: messages in and out, and what a lease changes.

use super::{Action, CLIENT_PORT, Client, Lease, SERVER_PORT};
use crate::frame::Frame;
use crate::ip::address::Prefix;
use crate::ip::input::{Arrival, protocol};
use crate::ip::interface::{Cast, FOREVER, IfAddress, Net, Origin};
use crate::ip::layer::Pass;
use crate::ip::route::{Path, Route};
use crate::ip::send::{HeaderChoice, TRANSPORT_ROOM};
use crate::ip::wire;
use alloc::vec::Vec;
use core::net::{IpAddr, Ipv4Addr};
use core::sync::atomic::Ordering;

impl Pass<'_> {
    /// Begins to ask on an interface.
    pub(crate) fn dhcp_start(&mut self, index: u32) {
        let Some(mac) = self.net.interface(index).map(|i| i.mac) else { return };
        let mut random = [0; 4];
        self.layer.env.random(&mut random);
        *self.layer.dhcp.lock() = Some(Client::new(index, mac, u32::from_ne_bytes(random), self.now));
        self.dhcp_work();
    }

    /// Does what is due.
    pub(crate) fn dhcp_work(&mut self) {
        let (actions, index, next) = {
            let mut client = self.layer.dhcp.lock();
            let Some(client) = client.as_mut() else { return };
            (client.due(self.now), client.interface, client.next_deadline())
        };
        self.dhcp_act(index, actions);
        if next != FOREVER {
            self.layer.schedule(next);
        }
    }

    /// Whether the packet was for the client; it need not be addressed to this host yet.
    pub(crate) fn dhcp_wants(&mut self, arrival: &Arrival, frame: &Frame) -> bool {
        let datagram = frame.data().get(arrival.header_len..).unwrap_or_default();
        let ports = (wire::be16(datagram, 0), wire::be16(datagram, 2));
        if arrival.protocol != protocol::UDP || ports != (Some(SERVER_PORT), Some(CLIENT_PORT)) || self.inside
        {
            return false;
        }
        let len = wire::be16(datagram, 4).map_or(0, usize::from);
        let checked = datagram.get(..len).filter(|d| {
            let unchecked = wire::be16(d, 6) == Some(0) || frame.offload.checksum_valid;
            let partial = frame.offload.partial_checksum.is_some();
            unchecked
                || partial
                || wire::transport_checksum_valid(arrival.source, arrival.destination, protocol::UDP, d)
        });
        let (index, actions, next) = {
            let mut client = self.layer.dhcp.lock();
            let Some(client) = client.as_mut().filter(|c| c.interface == arrival.interface) else {
                return false;
            };
            let from = match arrival.source {
                IpAddr::V4(from) => from,
                IpAddr::V6(_) => return false,
            };
            let actions =
                checked.and_then(|d| d.get(8..)).and_then(|data| client.input(data, from, self.now));
            (client.interface, actions, client.next_deadline())
        };
        match actions {
            Some(actions) => self.dhcp_act(index, actions),
            None => self.layer.stats.drops.dhcp_invalid.inc(),
        }
        if next != FOREVER {
            self.layer.schedule(next);
        }
        true
    }

    fn dhcp_act(&mut self, index: u32, actions: Vec<Action>) {
        for action in actions {
            match action {
                Action::Send { message, to } => self.dhcp_send(index, &message, to),
                Action::Configure(lease) => self.dhcp_configure(index, lease),
                Action::GiveUp(prefix) => {
                    log::warn!("the lease of {} has ended", prefix.address);
                    self.update(|net| drop_lease(net, index, prefix));
                }
            }
        }
    }

    fn dhcp_send(&mut self, index: u32, message: &[u8], to: Ipv4Addr) {
        let len = 8 + message.len();
        let everybody = to.is_broadcast();
        let path = if everybody {
            self.net.interface(index).map(|i| Path {
                interface: index,
                next_hop: to.into(),
                source: i
                    .usable(false)
                    .find(|a| a.origin == Origin::Dhcp)
                    .map_or(Ipv4Addr::UNSPECIFIED.into(), |a| a.ip()),
                destination: to.into(),
                mtu: i.mtu,
                cast: Cast::Broadcast,
            })
        } else {
            self.net.path(to.into(), None, Some(index)).ok()
        };
        let Some(path) = path else { return self.layer.stats.v4.ip.out_no_routes.inc() };
        let Some(mut frame) = Frame::with_room(TRANSPORT_ROOM, len) else {
            return self.layer.stats.drops.no_memory.inc();
        };
        frame.set_len(len);
        let data = frame.data_mut();
        wire::put(data, 0, &CLIENT_PORT.to_be_bytes());
        wire::put(data, 2, &SERVER_PORT.to_be_bytes());
        wire::put(data, 4, &(len as u16).to_be_bytes());
        wire::put(data, 8, message);
        let sum = wire::transport_checksum(path.source, path.destination, protocol::UDP, data);
        wire::put(data, 6, &(if sum == 0 { u16::MAX } else { sum }).to_be_bytes());
        if self.ip_send(&path, &HeaderChoice::new(protocol::UDP, 64), frame).is_err() {
            self.layer.stats.v4.ip.out_discards.inc();
        }
    }

    fn dhcp_configure(&mut self, index: u32, lease: Lease) {
        let known = self
            .net
            .interface(index)
            .is_some_and(|i| i.addresses.iter().any(|a| a.ip() == lease.address.address));
        let dns_fixed = self.layer.autoconf.lock().dns_fixed;
        let address = IfAddress {
            valid_until: lease.ends_at,
            preferred_until: lease.ends_at,
            ..IfAddress::fixed(lease.address, Origin::Dhcp)
        };
        if known {
            self.update(|net| net.interface_mut(index).map(|i| i.set_address(address)));
        } else {
            self.try_address(index, address);
        }
        self.update(|net| {
            let Lease { answer, .. } = &lease;
            if let (Some(mtu), Some(i)) = (answer.mtu, net.interface_mut(index)) {
                i.mtu = mtu.clamp(1280, i.info.mtu.max(1280));
            }
            net.routes.retain(|r| r.origin != Origin::Dhcp);
            if let Some(&router) = answer.routers.first() {
                net.set_route(Route {
                    to: Prefix { address: Ipv4Addr::UNSPECIFIED.into(), len: 0 },
                    gateway: Some(router.into()),
                    interface: index,
                    metric: 100,
                    source: Some(lease.address.address),
                    origin: Origin::Dhcp,
                    valid_until: FOREVER,
                });
            }
            if !dns_fixed {
                net.dns.retain(IpAddr::is_ipv6);
                let servers: Vec<_> = answer.dns.iter().map(|&server| IpAddr::V4(server)).collect();
                net.dns.splice(0..0, servers);
            }
            net.domain = answer.domain.clone().or(net.domain.take());
            net.hostname = answer.hostname.clone().or(net.hostname.take());
        });
        // Whoever waits for this looks at all of it.
        self.layer.leased.store(true, Ordering::Release);
    }
}

/// Takes away an address and the routes over it.
fn drop_lease(net: &mut Net, index: u32, prefix: Prefix) {
    net.routes.retain(|r| r.origin != Origin::Dhcp && r.source != Some(prefix.address));
    if let Some(interface) = net.interface_mut(index) {
        interface.addresses.retain(|a| a.ip() != prefix.address);
    }
}
