//! What is wrong with packets, in words and in ICMP's numbers (RFC 792, RFC 4443).
//!
//! Called by ICMP for errors that come and that leave.

use crate::ip::input::protocol;
use crate::ip::wire;
use core::net::IpAddr;
use fs::socket::SocketError;

/// What is wrong with a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// Nobody has the port.
    NoPort,
    /// Nobody knows the protocol.
    NoProtocol,
    /// The next hop does not answer.
    HostUnreachable,
    /// Fragments were missing.
    Incomplete,
    /// ICMPv6 parameter problem: code, pointer.
    ParameterProblem(u8, u32),
}

/// An error about a packet that this host has sent.
#[derive(Clone, Copy, Debug)]
pub struct ErrorReport<'a> {
    /// Who says it.
    pub offender: IpAddr,
    /// Own address of the packet.
    pub source: IpAddr,
    /// Where it went.
    pub destination: IpAddr,
    /// Its protocol.
    pub protocol: u8,
    /// What was quoted of it behind the IP header, at least 8 bytes.
    pub transport: &'a [u8],
    /// ICMP type.
    pub kind: u8,
    /// ICMP code.
    pub code: u8,
    /// Largest packet, for those that say so.
    pub mtu: Option<u32>,
    /// What a socket says of it.
    pub error: SocketError,
    /// It will not go away by itself.
    pub fatal: bool,
}

impl ErrorReport<'_> {
    /// Own and foreign port of the packet, for TCP and UDP.
    pub fn ports(&self) -> Option<(u16, u16)> {
        Some((wire::be16(self.transport, 0)?, wire::be16(self.transport, 2)?))
    }
}

/// What an ICMP error means to a socket: the error, and whether it is fatal. `None` for what is no error.
pub fn meaning(v6: bool, kind: u8, code: u8) -> Option<(SocketError, bool)> {
    use SocketError::{HostUnreachable, MessageSize, NetworkUnreachable, NoOption, NotSupported, Refused};
    Some(match (v6, kind, code) {
        (false, 3, 0 | 6 | 9 | 11) => (NetworkUnreachable, matches!(code, 6 | 9)),
        (false, 3, 1 | 12) => (HostUnreachable, false),
        (false, 3, 2) => (NoOption, true),
        (false, 3, 3) => (Refused, true),
        (false, 3, 4) => (MessageSize, false),
        (false, 3, 5) => (NotSupported, true),
        (false, 3, 7 | 8 | 10 | 13..=15) => (HostUnreachable, true),
        (false, 11, 0 | 1) => (HostUnreachable, false),
        (false, 12, _) => (NoOption, true),
        (true, 1, 0) => (NetworkUnreachable, false),
        (true, 1, 1 | 5 | 6) => (SocketError::File(fs::FsError::Access), true),
        (true, 1, 2 | 3) => (HostUnreachable, false),
        (true, 1, 4) => (Refused, true),
        (true, 2, _) => (MessageSize, false),
        (true, 3, _) => (HostUnreachable, false),
        (true, 4, _) => (NoOption, true),
        _ => return None,
    })
}

/// Type, code and the word behind the checksum.
pub fn numbers(v6: bool, trouble: Trouble) -> (u8, u8, u32) {
    match (v6, trouble) {
        (false, Trouble::NoPort) => (3, 3, 0),
        (false, Trouble::NoProtocol) => (3, 2, 0),
        (false, Trouble::HostUnreachable) => (3, 1, 0),
        (false, Trouble::Incomplete) => (11, 1, 0),
        (false, Trouble::ParameterProblem(code, at)) => (12, code, at << 24),
        (true, Trouble::NoPort) => (1, 4, 0),
        // The pointer to the last "next header" is not kept; 6 is right without extension headers.
        (true, Trouble::NoProtocol) => (4, 1, 6),
        (true, Trouble::HostUnreachable) => (1, 3, 0),
        (true, Trouble::Incomplete) => (3, 1, 0),
        (true, Trouble::ParameterProblem(code, at)) => (4, code, at),
    }
}

/// The packet that an error quotes: source, destination, protocol, and 8 or more bytes of what follows.
pub fn quoted(v6: bool, data: &[u8]) -> Option<(IpAddr, IpAddr, u8, &[u8])> {
    let first = *data.first()?;
    if first >> 4 != if v6 { 6 } else { 4 } {
        return None;
    }
    if v6 {
        let (source, destination) = (wire::ipv6(data, 8)?, wire::ipv6(data, 24)?);
        let (mut next, mut at) = (*data.get(6)?, 40);
        if next == protocol::FRAGMENT {
            if wire::be16(data, 42)? & 0xfff8 != 0 {
                return None;
            }
            (next, at) = (*data.get(40)?, 48);
        }
        let transport = data.get(at..).filter(|rest| rest.len() >= 8)?;
        return Some((source.into(), destination.into(), next, transport));
    }
    let header_len = usize::from(first & 15) * 4;
    if header_len < 20 || wire::be16(data, 6)? & 0x1fff != 0 {
        return None;
    }
    let transport = data.get(header_len..).filter(|rest| rest.len() >= 8)?;
    Some((wire::ipv4(data, 12)?.into(), wire::ipv4(data, 16)?.into(), *data.get(9)?, transport))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_need_a_first_fragment_and_eight_bytes() {
        let mut packet = vec![0; 28];
        packet[0] = 0x45;
        packet[9] = 17;
        assert!(quoted(false, &packet).is_some());
        assert!(quoted(false, &packet[..27]).is_none() && quoted(true, &packet).is_none());
        packet[7] = 1;
        assert!(quoted(false, &packet).is_none());
        packet[0] = 0x44;
        assert!(quoted(false, &packet).is_none());
    }
}
