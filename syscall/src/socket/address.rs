//! Addresses between program memory and sockets.

use crate::{CallResult, Context};
use abi::Errno;
use abi::sockaddr::{self, SockAddr, UnName};
use alloc::vec::Vec;
use core::net::{IpAddr, Ipv4Addr, SocketAddr};
use fs::socket::{Address, Family, Kind, Socket, UnixName};
use mm::user::{UserPtr, UserSlice};

/// What an address is for: AF_UNSPEC means something else to each call.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Use {
    /// bind(2).
    Bind,
    /// connect(2).
    Connect,
    /// sendto(2).
    Send,
}

/// Where a message goes. Sockets of AF_UNIX that are connected do not look at it.
pub fn load_destination(ctx: &Context<'_>, addr: u64, len: i32, socket: &dyn Socket) -> CallResult<Address> {
    let family = socket.family();
    if family == Family::Unix && socket.kind() != Kind::Datagram {
        load_bytes(ctx, addr, len, &mut [0; sockaddr::MAX])?;
        return Ok(Address::Unspecified);
    }
    load(ctx, addr, len, family, Use::Send)
}

/// An address argument of a call on a socket of `family`.
pub fn load(ctx: &Context<'_>, addr: u64, len: i32, family: Family, usage: Use) -> CallResult<Address> {
    let mut storage = [0; sockaddr::MAX];
    Ok(decode(load_bytes(ctx, addr, len, &mut storage)?, family, usage)?)
}

fn load_bytes<'b>(
    ctx: &Context<'_>,
    addr: u64,
    len: i32,
    storage: &'b mut [u8; sockaddr::MAX],
) -> CallResult<&'b [u8]> {
    let len = usize::try_from(len).map_err(|_| Errno::EINVAL)?;
    let bytes = storage.get_mut(..len).ok_or(Errno::EINVAL)?;
    UserSlice::new(addr, len).read_at(ctx.memory(), 0, bytes)?;
    Ok(bytes)
}

fn decode(bytes: &[u8], family: Family, usage: Use) -> Result<Address, Errno> {
    let Ok(given) = sockaddr::family(bytes) else { return Err(Errno::EINVAL) };
    if given == sockaddr::AF_UNSPEC && usage == Use::Connect {
        return Ok(Address::Unspecified);
    }
    let ip = matches!(family, Family::Inet | Family::Inet6);
    // Old programs bind to any address, and send, without a family.
    if given == sockaddr::AF_UNSPEC && family == Family::Inet && bytes.len() >= 16 {
        let mut named = [0; 16];
        named.iter_mut().zip(bytes).for_each(|(to, from)| *to = *from);
        let [low, high] = sockaddr::AF_INET.to_ne_bytes();
        (named[0], named[1]) = (low, high);
        let address = SockAddr::decode(&named).map_err(|_| Errno::EINVAL)?;
        return match address {
            SockAddr::Ip(address)
                if usage == Use::Send || address.ip() == IpAddr::V4(Ipv4Addr::UNSPECIFIED) =>
            {
                Ok(Address::Ip(address))
            }
            _ => Err(Errno::EAFNOSUPPORT),
        };
    }
    let wrong = if ip { Errno::EAFNOSUPPORT } else { Errno::EINVAL };
    match (SockAddr::decode(bytes).map_err(|_| Errno::EINVAL)?, family) {
        (SockAddr::Ip(SocketAddr::V4(address)), Family::Inet) => Ok(Address::Ip(address.into())),
        // A socket of IPv6 sends to addresses of IPv4 too.
        (SockAddr::Ip(address), Family::Inet6) if address.is_ipv6() || usage != Use::Bind => {
            Ok(Address::Ip(address))
        }
        (SockAddr::Unix(name), Family::Unix) => match name {
            UnName::Unnamed if usage == Use::Bind => Ok(Address::Unix(None)),
            UnName::Unnamed => Err(Errno::EINVAL),
            UnName::Path(path) => Ok(Address::Unix(Some(UnixName::Path(path.to_vec())))),
            UnName::Abstract(name) => Ok(Address::Unix(Some(UnixName::Abstract(name.to_vec())))),
        },
        (SockAddr::Netlink(port, groups), Family::Netlink) => Ok(Address::Netlink { port, groups }),
        _ => Err(wrong),
    }
}

/// The bytes of an address.
pub fn encode(address: &Address) -> Vec<u8> {
    let mut out = [0; sockaddr::MAX];
    let address = match address {
        Address::Unspecified => SockAddr::Other(sockaddr::AF_UNSPEC),
        Address::Ip(address) => SockAddr::Ip(*address),
        Address::Unix(None) => SockAddr::Unix(UnName::Unnamed),
        Address::Unix(Some(UnixName::Path(path))) => SockAddr::Unix(UnName::Path(path)),
        Address::Unix(Some(UnixName::Abstract(name))) => SockAddr::Unix(UnName::Abstract(name)),
        Address::Netlink { port, groups } => SockAddr::Netlink(*port, *groups),
    };
    let len = address.encode(&mut out);
    out.get(..len).unwrap_or_default().to_vec()
}

/// Stores an address where the program has room for `*len` bytes, and its true length; none has length 0.
pub fn store(ctx: &Context<'_>, addr: u64, len: UserPtr<i32>, address: Option<&Address>) -> CallResult<()> {
    let room = usize::try_from(len.read(ctx.memory())?).map_err(|_| Errno::EINVAL)?;
    let bytes = address.map(encode).unwrap_or_default();
    let part = bytes.get(..room.min(bytes.len())).unwrap_or_default();
    UserSlice::new(addr, part.len()).write_at(ctx.memory(), 0, part)?;
    len.write(ctx.memory(), &(bytes.len() as i32))?;
    Ok(())
}
