//! UDP (RFC 768): datagrams that come find their sockets; [`UdpSocket`] is the socket.
//!
//! Input is called by the IP layer, the socket by the system calls. A socket's `state` may be locked when a bucket of the table is, never
//! the other way round; neither these nor `queue` are held while program memory is touched or packets are sent.

mod bind;
mod cork;
mod file;
mod options;
mod receive;
mod send;
mod socket;
mod table;
#[cfg(test)]
mod tests;

use crate::frame::Frame;
use crate::ip::input::{Arrival, protocol};
use crate::ip::interface::Cast;
use crate::ip::layer::Pass;
use crate::ip::trouble::{ErrorReport, Trouble};
use crate::ip::wire;
use core::net::SocketAddr;

pub(crate) use socket::Offer;
pub use socket::{Protocol, UdpSocket};
pub use table::{Ends, Table};

/// Bytes of a UDP header.
pub const HEADER_LEN: usize = 8;

impl Pass<'_> {
    /// A datagram, with its IP header.
    pub(crate) fn udp_input(&mut self, mut frame: Frame, arrival: &Arrival) {
        let v6 = arrival.source.is_ipv6();
        let stats = &self.layer.stats.family(v6).udp;
        let body = frame.data().get(arrival.header_len..).unwrap_or_default();
        let ports = wire::be16(body, 0).zip(wire::be16(body, 2)).zip(wire::be16(body, 4));
        let Some(((from, to), len)) =
            ports.filter(|&(_, len)| (HEADER_LEN..=body.len()).contains(&len.into()))
        else {
            return stats.in_errors.inc();
        };
        let datagram = body.get(..len.into()).unwrap_or_default();
        let checked = frame.offload.checksum_valid || frame.offload.partial_checksum.is_some();
        let unchecked = wire::be16(datagram, 6) == Some(0);
        // IPv6 has no header checksum, so UDP may not do without (RFC 8200, 8.1).
        let valid = checked
            || (unchecked && !v6)
            || (!unchecked
                && wire::transport_checksum_valid(
                    arrival.source,
                    arrival.destination,
                    protocol::UDP,
                    datagram,
                ));
        if !valid {
            stats.in_checksum_errors.inc();
            return stats.in_errors.inc();
        }
        frame.set_len(arrival.header_len + usize::from(len));
        let ends = Ends {
            local: SocketAddr::new(arrival.destination, to),
            peer: SocketAddr::new(arrival.source, from),
            interface: arrival.interface,
        };
        if arrival.cast != Cast::Unicast {
            return self.udp_to_many(frame, arrival, &ends);
        }
        let Some(socket) = self.layer.udp.find(&ends) else {
            stats.no_ports.inc();
            return self.icmp_error(arrival, &frame, Trouble::NoPort);
        };
        frame.pop_front(arrival.header_len + HEADER_LEN);
        self.count(socket.offer(frame, arrival, ends.peer, self.now), v6);
    }

    /// Every socket that wants it gets a copy.
    fn udp_to_many(&mut self, mut frame: Frame, arrival: &Arrival, ends: &Ends) {
        let v6 = arrival.source.is_ipv6();
        let sockets = self.layer.udp.find_all(ends);
        frame.pop_front(arrival.header_len + HEADER_LEN);
        let mut wanted = sockets.into_iter().filter(|s| s.wants_group(arrival)).peekable();
        if wanted.peek().is_none() {
            return self.layer.stats.family(v6).udp.ignored_multicast.inc();
        }
        while let Some(socket) = wanted.next() {
            if wanted.peek().is_none() {
                let offer = socket.offer(core::mem::take(&mut frame), arrival, ends.peer, self.now);
                return self.count(offer, v6);
            }
            match wire::copy(&frame) {
                Some(copy) => self.count(socket.offer(copy, arrival, ends.peer, self.now), v6),
                None => self.layer.stats.family(v6).udp.memory_errors.inc(),
            }
        }
    }

    fn count(&self, offer: Offer, v6: bool) {
        let stats = &self.layer.stats.family(v6).udp;
        match offer {
            Offer::Taken => stats.in_datagrams.inc(),
            Offer::Full => {
                stats.receive_buffer_errors.inc();
                stats.in_errors.inc();
            }
        }
    }

    /// An error about a datagram; whether a socket sent it.
    pub(crate) fn udp_trouble(&mut self, report: &ErrorReport<'_>) -> bool {
        let Some((own, foreign)) = report.ports() else { return false };
        let ends = Ends {
            local: SocketAddr::new(report.source, own),
            peer: SocketAddr::new(report.destination, foreign),
            interface: 0,
        };
        self.layer.udp.find(&ends).inspect(|socket| socket.trouble(report)).is_some()
    }
}
