//! [`IpOptions`]: options of the levels IPPROTO_IP and IPPROTO_IPV6 of datagram sockets (ip(7), ipv6(7)).

use super::UdpSocket;
use crate::ip::interface::{Interface, LOOPBACK};
use crate::options::{CAP_NET_ADMIN, int_of};
use alloc::vec::Vec;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use fs::FsError;
use fs::socket::{Caller, OptionValue, SocketError};

/// Level of IP.
pub const SOL_IP: i32 = 0;
/// Level of IPv6.
pub const SOL_IPV6: i32 = 41;
/// Groups of one socket (`net.ipv4.igmp_max_memberships`).
const MAX_MEMBERSHIPS: usize = 20;

/// The values.
#[derive(Clone, Debug)]
pub struct IpOptions {
    /// IP_TOS.
    pub tos: u8,
    /// IPV6_TCLASS.
    pub traffic_class: u8,
    /// IP_TTL; `None` for the default.
    pub ttl: Option<u8>,
    /// IPV6_UNICAST_HOPS.
    pub hops: Option<u8>,
    /// IP_MULTICAST_TTL.
    pub multicast_ttl: u8,
    /// IPV6_MULTICAST_HOPS.
    pub multicast_hops: u8,
    /// IP_MULTICAST_LOOP, IPV6_MULTICAST_LOOP.
    pub multicast_loop: [bool; 2],
    /// IP_MULTICAST_ALL, IPV6_MULTICAST_ALL.
    pub multicast_all: bool,
    /// IP_MULTICAST_IF, IPV6_MULTICAST_IF: 0 for the route's.
    pub multicast_interface: u32,
    /// IP_PKTINFO, IPV6_RECVPKTINFO.
    pub packet_info: [bool; 2],
    /// IP_RECVTTL, IPV6_RECVHOPLIMIT.
    pub receive_ttl: [bool; 2],
    /// IP_RECVTOS, IPV6_RECVTCLASS.
    pub receive_tos: [bool; 2],
    /// IP_RECVERR, IPV6_RECVERR.
    pub receive_errors: [bool; 2],
    /// IP_MTU_DISCOVER, IPV6_MTU_DISCOVER.
    pub mtu_discover: [i32; 2],
    /// IPV6_V6ONLY.
    pub v6_only: bool,
    /// IP_FREEBIND, IPV6_FREEBIND.
    pub free_bind: bool,
    /// Groups that were joined.
    pub groups: Vec<(u32, IpAddr)>,
}

impl Default for IpOptions {
    fn default() -> Self {
        IpOptions {
            tos: 0,
            traffic_class: 0,
            ttl: None,
            hops: None,
            multicast_ttl: 1,
            multicast_hops: 1,
            multicast_loop: [true; 2],
            multicast_all: true,
            multicast_interface: 0,
            packet_info: [false; 2],
            receive_ttl: [false; 2],
            receive_tos: [false; 2],
            receive_errors: [false; 2],
            mtu_discover: [1; 2],
            v6_only: false,
            free_bind: false,
            groups: Vec::new(),
        }
    }
}

/// An option of IP may be one byte long.
fn byte_or_int(value: &[u8]) -> Result<i32, SocketError> {
    match value {
        [byte] => Ok(i32::from(*byte)),
        _ => int_of(value),
    }
}

/// A hop count: -1 is the default, in the range from `least`.
fn hop_count(value: i32, least: i32) -> Result<Option<u8>, SocketError> {
    match value {
        -1 => Ok(None),
        value if (least..=255).contains(&value) => Ok(Some(value as u8)),
        _ => Err(FsError::Invalid.into()),
    }
}

fn field<const N: usize>(value: &[u8], at: usize) -> Result<[u8; N], SocketError> {
    crate::ip::wire::bytes(value, at).ok_or(FsError::Invalid.into())
}

impl UdpSocket {
    /// getsockopt(2) at these levels.
    pub(super) fn ip_option(&self, level: i32, name: i32) -> Result<OptionValue, SocketError> {
        let ip = self.ip_options();
        let int = |value: i32| Ok(OptionValue::Int(value));
        let flag = |on: bool| Ok(OptionValue::Int(on.into()));
        match (level, name) {
            (SOL_IP, 1) => int(ip.tos.into()),
            (SOL_IP, 2) => int(ip.ttl.unwrap_or(64).into()),
            (SOL_IP, 4) => Ok(OptionValue::Bytes(Vec::new())),
            (SOL_IP, 8) => flag(ip.packet_info[0]),
            (SOL_IP, 10) => int(ip.mtu_discover[0]),
            (SOL_IP, 11) => flag(ip.receive_errors[0]),
            (SOL_IP, 12) => flag(ip.receive_ttl[0]),
            (SOL_IP, 13) => flag(ip.receive_tos[0]),
            (SOL_IP, 14) | (SOL_IPV6, 24) => self.path_mtu(),
            (SOL_IP, 15) | (SOL_IPV6, 78) => flag(ip.free_bind),
            (SOL_IP, 32) => {
                let net = self.layer().net();
                let first = net.interface(ip.multicast_interface).and_then(|i| i.usable(false).next());
                let address = first.map_or(Ipv4Addr::UNSPECIFIED.into(), |a| a.ip());
                let IpAddr::V4(address) = address else { return Err(FsError::Invalid.into()) };
                Ok(OptionValue::Bytes(address.octets().to_vec()))
            }
            (SOL_IP, 33) => int(ip.multicast_ttl.into()),
            (SOL_IP, 34) => flag(ip.multicast_loop[0]),
            (SOL_IP, 49) | (SOL_IPV6, 29) => flag(ip.multicast_all),
            (SOL_IPV6, _) if !self.is_v6() => Err(SocketError::NotSupported),
            (SOL_IPV6, 16) => int(ip.hops.unwrap_or_else(|| self.layer().net().hop_limit).into()),
            (SOL_IPV6, 17) => int(ip.multicast_interface as i32),
            (SOL_IPV6, 18) => int(ip.multicast_hops.into()),
            (SOL_IPV6, 19) => flag(ip.multicast_loop[1]),
            (SOL_IPV6, 23) => int(ip.mtu_discover[1]),
            (SOL_IPV6, 25) => flag(ip.receive_errors[1]),
            (SOL_IPV6, 26) => flag(ip.v6_only),
            (SOL_IPV6, 49) => flag(ip.packet_info[1]),
            (SOL_IPV6, 51) => flag(ip.receive_ttl[1]),
            (SOL_IPV6, 66) => flag(ip.receive_tos[1]),
            (SOL_IPV6, 67) => int(ip.traffic_class.into()),
            _ => Err(SocketError::NoOption),
        }
    }

    /// setsockopt(2) at these levels.
    pub(super) fn set_ip_option(
        &self,
        level: i32,
        name: i32,
        value: &[u8],
        caller: &Caller<'_>,
    ) -> Result<(), SocketError> {
        match (level, name) {
            (SOL_IPV6, _) if !self.is_v6() => return Err(SocketError::NoOption),
            (SOL_IP, 32 | 35 | 36 | 42 | 45) | (SOL_IPV6, 17 | 20 | 21 | 42 | 45) => {
                return self.set_group_option(level, name, value);
            }
            _ => {}
        }
        let int = if level == SOL_IP { byte_or_int(value)? } else { int_of(value)? };
        let on = int != 0;
        if (level, name) == (SOL_IPV6, 26) {
            return self.set_v6_only(on);
        }
        let discover = || if (0..=5).contains(&int) { Ok(int) } else { Err(FsError::Invalid) };
        self.change_ip(|ip| {
            match (level, name) {
                (SOL_IP, 1) => ip.tos = int as u8,
                (SOL_IP, 2) => ip.ttl = hop_count(int, 1)?,
                (SOL_IP, 8) => ip.packet_info[0] = on,
                (SOL_IP, 10) => ip.mtu_discover[0] = discover()?,
                (SOL_IP, 11) => ip.receive_errors[0] = on,
                (SOL_IP, 12) => ip.receive_ttl[0] = on,
                (SOL_IP, 13) => ip.receive_tos[0] = on,
                (SOL_IP, 15) | (SOL_IPV6, 78) => ip.free_bind = on,
                (SOL_IP, 19) | (SOL_IPV6, 75) if !on || (caller.capable)(CAP_NET_ADMIN) => ip.free_bind |= on,
                (SOL_IP, 19) | (SOL_IPV6, 75) => return Err(SocketError::File(FsError::NotPermitted)),
                (SOL_IP, 33) => ip.multicast_ttl = hop_count(int, 0)?.unwrap_or(1),
                (SOL_IP, 34) => ip.multicast_loop[0] = on,
                (SOL_IP, 49) | (SOL_IPV6, 29) => ip.multicast_all = on,
                (SOL_IPV6, 16) => ip.hops = hop_count(int, 0)?,
                (SOL_IPV6, 18) => ip.multicast_hops = hop_count(int, 0)?.unwrap_or(1),
                (SOL_IPV6, 19) if (0..=1).contains(&int) => ip.multicast_loop[1] = on,
                (SOL_IPV6, 19) => return Err(FsError::Invalid.into()),
                (SOL_IPV6, 23) => ip.mtu_discover[1] = discover()?,
                (SOL_IPV6, 25) => ip.receive_errors[1] = on,
                (SOL_IPV6, 49) => ip.packet_info[1] = on,
                (SOL_IPV6, 51) => ip.receive_ttl[1] = on,
                (SOL_IPV6, 66) => ip.receive_tos[1] = on,
                (SOL_IPV6, 67) => ip.traffic_class = hop_count(int, 0)?.unwrap_or(0),
                _ => return Err(SocketError::NoOption),
            }
            Ok(())
        })
    }

    /// Options that name groups and interfaces.
    fn set_group_option(&self, level: i32, name: i32, value: &[u8]) -> Result<(), SocketError> {
        let v4 = |at| Ok::<_, SocketError>(Ipv4Addr::from(field::<4>(value, at)?));
        let v6 = |at| Ok::<_, SocketError>(Ipv6Addr::from(field::<16>(value, at)?));
        let number = |at| Ok::<_, SocketError>(u32::from_ne_bytes(field(value, at)?));
        match (level, name) {
            // struct in_addr, ip_mreq or ip_mreqn.
            (SOL_IP, 32) => {
                let (address, index) = match value.len() {
                    12.. => (v4(4)?, number(8)?),
                    8.. => (v4(4)?, 0),
                    _ => (v4(0)?, 0),
                };
                let any = address.is_unspecified() && index == 0;
                let index = if any { 0 } else { self.interface_for(index, address)? };
                self.change_ip(|ip| {
                    ip.multicast_interface = index;
                    Ok(())
                })
            }
            (SOL_IPV6, 17) => {
                let index = number(0)?;
                if index != 0 && self.layer().net().interface(index).is_none() {
                    return Err(SocketError::NoInterface);
                }
                self.change_ip(|ip| {
                    ip.multicast_interface = index;
                    Ok(())
                })
            }
            (SOL_IP, 35 | 36) => {
                let index = if value.len() >= 12 { number(8)? } else { 0 };
                self.member(v4(0)?.into(), index, Some(v4(4)?), name == 35)
            }
            (SOL_IPV6, 20 | 21) => self.member(v6(0)?.into(), number(16)?, None, name == 20),
            // struct group_req: the interface, then an address.
            _ => {
                let group: IpAddr = match u16::from_ne_bytes(field(value, 8)?) {
                    2 => v4(12)?.into(),
                    10 => v6(16)?.into(),
                    _ => return Err(FsError::Invalid.into()),
                };
                if group.is_ipv6() != (level == SOL_IPV6) {
                    return Err(SocketError::AddressNotAvailable);
                }
                self.member(group, number(0)?, None, name == 42)
            }
        }
    }

    /// The interface with this number, or with this address, or that leads there.
    fn interface_for(&self, index: u32, address: Ipv4Addr) -> Result<u32, SocketError> {
        let net = self.layer().net();
        if index != 0 {
            return net.interface(index).map(|i| i.index).ok_or(SocketError::NoInterface);
        }
        net.owner(address.into()).map(|i| i.index).ok_or(SocketError::AddressNotAvailable)
    }

    /// Joins or leaves a group.
    fn member(
        &self,
        group: IpAddr,
        index: u32,
        address: Option<Ipv4Addr>,
        join: bool,
    ) -> Result<(), SocketError> {
        if !group.is_multicast() {
            return Err(FsError::Invalid.into());
        }
        let net = self.layer().net();
        let address = address.filter(|a| !a.is_unspecified());
        let card = |i: &&Interface| i.index != LOOPBACK;
        let index = match (index, address) {
            (0, Some(address)) => net.owner(address.into()).map(|i| i.index),
            (0, None) => net
                .path(group, None, None)
                .map(|path| path.interface)
                .ok()
                .or_else(|| net.interfaces.iter().find(card).map(|i| i.index)),
            (index, _) => net.interface(index).map(|i| i.index),
        };
        let index = index.ok_or(SocketError::NoInterface)?;
        let mut pass = self.layer().pass();
        let result = match join {
            true => self.change_ip(|ip| match () {
                () if ip.groups.contains(&(index, group)) => Err(SocketError::AddressInUse),
                () if ip.groups.len() >= MAX_MEMBERSHIPS => Err(SocketError::NoBuffers),
                () => {
                    ip.groups.push((index, group));
                    Ok(())
                }
            }),
            false => self.change_ip(|ip| {
                let at = ip.groups.iter().position(|&g| g == (index, group));
                ip.groups.swap_remove(at.ok_or(SocketError::AddressNotAvailable)?);
                Ok(())
            }),
        };
        let result = match result {
            Ok(()) if join => pass.join(index, group).inspect_err(|_| {
                let _ = self.change_ip(|ip| {
                    ip.groups.retain(|&g| g != (index, group));
                    Ok(())
                });
            }),
            Ok(()) => {
                pass.leave(index, group);
                Ok(())
            }
            error => error,
        };
        pass.finish();
        result
    }
}
