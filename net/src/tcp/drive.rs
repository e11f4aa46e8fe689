//! Driving a unit: packets in, the engine's runs, and when it is left alone.
//!
//! The engine acknowledges whenever it is run; that acknowledgements wait for data to go with is done here, by not running it.

use super::segment::{self, ACK, FIN, PSH, RST, SYN, Segment};
use super::state::NEVER;
use super::unit::Unit;
use super::wire::{Ingress, LARGEST, SMALL};
use smoltcp::iface::PollResult;
use smoltcp::socket::tcp::State;

/// Largest segment that is expected before one has come.
const DEFAULT_SEGMENT: usize = 536;
/// Time after which a run that the engine wanted at once, but that did nothing, is tried again.
const RETRY: u64 = 10_000_000;

/// The engine never sends again before so many nanoseconds are over; when they are, it is asked for the exact time.
const LEAST_TIMEOUT: u64 = 250_000_000;

/// How long an acknowledgement waits for data to go with, nanoseconds.
const ACK_DELAY: u64 = 40_000_000;
/// The same when the other side's data did not end with this segment.
const SHORT_DELAY: u64 = 1_000_000;

/// When data that came is acknowledged.
///
/// An acknowledgement waits for data to go with, but not when more than a segment has come (RFC 9293, 3.8.6.3), nor long when the
/// other side has more to send than it could. The engine is not run while nothing but an acknowledgement that may wait is to be
/// sent.
#[derive(Clone, Copy, Debug)]
pub(super) struct Acks {
    /// They do not wait.
    pub(super) always: bool,
    /// When the one that waits is due.
    pub(super) due: u64,
    /// Largest segment that came.
    pub(super) segment: usize,
    /// Bytes that were read since the engine was run: the window has grown.
    pub(super) read: usize,
}

impl Acks {
    /// Those of a connection on which nothing has come.
    pub(super) fn new() -> Self {
        Acks { always: false, due: NEVER, segment: DEFAULT_SEGMENT, read: 0 }
    }
}

impl Unit {
    /// Takes a packet of this connection, which was read as `segment`.
    pub fn input(&mut self, packet: &[u8], segment: &Segment, now: u64) {
        if segment.flags & ACK != 0
            && segment::after(segment.ack, self.oldest)
            && !segment::after(segment.ack, self.wire.sent.next)
        {
            self.oldest = segment.ack;
        }
        if segment.space() > 0 {
            // Cards may have put several segments together.
            self.acks.segment = self.acks.segment.max(segment.payload.min(self.mss()));
            self.wire.unacked += segment.space() as usize;
            let at_once =
                self.acks.always || segment.flags & (SYN | FIN) != 0 || self.wire.unacked > self.acks.segment;
            let delay = match at_once {
                true => 0,
                false if segment.flags & PSH == 0 => SHORT_DELAY,
                false => ACK_DELAY,
            };
            self.acks.due = self.acks.due.min(now.saturating_add(delay));
        }
        let options = (segment.flags & SYN != 0 && self.state() == State::SynSent)
            .then(|| segment::syn_options(packet, segment));
        let before = self.receivable();
        self.take(packet, now);
        if self.wire.unacked == 0 {
            self.acks.due = NEVER;
        }
        if let Some(options) = options.filter(|_| self.state() != State::SynSent) {
            self.heard(segment.seq, options);
            self.answered(now);
        }
        let socket = self.socket();
        let (waiting, ring) = (socket.recv_queue(), socket.recv_capacity());
        self.next = self.next.wrapping_add(waiting.saturating_sub(before) as u32);
        let end = segment.seq.wrapping_add(segment.payload as u32);
        if segment.payload > 0 && segment::after(end, self.highest) {
            self.highest = end;
        }
        if segment.flags & (ACK | RST) == ACK && segment.ack == self.oldest {
            // That of a SYN has no shift.
            let shift = if segment.flags & SYN != 0 { self.remote.scale.unwrap_or(0) } else { 0 };
            self.window = segment.window >> shift;
            let window = u32::from(self.window) << self.remote.scale.unwrap_or(0).min(14);
            self.wire.edge = self.oldest.wrapping_add(window);
        }
        self.crowded |= waiting > ring / 2;
    }

    pub(super) fn take(&mut self, packet: &[u8], now: u64) {
        let mut ingress = Ingress { wire: &mut self.wire, packet: Some(packet) };
        self.interface.poll_ingress_single(self.pace.instant(now), &mut ingress, &mut self.sockets);
    }

    /// Makes the packets that are to be sent now.
    pub fn run(&mut self, now: u64) {
        if self.may_wait(now) {
            return;
        }
        loop {
            let socket = self.socket();
            // Without data on its way in the ring, packets are small.
            let largest = if self.wire.segmentation { LARGEST } else { self.wire.mtu.into() };
            self.wire.expect = (socket.send_queue() + SMALL).min(largest.max(SMALL));
            let result =
                self.interface.poll_egress(self.pace.instant(now), &mut self.wire, &mut self.sockets);
            if result == PollResult::None || self.all_is_sent() {
                break;
            }
        }
        self.acks.read = 0;
        if core::mem::take(&mut self.owed) && self.wire.unacked > 0 {
            self.acknowledge();
        }
        if self.wire.unacked == 0 || self.acks.due <= now {
            (self.wire.unacked, self.acks.due) = (0, NEVER);
        }
    }

    /// Whether the engine has nothing to send, or only an acknowledgement that can wait.
    #[inline(always)]
    fn may_wait(&self, now: u64) -> bool {
        let socket = self.socket();
        socket.state() == State::Established
            && socket.send_queue() == 0
            && now < self.engine_at.min(self.acks.due)
            && self.acks.read < socket.recv_capacity() / 2
    }

    /// When the engine is to be run, if nothing, or only an acknowledgement that waits, is to be sent before.
    #[inline]
    pub fn rests_until(&self, now: u64) -> Option<u64> {
        (self.wire.output.is_empty() && self.may_wait(now)).then(|| self.acks.due.min(self.engine_at))
    }

    /// Whether `len` more bytes can be read without telling the other side of the room.
    #[inline]
    pub fn may_read(&self, len: usize) -> bool {
        self.acks.read + len < self.socket().recv_capacity() / 2
    }

    /// Just after a run: when to run next, if the connection is open and all its data has been sent, for the first time; `None`
    /// otherwise.
    #[inline(always)]
    pub fn sent_all_until(&mut self, now: u64) -> Option<u64> {
        if !self.all_is_sent() || self.engine_at <= now {
            return None;
        }
        // All that the engine waits for then is its retransmission timer, which may have been started just now.
        self.engine_at = self.engine_at.min(now.saturating_add(LEAST_TIMEOUT));
        Some(self.engine_at.min(self.acks.due))
    }

    /// Whether the last packet took all the data there is, for the first time: then nothing is left to do.
    #[inline]
    fn all_is_sent(&self) -> bool {
        let socket = self.socket();
        let waiting = socket.send_queue();
        socket.state() == State::Established
            && waiting > 0
            && !self.wire.repeated
            && self.wire.sent.next == self.oldest.wrapping_add(waiting as u32)
    }

    /// When to [`run`](Self::run) next, nanoseconds; asked just after a run.
    pub fn run_at(&mut self, now: u64) -> Option<u64> {
        if let Some(at) = self.sent_all_until(now) {
            return Some(at);
        }
        if self.wire.unacked > 0 && self.may_wait(now) {
            return Some(self.acks.due.min(self.engine_at));
        }
        let at = self.interface.poll_at(self.pace.instant(now), &self.sockets);
        let at = at.map_or(NEVER, |at| self.pace.real(at));
        // What it wanted at once was not possible.
        self.engine_at = if at <= now { now.saturating_add(RETRY) } else { at.saturating_add(1000) };
        (at != NEVER).then_some(self.engine_at)
    }
}
