//! A port of the host that leads into the guest: `-p [ADDR:]HOST:GUEST[/udp]`.

use std::net::{Ipv4Addr, SocketAddrV4};
use std::str::FromStr;

use image_format::channel::Protocol;

use super::NetError;

/// One forwarded port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Forward {
    /// TCP or UDP.
    pub protocol: Protocol,
    /// Where this host listens; port 0 is any that is free.
    pub host: SocketAddrV4,
    /// The guest's port, not 0.
    pub guest: u16,
}

impl FromStr for Forward {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (ports, protocol) = match text.split_once('/') {
            None => (text, Protocol::Tcp),
            Some((ports, name)) => {
                let protocol = Protocol::from_name(name.as_bytes());
                (ports, protocol.ok_or_else(|| format!("unknown protocol {name}; it is tcp or udp"))?)
            }
        };
        let port = |text: &str| text.parse::<u16>().map_err(|_| format!("{text:?} is not a port"));
        if ports.contains('[') {
            return Err("the host's address must be IPv4: QEMU forwards nothing else".to_owned());
        }
        let parts: Vec<&str> = ports.split(':').collect();
        let (address, host, guest) = match parts[..] {
            [same] => (Ipv4Addr::LOCALHOST, same, same),
            [host, guest] => (Ipv4Addr::LOCALHOST, host, guest),
            [address, host, guest] => {
                let address = address.parse().map_err(|_| format!("{address:?} is not an IPv4 address"))?;
                (address, host, guest)
            }
            _ => return Err("expected [ADDRESS:]HOST:GUEST[/udp] or PORT[/udp]".to_owned()),
        };
        let (host, guest) = (port(host)?, port(guest)?);
        if guest == 0 {
            return Err("the guest's port cannot be 0".to_owned());
        }
        Ok(Self { protocol, host: SocketAddrV4::new(address, host), guest })
    }
}

impl Forward {
    fn collides(&self, other: &Self) -> bool {
        let (a, b) = (self.host, other.host);
        let addresses = a.ip() == b.ip() || a.ip().is_unspecified() || b.ip().is_unspecified();
        self.protocol == other.protocol && a.port() == b.port() && a.port() != 0 && addresses
    }
}

/// Checks that no two want the same port of the host.
///
/// # Errors
/// `Twice`.
pub fn check(forwards: &[Forward]) -> Result<(), NetError> {
    let twice = forwards
        .iter()
        .enumerate()
        .find(|(number, forward)| forwards.iter().take(*number).any(|other| other.collides(forward)));
    twice.map_or(Ok(()), |(_, forward)| Err(NetError::Twice(*forward)))
}
