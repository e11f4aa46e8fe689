//! Ethernet II headers: what came, and for whom.
//!
//! Called by the stack for each frame of a card. Frames with an 802.1Q tag or an 802.3 length are of unknown type here.

use crate::frame::Frame;
use crate::ip::address::{BROADCAST_MAC, Mac};
use crate::ip::wire;

/// Bytes of the header.
pub const HEADER_LEN: usize = 14;
/// Type of IPv4.
pub const IPV4: u16 = 0x0800;
/// Type of ARP.
pub const ARP: u16 = 0x0806;
/// Type of IPv6.
pub const IPV6: u16 = 0x86dd;

/// A header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// To whom.
    pub destination: Mac,
    /// From whom.
    pub source: Mac,
    /// What follows.
    pub kind: u16,
}

impl Header {
    /// The header at the front of `data`.
    pub fn parse(data: &[u8]) -> Option<Self> {
        Some(Header {
            destination: wire::mac(data, 0)?,
            source: wire::mac(data, 6)?,
            kind: wire::be16(data, 12)?,
        })
    }

    /// Whether a station with the address `mac` takes it.
    pub fn is_for(&self, mac: Mac) -> bool {
        self.destination == mac || self.destination[0] & 1 == 1
    }

    /// Whether it was sent to everybody or to a group on the link.
    pub fn is_group(&self) -> bool {
        self.destination[0] & 1 == 1
    }

    /// Whether it was sent to everybody.
    pub fn is_broadcast(&self) -> bool {
        self.destination == BROADCAST_MAC
    }

    /// Puts the header in front of `frame`; false without headroom.
    pub fn push(&self, frame: &mut Frame) -> bool {
        let header = frame.push_front(HEADER_LEN).and_then(|header| header.first_chunk_mut::<HEADER_LEN>());
        let Some(header) = header else { return false };
        header[..6].copy_from_slice(&self.destination);
        header[6..12].copy_from_slice(&self.source);
        header[12..].copy_from_slice(&self.kind.to_be_bytes());
        true
    }
}
