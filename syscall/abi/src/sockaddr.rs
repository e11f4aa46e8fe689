//! Socket addresses as the program has them in memory: `struct sockaddr` and its kin.
//!
//! Called by the socket calls. Pure functions from bytes and to bytes; what an address means is the sockets' business. Ports and
//! IPv4 addresses are big-endian in memory, everything else is in the machine's order.

use core::net::{Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};

/// AF_UNSPEC.
pub const AF_UNSPEC: u16 = 0;
/// AF_UNIX.
pub const AF_UNIX: u16 = 1;
/// AF_INET.
pub const AF_INET: u16 = 2;
/// AF_INET6.
pub const AF_INET6: u16 = 10;
/// AF_NETLINK.
pub const AF_NETLINK: u16 = 16;
/// Bytes of the largest address (`struct sockaddr_storage`).
pub const MAX: usize = 128;
/// Bytes of `struct sockaddr_un`.
pub const UN_MAX: usize = 110;
/// Bytes of `struct sockaddr_in`.
const IN: usize = 16;
/// Least bytes of `struct sockaddr_in6` that are taken: those before the scope.
const IN6_MIN: usize = 24;
/// Bytes of `struct sockaddr_nl`.
const NL: usize = 12;

/// The name in a `struct sockaddr_un`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UnName<'a> {
    /// None: the address ends behind the family.
    Unnamed,
    /// A path, without NUL.
    Path(&'a [u8]),
    /// An abstract name, without the leading NUL.
    Abstract(&'a [u8]),
}

/// An address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SockAddr<'a> {
    /// AF_INET or AF_INET6.
    Ip(SocketAddr),
    /// AF_UNIX.
    Unix(UnName<'a>),
    /// AF_NETLINK: port and groups.
    Netlink(u32, u32),
    /// Any other family, AF_UNSPEC among them.
    Other(u16),
}

/// An address that is too short or too long for its family.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BadLength;

impl core::fmt::Display for BadLength {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("wrong length of a socket address")
    }
}

impl core::error::Error for BadLength {}

fn array<const N: usize>(bytes: &[u8], at: usize) -> Result<[u8; N], BadLength> {
    bytes.get(at..).and_then(|rest| rest.first_chunk::<N>()).copied().ok_or(BadLength)
}

/// The family that an address begins with.
///
/// # Errors
/// If it is too short for one.
pub fn family(bytes: &[u8]) -> Result<u16, BadLength> {
    Ok(u16::from_ne_bytes(array(bytes, 0)?))
}

impl<'a> SockAddr<'a> {
    /// From the bytes of an address.
    ///
    /// # Errors
    /// If they are too few for its family, or too many.
    pub fn decode(bytes: &'a [u8]) -> Result<Self, BadLength> {
        let port = || Ok(u16::from_be_bytes(array(bytes, 2)?));
        match family(bytes)? {
            AF_INET if bytes.len() < IN => Err(BadLength),
            AF_INET => {
                Ok(SockAddr::Ip(SocketAddrV4::new(Ipv4Addr::from(array::<4>(bytes, 4)?), port()?).into()))
            }
            AF_INET6 if bytes.len() < IN6_MIN => Err(BadLength),
            AF_INET6 => {
                let flow = u32::from_be_bytes(array(bytes, 4)?);
                let scope = array(bytes, IN6_MIN).map_or(0, u32::from_ne_bytes);
                let address = Ipv6Addr::from(array::<16>(bytes, 8)?);
                Ok(SockAddr::Ip(SocketAddrV6::new(address, port()?, flow, scope).into()))
            }
            AF_UNIX if bytes.len() > UN_MAX => Err(BadLength),
            AF_UNIX => Ok(SockAddr::Unix(match bytes.get(2..).unwrap_or_default() {
                [] => UnName::Unnamed,
                [0, name @ ..] => UnName::Abstract(name),
                path => UnName::Path(path.split(|&byte| byte == 0).next().unwrap_or_default()),
            })),
            AF_NETLINK if bytes.len() < NL => Err(BadLength),
            AF_NETLINK => {
                let (port, groups) = (array(bytes, 4)?, array(bytes, 8)?);
                Ok(SockAddr::Netlink(u32::from_ne_bytes(port), u32::from_ne_bytes(groups)))
            }
            other => Ok(SockAddr::Other(other)),
        }
    }

    /// Puts the address into `out`; returns its length. A name that is too long is cut.
    pub fn encode(&self, out: &mut [u8; MAX]) -> usize {
        let mut out = Writer { out, len: 0 };
        match self {
            SockAddr::Ip(SocketAddr::V4(address)) => {
                out.put(&AF_INET.to_ne_bytes());
                out.put(&address.port().to_be_bytes());
                out.put(&address.ip().octets());
                out.put(&[0; 8]);
            }
            SockAddr::Ip(SocketAddr::V6(address)) => {
                out.put(&AF_INET6.to_ne_bytes());
                out.put(&address.port().to_be_bytes());
                out.put(&address.flowinfo().to_be_bytes());
                out.put(&address.ip().octets());
                out.put(&address.scope_id().to_ne_bytes());
            }
            SockAddr::Unix(name) => {
                out.put(&AF_UNIX.to_ne_bytes());
                match name {
                    UnName::Unnamed => {}
                    UnName::Path(path) => {
                        out.put(path);
                        out.put(&[0]);
                    }
                    UnName::Abstract(name) => {
                        out.put(&[0]);
                        out.put(name);
                    }
                }
            }
            SockAddr::Netlink(port, groups) => {
                out.put(&AF_NETLINK.to_ne_bytes());
                out.put(&[0; 2]);
                out.put(&port.to_ne_bytes());
                out.put(&groups.to_ne_bytes());
            }
            SockAddr::Other(family) => out.put(&family.to_ne_bytes()),
        }
        out.len
    }
}

struct Writer<'a> {
    out: &'a mut [u8; MAX],
    len: usize,
}

impl Writer<'_> {
    fn put(&mut self, bytes: &[u8]) {
        for (to, from) in self.out.iter_mut().skip(self.len).zip(bytes) {
            *to = *from;
            self.len += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn there_and_back(bytes: &[u8]) -> SockAddr<'_> {
        let address = SockAddr::decode(bytes).unwrap();
        let mut out = [0; MAX];
        let len = address.encode(&mut out);
        assert_eq!(&out[..len], bytes);
        address
    }

    #[test]
    fn addresses() {
        let mut v4 = [0; 16];
        v4[..8].copy_from_slice(&[2, 0, 0x1f, 0x90, 10, 0, 2, 15]);
        assert_eq!(there_and_back(&v4), SockAddr::Ip("10.0.2.15:8080".parse().unwrap()));
        let mut v6 = [0; 28];
        (v6[0], v6[3], v6[23], v6[24]) = (10, 80, 1, 3);
        let expected = SocketAddrV6::new(Ipv6Addr::LOCALHOST, 80, 0, 3);
        assert_eq!(there_and_back(&v6), SockAddr::Ip(expected.into()));
        assert_eq!(SockAddr::decode(&v6[..23]), Err(BadLength));
        assert!(SockAddr::decode(&v6[..24]).is_ok(), "without scope");
        assert_eq!(SockAddr::decode(&v4[..15]), Err(BadLength));
        assert_eq!(there_and_back(&[16, 0, 0, 0, 7, 0, 0, 0, 1, 0, 0, 0]), SockAddr::Netlink(7, 1));
        assert_eq!(there_and_back(&[0, 0]), SockAddr::Other(AF_UNSPEC));
        assert_eq!(SockAddr::decode(&[1]), Err(BadLength));
    }

    #[test]
    fn names() {
        assert_eq!(there_and_back(&[1, 0]), SockAddr::Unix(UnName::Unnamed));
        assert_eq!(there_and_back(b"\x01\0/tmp/s\0"), SockAddr::Unix(UnName::Path(b"/tmp/s")));
        assert_eq!(there_and_back(b"\x01\0\0a\0b"), SockAddr::Unix(UnName::Abstract(b"a\0b")));
        assert_eq!(SockAddr::decode(b"\x01\0/a\0junk"), Ok(SockAddr::Unix(UnName::Path(b"/a"))));
        let mut long = [b'x'; 111];
        (long[0], long[1]) = (1, 0);
        assert_eq!(SockAddr::decode(&long), Err(BadLength));
        assert!(
            matches!(SockAddr::decode(&long[..110]), Ok(SockAddr::Unix(UnName::Path(path))) if path.len() == 108)
        );
    }
}
