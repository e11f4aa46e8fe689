//! [`Slot`] and [`State`]: all that the stack knows of one socket.
//!
//! A slot never goes away ([`Slots`](super::slots::Slots)); `generation` says which use of it this is. The state is
//! changed under its lock by whoever brings a packet or looks at the socket; packets that come while it is locked are put into the
//! inbox, without a lock, for whoever looks at the socket next: its user, or the worker. Locks: `reading`
//! and `writing` give a user his turn, are held while program memory is touched, and come before `state`. While `state` is held, no
//! program memory is touched and no packet is sent; the locks of the tables (connections, ports, timers, TIME-WAIT) may be taken.

use super::demux::Link;
use super::ports::{Hold, Place};
use super::segment::Segment;
use super::unit::Unit;
use crate::frame::Frame;
use crate::output::PathHint;
use abi::PollEvents;
use alloc::boxed::Box;
use alloc::collections::VecDeque;
use alloc::vec::Vec;
use core::net::SocketAddr;
use core::sync::atomic::{AtomicBool, AtomicU8, AtomicU32, AtomicU64, AtomicUsize, Ordering};
use fs::notify::Notifier;
use fs::socket::SocketError;
use smoltcp::socket::tcp::State as Engine;
use sync::Mutex;
use sync::mpsc::Queue;

/// One nanosecond count that never comes.
pub const NEVER: u64 = u64::MAX;
/// Nanoseconds in a second.
pub const SECOND: u64 = 1_000_000_000;
/// Largest segment that a peer is assumed to take if it does not say.
pub const DEFAULT_MSS: u16 = 536;

/// The user waits for acknowledgements: there is little room, or much is on its way.
pub const WANTS_ACKS: u8 = 1;
/// Nobody has the socket any more: packets are handled where they come.
pub const ORPHAN: u8 = 2;

/// A socket's place.
pub struct Slot {
    /// Its place in the table of connections.
    pub link: Link,
    /// Which use of the slot this is.
    pub generation: AtomicU32,
    /// Packets that came, and what was read of them.
    pub inbox: Queue<(Frame, Segment)>,
    /// Packets that came and are not in [`events`](Self::events) yet.
    pub pending: AtomicU32,
    /// Bytes of packets in the inbox, and the most there may be.
    pub inbox_bytes: AtomicUsize,
    /// Most bytes in the inbox.
    pub inbox_limit: AtomicUsize,
    /// When the oldest packet came.
    pub pending_since: AtomicU64,
    /// [`WANTS_ACKS`] and [`ORPHAN`].
    pub flags: AtomicU8,
    /// It is in the worker's list, and who comes next there.
    pub listed: AtomicBool,
    /// The next one in the worker's list.
    pub next_listed: AtomicU32,
    /// Its deadline among the timers.
    pub timer: AtomicU64,
    /// Its readiness.
    pub events: AtomicU32,
    /// Bytes that can be sent, at least; only the one whose turn it is to write makes it less.
    pub room: AtomicUsize,
    /// Turn to read, with bytes that left the engine but did not arrive.
    pub reading: Mutex<VecDeque<u8>>,
    /// How many these are.
    pub left: AtomicUsize,
    /// Turn to write.
    pub writing: Mutex<()>,
    /// The state.
    pub state: Mutex<State>,
    /// Who wants to know of changes.
    pub notifier: Notifier,
    /// How packets leave.
    pub hint: PathHint,
}

impl Default for Slot {
    fn default() -> Self {
        Slot {
            link: Link::default(),
            generation: AtomicU32::new(0),
            inbox: Queue::new(),
            pending: AtomicU32::new(0),
            inbox_bytes: AtomicUsize::new(0),
            inbox_limit: AtomicUsize::new(0),
            pending_since: AtomicU64::new(0),
            flags: AtomicU8::new(0),
            listed: AtomicBool::new(false),
            next_listed: AtomicU32::new(0),
            timer: AtomicU64::new(NEVER),
            events: AtomicU32::new(0),
            room: AtomicUsize::new(0),
            reading: Mutex::new(VecDeque::new()),
            left: AtomicUsize::new(0),
            writing: Mutex::new(()),
            state: Mutex::new(State::default()),
            notifier: Notifier::new(),
            hint: PathHint::new(),
        }
    }
}

impl Slot {
    /// Sets or clears a flag.
    pub fn flag(&self, flag: u8, on: bool) {
        let flags = self.flags.load(Ordering::Relaxed);
        if (flags & flag != 0) != on {
            if on {
                self.flags.fetch_or(flag, Ordering::SeqCst);
            } else {
                self.flags.fetch_and(!flag, Ordering::SeqCst);
            }
        }
    }
}

/// A socket that listens.
#[derive(Debug, Default)]
pub struct Listener {
    /// Most connections that wait to be accepted, less one.
    pub backlog: usize,
    /// Those that wait: slot and generation.
    pub queue: VecDeque<(u32, u32)>,
    /// Those that are being made.
    pub making: usize,
}

/// What a socket is doing.
#[derive(Default)]
pub enum Phase {
    /// Nothing yet.
    #[default]
    Idle,
    /// Waiting for connections.
    Listening(Listener),
    /// It has an engine: connecting, connected, closing; or closed with bytes still to be read.
    Open(Box<Unit>),
    /// It was connected.
    Ended,
}

/// Options of the levels IPPROTO_TCP, IPPROTO_IP and IPPROTO_IPV6, and those of SOL_SOCKET that the flow of data needs.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// TCP_NODELAY.
    pub no_delay: bool,
    /// TCP_CORK.
    pub cork: bool,
    /// TCP_QUICKACK.
    pub quick_ack: bool,
    /// SO_KEEPALIVE.
    pub keep_alive: bool,
    /// TCP_KEEPIDLE, seconds.
    pub keep_idle: u32,
    /// TCP_KEEPINTVL, seconds.
    pub keep_interval: u32,
    /// TCP_KEEPCNT.
    pub keep_count: u32,
    /// TCP_USER_TIMEOUT, milliseconds; 0 for the default.
    pub user_timeout: u32,
    /// TCP_MAXSEG; 0 for what the route allows.
    pub max_segment: u16,
    /// TCP_DEFER_ACCEPT, seconds.
    pub defer_accept: u32,
    /// TCP_LINGER2, seconds; negative for not at all.
    pub linger2: i32,
    /// TCP_SYNCNT.
    pub syn_count: u8,
    /// IPV6_V6ONLY.
    pub v6_only: bool,
    /// IP_TTL or IPV6_UNICAST_HOPS; 0 for the default.
    pub hop_limit: u8,
    /// IP_TOS or IPV6_TCLASS.
    pub traffic_class: u8,
    /// SO_RCVLOWAT.
    pub low_water: usize,
    /// SO_REUSEADDR.
    pub reuse_address: bool,
    /// SO_RCVBUF, bytes of data, if it was set.
    pub receive_buffer: Option<u32>,
    /// SO_SNDBUF, bytes of data, if it was set.
    pub send_buffer: Option<u32>,
    /// SO_BINDTODEVICE; 0 for any.
    pub interface: u32,
}

impl Default for Settings {
    fn default() -> Self {
        Settings {
            no_delay: false,
            cork: false,
            quick_ack: false,
            keep_alive: false,
            keep_idle: 7200,
            keep_interval: 75,
            keep_count: 9,
            user_timeout: 0,
            max_segment: 0,
            defer_accept: 0,
            linger2: 60,
            syn_count: 6,
            v6_only: false,
            hop_limit: 0,
            traffic_class: 0,
            low_water: 1,
            reuse_address: false,
            receive_buffer: None,
            send_buffer: None,
            interface: 0,
        }
    }
}

/// The state of a socket.
#[derive(Default)]
pub struct State {
    /// What it is doing.
    pub phase: Phase,
    /// The slot is in use; otherwise packets that come late find nothing.
    pub used: bool,
    /// Its last change ended in [`settle_quickly`](super::Tcp).
    pub settled_quickly: bool,
    /// Somebody has it.
    pub owned: bool,
    /// It is closed, though somebody may have it who waits for what was sent.
    pub left: bool,
    /// Where it was bound, by the user or by listen, and the port.
    pub bound: Option<(Place, u16)>,
    /// Share of a connection in its port.
    pub hold: Option<Hold>,
    /// Own and other end.
    pub ends: Option<(SocketAddr, SocketAddr)>,
    /// What is to be told to the user.
    pub error: Option<SocketError>,
    /// An attempt to connect is under way.
    pub connecting: bool,
    /// The attempt has succeeded, which the user does not know.
    pub unannounced: bool,
    /// The connection is in no table any more; only bytes to be read are left.
    pub detached: bool,
    /// The engine's state when it was looked at last.
    pub engine: Option<Engine>,
    /// This side has reset the connection.
    pub aborted: bool,
    /// The user receives no more.
    pub no_receive: bool,
    /// The user sends no more.
    pub no_send: bool,
    /// Bytes that wait for company (TCP_CORK, MSG_MORE).
    pub corked: Vec<u8>,
    /// When they leave anyhow.
    pub corked_until: u64,
    /// No bytes are taken until all are acknowledged, so that rings can grow; and how often that was so.
    pub pausing: bool,
    /// How often.
    pub pauses: u8,
    /// Largest segment of the other side.
    pub remote_mss: u16,
    /// When the last packet came.
    pub last_input: u64,
    /// Bytes that were not acknowledged at the last look, and since when that has not become less.
    pub unacknowledged: usize,
    /// Since when it waits for an acknowledgement.
    pub waiting_since: u64,
    /// Probes are being sent (SO_KEEPALIVE).
    pub probing: bool,
    /// Since when nobody has it.
    pub orphan_since: u64,
    /// Memory that is charged to it.
    pub charged: usize,
    /// Options.
    pub settings: Settings,
    /// Who made it.
    pub uid: u32,
    /// Number of its inode.
    pub ino: u64,
    /// It was made for IPv6.
    pub v6: bool,
}

impl State {
    /// The engine, if it has one.
    pub fn unit(&mut self) -> Option<&mut Unit> {
        match &mut self.phase {
            Phase::Open(unit) => Some(unit),
            _ => None,
        }
    }

    /// Bytes that can be taken from the program now.
    pub fn room(&self) -> usize {
        match &self.phase {
            Phase::Open(unit) if !self.pausing => unit.room().saturating_sub(self.corked.len()),
            _ => 0,
        }
    }

    /// The engine's options as the settings say.
    pub fn apply_settings(&mut self) {
        let settings = self.settings;
        if let Phase::Open(unit) = &mut self.phase {
            unit.set_nagle(!settings.no_delay);
            unit.set_quick_acks(settings.quick_ack);
            unit.set_hop_limit(settings.hop_limit);
            unit.set_traffic_class(settings.traffic_class);
        }
    }

    /// Whether nothing more will come: all has been read up to the other side's end.
    pub fn at_end(&self) -> bool {
        match &self.phase {
            Phase::Open(unit) => !self.connecting && unit.receivable() == 0 && !unit.may_receive(),
            Phase::Ended => true,
            _ => false,
        }
    }

    /// The readiness, as Linux has it; `left` bytes wait outside the engine.
    pub fn events(&self, left: usize) -> PollEvents {
        let mut events = PollEvents::empty();
        let readable = PollEvents::IN | PollEvents::RDNORM;
        let writable = PollEvents::OUT | PollEvents::WRNORM;
        events.set(PollEvents::ERR, self.error.is_some());
        match &self.phase {
            Phase::Listening(listener) => {
                events.set(readable, !listener.queue.is_empty());
                return events;
            }
            Phase::Idle => return events | writable | PollEvents::HUP,
            Phase::Open(_) if self.connecting => return events,
            Phase::Open(unit) => {
                let waiting = unit.receivable() + left;
                let low_water = self.settings.low_water.min(unit.rings().0 / 2).max(1);
                events.set(readable, waiting >= low_water);
                let room = self.room();
                events.set(writable, room > 0 && room >= unit.unacknowledged() / 2);
            }
            Phase::Ended => {}
        }
        events.set(readable, left > 0 || events.contains(readable));
        let no_receive = self.no_receive || self.receive_ended();
        let no_send = self.no_send || self.detached || matches!(self.phase, Phase::Ended);
        if no_receive {
            events |= readable | PollEvents::RDHUP;
        }
        if no_send {
            events |= writable;
        }
        events.set(PollEvents::HUP, no_receive && no_send);
        events
    }

    /// Whether the other side has ended its direction.
    fn receive_ended(&self) -> bool {
        match &self.phase {
            Phase::Open(unit) => matches!(
                unit.state(),
                Engine::CloseWait | Engine::LastAck | Engine::Closing | Engine::TimeWait | Engine::Closed
            ),
            Phase::Ended => true,
            _ => false,
        }
    }
}
