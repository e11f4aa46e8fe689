//! [`Segments`] for [`Tcp`](crate::tcp::Tcp): packets and errors in the form that it takes.

use super::input::{Segments, protocol};
use super::pathmtu::believable;
use super::trouble::ErrorReport;
use super::wire;
use crate::frame::Frame;
use crate::tcp::Tcp;
use core::net::SocketAddr;

/// Bytes of an IPv6 header.
const V6_HEADER: usize = 40;

impl Segments for Tcp {
    fn input(&self, packet: &mut Frame, header_len: usize, now: u64) {
        let v6 = packet.data().first().is_some_and(|byte| byte >> 4 == 6);
        if v6 && header_len != V6_HEADER && !without_extensions(packet, header_len) {
            return;
        }
        self.input(packet, now);
    }

    fn trouble(&self, report: &ErrorReport<'_>, now: u64) -> bool {
        let Some((own, foreign)) = report.ports() else { return false };
        let (local, remote) =
            (SocketAddr::new(report.source, own), SocketAddr::new(report.destination, foreign));
        let Some(mtu) = report.mtu else { return self.unreachable(local, remote, report.error, now) };
        let seq = wire::be32(report.transport, 4).unwrap_or(0);
        self.too_large(local, remote, seq, believable(report.destination, mtu), now)
    }

    fn work(&self, now: u64) -> Option<u64> {
        self.work(now)
    }
}

/// Takes out what is between the IPv6 header and the segment, `len` bytes with the header; false if the packet is not that long.
fn without_extensions(packet: &mut Frame, len: usize) -> bool {
    let Some(mut header) = wire::bytes::<V6_HEADER>(packet.data(), 0) else { return false };
    if !packet.pop_front(len) {
        return false;
    }
    let payload = packet.len() as u16;
    wire::put(&mut header, 4, &payload.to_be_bytes());
    wire::put(&mut header, 6, &[protocol::TCP]);
    packet.push_front(V6_HEADER).is_some_and(|place| wire::put(place, 0, &header))
}
