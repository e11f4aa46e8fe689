//! Addresses: prefixes, kinds, and what Ethernet and IPv6 derive from them.
//!
//! Pure functions, used by all of the IP layer.

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// An Ethernet address.
pub type Mac = [u8; 6];

/// The Ethernet address of everybody.
pub const BROADCAST_MAC: Mac = [0xff; 6];

/// All nodes on the link.
pub const ALL_NODES: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 1);
/// All routers on the link.
pub const ALL_ROUTERS: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 2);
/// All listeners of MLDv2 reports on the link (RFC 3810).
pub const ALL_MLD_ROUTERS: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 0x16);
/// All hosts on the link.
pub const ALL_HOSTS: Ipv4Addr = Ipv4Addr::new(224, 0, 0, 1);

/// An address and the number of its leading bits that name the network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Prefix {
    /// The address; its other bits are kept.
    pub address: IpAddr,
    /// 0 to 32 or 128.
    pub len: u8,
}

impl Prefix {
    /// `None` if `len` is too large.
    pub fn new(address: IpAddr, len: u8) -> Option<Self> {
        (len <= bits(address)).then_some(Prefix { address, len })
    }

    /// Whether `other` is of the same family and agrees in the leading bits.
    pub fn contains(&self, other: IpAddr) -> bool {
        self.address.is_ipv4() == other.is_ipv4() && common_bits(self.address, other) >= self.len
    }

    /// The prefix with the other bits zero.
    pub fn network(&self) -> Prefix {
        let address = match self.address {
            IpAddr::V4(a) => IpAddr::V4(Ipv4Addr::from_bits(a.to_bits() & netmask(self.len).to_bits())),
            IpAddr::V6(a) => {
                let mask = u128::MAX.checked_shl(128 - u32::from(self.len)).unwrap_or(0);
                IpAddr::V6(Ipv6Addr::from_bits(a.to_bits() & mask))
            }
        };
        Prefix { address, len: self.len }
    }

    /// The directed broadcast address of an IPv4 network that has one (RFC 3021).
    pub fn broadcast(&self) -> Option<Ipv4Addr> {
        match self.address {
            IpAddr::V4(a) if self.len <= 30 => {
                Some(Ipv4Addr::from_bits(a.to_bits() | !netmask(self.len).to_bits()))
            }
            _ => None,
        }
    }
}

/// Bits of an address of this family.
pub fn bits(address: IpAddr) -> u8 {
    if address.is_ipv4() { 32 } else { 128 }
}

/// Number of leading bits in which two addresses of one family agree.
pub fn common_bits(a: IpAddr, b: IpAddr) -> u8 {
    match (a, b) {
        (IpAddr::V4(a), IpAddr::V4(b)) => (a.to_bits() ^ b.to_bits()).leading_zeros() as u8,
        (IpAddr::V6(a), IpAddr::V6(b)) => (a.to_bits() ^ b.to_bits()).leading_zeros() as u8,
        _ => 0,
    }
}

/// The mask of an IPv4 prefix of `len` bits.
pub fn netmask(len: u8) -> Ipv4Addr {
    Ipv4Addr::from_bits(u32::MAX.checked_shl(32u32.saturating_sub(len.into())).unwrap_or(0))
}

/// The number of bits of a mask; `None` if it is none.
pub fn mask_len(mask: Ipv4Addr) -> Option<u8> {
    let len = mask.to_bits().leading_ones() as u8;
    (netmask(len) == mask).then_some(len)
}

/// The Ethernet address of a multicast group (RFC 1112, RFC 2464).
pub fn multicast_mac(group: IpAddr) -> Mac {
    match group {
        IpAddr::V4(a) => {
            let [_, b, c, d] = a.octets();
            [0x01, 0x00, 0x5e, b & 0x7f, c, d]
        }
        IpAddr::V6(a) => {
            let [.., w, x, y, z] = a.octets();
            [0x33, 0x33, w, x, y, z]
        }
    }
}

/// Whether an Ethernet address can be a single station's.
pub fn is_station(mac: Mac) -> bool {
    mac[0] & 1 == 0 && mac != [0; 6]
}

/// The group to which a neighbour solicitation for `target` goes (RFC 4291).
pub fn solicited_node(target: Ipv6Addr) -> Ipv6Addr {
    let [.., x, y, z] = target.octets();
    let low = u16::from_be_bytes([y, z]);
    Ipv6Addr::new(0xff02, 0, 0, 0, 0, 1, 0xff00 | u16::from(x), low)
}

/// The address under a 64-bit prefix that belongs to an Ethernet address (modified EUI-64, RFC 4291).
pub fn eui64(prefix: Ipv6Addr, mac: Mac) -> Ipv6Addr {
    let [a, b, c, d, e, f] = mac;
    let host = u64::from_be_bytes([a ^ 2, b, c, 0xff, 0xfe, d, e, f]);
    Ipv6Addr::from_bits((prefix.to_bits() >> 64 << 64) | u128::from(host))
}

/// fe80::/64 with the Ethernet address.
pub fn link_local(mac: Mac) -> Ipv6Addr {
    eui64(Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 0), mac)
}

/// Scope of an address as RFC 6724 orders them: 1 node, 2 link, 5 site, 14 global.
pub fn scope(address: IpAddr) -> u8 {
    match address {
        IpAddr::V4(a) if a.is_loopback() => 1,
        IpAddr::V4(a) if a.is_link_local() => 2,
        IpAddr::V4(_) => 14,
        IpAddr::V6(a) => match a.segments()[0] {
            s if s & 0xff00 == 0xff00 => (s & 0xf) as u8,
            _ if a.is_loopback() => 1,
            s if s & 0xffc0 == 0xfe80 => 2,
            s if s & 0xffc0 == 0xfec0 => 5,
            _ => 14,
        },
    }
}

/// Whether it names a group.
pub fn is_multicast(address: IpAddr) -> bool {
    address.is_multicast()
}

/// The unspecified address of the same family.
pub fn unspecified_like(address: IpAddr) -> IpAddr {
    if address.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn prefix(text: &str, len: u8) -> Prefix {
        Prefix::new(text.parse().expect("an address"), len).expect("a prefix")
    }

    fn ip(text: &str) -> IpAddr {
        text.parse().expect("an address")
    }

    #[test]
    fn prefixes() {
        assert!(
            prefix("10.1.2.3", 8).contains(ip("10.9.9.9"))
                && !prefix("10.1.2.3", 24).contains(ip("10.1.3.3"))
        );
        assert!(prefix("1.2.3.4", 0).contains(ip("9.9.9.9")) && !prefix("::", 0).contains(ip("9.9.9.9")));
        assert_eq!(prefix("10.1.2.3", 20).network(), prefix("10.1.0.0", 20));
        assert_eq!(prefix("fe80:1::5", 32).network(), prefix("fe80:1::", 32));
        assert_eq!(prefix("::5", 0).network(), prefix("::", 0));
        assert_eq!(prefix("10.0.2.15", 24).broadcast(), Some(Ipv4Addr::new(10, 0, 2, 255)));
        assert_eq!(prefix("10.0.2.15", 31).broadcast(), None);
        assert_eq!(Prefix::new(ip("1.2.3.4"), 33), None);
        for len in 0..=32 {
            assert_eq!(mask_len(netmask(len)), Some(len));
        }
        assert_eq!(mask_len(Ipv4Addr::new(255, 0, 255, 0)), None);
    }

    #[test]
    fn derived_addresses() {
        assert_eq!(multicast_mac(ip("239.129.2.3")), [1, 0, 0x5e, 1, 2, 3]);
        assert_eq!(multicast_mac(ip("ff02::1:ff12:3456")), [0x33, 0x33, 0xff, 0x12, 0x34, 0x56]);
        assert_eq!(IpAddr::V6(link_local([0x52, 0x54, 0, 0x12, 0x34, 0x56])), ip("fe80::5054:ff:fe12:3456"));
        assert_eq!(IpAddr::V6(solicited_node(Ipv6Addr::from_bits(0x12_3456))), ip("ff02::1:ff12:3456"));
        assert_eq!((scope(ip("fec0::1")), scope(ip("ff02::1")), scope(ip("::1"))), (5, 2, 1));
    }
}
