//! TCP (RFC 9293): connections, listeners, and who gets which segment.
//!
//! Called by the IP layer with packets ([`Tcp::input`]), by the kernel's worker ([`Tcp::work`]) and by programs through
//! [`TcpSocket`]. Every connection is a unit of its own: an engine ([`unit`]), an inbox and a lock. A packet is looked up without a lock
//! ([`demux`]) and given to the engine where it comes. If somebody is at the connection, it goes into the inbox instead, and is
//! handled by whoever looks at the socket next; the worker takes what nobody has looked at for [`PATIENCE`]. Cost does not grow with the
//! number of connections. Half-open connections ([`syn`]) and those in TIME-WAIT ([`time_wait`]) are compact records. Packets are sent
//! with no lock held.
//!
//! What the engine (smoltcp) cannot do: urgent data, selective acknowledgement of what it has sent. When routers say that packets are
//! too large, its packets are cut as they leave ([`wire`]). Time stamps (RFC 7323) are not offered: the engine would echo them, but
//! neither measures round trips by them nor tells old packets from new ones. Its clock is [`pace`]: timeouts are 250 ms at least, and 1 s
//! where the other side is farther away than 50 ms. When acknowledgements leave is decided here ([`drive`]); rings grow by exchanging a
//! calm engine ([`growth`]).
//!
//! Memory: rings are charged to one account with a limit; new rings are the smaller the less is left, and connections are refused
//! (with a counter) when nothing is.

mod closing;
mod connect;
mod deadlines;
pub mod demux;
mod drive;
mod file;
pub mod flow;
mod growth;
mod handshake;
mod info;
mod options;
mod pace;
pub mod ports;
mod quick;
mod renew;
mod run;
pub mod segment;
pub mod slots;
mod socket;
pub mod state;
pub mod stats;
pub mod syn;
#[cfg(test)]
mod tests;
mod texts;
pub mod time_wait;
mod timers;
mod transfer;
pub mod unit;
mod wire;

pub use closing::Leaving;
pub use socket::TcpSocket;
pub use stats::{Extended, Stats};

use crate::device::Environment;
use crate::frame::{Frame, Frames};
use crate::output::{IpOutput, PathHint};
use alloc::sync::Arc;
use core::sync::atomic::{AtomicU32, AtomicU64, AtomicUsize, Ordering};
use deadlines::Deadlines;
use demux::{Link, Links, Table};
use flow::{Flow, Key};
use fs::socket::SocketError;
use ports::{Hold, Ports};
use segment::{ACK, Plain, RST, SYN, Segment};
use slots::Slots;
use state::{NEVER, ORPHAN, Slot, WANTS_ACKS};
use syn::{Cookies, SynQueue};
use sync::Mutex;
use sync::mpsc::Entry;
use time_wait::{TimeWait, Verdict};

/// How long packets wait for the socket's user, nanoseconds; then the worker handles them.
pub const PATIENCE: u64 = 4_000_000;
/// Bytes of rings when there is enough memory.
const RING: usize = 256 << 10;
/// Bytes of rings at least.
const LEAST_RING: usize = 4096;
/// The end of the worker's list.
const LAST: u32 = u32::MAX;

/// What TCP may take.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Bytes for rings (`net.ipv4.tcp_mem`).
    pub memory: usize,
    /// Records in TIME-WAIT.
    pub time_waits: usize,
}

/// Keys of the hashes.
struct Keys {
    table: Key,
    numbers: Key,
    cookies: Cookies,
}

/// TCP.
pub struct Tcp {
    env: Arc<dyn Environment>,
    output: Arc<dyn IpOutput>,
    limits: Limits,
    keys: Keys,
    slots: Slots<Slot>,
    table: Table,
    ports: Mutex<Ports>,
    time_wait: Mutex<TimeWait>,
    syn: Mutex<SynQueue>,
    timers: Mutex<Deadlines>,
    /// First of the worker's list: sockets with packets.
    listed: AtomicU32,
    /// The wake-up that was asked for.
    next_wake: AtomicU64,
    /// Until when acknowledgements may carry cookies.
    cookies_until: AtomicU64,
    memory: AtomicUsize,
    ports_random: AtomicU32,
    established: AtomicUsize,
    orphans: AtomicUsize,
    /// Counters.
    pub stats: Stats,
    /// More counters.
    pub extended: Extended,
}

impl Links for Slots<Slot> {
    #[inline]
    fn link(&self, index: u32) -> Option<&Link> {
        self.get(index).map(|slot| &slot.link)
    }
}

impl Tcp {
    /// Without sockets.
    pub fn new(env: Arc<dyn Environment>, output: Arc<dyn IpOutput>, limits: Limits) -> Arc<Self> {
        let mut seed = [0; 56];
        env.random(&mut seed);
        let mut words = seed.chunks_exact(8).map(|b| b.try_into().map_or(0, u64::from_ne_bytes));
        let mut next = || words.next().unwrap_or(0);
        let keys = Keys {
            table: Key(next(), next()),
            numbers: Key(next(), next()),
            cookies: Cookies(Key(next(), next())),
        };
        Arc::new(Tcp {
            keys,
            ports_random: AtomicU32::new(next() as u32),
            env,
            output,
            limits,
            slots: Slots::new(),
            table: Table::new(),
            ports: Mutex::new(Ports::default()),
            time_wait: Mutex::new(TimeWait::new(limits.time_waits)),
            syn: Mutex::new(SynQueue::new()),
            timers: Mutex::new(Deadlines::default()),
            listed: AtomicU32::new(LAST),
            next_wake: AtomicU64::new(NEVER),
            cookies_until: AtomicU64::new(0),
            memory: AtomicUsize::new(0),
            established: AtomicUsize::new(0),
            orphans: AtomicUsize::new(0),
            stats: Stats::default(),
            extended: Extended::default(),
        })
    }

    fn hash(&self, flow: &Flow) -> u64 {
        match flow.short_words() {
            Some(words) => self.keys.table.hash(&words),
            None => self.keys.table.hash(flow.words()),
        }
    }

    /// An initial sequence number (RFC 6528).
    fn initial_number(&self, flow: &Flow, now: u64) -> u32 {
        (self.keys.numbers.hash(flow.words()) as u32).wrapping_add((now >> 6) as u32)
    }

    /// Takes a packet with its IP header, whose upper protocol is TCP: IPv4, or IPv6 without extension headers, not a fragment, for an
    /// own unicast address. Called with no lock held that sending or a notifier's watcher takes.
    pub fn input(&self, packet: &mut Frame, now: u64) {
        self.stats.in_segments.inc();
        let Some(segment) = segment::parse(packet.data()) else { return self.stats.in_errors.inc() };
        let offload = &packet.offload;
        if !offload.checksum_valid
            && offload.partial_checksum.is_none()
            && !segment::checksum_ok(packet.data(), &segment)
        {
            self.stats.in_errors.inc();
            return self.stats.in_checksum_errors.inc();
        }
        let hash = self.hash(&segment.flow);
        match self.table.find(&self.slots, &segment.flow, hash) {
            Some(index) => self.push(index, packet, &segment, now),
            None => self.unmatched(packet.data(), &segment, hash, now),
        }
    }

    /// Gives a packet to its socket: at once if nobody is at it, otherwise by its inbox.
    #[inline]
    fn push(&self, index: u32, packet: &mut Frame, segment: &Segment, now: u64) {
        let Some(slot) = self.slots.get(index) else { return };
        match slot.state.try_lock() {
            Some(state) => self.deliver(index, slot, state, packet.data(), segment, now),
            None => self.queue(index, slot, packet, segment, now),
        }
    }

    /// Puts a packet into a socket's inbox.
    #[cold]
    fn queue(&self, index: u32, slot: &Slot, packet: &mut Frame, segment: &Segment, now: u64) {
        let len = packet.len();
        if slot.inbox_bytes.fetch_add(len, Ordering::Relaxed) + len > slot.inbox_limit.load(Ordering::Relaxed)
        {
            slot.inbox_bytes.fetch_sub(len, Ordering::Relaxed);
            return self.extended.backlog_drops.inc();
        }
        let kept = packet.keep().and_then(|packet| Entry::new((packet, *segment)).ok());
        let Some(entry) = kept else {
            slot.inbox_bytes.fetch_sub(len, Ordering::Relaxed);
            return self.extended.no_memory.inc();
        };
        slot.pending.fetch_add(1, Ordering::SeqCst);
        if slot.inbox.push(entry) {
            slot.pending_since.store(now, Ordering::Relaxed);
        }
        let flags = slot.flags.load(Ordering::SeqCst);
        if flags & ORPHAN != 0 {
            return self.with(index, slot, now, false, |_| ());
        }
        if !slot.listed.swap(true, Ordering::AcqRel) {
            self.list(index, slot);
            self.schedule(now.saturating_add(PATIENCE));
        }
        // An acknowledgement changes nothing that somebody with room enough waits for.
        if !segment.is_pure_ack() || flags & WANTS_ACKS != 0 {
            slot.notifier.notify();
        }
    }

    /// Adds a socket to the worker's list.
    fn list(&self, index: u32, slot: &Slot) {
        let mut first = self.listed.load(Ordering::Relaxed);
        loop {
            slot.next_listed.store(first, Ordering::Relaxed);
            match self.listed.compare_exchange(first, index, Ordering::Release, Ordering::Relaxed) {
                Ok(_) => return,
                Err(now) => first = now,
            }
        }
    }

    /// Asks for a call of [`work`](Self::work).
    fn schedule(&self, deadline: u64) {
        if self.next_wake.fetch_min(deadline, Ordering::Relaxed) > deadline {
            self.env.wake_at(deadline);
        }
    }

    /// A segment that belongs to no connection.
    fn unmatched(&self, packet: &[u8], segment: &Segment, hash: u64, now: u64) {
        let verdict = self.time_wait.lock().segment(segment, hash, now);
        let above = match verdict {
            Verdict::Done => return self.release_ports(),
            Verdict::Answer(plain) => return self.answer(&plain),
            Verdict::Reused(number) => {
                self.release_ports();
                Some(number)
            }
            Verdict::Unknown => None,
        };
        let handled = match segment.flags & (SYN | ACK | RST) {
            SYN => self.synchronize(packet, segment, hash, now, above),
            ACK => self.complete(packet, segment, hash, now),
            _ if segment.flags & RST != 0 => self.embryonic_reset(segment, hash),
            _ => false,
        };
        if !handled {
            self.reset(segment);
        }
    }

    /// Answers a segment that nobody expects.
    fn reset(&self, segment: &Segment) {
        if let Some(plain) = segment::reset_for(segment) {
            self.stats.out_resets.inc();
            self.answer(&plain);
        }
    }

    /// Sends a segment without data.
    fn answer(&self, plain: &Plain) {
        let (local, remote) = (plain.flow.local().ip(), plain.flow.remote().ip());
        let Ok(route) = self.output.route(remote, Some(local), None) else {
            return self.extended.no_routes.inc();
        };
        match segment::build(plain, route.checksum) {
            Some(frame) => self.transmit(&PathHint::new(), &mut frame.into()),
            None => self.extended.no_memory.inc(),
        }
    }

    #[inline]
    fn transmit(&self, hint: &PathHint, frames: &mut Frames) {
        if !frames.is_empty() {
            self.stats.out_segments.add(frames.len() as u64);
            self.output.send(hint, frames);
        }
    }

    /// The IP layer was told that a packet from `local` to `remote` did not arrive. Only an attempt to connect ends by it, if `fatal`;
    /// connections that exist wait for their own timeouts (RFC 5461). Returns whether there is the connection.
    pub fn unreachable(
        &self,
        local: core::net::SocketAddr,
        remote: core::net::SocketAddr,
        error: SocketError,
        now: u64,
    ) -> bool {
        let flow = Flow::new(local, remote);
        let found = self.table.find(&self.slots, &flow, self.hash(&flow));
        let Some((index, slot)) = found.and_then(|index| Some((index, self.slots.get(index)?))) else {
            return false;
        };
        self.with(index, slot, now, true, |state| {
            let connecting = state.connecting;
            if connecting
                && let Some(unit) = state.unit()
                && unit.flow() == flow
            {
                unit.abort();
                (state.aborted, state.error) = (true, Some(error));
            }
        });
        true
    }

    /// A router could not send on a packet from `local` to `remote`, as it takes `mtu` bytes at most. Returns whether there is the
    /// connection, and a packet with this sequence number on its way.
    pub fn too_large(
        &self,
        local: core::net::SocketAddr,
        remote: core::net::SocketAddr,
        seq: u32,
        mtu: u16,
        now: u64,
    ) -> bool {
        let flow = Flow::new(local, remote);
        let Some(index) = self.table.find(&self.slots, &flow, self.hash(&flow)) else { return false };
        let Some(slot) = self.slots.get(index) else { return false };
        self.with(index, slot, now, true, |state| {
            let detached = state.detached;
            state.unit().is_some_and(|unit| !detached && unit.flow() == flow && unit.narrow(seq, mtu))
        })
    }

    /// Takes memory from the account; false if there is not so much.
    fn charge(&self, bytes: usize) -> bool {
        let used = self.memory.fetch_add(bytes, Ordering::Relaxed).saturating_add(bytes);
        if used > self.limits.memory {
            self.memory.fetch_sub(bytes, Ordering::Relaxed);
            self.extended.memory_pressures.inc();
            return false;
        }
        true
    }

    /// Bytes of rings that are charged.
    pub fn memory_used(&self) -> usize {
        self.memory.load(Ordering::Relaxed)
    }

    /// Connections that are established.
    pub fn established_count(&self) -> usize {
        self.established.load(Ordering::Relaxed)
    }

    /// Connections that nobody has any more.
    pub fn orphan_count(&self) -> usize {
        self.orphans.load(Ordering::Relaxed)
    }

    fn uncharge(&self, bytes: usize) {
        self.memory.fetch_sub(bytes, Ordering::Relaxed);
    }

    /// Bytes for rings, receive and send: what was asked for, or what is fair with so much left.
    fn ring_sizes(&self, asked: (Option<u32>, Option<u32>)) -> (usize, usize) {
        let left = self.limits.memory.saturating_sub(self.memory.load(Ordering::Relaxed));
        let fair = (left / 512).clamp(LEAST_RING, RING);
        let most = (left / 4).max(LEAST_RING);
        let size = |asked: Option<u32>| match asked {
            Some(bytes) => (bytes as usize).clamp(LEAST_RING.min(2304), most),
            None => fair,
        };
        (size(asked.0), size(asked.1))
    }

    /// Gives up ports of records in TIME-WAIT that ended.
    fn release_ports(&self) {
        let released = self.time_wait.lock().released();
        if !released.is_empty() {
            let mut ports = self.ports.lock();
            released.into_iter().for_each(|hold: Hold| ports.release(hold));
        }
    }

    fn random(&self) -> u32 {
        let mut bytes = [0; 4];
        self.env.random(&mut bytes);
        u32::from_ne_bytes(bytes) ^ self.ports_random.fetch_add(1, Ordering::Relaxed)
    }
}
