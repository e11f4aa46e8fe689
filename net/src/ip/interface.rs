//! [`Net`]: interfaces, their addresses and groups, and routes, as one value.
//!
//! The stack keeps the current one behind an `Arc` and replaces it whole, so whoever handles a packet looks at one consistent
//! state. Changed by configuration, DHCP, routers' advertisements and multicast joins. Everything in it is bounded.

use crate::device::{CardInfo, NetworkCard};
use crate::ip::address::{self, BROADCAST_MAC, Mac, Prefix};
use crate::ip::route::Route;
use crate::ip::stats::LinkStats;
use alloc::{string::String, sync::Arc, vec, vec::Vec};
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// The number of the loopback interface.
pub const LOOPBACK: u32 = 1;
/// Its largest packet.
pub const LOOPBACK_MTU: u16 = 65535;
/// The broadcast address of its network; all others of that network are own addresses.
pub const LOOPBACK_BROADCAST: Ipv4Addr = Ipv4Addr::new(127, 255, 255, 255);
/// Addresses of one interface at most.
pub const MAX_ADDRESSES: usize = 32;
/// Groups joined at most, of all interfaces.
pub const MAX_GROUPS: usize = 256;
/// "For ever" as a point in time.
pub const FOREVER: u64 = u64::MAX;

/// Whether an address is in use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AddressState {
    /// Not yet: somebody else may have it (RFC 4862, 5.4). When it is decided.
    Tentative(u64),
    /// It is used, but still tried, until then (RFC 4429): a fixed address is nobody else's unless somebody made a mistake, and programs
    /// want it from the start.
    Optimistic(u64),
    /// Yes.
    Preferred,
    /// Somebody else has it.
    Duplicate,
}

/// Who gave an address or a route (`RTPROT_*`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// The stack itself.
    Kernel,
    /// The command line.
    Static,
    /// DHCP.
    Dhcp,
    /// A router's advertisement.
    Router,
}

/// An address of an interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IfAddress {
    /// The address and its network.
    pub prefix: Prefix,
    /// Whether it is in use.
    pub state: AddressState,
    /// Where it comes from.
    pub origin: Origin,
    /// Until when new traffic should use it, monotonic nanoseconds.
    pub preferred_until: u64,
    /// Until when it exists.
    pub valid_until: u64,
}

impl IfAddress {
    /// In use, for ever.
    pub fn fixed(prefix: Prefix, origin: Origin) -> Self {
        IfAddress {
            prefix,
            state: AddressState::Preferred,
            origin,
            preferred_until: FOREVER,
            valid_until: FOREVER,
        }
    }

    /// The address itself.
    pub fn ip(&self) -> IpAddr {
        self.prefix.address
    }

    /// Flags (`IFA_F_*`): permanent, tentative, failed, deprecated.
    pub fn flags(&self) -> u32 {
        let mut flags = if self.valid_until == FOREVER { 0x80 } else { 0 };
        flags |= match self.state {
            AddressState::Tentative(_) => 0x40,
            AddressState::Optimistic(_) => 4,
            AddressState::Duplicate => 0x48,
            AddressState::Preferred => 0,
        };
        flags | if self.preferred_until == 0 { 0x20 } else { 0 }
    }

    /// Whether packets to it are taken.
    pub fn usable(&self) -> bool {
        matches!(self.state, AddressState::Preferred | AddressState::Optimistic(_))
    }
}

/// An interface.
#[derive(Clone)]
pub struct Interface {
    /// Its number.
    pub index: u32,
    /// Its name.
    pub name: String,
    /// Its Ethernet address; zeros for the loopback.
    pub mac: Mac,
    /// Largest IP packet, bytes.
    pub mtu: u16,
    /// Its addresses.
    pub addresses: Vec<IfAddress>,
    /// The device; `None` for the loopback.
    pub card: Option<Arc<dyn NetworkCard>>,
    /// What the device can do.
    pub info: CardInfo,
    /// Counters.
    pub stats: Arc<LinkStats>,
}

impl Interface {
    /// The loopback interface with its two addresses.
    pub fn loopback() -> Self {
        let address = |ip: IpAddr, len| IfAddress::fixed(Prefix { address: ip, len }, Origin::Kernel);
        Interface {
            index: LOOPBACK,
            name: "lo".into(),
            mac: [0; 6],
            mtu: LOOPBACK_MTU,
            addresses: vec![address(Ipv4Addr::LOCALHOST.into(), 8), address(Ipv6Addr::LOCALHOST.into(), 128)],
            card: None,
            info: CardInfo { mtu: LOOPBACK_MTU, checksum: true, ..CardInfo::default() },
            stats: Arc::default(),
        }
    }

    /// A card, without addresses.
    pub fn card(index: u32, name: String, card: Arc<dyn NetworkCard>) -> Self {
        let info = card.info();
        Interface {
            index,
            name,
            mac: info.mac,
            // Less cannot carry IPv6.
            mtu: info.mtu.max(1280),
            addresses: Vec::new(),
            card: Some(card),
            info,
            stats: Arc::default(),
        }
    }

    /// Whether it is the loopback.
    pub fn is_loopback(&self) -> bool {
        self.card.is_none()
    }

    /// Whether it has a link.
    pub fn running(&self) -> bool {
        self.card.as_ref().is_none_or(|card| card.link_up())
    }

    /// Its usable addresses of one family.
    pub fn usable(&self, v6: bool) -> impl Iterator<Item = &IfAddress> {
        self.addresses.iter().filter(move |a| a.usable() && a.ip().is_ipv6() == v6)
    }

    /// The Ethernet broadcast address, or zeros.
    pub fn broadcast_mac(&self) -> Mac {
        if self.is_loopback() { [0; 6] } else { BROADCAST_MAC }
    }

    /// Adds or replaces an address; false without room.
    pub fn set_address(&mut self, address: IfAddress) -> bool {
        if let Some(old) = self.addresses.iter_mut().find(|old| old.ip() == address.ip()) {
            *old = address;
            return true;
        }
        let room = self.addresses.len() < MAX_ADDRESSES;
        if room {
            self.addresses.push(address);
        }
        room
    }
}

/// To whom a packet is addressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cast {
    /// One host.
    Unicast,
    /// All of the network.
    Broadcast,
    /// A group.
    Multicast,
}

/// The whole configuration.
#[derive(Clone, Default)]
pub struct Net {
    /// In the order of their numbers; the first is the loopback.
    pub interfaces: Vec<Interface>,
    /// All routes.
    pub routes: Vec<Route>,
    /// Groups that somebody joined, and on which interface.
    pub groups: Vec<(u32, IpAddr)>,
    /// Name servers.
    pub dns: Vec<IpAddr>,
    /// Search domain.
    pub domain: Option<String>,
    /// The host's name, if DHCP told it.
    pub hostname: Option<String>,
    /// Current hop limit for IPv6, from routers.
    pub hop_limit: u8,
    /// IPv4 addresses of cards that are in use, and the broadcast addresses of their networks, when they were [noted](Self::note).
    pub(crate) own_v4: Vec<Ipv4Addr>,
    pub(crate) broadcasts_v4: Vec<Ipv4Addr>,
}

impl Net {
    /// Notes what [`is_usual`](Self::is_usual) looks at, after a change.
    pub fn note(&mut self) {
        let cards = || self.interfaces.iter().filter(|i| !i.is_loopback()).flat_map(|i| &i.addresses);
        let v4 = |a: &IfAddress| match a.ip() {
            IpAddr::V4(ip) if a.usable() => Some(ip),
            _ => None,
        };
        let own = cards().filter_map(v4).filter(|ip| !ip.is_loopback()).collect();
        let broadcasts = cards().filter_map(|a| a.prefix.broadcast()).collect();
        (self.own_v4, self.broadcasts_v4) = (own, broadcasts);
    }

    /// Whether a packet from outside goes, beyond doubt, from one other host to an address of this one.
    pub fn is_usual(&self, source: Ipv4Addr, destination: Ipv4Addr) -> bool {
        let special = matches!(source.octets()[0], 0 | 127 | 224..);
        !special
            && self.own_v4.contains(&destination)
            && !self.own_v4.contains(&source)
            && !self.broadcasts_v4.contains(&source)
    }

    /// The interface with this number.
    pub fn interface(&self, index: u32) -> Option<&Interface> {
        self.interfaces.iter().find(|i| i.index == index)
    }

    /// The interface with this number, to change.
    pub fn interface_mut(&mut self, index: u32) -> Option<&mut Interface> {
        self.interfaces.iter_mut().find(|i| i.index == index)
    }

    /// The interface of this name.
    pub fn named(&self, name: &[u8]) -> Option<&Interface> {
        self.interfaces.iter().find(|i| i.name.as_bytes() == name)
    }

    /// The interface that has `ip` in use.
    pub fn owner(&self, ip: IpAddr) -> Option<&Interface> {
        let loopback = matches!(ip, IpAddr::V4(a) if a.is_loopback() && a != LOOPBACK_BROADCAST);
        self.interfaces
            .iter()
            .find(|i| (loopback && i.is_loopback()) || i.addresses.iter().any(|a| a.usable() && a.ip() == ip))
    }

    /// Whether `ip` is an address of this host.
    pub fn is_local(&self, ip: IpAddr) -> bool {
        self.owner(ip).is_some()
    }

    /// Whether `ip` is a broadcast address on some network of this host.
    pub fn is_broadcast(&self, ip: IpAddr) -> bool {
        let IpAddr::V4(v4) = ip else { return false };
        v4.is_broadcast()
            || self.interfaces.iter().any(|i| i.addresses.iter().any(|a| a.prefix.broadcast() == Some(v4)))
    }

    /// Whether the host is in the group `ip` on the interface.
    pub fn in_group(&self, index: u32, ip: IpAddr) -> bool {
        match ip {
            IpAddr::V4(a) if a == address::ALL_HOSTS => return true,
            IpAddr::V6(a) if a == address::ALL_NODES || a.segments()[0] == 0xff01 => return true,
            IpAddr::V6(a) => {
                let solicited = |own: &IfAddress| matches!(own.ip(), IpAddr::V6(own) if address::solicited_node(own) == a);
                if self.interface(index).is_some_and(|i| i.addresses.iter().any(solicited)) {
                    return true;
                }
            }
            IpAddr::V4(_) => {}
        }
        self.groups.contains(&(index, ip))
    }

    /// How a packet to `dst` that came on an interface is for this host, if it is.
    pub fn for_us(&self, index: u32, dst: IpAddr) -> Option<Cast> {
        if address::is_multicast(dst) {
            return self.in_group(index, dst).then_some(Cast::Multicast);
        }
        if self.is_local(dst) {
            return Some(Cast::Unicast);
        }
        self.is_broadcast(dst).then_some(Cast::Broadcast)
    }
}
