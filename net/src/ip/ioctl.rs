//! ioctl(2) about interfaces (netdevice(7)): what is asked, never what is changed.
//!
//! Called by the sockets of the IP families for requests that are not about themselves.

use crate::ip::address::netmask;
use crate::ip::interface::{Interface, Net};
use crate::ip::layer::IpLayer;
use crate::ip::wire;
use abi::ioctl as nr;
use alloc::vec::Vec;
use core::net::{IpAddr, Ipv4Addr};
use fs::FsError;
use mm::user::{UserMemory, UserPtr, UserSlice};

/// `struct ifreq`: a name, and what belongs to it.
const IFREQ: usize = 40;
const NAME: usize = 16;
const AF_INET: u16 = 2;
/// ARPHRD_ETHER, ARPHRD_LOOPBACK.
const ETHER: u16 = 1;
const LOOPBACK: u16 = 772;

/// Flags of an interface (`IFF_*`).
pub fn flags(interface: &Interface) -> u32 {
    /// IFF_UP, IFF_LOOPBACK, IFF_RUNNING, IFF_BROADCAST, IFF_MULTICAST.
    const UP: u32 = 1;
    const LOOPBACK: u32 = 8;
    const RUNNING: u32 = 0x40;
    let kind = if interface.is_loopback() { LOOPBACK } else { 2 | 0x1000 };
    UP | kind | if interface.running() { RUNNING } else { 0 }
}

/// The link type (`ARPHRD_*`).
pub fn link_type(interface: &Interface) -> u16 {
    if interface.is_loopback() { LOOPBACK } else { ETHER }
}

fn name_of(interface: &Interface) -> [u8; NAME] {
    let mut name = [0; NAME];
    name.iter_mut().zip(interface.name.bytes().take(NAME - 1)).for_each(|(to, from)| *to = from);
    name
}

fn sockaddr(ip: Ipv4Addr) -> [u8; 8] {
    let [a, b] = AF_INET.to_ne_bytes();
    let [w, x, y, z] = ip.octets();
    [a, b, 0, 0, w, x, y, z]
}

/// The first IPv4 address of an interface, with its mask and broadcast address.
fn ipv4(interface: &Interface) -> Option<(Ipv4Addr, Ipv4Addr, Ipv4Addr)> {
    let own = interface.usable(false).next()?;
    let IpAddr::V4(ip) = own.ip() else { return None };
    let broadcast = own.prefix.broadcast().filter(|_| !interface.is_loopback());
    Some((ip, netmask(own.prefix.len), broadcast.unwrap_or(Ipv4Addr::UNSPECIFIED)))
}

/// A request of a socket.
///
/// # Errors
/// `NotTty` for what is no request about interfaces; `NoInterface`, `AddressNotAvailable`, `Fault`; `NotPermitted` for changes.
pub fn ioctl(layer: &IpLayer, request: u32, arg: u64, memory: &dyn UserMemory) -> Result<u64, FsError> {
    let net = layer.net();
    match request {
        nr::SIOCGIFCONF => return conf(&net, arg, memory),
        nr::SIOCGIFNAME
        | nr::SIOCGIFFLAGS
        | nr::SIOCGIFADDR
        | nr::SIOCGIFDSTADDR
        | nr::SIOCGIFBRDADDR
        | nr::SIOCGIFNETMASK
        | nr::SIOCGIFMETRIC
        | nr::SIOCGIFMTU
        | nr::SIOCGIFHWADDR
        | nr::SIOCGIFINDEX
        | nr::SIOCGIFMAP
        | nr::SIOCGIFTXQLEN => {}
        // The same numbers with "set": SIOCSIFFLAGS and so on, SIOCADDRT, SIOCDELRT.
        nr::SIOCSIFFLAGS
        | nr::SIOCSIFADDR
        | nr::SIOCSIFNETMASK
        | nr::SIOCSIFBRDADDR
        | nr::SIOCSIFMTU
        | nr::SIOCADDRT
        | nr::SIOCDELRT => return Err(FsError::NotPermitted),
        _ => return Err(FsError::NotTty),
    }
    let mut request_data = [0; IFREQ];
    let program = UserSlice::new(arg, IFREQ);
    program.read_at(memory, 0, &mut request_data).map_err(|_| FsError::Fault)?;
    let interface = if request == nr::SIOCGIFNAME {
        let index = wire::bytes(&request_data, NAME).map_or(0, u32::from_ne_bytes);
        net.interface(index)
    } else {
        let name = request_data.get(..NAME - 1).unwrap_or_default();
        // An alias ("eth0:1") is the interface.
        net.named(name.split(|&byte| byte == 0 || byte == b':').next().unwrap_or_default())
    };
    let interface = interface.ok_or(FsError::NoInterface)?;
    if request == nr::SIOCGIFNAME {
        wire::put(&mut request_data, 0, &name_of(interface));
    } else {
        let answer = answer(interface, request)?;
        wire::put(&mut request_data, NAME, &answer);
    }
    program.write_at(memory, 0, &request_data).map_err(|_| FsError::Fault)?;
    Ok(0)
}

/// What goes behind the name.
fn answer(interface: &Interface, request: u32) -> Result<Vec<u8>, FsError> {
    let addresses = || ipv4(interface).ok_or(FsError::AddressNotAvailable);
    let padded = |ip: Ipv4Addr| {
        let mut out = sockaddr(ip).to_vec();
        out.resize(16, 0);
        out
    };
    Ok(match request {
        nr::SIOCGIFFLAGS => (flags(interface) as u16).to_ne_bytes().to_vec(),
        nr::SIOCGIFADDR | nr::SIOCGIFDSTADDR => padded(addresses()?.0),
        nr::SIOCGIFNETMASK => padded(addresses()?.1),
        nr::SIOCGIFBRDADDR => padded(addresses()?.2),
        nr::SIOCGIFMTU => u32::from(interface.mtu).to_ne_bytes().to_vec(),
        nr::SIOCGIFINDEX => interface.index.to_ne_bytes().to_vec(),
        nr::SIOCGIFTXQLEN => 1000u32.to_ne_bytes().to_vec(),
        nr::SIOCGIFHWADDR => {
            let mut out = link_type(interface).to_ne_bytes().to_vec();
            out.extend_from_slice(&interface.mac);
            out.resize(16, 0);
            out
        }
        nr::SIOCGIFMAP => alloc::vec![0; 24],
        // Metric.
        _ => 0u32.to_ne_bytes().to_vec(),
    })
}

/// SIOCGIFCONF: all interfaces that have an IPv4 address; without a buffer, how long the list is.
fn conf(net: &Net, arg: u64, memory: &dyn UserMemory) -> Result<u64, FsError> {
    let fault = |_| FsError::Fault;
    let mut head = [0; 16];
    let program = UserSlice::new(arg, head.len());
    program.read_at(memory, 0, &mut head).map_err(fault)?;
    let room = wire::bytes(&head, 0).map_or(0, i32::from_ne_bytes);
    let buffer = wire::bytes(&head, 8).map_or(0, u64::from_ne_bytes);
    let mut list = Vec::new();
    for (interface, (ip, ..)) in net.interfaces.iter().filter_map(|i| Some((i, ipv4(i)?))) {
        let mut entry = [0; IFREQ];
        wire::put(&mut entry, 0, &name_of(interface));
        wire::put(&mut entry, NAME, &sockaddr(ip));
        list.extend_from_slice(&entry);
    }
    let mut len = list.len();
    if buffer != 0 {
        let room = usize::try_from(room).map_err(|_| FsError::Invalid)?;
        len = len.min(room / IFREQ * IFREQ);
        UserSlice::new(buffer, len)
            .write_at(memory, 0, list.get(..len).unwrap_or_default())
            .map_err(fault)?;
    }
    UserPtr::new(arg).write(memory, &(len as i32)).map_err(fault)?;
    Ok(0)
}
