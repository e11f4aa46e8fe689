//! [`Unit`]: one connection's engine, a smoltcp interface with a single TCP socket.
//!
//! Owned by the socket's state and used under its lock. A unit takes packets ([`Unit::input`]), gives packets
//! ([`Unit::take_output`]) and says when it wants to be run again; it neither waits nor reads a clock. Checksums are not the
//! engine's business: those of arriving packets were verified before, those of leaving ones are filled in here.
//!
//! The engine draws its initial sequence number from a generator that it seeds with the interface's seed, so the number is chosen by
//! computing the seed backwards ([`seed_for`]); a unit whose first packet shows another number is given up.

use super::drive::Acks;
use super::flow::Flow;
use super::pace::{Pace, is_quick};
use super::segment::{self, Plain, SYN, SynOptions};
pub use super::wire::{Counts, Sent};
use super::wire::{SMALL, Wire};
use crate::frame::Frames;
use alloc::vec::Vec;
use smoltcp::iface::{Config, Interface, SocketHandle, SocketSet};
use smoltcp::socket::tcp::{CongestionControl, Socket, State};
use smoltcp::wire::{HardwareAddress, IpAddress, IpCidr, IpEndpoint};

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
    /// The other side is known to answer quickly.
    pub quick: bool,
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

/// How full the rings of a unit are, bytes.
#[derive(Clone, Copy, Debug)]
pub struct Load {
    /// To be received now.
    pub receivable: usize,
    /// The receive ring.
    pub receive_ring: usize,
    /// Sent or to be sent, and not acknowledged.
    pub unacknowledged: usize,
    /// What can be taken to be sent.
    pub room: usize,
}

/// The engine of a connection.
pub struct Unit {
    pub(super) interface: Interface,
    pub(super) sockets: SocketSet<'static>,
    pub(super) handle: SocketHandle,
    pub(super) wire: Wire,
    pub(super) setup: Setup,
    /// Largest segment that the own side announces.
    mss: usize,
    /// What the other side's SYN said.
    pub(super) remote: SynOptions,
    /// The other side's next sequence number, behind what has come without a gap.
    pub(super) next: u32,
    /// The highest one behind data that came, be it with a gap.
    pub(super) highest: u32,
    /// The window that the other side announced last, not scaled.
    pub(super) window: u16,
    /// The receive ring was more than half full once.
    pub(super) crowded: bool,
    /// There may be an acknowledgement that the engine knows nothing of.
    pub(super) owed: bool,
    /// The oldest sequence number that the other side has not acknowledged, as far as its packets were looked at.
    pub(super) oldest: u32,
    pub(super) acks: Acks,
    /// When the engine wants to be run, as far as it was asked.
    pub(super) engine_at: u64,
    pub(super) pace: Pace,
    /// When it was made.
    since: u64,
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
            output: Frames::new(),
            mtu: setup.mtu.max(least),
            path: setup.mtu.max(least),
            partial: setup.partial || setup.segmentation,
            segmentation: setup.segmentation && setup.flow.local().is_ipv4(),
            traffic_class: 0,
            expect: SMALL,
            muted: false,
            begun: false,
            first: 0,
            sent: Sent::default(),
            edge: setup.isn.wrapping_add(1),
            counts: Counts::default(),
            unacked: 0,
            shifts: (window_shift(setup.receive_ring), setup.shift),
            repeated: false,
        };
        let (receive, send) = (ring(setup.receive_ring.clamp(1, 1 << 30))?, ring(setup.send_ring.max(1))?);
        let pace = Pace::new(setup.quick);
        let mut config = Config::new(HardwareAddress::Ip);
        config.random_seed = seed_for(setup.isn);
        let mut interface = Interface::new(config, &mut wire, pace.instant(now));
        let mut added = false;
        let bits = if setup.flow.local().is_ipv4() { 32 } else { 128 };
        interface.update_ip_addrs(|addresses| added = addresses.push(IpCidr::new(local, bits)).is_ok());
        let mut socket =
            Socket::new(smoltcp::storage::RingBuffer::new(receive), smoltcp::storage::RingBuffer::new(send));
        let congestion = if setup.local { CongestionControl::None } else { CongestionControl::Reno };
        socket.set_congestion_control(congestion);
        socket.set_ack_delay(None);
        let mut sockets = SocketSet::new(Vec::with_capacity(1));
        let handle = sockets.add(socket);
        let acks = Acks::new();
        let headers = if setup.flow.local().is_ipv4() { 40 } else { 60 };
        let mss = usize::from(wire.mtu).saturating_sub(headers);
        added.then_some(Unit {
            mss,
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
            pace,
            since: now,
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
        let syn = Plain {
            flow: setup.flow.reversed(),
            seq: remote_isn,
            ack: None,
            flag: SYN,
            window,
            options: asked,
        };
        // What the engine answers was sent long ago.
        unit.wire.muted = true;
        unit.take(segment::build(&syn, true)?.data(), now);
        unit.run(now);
        unit.wire.muted = false;
        unit.heard(remote_isn, asked);
        (unit.state() == State::SynReceived && unit.wire.begun && unit.wire.first == setup.isn)
            .then_some(unit)
    }

    /// The other side has answered the SYN.
    pub(super) fn answered(&mut self, now: u64) {
        if !self.setup.quick && is_quick(now.saturating_sub(self.since)) {
            self.setup.quick = true;
            self.pace.hasten(now);
        }
    }

    /// The other side's SYN has come.
    pub(super) fn heard(&mut self, isn: u32, options: SynOptions) {
        (self.next, self.highest) = (isn.wrapping_add(1), isn.wrapping_add(1));
        self.remote = options;
        if options.scale.is_none() {
            // Then neither side's window has a shift.
            self.wire.shifts = (0, 0);
        }
    }

    #[inline(always)]
    pub(super) fn socket(&self) -> &Socket<'static> {
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

    /// Takes the packets that are to be sent.
    pub fn take_output(&mut self) -> Frames {
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

    /// What is in the rings.
    #[inline(always)]
    pub fn load(&self) -> Load {
        let socket = self.socket();
        let unacknowledged = socket.send_queue();
        let room = if socket.may_send() { socket.send_capacity().saturating_sub(unacknowledged) } else { 0 };
        Load { receivable: socket.recv_queue(), receive_ring: socket.recv_capacity(), unacknowledged, room }
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
    pub fn path_mtu(&self) -> u16 {
        self.wire.path
    }

    /// A router said that the packet with sequence number `seq` was too large for it, which carries `mtu` bytes. Packets are cut from
    /// now on; what was lost is sent again in its time. False if no such packet is on its way (RFC 5927).
    pub fn narrow(&mut self, seq: u32, mtu: u16) -> bool {
        let known = !segment::after(self.oldest, seq) && segment::after(self.wire.sent.next, seq);
        if known {
            self.wire.path = self.wire.path.min(mtu);
        }
        known
    }

    /// Largest segment that the own side announces.
    #[inline]
    pub fn mss(&self) -> usize {
        self.mss
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
        let pace = self.pace;
        // The first one is sent at the next run.
        self.engine_at = 0;
        self.socket_mut().set_keep_alive(interval.map(|ns| pace.duration(ns)));
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
        Setup {
            flow,
            isn,
            mtu: 1500,
            shift: window_shift(ring),
            receive_ring: ring,
            send_ring: ring,
            partial: false,
            segmentation: false,
            local: false,
            quick: false,
        }
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
