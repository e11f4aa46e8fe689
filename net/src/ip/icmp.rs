//! ICMP and ICMPv6 (RFC 792, RFC 4443): echo, errors in, errors out.
//!
//! Called by input for messages and for packets that nobody takes. Errors that come are matched with the packet that they quote and told
//! to the socket that sent it; errors that leave are limited in number, and never answer another error.

use crate::frame::Frame;
use crate::ip::address;
use crate::ip::input::{Arrival, protocol};
use crate::ip::interface::{Cast, LOOPBACK};
use crate::ip::layer::Pass;
use crate::ip::send::{HeaderChoice, TRANSPORT_ROOM};
use crate::ip::trouble::{ErrorReport, Trouble, meaning, numbers, quoted};
use crate::ip::wire;
use core::net::IpAddr;

/// Errors per second that leave at most, and how many at once (as Linux's `icmp_msgs_per_sec` and `icmp_msgs_burst`).
const RATE: u64 = 1000;
const BURST: u64 = 50;

/// Limits errors that leave: tokens that come back with time.
#[derive(Debug)]
pub struct RateLimit {
    tokens: u64,
    since: u64,
}

impl RateLimit {
    /// Full.
    pub fn new() -> Self {
        RateLimit { tokens: BURST, since: 0 }
    }

    /// Takes one token; false if there is none.
    pub fn take(&mut self, now: u64) -> bool {
        let step = 1_000_000_000 / RATE;
        let came = now.saturating_sub(self.since) / step;
        if came > 0 {
            self.tokens = self.tokens.saturating_add(came).min(BURST);
            self.since = self.since.saturating_add(came.saturating_mul(step)).min(now);
        }
        let allowed = self.tokens > 0;
        self.tokens = self.tokens.saturating_sub(1);
        allowed
    }
}

impl Pass<'_> {
    /// A message for this host.
    pub(crate) fn icmp_input(&mut self, mut frame: Frame, arrival: &Arrival) {
        let v6 = arrival.source.is_ipv6();
        let stats = &self.layer.stats.family(v6).icmp;
        stats.in_messages.inc();
        let body = frame.data().get(arrival.header_len..).unwrap_or_default();
        let valid = match v6 {
            _ if frame.offload.checksum_valid && self.inside => true,
            true => {
                wire::transport_checksum_valid(arrival.source, arrival.destination, protocol::ICMPV6, body)
            }
            false => wire::plain_checksum(body) == 0,
        };
        if !valid {
            stats.in_checksum_errors.inc();
            return stats.in_errors.inc();
        }
        let (Some([kind, code]), true) = (wire::bytes::<2>(body, 0), body.len() >= 8) else {
            return stats.in_errors.inc();
        };
        match (v6, kind) {
            (false, 8) | (true, 128) => {
                stats.in_echos.inc();
                frame.pop_front(arrival.header_len);
                self.echo(frame, arrival);
            }
            (false, 0) | (true, 129) => {
                stats.in_echo_replies.inc();
                self.ping_input(frame, arrival);
            }
            (false, 3 | 11 | 12) | (true, 1..=4) => {
                match (v6, kind) {
                    (false, 3) | (true, 1) => stats.in_unreachable.inc(),
                    (true, 2) => stats.in_too_big.inc(),
                    (false, 11) | (true, 3) => stats.in_time_exceeded.inc(),
                    _ => stats.in_parameter_problems.inc(),
                }
                let body = body.to_vec();
                self.error_input(arrival.source, v6, kind, code, &body);
            }
            (true, 130..=137 | 143) => self.nd_input(&frame, arrival, kind),
            // Not followed: whoever is on the link could forge them, and there is rarely a second router.
            (false, 5) => stats.in_redirects.inc(),
            _ => stats.in_others.inc(),
        }
    }

    /// Answers an echo request, which is the whole frame.
    fn echo(&mut self, frame: Frame, arrival: &Arrival) {
        let v6 = arrival.source.is_ipv6();
        // Not to broadcasts, as Linux; multicast only for IPv6 (RFC 4443, 4.2).
        if arrival.cast == Cast::Broadcast || (arrival.cast == Cast::Multicast && !v6) {
            return;
        }
        let Some(mut reply) = Frame::with_room(TRANSPORT_ROOM, frame.len()) else {
            return self.layer.stats.drops.no_memory.inc();
        };
        reply.set_len(frame.len());
        reply.data_mut().copy_from_slice(frame.data());
        wire::put(reply.data_mut(), 0, &[if v6 { 129 } else { 0 }, 0]);
        let source = (arrival.cast == Cast::Unicast).then_some(arrival.destination);
        let choice = HeaderChoice {
            traffic_class: arrival.traffic_class,
            ..HeaderChoice::new(0, self.default_hops(v6))
        };
        self.layer.stats.family(v6).icmp.out_echo_replies.inc();
        self.icmp_send(arrival.source, source, Some(arrival.interface), choice, reply);
    }

    /// The usual hop limit.
    pub(crate) fn default_hops(&self, v6: bool) -> u8 {
        if v6 { self.net.hop_limit.max(1) } else { 64 }
    }

    /// Sends a message, after putting in its checksum; the protocol is filled in.
    pub(crate) fn icmp_send(
        &mut self,
        to: IpAddr,
        source: Option<IpAddr>,
        interface: Option<u32>,
        choice: HeaderChoice,
        mut message: Frame,
    ) {
        let v6 = to.is_ipv6();
        let stats = &self.layer.stats.family(v6).icmp;
        // Where it came from matters for link-local peers only.
        let interface = interface.filter(|&i| i != LOOPBACK && address::scope(to) <= 2);
        let Ok(path) = self.net.path(to, source, interface) else {
            self.layer.stats.family(v6).ip.out_no_routes.inc();
            return stats.out_errors.inc();
        };
        wire::put(message.data_mut(), 2, &[0, 0]);
        let sum = match v6 {
            true => wire::transport_checksum(path.source, path.destination, protocol::ICMPV6, message.data()),
            false => wire::plain_checksum(message.data()),
        };
        wire::put(message.data_mut(), 2, &sum.to_be_bytes());
        stats.out_messages.inc();
        let choice = HeaderChoice { protocol: if v6 { protocol::ICMPV6 } else { protocol::ICMP }, ..choice };
        if self.ip_send(&path, &choice, message).is_err() {
            self.layer.stats.family(v6).icmp.out_errors.inc();
        }
    }

    /// Tells the sender of `packet`, which begins with its IP header, what is wrong with it.
    pub(crate) fn icmp_error(&mut self, arrival: &Arrival, packet: &Frame, trouble: Trouble) {
        let v6 = arrival.source.is_ipv6();
        let stats = &self.layer.stats.family(v6).icmp;
        let to_one = arrival.cast == Cast::Unicast
            || (v6 && matches!(trouble, Trouble::ParameterProblem(2, _)) && arrival.cast == Cast::Multicast);
        if !to_one || arrival.source.is_unspecified() || address::is_multicast(arrival.source) {
            return;
        }
        let body = packet.data().get(arrival.header_len..).unwrap_or_default();
        let is_error = match (arrival.protocol, body.first()) {
            (protocol::ICMP, Some(&kind)) if !v6 => !matches!(kind, 0 | 8 | 13..=18),
            (protocol::ICMPV6, Some(&kind)) if v6 => kind < 128,
            _ => false,
        };
        if is_error {
            return;
        }
        if !self.inside && !self.layer.icmp_limit.lock().take(self.now) {
            return stats.out_rate_limited.inc();
        }
        let (kind, code, info) = numbers(v6, trouble);
        match kind {
            1 | 3 if !(v6 && kind == 3) => stats.out_unreachable.inc(),
            11 | 3 => stats.out_time_exceeded.inc(),
            _ => stats.out_parameter_problems.inc(),
        }
        // As much as fits into the packet that every host takes.
        let most = if v6 { 1280 - 48 } else { 576 - 28 };
        let quote = packet.data().get(..packet.len().min(most)).unwrap_or_default();
        let Some(mut message) = Frame::with_room(TRANSPORT_ROOM, 8 + quote.len()) else {
            return self.layer.stats.drops.no_memory.inc();
        };
        message.set_len(8 + quote.len());
        wire::put(message.data_mut(), 0, &[kind, code, 0, 0]);
        wire::put(message.data_mut(), 4, &info.to_be_bytes());
        wire::put(message.data_mut(), 8, quote);
        let source = (arrival.cast == Cast::Unicast).then_some(arrival.destination);
        let choice = HeaderChoice {
            traffic_class: if v6 { 0 } else { 0xc0 },
            ..HeaderChoice::new(0, self.default_hops(v6))
        };
        self.icmp_send(arrival.source, source, Some(arrival.interface), choice, message);
    }

    /// An error came: `body` begins with its type.
    fn error_input(&mut self, offender: IpAddr, v6: bool, kind: u8, code: u8, body: &[u8]) {
        let stats = &self.layer.stats.family(v6).icmp;
        let Some((error, fatal)) = meaning(v6, kind, code) else { return };
        let Some(quoted) = body.get(8..).and_then(|data| quoted(v6, data)) else {
            return stats.in_errors.inc();
        };
        let too_big = if v6 { kind == 2 } else { kind == 3 && code == 4 };
        let mtu = too_big.then(|| match v6 {
            true => wire::be32(body, 4).unwrap_or(0),
            // Routers older than RFC 1191 say 0.
            false => wire::be16(body, 6).filter(|&mtu| mtu > 0).map_or(576, u32::from),
        });
        let (source, destination, protocol, transport) = quoted;
        if !self.net.is_local(source) {
            return stats.in_errors.inc();
        }
        let report =
            ErrorReport { offender, source, destination, protocol, transport, kind, code, mtu, error, fatal };
        self.tell(&report);
    }

    /// A packet of this host cannot go on, for a reason found here.
    pub(crate) fn report(&mut self, arrival: &Arrival, packet: &Frame, trouble: Trouble) {
        let v6 = arrival.source.is_ipv6();
        let (kind, code, _) = numbers(v6, trouble);
        let Some((error, fatal)) = meaning(v6, kind, code) else { return };
        let transport = packet.data().get(arrival.header_len..).unwrap_or_default();
        self.tell(&ErrorReport {
            offender: arrival.source,
            source: arrival.source,
            destination: arrival.destination,
            protocol: arrival.protocol,
            transport,
            kind,
            code,
            mtu: None,
            error,
            fatal,
        });
    }

    /// Tells the socket that sent the packet. A limit on sizes is believed only if there is such a socket.
    fn tell(&mut self, report: &ErrorReport<'_>) {
        let known = match report.protocol {
            protocol::UDP => self.udp_trouble(report),
            protocol::TCP => self.layer.tcp.get().is_some_and(|tcp| tcp.trouble(report, self.now)),
            protocol::ICMP | protocol::ICMPV6 => self.ping_trouble(report),
            _ => false,
        };
        if let Some(mtu) = report.mtu.filter(|_| known) {
            self.layer.path_mtus.lock().set(report.destination, mtu, self.now);
            self.layer.outdate_hints();
        }
    }

    /// Gives up packets that stayed incomplete, and says so to their senders.
    pub(crate) fn fragments_work(&mut self) {
        let (expired, next) = {
            let mut fragments = self.layer.fragments.lock();
            (fragments.expire(self.now), fragments.next_deadline())
        };
        self.layer.schedule_some(next);
        for gone in expired {
            let v6 = gone.key.source.is_ipv6();
            let stats = &self.layer.stats.family(v6).ip;
            stats.reassembly_timeouts.inc();
            stats.reassembly_failures.inc();
            let Some(first) = gone.first else { continue };
            let Some(cast) = self.net.for_us(gone.interface, gone.key.destination) else { continue };
            let header_len = if v6 { 40 } else { 20 };
            let arrival = Arrival {
                source: gone.key.source,
                destination: gone.key.destination,
                protocol: gone.key.protocol,
                hop_limit: 0,
                traffic_class: 0,
                interface: gone.interface,
                cast,
                header_len,
            };
            self.icmp_error(&arrival, &first, Trouble::Incomplete);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_are_limited() {
        let mut limit = RateLimit::new();
        let second = 1_000_000_000;
        let mut sent = 0;
        for n in 0..100_000u64 {
            sent += u64::from(limit.take(5 * second + n * second / 100_000));
        }
        assert!((1000..=1000 + BURST).contains(&sent), "{sent}");
        assert!(limit.take(100 * second));
    }
}
