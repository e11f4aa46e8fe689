//! Ping sockets (icmp(7), IPPROTO_ICMP with SOCK_DGRAM): echo requests out, their answers in.
//!
//! They are datagram sockets ([`udp`](crate::udp)) whose port is the identifier of the echo. Called by ICMP input.

use crate::frame::Frame;
use crate::ip::input::Arrival;
use crate::ip::layer::Pass;
use crate::ip::trouble::ErrorReport;
use crate::ip::wire;
use crate::udp::{Ends, Offer};
use core::net::SocketAddr;

pub use crate::udp::Table;

impl Pass<'_> {
    /// An answer, with its IP header.
    pub(crate) fn ping_input(&mut self, mut frame: Frame, arrival: &Arrival) {
        let Some(ident) = wire::be16(frame.data(), arrival.header_len + 4) else { return };
        let ends = Ends {
            local: SocketAddr::new(arrival.destination, ident),
            // An echo has no port on the other side.
            peer: SocketAddr::new(arrival.source, 0),
            interface: arrival.interface,
        };
        let Some(socket) = self.layer.ping.find(&ends) else { return };
        frame.pop_front(arrival.header_len);
        if let Offer::Full = socket.offer(frame, arrival, ends.peer, self.now) {
            self.layer.stats.drops.ping_queue.inc();
        }
    }

    /// An error about an echo; whether a socket sent it.
    pub(crate) fn ping_trouble(&mut self, report: &ErrorReport<'_>) -> bool {
        let Some(ident) = wire::be16(report.transport, 4) else { return false };
        let ends = Ends {
            local: SocketAddr::new(report.source, ident),
            peer: SocketAddr::new(report.destination, 0),
            interface: 0,
        };
        let socket = self.layer.ping.find(&ends);
        socket.inspect(|socket| socket.trouble(report)).is_some()
    }
}
