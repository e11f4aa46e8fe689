//! [`Unit`]: one connection's engine, a smoltcp interface with a single TCP socket.
//!
//! Owned by the socket's state and used under its lock. A unit takes packets ([`Unit::input`]), gives packets
//! ([`Unit::take_output`]) and says when it wants to be run again; it neither waits nor reads a clock. Checksums are not the
//! engine's business: those of arriving packets were verified before, those of leaving ones are filled in here.
//!
//! The engine draws its initial sequence number from a generator that it seeds with the interface's seed, so the number is chosen by
//! computing the seed backwards ([`seed_for`]); a unit whose first packet shows another number is given up.

use super::flow::Flow;
use super::segment::{self, ACK, FIN, PSH, Plain, RST, SYN, Segment, SynOptions};
use super::state::NEVER;
pub use super::wire::{Counts, Sent};
use super::wire::{LARGEST, SMALL, Wire};
use crate::frame::Frame;
use alloc::collections::VecDeque;
use alloc::vec::Vec;
use smoltcp::iface::{Config, Interface, PollResult, SocketHandle, SocketSet};
use smoltcp::socket::tcp::{CongestionControl, Socket, State};
use smoltcp::time::{Duration, Instant};
use smoltcp::wire::{HardwareAddress, IpAddress, IpCidr, IpEndpoint};

/// Largest segment that is expected before one has come.
const DEFAULT_SEGMENT: usize = 536;
/// Time after which a run that the engine wanted at once, but that did nothing, is tried again.
const RETRY: u64 = 10_000_000;

/// What a unit is made for.
#[derive(Clone, Copy, Debug)]
pub struct Setup {
    /// The connection.
    pub flow: Flow,
    /// The own initial sequence number.
    pub isn: u32,
    /// Largest IP packet.
    pub mtu: u16,
    /// Bytes of the receive ring.
    pub receive_ring: usize,
    /// The window's shift that the other side is told; at least that of the ring.
    pub shift: u8,
    /// Bytes of the send ring.
    pub send_ring: usize,
    /// Checksums are completed below.
    pub partial: bool,
    /// Segments are cut below.
    pub segmentation: bool,
    /// Packets stay on this host: nothing can be congested but the other side's buffer.
    pub local: bool,
}

/// The shift of a window over a ring of so many bytes, as the engine announces it.
pub fn window_shift(ring: usize) -> u8 {
    (usize::BITS - ring.leading_zeros()).saturating_sub(16) as u8
}

/// The seed with which the engine's generator gives `isn`, after the number that an interface draws at its beginning.
///
/// The generator multiplies its state, adds, and gives 32 bits of it from a place that the upper three bits tell; with those zero,
/// bits 29 to 60 are the result. All steps can be undone. The lower bits are free, and are chosen so that the first number will do: an
/// interface draws again if the halves of that are the same.
fn seed_for(isn: u32) -> u64 {
    const MULTIPLIER: u64 = 0xbb2e_fcec_3c39_611d;
    const ADDEND: u64 = 0x7590_ef39;
    let mut inverse = MULTIPLIER;
    for _ in 0..6 {
        inverse = inverse.wrapping_mul(2u64.wrapping_sub(MULTIPLIER.wrapping_mul(inverse)));
    }
    let back = |state: u64| state.wrapping_sub(ADDEND).wrapping_mul(inverse);
    let good = |state: &u64| {
        let first = (state >> (29 - (state >> 61))) as u32;
        (first ^ first >> 16) as u16 != 0
    };
    let second = |low: u64| u64::from(isn) << 29 | low;
    let first = (0..64).map(|low| back(second(low))).find(good).unwrap_or_default();
    back(first)
}

/// The engine of a connection.
pub struct Unit {
    interface: Interface,
    sockets: SocketSet<'static>,
    handle: SocketHandle,
    wire: Wire,
    setup: Setup,
    /// What the other side's SYN said.
    remote: SynOptions,
    /// The other side's next sequence number, behind what has come without a gap.
    next: u32,
    /// The highest one behind data that came, be it with a gap.
    highest: u32,
    /// The window that the other side announced last, not scaled.
    window: u16,
    /// The receive ring was more than half full once.
    crowded: bool,
    /// There may be an acknowledgement that the engine knows nothing of.
    owed: bool,
    /// The oldest sequence number that the other side has not acknowledged, as far as its packets were looked at.
    oldest: u32,
    acks: Acks,
    /// When the engine wants to be run, as far as it was asked.
    engine_at: u64,
}

/// When data that came is acknowledged.
///
/// An acknowledgement waits for data to go with, but not when more than a segment has come (RFC 9293, 3.8.6.3), nor long when the
/// other side has more to send than it could. The engine is not run while nothing but an acknowledgement that may wait is to be
/// sent.
#[derive(Clone, Copy, Debug)]
struct Acks {
    /// They do not wait.
    always: bool,
    /// When the one that waits is due.
    due: u64,
    /// Largest segment that came.
    segment: usize,
    /// Bytes that were read since the engine was run: the window has grown.
    read: usize,
}

/// How long an acknowledgement waits for data to go with, nanoseconds.
const ACK_DELAY: u64 = 40_000_000;
/// The same when the other side's data did not end with this segment.
const SHORT_DELAY: u64 = 1_000_000;

fn instant(now: u64) -> Instant {
    Instant::from_micros((now / 1000).min(i64::MAX as u64) as i64)
}

fn ring(len: usize) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    bytes.try_reserve_exact(len).ok()?;
    bytes.resize(len, 0);
    Some(bytes)
}

impl Unit {
    fn new(setup: &Setup, now: u64) -> Option<Self> {
        let local: IpAddress = setup.flow.local().ip().into();
        // What the engine and the protocols can do at all.
        let least = if setup.flow.local().is_ipv4() { 68 + 40 } else { 1280 };
        let mut wire = Wire {
            input: None,
            output: VecDeque::new(),
            mtu: setup.mtu.max(least),
            partial: setup.partial || setup.segmentation,
            segmentation: setup.segmentation && setup.flow.local().is_ipv4(),
            traffic_class: 0,
            expect: SMALL,
            muted: false,
            begun: false,
            first: 0,
            sent: Sent::default(),
            counts: Counts::default(),
            unacked: 0,
            shifts: (window_shift(setup.receive_ring), setup.shift),
            repeated: false,
        };
        let (receive, send) = (ring(setup.receive_ring.clamp(1, 1 << 30))?, ring(setup.send_ring.max(1))?);
        let mut config = Config::new(HardwareAddress::Ip);
        config.random_seed = seed_for(setup.isn);
        let mut interface = Interface::new(config, &mut wire, instant(now));
        let mut added = false;
        let bits = if setup.flow.local().is_ipv4() { 32 } else { 128 };
        interface.update_ip_addrs(|addresses| added = addresses.push(IpCidr::new(local, bits)).is_ok());
        let mut socket = Socket::new(smoltcp::storage::RingBuffer::new(receive), smoltcp::storage::RingBuffer::new(send));
        let congestion = if setup.local { CongestionControl::None } else { CongestionControl::Reno };
        socket.set_congestion_control(congestion);
        socket.set_ack_delay(None);
        let mut sockets = SocketSet::new(Vec::with_capacity(1));
        let handle = sockets.add(socket);
        let acks = Acks { always: false, due: NEVER, segment: DEFAULT_SEGMENT, read: 0 };
        added.then_some(Unit {
            interface,
            sockets,
            handle,
            wire,
            setup: *setup,
            remote: SynOptions::default(),
            next: 0,
            highest: 0,
            window: 0,
            crowded: false,
            owed: false,
            oldest: setup.isn.wrapping_add(1),
            acks,
            engine_at: 0,
        })
    }

    /// One that connects.
    pub fn connect(setup: &Setup, now: u64) -> Option<Self> {
        let mut unit = Unit::new(setup, now)?;
        let end = |address: core::net::SocketAddr| IpEndpoint::new(address.ip().into(), address.port());
        let (local, remote) = (end(setup.flow.local()), end(setup.flow.remote()));
        let socket = unit.sockets.get_mut::<Socket>(unit.handle);
        socket.connect(unit.interface.context(), remote, local).ok()?;
        Some(unit)
    }

    /// One whose handshake is complete but for the last packet, made from what the SYN said.
    pub fn accept(setup: &Setup, remote_isn: u32, asked: SynOptions, window: u16, now: u64) -> Option<Self> {
        let mut unit = Unit::new(setup, now)?;
        let local = setup.flow.local();
        let socket = unit.sockets.get_mut::<Socket>(unit.handle);
        socket.listen(IpEndpoint::new(local.ip().into(), local.port())).ok()?;
        let syn = Plain { flow: setup.flow.reversed(), seq: remote_isn, ack: None, flag: SYN, window, options: asked };
        // What the engine answers was sent long ago.
        unit.wire.muted = true;
        unit.take(segment::build(&syn, true)?, now);
        unit.run(now);
        unit.wire.muted = false;
        unit.heard(remote_isn, asked);
        (unit.state() == State::SynReceived && unit.wire.begun && unit.wire.first == setup.isn).then_some(unit)
    }

    /// The other side's SYN has come.
    fn heard(&mut self, isn: u32, options: SynOptions) {
        (self.next, self.highest) = (isn.wrapping_add(1), isn.wrapping_add(1));
        self.remote = options;
        if options.scale.is_none() {
            // Then neither side's window has a shift.
            self.wire.shifts = (0, 0);
        }
    }

    fn socket(&self) -> &Socket<'static> {
        self.sockets.get(self.handle)
    }

    fn socket_mut(&mut self) -> &mut Socket<'static> {
        self.sockets.get_mut(self.handle)
    }

    /// The connection.
    pub fn flow(&self) -> Flow {
        self.setup.flow
    }

    /// The engine's state.
    pub fn state(&self) -> State {
        self.socket().state()
    }

    /// Takes a packet of this connection, which was read as `segment`.
    pub fn input(&mut self, packet: Frame, segment: &Segment, now: u64) {
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
            let at_once = self.acks.always
                || segment.flags & (SYN | FIN) != 0
                || self.wire.unacked > self.acks.segment;
            let delay = match at_once {
                true => 0,
                false if segment.flags & PSH == 0 => SHORT_DELAY,
                false => ACK_DELAY,
            };
            self.acks.due = self.acks.due.min(now.saturating_add(delay));
        }
        let synchronized = self.state() != State::SynSent;
        let options = (!synchronized && segment.flags & SYN != 0).then(|| segment::syn_options(packet.data(), segment));
        let before = self.receivable();
        self.take(packet, now);
        if self.wire.unacked == 0 {
            self.acks.due = NEVER;
        }
        if let Some(options) = options.filter(|_| self.state() != State::SynSent) {
            self.heard(segment.seq, options);
        }
        let waiting = self.receivable();
        self.next = self.next.wrapping_add(waiting.saturating_sub(before) as u32);
        let end = segment.seq.wrapping_add(segment.payload as u32);
        if segment.payload > 0 && segment::after(end, self.highest) {
            self.highest = end;
        }
        if segment.flags & (ACK | RST) == ACK && segment.ack == self.oldest {
            // That of a SYN has no shift.
            let shift = if segment.flags & SYN != 0 { self.remote.scale.unwrap_or(0) } else { 0 };
            self.window = segment.window >> shift;
        }
        self.crowded |= waiting > self.socket().recv_capacity() / 2;
    }

    fn take(&mut self, packet: Frame, now: u64) {
        self.wire.input = Some(packet);
        self.interface.poll_ingress_single(instant(now), &mut self.wire, &mut self.sockets);
        self.wire.input = None;
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
            let result = self.interface.poll_egress(instant(now), &mut self.wire, &mut self.sockets);
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
    fn may_wait(&self, now: u64) -> bool {
        let socket = self.socket();
        socket.state() == State::Established
            && socket.send_queue() == 0
            && now < self.engine_at.min(self.acks.due)
            && self.acks.read < socket.recv_capacity() / 4
    }

    /// Whether the last packet took all the data there is, for the first time: then nothing is left to do.
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
        if self.wire.unacked > 0 && self.may_wait(now) {
            return Some(self.acks.due.min(self.engine_at));
        }
        let at = self.interface.poll_at(instant(now), &self.sockets);
        let at = at.map_or(NEVER, |at| (at.total_micros().max(0) as u64).saturating_mul(1000));
        // What it wanted at once was not possible.
        self.engine_at = if at <= now { now.saturating_add(RETRY) } else { at.saturating_add(1000) };
        (at != NEVER).then_some(self.engine_at)
    }

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
    /// its rings, but a new one that is told of a handshake with the right numbers is in the same state. It starts slowly again, and
    /// knows nothing of round-trip times. Options are to be set again. False, and nothing has changed, without memory.
    pub fn renew(&mut self, receive_ring: usize, send_ring: usize, now: u64) -> bool {
        let sent = self.wire.sent;
        let setup = Setup { receive_ring, send_ring, isn: sent.next.wrapping_sub(1), ..self.setup };
        let made = Unit::accept(&setup, self.next.wrapping_sub(1), self.remote, self.window, now);
        let Some(mut unit) = made else { return false };
        let (flow, window) = (setup.flow.reversed(), self.window);
        let options = SynOptions::default();
        let last = Plain { flow, seq: self.next, ack: Some(sent.next), flag: 0, window, options };
        let Some(packet) = segment::build(&last, true) else { return false };
        unit.take(packet, now);
        if unit.state() != State::Established {
            return false;
        }
        unit.window = window;
        unit.wire.sent = sent;
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

    /// Makes an acknowledgement without the engine.
    fn acknowledge(&mut self) {
        let free = self.socket().recv_capacity().saturating_sub(self.receivable());
        let window = (free >> self.wire.shifts.1).min(u16::MAX.into()) as u16;
        let (flow, seq, ack) = (self.setup.flow, self.wire.sent.next, Some(self.next));
        let plain = Plain { flow, seq, ack, flag: 0, window, options: SynOptions::default() };
        let frame = segment::build(&plain, self.wire.partial);
        if let Some(frame) = frame.filter(|_| self.wire.output.try_reserve(1).is_ok()) {
            self.wire.output.push_back(frame);
            (self.wire.counts.sent, self.wire.unacked) = (self.wire.counts.sent + 1, 0);
            self.wire.sent.ack = self.next;
        }
    }

    /// Takes the packets that are to be sent.
    pub fn take_output(&mut self) -> VecDeque<Frame> {
        core::mem::take(&mut self.wire.output)
    }

    /// Takes what was counted since the last call.
    pub fn take_counts(&mut self) -> Counts {
        core::mem::take(&mut self.wire.counts)
    }

    /// What was sent last.
    pub fn sent(&self) -> Sent {
        self.wire.sent
    }

    /// Moves received bytes to `to`; returns how many.
    pub fn receive(&mut self, to: &mut [u8]) -> usize {
        let got = self.socket_mut().recv_slice(to).unwrap_or(0);
        self.acks.read += got;
        got
    }

    /// Drops up to `len` received bytes; returns how many.
    pub fn discard(&mut self, len: usize) -> usize {
        let mut done = 0;
        while done < len {
            let want = len - done;
            match self.socket_mut().recv(|bytes| (bytes.len().min(want), bytes.len().min(want))) {
                Ok(0) | Err(_) => break,
                Ok(n) => done += n,
            }
        }
        self.acks.read += done;
        done
    }

    /// Copies received bytes without taking them; returns how many.
    pub fn peek(&mut self, to: &mut [u8]) -> usize {
        self.socket_mut().peek_slice(to).unwrap_or(0)
    }

    /// Takes bytes to send; returns how many.
    pub fn send(&mut self, bytes: &[u8]) -> usize {
        self.socket_mut().send_slice(bytes).unwrap_or(0)
    }

    /// Bytes that can be received now.
    pub fn receivable(&self) -> usize {
        self.socket().recv_queue()
    }

    /// Bytes that are sent or to be sent, and not acknowledged.
    pub fn unacknowledged(&self) -> usize {
        self.socket().send_queue()
    }

    /// Bytes that can be taken now.
    pub fn room(&self) -> usize {
        let socket = self.socket();
        if socket.may_send() { socket.send_capacity().saturating_sub(socket.send_queue()) } else { 0 }
    }

    /// Bytes of the rings: receive and send.
    pub fn rings(&self) -> (usize, usize) {
        (self.socket().recv_capacity(), self.socket().send_capacity())
    }

    /// Whether bytes can still come.
    pub fn may_receive(&self) -> bool {
        self.socket().may_recv()
    }

    /// Ends the sending direction.
    pub fn close(&mut self) {
        self.socket_mut().close();
    }

    /// Resets the connection; the next run sends that.
    pub fn abort(&mut self) {
        self.socket_mut().abort();
    }

    /// Largest IP packet.
    pub fn mtu(&self) -> u16 {
        self.wire.mtu
    }

    /// Largest segment that the own side announces.
    pub fn mss(&self) -> usize {
        let headers = if self.setup.flow.local().is_ipv4() { 40 } else { 60 };
        usize::from(self.wire.mtu).saturating_sub(headers)
    }

    /// Nagle's algorithm (RFC 896): whether a small segment waits for acknowledgements.
    pub fn set_nagle(&mut self, on: bool) {
        self.socket_mut().set_nagle_enabled(on);
    }

    /// Whether acknowledgements do not wait for data to go with.
    pub fn set_quick_acks(&mut self, on: bool) {
        self.acks.always = on;
        if on && self.wire.unacked > 0 {
            self.acks.due = 0;
        }
    }

    /// Sends probes in this interval, nanoseconds, from the next run on; `None` ends that.
    pub fn set_probing(&mut self, interval: Option<u64>) {
        // The first one is sent at the next run.
        self.engine_at = 0;
        self.socket_mut().set_keep_alive(interval.map(|ns| Duration::from_micros(ns / 1000)));
    }

    /// TTL or hop limit of packets; 0 for the default.
    pub fn set_hop_limit(&mut self, limit: u8) {
        self.socket_mut().set_hop_limit((limit != 0).then_some(limit));
    }

    /// TOS or traffic class of packets.
    pub fn set_traffic_class(&mut self, class: u8) {
        self.wire.traffic_class = class;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn setup(a: &str, b: &str, isn: u32, ring: usize) -> Setup {
        let flow = Flow::new(a.parse().unwrap(), b.parse().unwrap());
        Setup { flow, isn, mtu: 1500, shift: window_shift(ring), receive_ring: ring, send_ring: ring, partial: false, segmentation: false, local: false }
    }

    proptest! {
        /// The engine's generator is as we believe it to be.
        #[test]
        fn initial_numbers_are_chosen(isn in any::<u32>(), v6 in any::<bool>(), ring in 1usize..200_000) {
            let (a, b) = if v6 { ("[fe80::1]:80", "[fe80::2]:9") } else { ("10.0.0.1:80", "10.0.0.2:9") };
            let mut unit = Unit::connect(&setup(a, b, isn, ring), 0).unwrap();
            unit.run(0);
            let packet = unit.take_output().pop_front().unwrap();
            let segment = segment::parse(packet.data()).unwrap();
            prop_assert!(segment::checksum_ok(packet.data(), &segment));
            prop_assert_eq!((segment.seq, segment.flags), (isn, SYN));
            let options = segment::syn_options(packet.data(), &segment);
            prop_assert_eq!(options.scale, Some(window_shift(ring)));
            prop_assert_eq!(usize::from(options.mss.unwrap()), unit.mss());
            prop_assert_eq!(unit.sent().next, isn.wrapping_add(1));
            let accepted = Unit::accept(&setup(b, a, isn ^ 77, ring), isn, options, segment.window, 0);
            prop_assert!(accepted.is_some());
        }
    }
}
