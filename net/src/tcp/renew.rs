//! Units with other rings: [`Unit::renew`] puts an engine with larger ones in the place of a calm one.
//!
//! Called by [`growth`](super::growth).

use super::drive::Acks;
use super::segment::{self, Plain, SynOptions};
use super::state::NEVER;
use super::unit::{Setup, Unit};
use smoltcp::socket::tcp::State;

/// Segments that a connection may begin to send with (RFC 6928).
const INITIAL: usize = 10;
/// What is sent to learn.
const LEARNED: [u8; 1460] = [0; 1460];

impl Unit {
    /// Whether both directions are open.
    pub fn is_open(&self) -> bool {
        self.state() == State::Established
    }

    /// Whether the receive ring was rather full, so that a larger one would be of use.
    pub fn is_crowded(&self) -> bool {
        self.crowded
    }

    /// Whether [`renew`](Self::renew) is possible: nothing is on its way, and no byte is in the rings.
    pub fn is_calm(&self) -> bool {
        let socket = self.socket();
        socket.state() == State::Established
            && socket.send_queue() == 0
            && socket.recv_queue() == 0
            && self.oldest == self.wire.sent.next
            && self.next == self.highest
            && self.remote.mss.is_some()
            && socket.keep_alive().is_none()
    }

    /// Largest receive ring that the announced shift has use for.
    pub fn receive_limit(&self) -> usize {
        usize::from(u16::MAX) << self.wire.shifts.1
    }

    /// Puts an engine with other rings in the place of this one, which [is calm](Self::is_calm): the engine cannot change the size of
    /// its rings, but a new one that is told of a handshake with the right numbers is in the same state. It starts slowly again, with
    /// [`INITIAL`] segments, and knows nothing of round-trip times. Options are to be set again. False, and nothing has changed, without
    /// memory.
    pub fn renew(&mut self, receive_ring: usize, send_ring: usize, now: u64) -> bool {
        let sent = self.wire.sent;
        let mtu = self.path_mtu();
        let segment = usize::from(self.remote.mss.unwrap_or(0)).min(self.mss()).min(LEARNED.len());
        let learns = if self.setup.local || send_ring < INITIAL * segment { 0 } else { INITIAL - 1 };
        let isn = sent.next.wrapping_sub(1).wrapping_sub((learns * segment) as u32);
        let setup = Setup { receive_ring, send_ring, isn, mtu, ..self.setup };
        let made = Unit::accept(&setup, self.next.wrapping_sub(1), self.remote, self.window, now);
        let Some(mut unit) = made else { return false };
        let (flow, window) = (setup.flow.reversed(), self.window);
        let options = SynOptions::default();
        let last = Plain { flow, seq: self.next, ack: Some(isn.wrapping_add(1)), flag: 0, window, options };
        let Some(packet) = segment::build(&last, true) else { return false };
        unit.take(packet.data(), now);
        if unit.state() != State::Established || !unit.learn(learns, segment, last, now) {
            return false;
        }
        unit.window = window;
        (unit.wire.sent, unit.wire.edge) = (sent, self.wire.edge);
        unit.wire.output = self.take_output();
        unit.wire.counts = self.wire.counts;
        unit.wire.traffic_class = self.wire.traffic_class;
        unit.wire.unacked = self.wire.unacked;
        // A larger ring is told at once.
        unit.owed = true;
        if receive_ring > self.setup.receive_ring {
            unit.wire.unacked += 1;
        }
        unit.acks = Acks { due: if unit.wire.unacked > 0 { now } else { NEVER }, read: 0, ..self.acks };
        *self = unit;
        true
    }

    /// Has the engine send segments that nobody sees, and acknowledges each by `answer` with the right number: its congestion window
    /// begins with 2 KiB, and is a segment larger with each that arrives. False if it does not take them.
    fn learn(&mut self, count: usize, segment: usize, answer: Plain, now: u64) -> bool {
        self.wire.muted = true;
        for _ in 0..count {
            if self.send(LEARNED.get(..segment).unwrap_or_default()) < segment {
                return false;
            }
            self.run(now);
            let end = self.oldest.wrapping_add(segment as u32);
            let Some(packet) = segment::build(&Plain { ack: Some(end), ..answer }, true) else {
                return false;
            };
            self.take(packet.data(), now);
            self.oldest = end;
            if self.wire.sent.next != end || self.unacknowledged() > 0 {
                return false;
            }
        }
        self.wire.muted = false;
        true
    }

    /// Makes an acknowledgement without the engine.
    pub(super) fn acknowledge(&mut self) {
        let free = self.socket().recv_capacity().saturating_sub(self.receivable());
        let window = (free >> self.wire.shifts.1).min(u16::MAX.into()) as u16;
        let (flow, seq, ack) = (self.setup.flow, self.wire.sent.next, Some(self.next));
        let plain = Plain { flow, seq, ack, flag: 0, window, options: SynOptions::default() };
        let frame = segment::build(&plain, self.wire.partial);
        if let Some(frame) = frame.filter(|_| self.wire.output.reserve_one()) {
            self.wire.output.push_back(frame);
            (self.wire.counts.sent, self.wire.unacked) = (self.wire.counts.sent + 1, 0);
            self.wire.sent.ack = self.next;
        }
    }
}
