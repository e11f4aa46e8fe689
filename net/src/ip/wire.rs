//! Reading and writing fields of headers, and checksums, where smoltcp has no header of that kind.
//!
//! All accesses are checked: what is not there reads as `None`.

use crate::frame::Frame;
use crate::ip::address::Mac;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use smoltcp::wire::{IpProtocol, checksum};

/// `N` bytes at `at`.
pub fn bytes<const N: usize>(data: &[u8], at: usize) -> Option<[u8; N]> {
    data.get(at..at.checked_add(N)?)?.try_into().ok()
}

/// A big-endian number at `at`.
pub fn be16(data: &[u8], at: usize) -> Option<u16> {
    bytes(data, at).map(u16::from_be_bytes)
}

/// A big-endian number at `at`.
pub fn be32(data: &[u8], at: usize) -> Option<u32> {
    bytes(data, at).map(u32::from_be_bytes)
}

/// An Ethernet address at `at`.
pub fn mac(data: &[u8], at: usize) -> Option<Mac> {
    bytes(data, at)
}

/// An IPv4 address at `at`.
pub fn ipv4(data: &[u8], at: usize) -> Option<Ipv4Addr> {
    bytes::<4>(data, at).map(Ipv4Addr::from)
}

/// An IPv6 address at `at`.
pub fn ipv6(data: &[u8], at: usize) -> Option<Ipv6Addr> {
    bytes::<16>(data, at).map(Ipv6Addr::from)
}

/// Stores `value` at `at`; false if it does not fit.
pub fn put(data: &mut [u8], at: usize, value: &[u8]) -> bool {
    match at.checked_add(value.len()).and_then(|end| data.get_mut(at..end)) {
        Some(place) => {
            place.copy_from_slice(value);
            true
        }
        None => false,
    }
}

/// The sum over the pseudo-header of a packet from `src` to `dst` (RFC 768, RFC 8200), not complemented.
pub fn pseudo_sum(src: IpAddr, dst: IpAddr, protocol: u8, len: usize) -> u16 {
    checksum::pseudo_header(&src.into(), &dst.into(), IpProtocol::from(protocol), len as u32)
}

/// The checksum of `data` with a pseudo-header.
pub fn transport_checksum(src: IpAddr, dst: IpAddr, protocol: u8, data: &[u8]) -> u16 {
    !checksum::combine(&[pseudo_sum(src, dst, protocol, data.len()), checksum::data(data)])
}

/// Whether `data`, which holds its checksum, is undamaged.
pub fn transport_checksum_valid(src: IpAddr, dst: IpAddr, protocol: u8, data: &[u8]) -> bool {
    transport_checksum(src, dst, protocol, data) == 0
}

/// The checksum of `data` alone.
pub fn plain_checksum(data: &[u8]) -> u16 {
    !checksum::data(data)
}

/// A copy of a frame with headroom; `None` without memory.
pub fn copy(frame: &Frame) -> Option<Frame> {
    let mut copy = Frame::with_room(crate::frame::HEADROOM, frame.len())?;
    copy.set_len(frame.len());
    copy.data_mut().copy_from_slice(frame.data());
    copy.offload = frame.offload;
    Some(copy)
}
