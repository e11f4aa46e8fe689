//! Tests of TCP as a whole: two hosts with a deterministic clock, and a line between them that can lose, repeat, delay and reorder.

mod basic;
mod closing;
mod cost;
mod listen;
mod lossy;
mod many;
mod settings;
mod threads;

use super::*;
use abi::PollEvents;
use fs::socket::{Address, Caller, Control, Family, MessageFlags, NoTree, Shutdown, Socket, Ucred};
use fs::{File, FsError, SliceSink, SliceSource};
use std::collections::{BinaryHeap, VecDeque};
use std::net::{IpAddr, SocketAddr};
use std::sync::Mutex as StdMutex;

pub const ME: Ucred = Ucred { pid: 7, uid: 1000, gid: 9 };
pub const SECOND: u64 = 1_000_000_000;
pub const WOULD_BLOCK: SocketError = SocketError::File(FsError::WouldBlock);

/// The text of the table of connections.
fn table(tcp: &Tcp, v6: bool) -> String {
    let mut out = fs::pseudo::Output::new();
    tcp.table_text(v6, &mut out);
    String::from_utf8(out.finish().unwrap()).unwrap()
}

/// Numbers that look random (splitmix64).
#[derive(Debug)]
pub struct Random(pub u64);

impl Random {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub fn below(&mut self, n: u64) -> u64 {
        self.next() % n
    }
}

pub struct Env {
    clock: Arc<AtomicU64>,
    random: StdMutex<Random>,
    wake: AtomicU64,
}

impl Environment for Env {
    fn now_ns(&self) -> u64 {
        self.clock.load(Ordering::Relaxed)
    }

    fn random(&self, buf: &mut [u8]) {
        let mut random = self.random.lock().unwrap();
        buf.iter_mut().for_each(|byte| *byte = random.next() as u8);
    }

    fn cpu(&self) -> u32 {
        0
    }

    fn wake_at(&self, deadline: u64) {
        self.wake.fetch_min(deadline, Ordering::Relaxed);
    }
}

/// The IP layer of a host: own addresses, and packets that leave.
pub struct Line {
    own: Vec<IpAddr>,
    pub mtu: u16,
    pub checksum: bool,
    pub segmentation: bool,
    out: StdMutex<VecDeque<Frame>>,
}

impl IpOutput for Line {
    fn route(
        &self,
        destination: IpAddr,
        source: Option<IpAddr>,
        _interface: Option<u32>,
    ) -> Result<crate::output::Route, SocketError> {
        let local = self.is_local(destination);
        let fits = |own: &&IpAddr| {
            own.is_ipv4() == destination.is_ipv4() && own.is_loopback() == destination.is_loopback()
        };
        let first = self.own.iter().find(fits).copied();
        let source = match source {
            Some(source) if self.is_local(source) => source,
            Some(_) => return Err(SocketError::AddressNotAvailable),
            None if local => destination,
            None => first.ok_or(SocketError::NetworkUnreachable)?,
        };
        Ok(crate::output::Route {
            source,
            mtu: if local { 65535 } else { self.mtu },
            checksum: local || self.checksum,
            segmentation_v4: !local && self.segmentation,
            interface: 1 + u32::from(!local),
            local,
        })
    }

    fn is_local(&self, address: IpAddr) -> bool {
        address.is_unspecified() || self.own.contains(&address)
    }

    fn send(&self, _hint: &PathHint, packets: &mut Frames) {
        self.out.lock().unwrap().extend(packets.drain(usize::MAX));
    }
}

/// A packet on its way: when it arrives, its number, at which host, its bytes.
type Flight = std::cmp::Reverse<(u64, u64, usize, Vec<u8>)>;

/// Sees a packet that is about to come to a host; false holds it back.
type Tap = Box<dyn FnMut(usize, &Segment, &[u8]) -> bool>;

/// What the line between the hosts does: chances per mille.
#[derive(Clone, Copy, Debug, Default)]
pub struct Faults {
    pub loss: u64,
    pub repeat: u64,
    pub reorder: u64,
    /// Nanoseconds that every packet takes.
    pub delay: u64,
}

pub struct Host {
    pub tcp: Arc<Tcp>,
    pub line: Arc<Line>,
    pub env: Arc<Env>,
}

pub struct World {
    pub clock: Arc<AtomicU64>,
    pub hosts: [Host; 2],
    pub faults: Faults,
    pub random: Random,
    flying: BinaryHeap<Flight>,
    sent: u64,
    /// Packets that came to a host so far.
    pub delivered: u64,
    /// Sees every packet that is about to arrive, and may hold it back.
    pub tap: Option<Tap>,
}

pub const LIMITS: Limits = Limits { memory: 256 << 20, time_waits: 1000 };

impl World {
    pub fn new() -> Self {
        World::with(LIMITS, |_| {})
    }

    pub fn with(limits: Limits, change: impl Fn(&mut Line)) -> Self {
        let clock = Arc::new(AtomicU64::new(SECOND));
        let host = |n: u8| {
            let own =
                [format!("10.0.0.{n}"), format!("fd00::{n}"), "127.0.0.1".to_string(), "::1".to_string()];
            let own = own.iter().map(|a| a.parse().unwrap()).collect();
            let mut line =
                Line { own, mtu: 1500, checksum: false, segmentation: false, out: StdMutex::default() };
            change(&mut line);
            let line = Arc::new(line);
            let env = Arc::new(Env {
                clock: clock.clone(),
                random: StdMutex::new(Random(n.into())),
                wake: AtomicU64::new(u64::MAX),
            });
            Host { tcp: Tcp::new(env.clone(), line.clone(), limits), line, env }
        };
        World {
            hosts: [host(1), host(2)],
            clock,
            faults: Faults::default(),
            random: Random(1),
            flying: BinaryHeap::new(),
            sent: 0,
            delivered: 0,
            tap: None,
        }
    }

    pub fn now(&self) -> u64 {
        self.clock.load(Ordering::Relaxed)
    }

    /// Takes what the hosts have sent onto the line.
    fn collect(&mut self) {
        for from in 0..2 {
            let frames = std::mem::take(&mut *self.hosts[from].line.out.lock().unwrap());
            for frame in frames {
                for packet in cut(frame) {
                    let segment = segment::parse(&packet).expect("a good packet");
                    assert!(segment::checksum_ok(&packet, &segment), "a wrong checksum");
                    assert!(self.hosts[from].line.is_local(segment.flow.remote().ip()));
                    let local = self.hosts[from].line.is_local(segment.flow.local().ip());
                    let limit = if local { 65535 } else { self.hosts[from].line.mtu };
                    assert!(packet.len() <= limit.into(), "larger than the MTU");
                    self.fly(if local { from } else { 1 - from }, local, packet);
                }
            }
        }
    }

    fn fly(&mut self, to: usize, local: bool, packet: Vec<u8>) {
        let Faults { loss, repeat, reorder, delay } = if local { Faults::default() } else { self.faults };
        if loss > 0 && self.random.below(1000) < loss {
            return;
        }
        let times = if repeat > 0 && self.random.below(1000) < repeat { 2 } else { 1 };
        for _ in 0..times {
            let extra = if reorder > 0 && self.random.below(1000) < reorder {
                self.random.below(4 * delay.max(1000))
            } else {
                0
            };
            self.sent += 1;
            self.flying.push(std::cmp::Reverse((self.now() + delay + extra, self.sent, to, packet.clone())));
        }
    }

    /// Delivers what has arrived by now.
    fn deliver(&mut self) -> bool {
        let now = self.now();
        let mut any = false;
        while self.flying.peek().is_some_and(|flight| flight.0.0 <= now) {
            let std::cmp::Reverse((_, _, to, packet)) = self.flying.pop().unwrap();
            any = true;
            let segment = segment::parse(&packet).unwrap();
            if self.tap.as_mut().is_some_and(|tap| !tap(to, &segment, &packet)) {
                continue;
            }
            self.delivered += 1;
            let len = packet.len();
            let mut frame = Frame::from_parts(packet.into(), 0, len, Default::default()).unwrap();
            self.hosts[to].tcp.input(&mut frame, now);
        }
        any
    }

    /// Moves packets until none moves, without time passing.
    pub fn pump(&mut self) {
        loop {
            self.collect();
            if !self.deliver() {
                return;
            }
        }
    }

    /// Lets time pass.
    pub fn pass(&mut self, ns: u64) {
        let end = self.now() + ns;
        assert!(
            end < 2000 * SECOND,
            "something never happens:\n{}{}",
            table(&self.hosts[0].tcp, false),
            table(&self.hosts[1].tcp, true)
        );
        loop {
            self.pump();
            let next = self.hosts.iter().map(|host| host.env.wake.load(Ordering::Relaxed)).min().unwrap();
            let next = self.flying.peek().map_or(next, |flight| next.min(flight.0.0));
            if next > end {
                break;
            }
            self.clock.fetch_max(next, Ordering::Relaxed);
            self.work();
        }
        self.clock.store(end, Ordering::Relaxed);
    }

    /// Lets both workers do what is due.
    pub fn work(&mut self) {
        let now = self.now();
        for host in &self.hosts {
            if host.env.wake.load(Ordering::Relaxed) <= now {
                host.env.wake.store(u64::MAX, Ordering::Relaxed);
                if let Some(at) = host.tcp.work(now) {
                    assert!(at > now, "work that is never done");
                    host.env.wake_at(at);
                }
            }
        }
    }

    pub fn socket(&self, host: usize, family: Family) -> Arc<TcpSocket> {
        self.hosts[host].tcp.socket(family, ME).unwrap()
    }

    pub fn listener(&self, host: usize, at: &str, backlog: i32) -> Arc<TcpSocket> {
        let socket = self.socket(host, family(at));
        bind(&socket, at).unwrap();
        listen(&socket, backlog).unwrap();
        socket
    }

    /// Begins to connect.
    pub fn connect(&self, host: usize, to: &str) -> Arc<TcpSocket> {
        let socket = self.socket(host, family(to));
        assert_eq!(connect(&socket, to), Err(SocketError::InProgress));
        socket
    }

    /// Two connected sockets: of host 0, which connected, and of host 1.
    pub fn pair(&mut self) -> (Arc<TcpSocket>, Arc<TcpSocket>) {
        self.pair_at("10.0.0.2:80")
    }

    pub fn pair_at(&mut self, at: &str) -> (Arc<TcpSocket>, Arc<TcpSocket>) {
        let listener = self.listener(1, at, 10);
        self.pair_of(&listener, at)
    }

    pub fn pair_of(&mut self, listener: &Arc<TcpSocket>, at: &str) -> (Arc<TcpSocket>, Arc<TcpSocket>) {
        let client = self.connect(0, at);
        self.settle(&[&client]);
        self.pump();
        let (server, peer) = accept(listener).unwrap();
        assert_eq!(client.local_address().unwrap(), peer);
        assert_eq!(connect(&client, at), Ok(()));
        (client, server)
    }

    /// Moves packets, with all of `sockets` being looked at, until none moves.
    pub fn settle(&mut self, sockets: &[&TcpSocket]) {
        loop {
            self.pump();
            let before = self.delivered;
            sockets.iter().for_each(|socket| {
                socket.readiness();
            });
            self.pump();
            if self.delivered == before {
                return;
            }
        }
    }
}

/// The packets that a card makes of a frame: cut to segments, with whole checksums.
fn cut(frame: Frame) -> Vec<Vec<u8>> {
    let mut packet = frame.data().to_vec();
    let segment = segment::parse(&packet).expect("a good packet");
    let headers = segment.at + segment.header_len;
    assert!(frame.headroom() >= crate::frame::HEADROOM, "no room for lower headers");
    let Some((at, offset)) = frame.offload.partial_checksum else {
        assert_eq!(frame.offload.segment_size, None);
        return vec![packet];
    };
    assert_eq!((usize::from(at), offset), (segment.at, 16));
    let size = frame.offload.segment_size.map_or(segment.payload.max(1), usize::from);
    let payload = packet.split_off(headers);
    let pieces: Vec<&[u8]> = if payload.is_empty() { vec![&[]] } else { payload.chunks(size).collect() };
    let (count, mut out) = (pieces.len(), Vec::new());
    for (n, piece) in pieces.into_iter().enumerate() {
        let mut bytes = [&packet[..], piece].concat();
        let total = bytes.len();
        let seq = segment.seq.wrapping_add((n * size) as u32);
        bytes[segment.at + 4..segment.at + 8].copy_from_slice(&seq.to_be_bytes());
        if n + 1 < count {
            bytes[segment.at + 13] &= !(segment::FIN | 8);
        }
        if bytes[0] >> 4 == 4 {
            bytes[2..4].copy_from_slice(&(total as u16).to_be_bytes());
            bytes[10..12].fill(0);
        } else {
            bytes[4..6].copy_from_slice(&((total - 40) as u16).to_be_bytes());
        }
        bytes[segment.at + 16..segment.at + 18].fill(0);
        let mut whole = Frame::from_parts(bytes.into(), 0, total, Default::default()).unwrap();
        segment::fill_checksums(&mut whole, segment.at, false);
        out.push(whole.data().to_vec());
    }
    out
}

pub fn family(address: &str) -> Family {
    if address.starts_with('[') { Family::Inet6 } else { Family::Inet }
}

pub fn address(text: &str) -> Address {
    Address::Ip(text.parse::<SocketAddr>().unwrap())
}

pub fn with<T>(operation: impl FnOnce(&Caller<'_>) -> T) -> T {
    operation(&Caller { credentials: ME, capable: &|_| true, tree: &NoTree })
}

pub fn bind(socket: &TcpSocket, at: &str) -> Result<(), SocketError> {
    with(|caller| socket.bind(&address(at), caller))
}

pub fn listen(socket: &TcpSocket, backlog: i32) -> Result<(), SocketError> {
    with(|caller| socket.listen(backlog, caller))
}

pub fn connect(socket: &TcpSocket, to: &str) -> Result<(), SocketError> {
    with(|caller| Socket::connect(socket, &address(to), caller))
}

pub fn accept(socket: &TcpSocket) -> Result<(Arc<TcpSocket>, Address), SocketError> {
    socket.accept_one()
}

pub fn send_with(socket: &TcpSocket, bytes: &[u8], flags: MessageFlags) -> Result<usize, SocketError> {
    with(|caller| Socket::send(socket, &mut SliceSource::new(bytes), None, Control::default(), flags, caller))
}

pub fn send(socket: &TcpSocket, bytes: &[u8]) -> Result<usize, SocketError> {
    send_with(socket, bytes, MessageFlags::default())
}

pub fn receive_with(socket: &TcpSocket, len: usize, flags: MessageFlags) -> Result<Vec<u8>, SocketError> {
    let mut bytes = vec![0; len];
    let received = Socket::receive(socket, &mut SliceSink::new(&mut bytes), flags)?;
    bytes.truncate(received.bytes);
    Ok(bytes)
}

pub fn receive(socket: &TcpSocket, len: usize) -> Result<Vec<u8>, SocketError> {
    receive_with(socket, len, MessageFlags::default())
}

pub fn set(socket: &TcpSocket, level: i32, name: u32, value: i32) -> Result<(), SocketError> {
    with(|caller| Socket::set_option(socket, level, name as i32, &value.to_ne_bytes(), caller))
}

pub fn shut(socket: &TcpSocket, how: Shutdown) -> Result<(), SocketError> {
    Socket::shutdown(socket, how)
}

/// The events that matter, as letters: i(n) o(ut) r(dhup) h(up) e(rr).
pub fn events(socket: &TcpSocket) -> String {
    let events = socket.readiness();
    let all = [
        (PollEvents::IN, 'i'),
        (PollEvents::OUT, 'o'),
        (PollEvents::RDHUP, 'r'),
        (PollEvents::HUP, 'h'),
        (PollEvents::ERR, 'e'),
    ];
    all.into_iter().filter(|(event, _)| events.contains(*event)).map(|(_, letter)| letter).collect()
}
