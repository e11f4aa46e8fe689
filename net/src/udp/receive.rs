//! Receiving datagrams, and errors about those that were sent.

use super::socket::{Datagram, FailedDatagram, Offer, Protocol, State};
use super::{HEADER_LEN, UdpSocket};
use crate::frame::Frame;
use crate::ip::address;
use crate::ip::input::Arrival;
use crate::ip::interface::Cast;
use crate::ip::trouble::ErrorReport;
use alloc::sync::Arc;
use core::net::{IpAddr, SocketAddr};
use fs::socket::{Address, Control, MessageFlags, PacketInfo, Received, SendError, SocketError};
use fs::{FsError, Sink};

/// Who found an error (`SO_EE_ORIGIN_*`).
const ORIGIN_LOCAL: u8 = 1;
const ORIGIN_ICMP: u8 = 2;
const ORIGIN_ICMP6: u8 = 3;
/// Errors that wait at most, and bytes that are kept of a datagram.
const MAX_ERRORS: usize = 32;
const MAX_QUOTE: usize = 1500;

/// Keeps an error until the program asks for it; without room it is lost.
fn keep(state: &mut State, error: SendError, payload: &[u8], to: SocketAddr) {
    if state.errors.len() < MAX_ERRORS {
        let payload = payload.get(..payload.len().min(MAX_QUOTE)).unwrap_or_default().to_vec();
        state.errors.push_back(FailedDatagram { error, payload, to });
    }
}

impl UdpSocket {
    pub(super) fn receive_message(
        &self,
        dst: &mut dyn Sink,
        flags: MessageFlags,
    ) -> Result<Received, SocketError> {
        if flags.error_queue {
            return self.receive_error(dst);
        }
        let (ip, ended) = {
            let mut state = self.state.lock();
            if let Some(error) = state.error.take() {
                return Err(error);
            }
            (state.ip.clone(), state.no_receive)
        };
        let (datagram, dropped) = {
            let mut queue = self.queue.lock();
            let next =
                if flags.peek { queue.datagrams.front().cloned() } else { queue.datagrams.pop_front() };
            if let (Some(next), false) = (&next, flags.peek) {
                queue.cost = queue.cost.saturating_sub(next.cost());
            }
            (next, queue.dropped)
        };
        let Some(datagram) = datagram else {
            return if ended { Ok(Received::default()) } else { Err(FsError::WouldBlock.into()) };
        };
        let payload = datagram.payload.data();
        let room = dst.remaining().min(payload.len());
        let bytes = if room == 0 { 0 } else { dst.put(payload.get(..room).unwrap_or_default())? };
        let values = self.options.values();
        let Arrival { source, destination, hop_limit, traffic_class, interface, .. } = datagram.arrival;
        let at = usize::from(self.is_v6());
        let info = PacketInfo { interface, local: self.own_address(interface, destination), destination };
        let info = match (self.is_v6(), destination) {
            (true, IpAddr::V4(to)) => PacketInfo { destination: to.to_ipv6_mapped().into(), ..info },
            _ => info,
        };
        // An IPv6 socket that gets IPv4 tells IPv4's numbers only if they were asked for by that name.
        let same = source.is_ipv6() == self.is_v6();
        let control = Control {
            packet_info: ip.packet_info[at].then_some(info),
            hop_limit: (same && ip.receive_ttl[at]).then_some(hop_limit),
            traffic_class: (same && ip.receive_tos[at]).then_some(traffic_class),
            timestamp_ns: datagram.time,
            dropped: (values.tell_dropped && dropped > 0).then_some(dropped),
            ..Control::default()
        };
        let from = Some(self.shown_with_scope(datagram.from, interface));
        Ok(Received { bytes, length: payload.len(), from, control, ..Received::default() })
    }

    /// A peer's address, with the interface if it means something there only.
    fn shown_with_scope(&self, from: SocketAddr, interface: u32) -> Address {
        match (self.shown(from), from) {
            (Address::Ip(SocketAddr::V6(mut shown)), SocketAddr::V6(_)) if address::scope(from.ip()) == 2 => {
                shown.set_scope_id(interface);
                Address::Ip(shown.into())
            }
            (shown, _) => shown,
        }
    }

    /// The address of this host that an answer to a datagram would come from.
    fn own_address(&self, interface: u32, destination: IpAddr) -> IpAddr {
        let net = self.layer.net();
        if net.is_local(destination) {
            return destination;
        }
        let first =
            net.interface(interface).and_then(|i| i.usable(destination.is_ipv6()).next()).map(|a| a.ip());
        first.unwrap_or(address::unspecified_like(destination))
    }

    /// A datagram for this socket; the frame is its payload.
    pub(crate) fn offer(&self, payload: Frame, arrival: &Arrival, from: SocketAddr, _now: u64) -> Offer {
        let values = self.options.values();
        let time = (values.timestamps != crate::options::Timestamps::Off)
            .then(|| self.layer.env.wall_ns())
            .flatten();
        let datagram = Datagram { payload, from, arrival: *arrival, time };
        let cost = datagram.cost();
        {
            let mut queue = self.queue.lock();
            let fits = queue.cost == 0 || queue.cost.saturating_add(cost) <= values.receive_buffer as usize;
            if !fits || queue.datagrams.try_reserve(1).is_err() {
                queue.dropped = queue.dropped.wrapping_add(1);
                return Offer::Full;
            }
            queue.cost += cost;
            queue.datagrams.push_back(Arc::new(datagram));
        }
        self.notifier.notify();
        Offer::Taken
    }

    /// Whether it takes a datagram to a group or to everybody.
    pub(crate) fn wants_group(&self, arrival: &Arrival) -> bool {
        let state = self.state.lock();
        arrival.cast != Cast::Multicast
            || state.ip.multicast_all
            || state.ip.groups.contains(&(arrival.interface, arrival.destination))
    }

    /// An error about a datagram that was sent.
    pub(crate) fn trouble(&self, report: &ErrorReport<'_>) {
        let v6 = report.source.is_ipv6();
        {
            let mut state = self.state.lock();
            let at = usize::from(v6);
            let asked = state.ip.receive_errors.get(at).copied().unwrap_or(false);
            // A limit on sizes is the business of those who discover it.
            if !asked && (state.peer.is_none() || !report.fatal || report.mtu.is_some()) {
                return;
            }
            if asked {
                let error = SendError {
                    error: report.error,
                    origin: if v6 { ORIGIN_ICMP6 } else { ORIGIN_ICMP },
                    icmp: (report.kind, report.code),
                    info: report.mtu.unwrap_or(0),
                    offender: report.offender,
                };
                let head = if self.protocol == Protocol::Udp { HEADER_LEN } else { 0 };
                let payload = report.transport.get(head..).unwrap_or_default();
                let port = report.ports().map_or(0, |(_, foreign)| foreign);
                let port = if self.protocol == Protocol::Udp { port } else { 0 };
                keep(&mut state, error, payload, SocketAddr::new(report.destination, port));
            }
            state.error = Some(report.error);
        }
        self.notifier.notify();
    }

    /// A datagram was longer than `mtu` allows and could not be cut.
    pub(super) fn too_long(&self, to: SocketAddr, mtu: u16) {
        let mut state = self.state.lock();
        if state.ip.receive_errors.get(usize::from(to.is_ipv6())) != Some(&true) {
            return;
        }
        let error = SendError {
            error: SocketError::MessageSize,
            origin: ORIGIN_LOCAL,
            icmp: (0, 0),
            info: mtu.into(),
            offender: address::unspecified_like(to.ip()),
        };
        keep(&mut state, error, &[], to);
        drop(state);
        self.notifier.notify();
    }

    /// recvmsg(2) with MSG_ERRQUEUE.
    fn receive_error(&self, dst: &mut dyn Sink) -> Result<Received, SocketError> {
        let FailedDatagram { error, payload, to } = {
            let mut state = self.state.lock();
            let oldest = state.errors.pop_front().ok_or(FsError::WouldBlock)?;
            // The socket's error is that of the next one, if ICMP told it.
            let next = state.errors.front().map(|failed| failed.error);
            state.error = next.filter(|next| next.origin != ORIGIN_LOCAL).map(|next| next.error);
            oldest
        };
        let room = dst.remaining().min(payload.len());
        let bytes = if room == 0 { 0 } else { dst.put(payload.get(..room).unwrap_or_default())? };
        let control = Control { send_error: Some(error), ..Control::default() };
        Ok(Received {
            bytes,
            length: payload.len(),
            from: Some(self.shown(to)),
            control,
            ..Received::default()
        })
    }

    pub(super) fn take_pending_error(&self) -> Option<SocketError> {
        self.state.lock().error.take()
    }

    /// Error, end of receiving, end of sending.
    pub(super) fn condition(&self) -> (bool, bool, bool) {
        let state = self.state.lock();
        (state.error.is_some() || !state.errors.is_empty(), state.no_receive, state.no_send)
    }

    pub(super) fn shut_down(&self, receive: bool, send: bool) -> Result<(), SocketError> {
        let connected = {
            let mut state = self.state.lock();
            state.no_receive |= receive;
            state.no_send |= send;
            state.peer.is_some()
        };
        self.notifier.notify();
        if connected { Ok(()) } else { Err(SocketError::NotConnected) }
    }
}
