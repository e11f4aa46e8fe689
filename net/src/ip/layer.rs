//! [`IpLayer`]: interfaces, addresses and tables of the IP layer, and [`Pass`], one run of packets through it.
//!
//! Called by the kernel (`poll` when a card has frames, `work` at the time that was asked for) and by sockets. Whoever calls
//! gets a [`Pass`]: it has one consistent configuration, collects what is to be sent, and sends it when it ends, with no lock held
//! but the card's own. Packets to own addresses are handled by the same pass, in a queue, never by recursion.
//!
//! Locks: `changing` is held while the configuration is replaced, copy by copy. Apart from that none is held while another is taken,
//! and none while packets are sent: one each for neighbours, fragments, path MTUs, DHCP and the rest of the automatic configuration,
//! one per bucket of the socket tables.

use crate::device::{Environment, NetworkCard};
use crate::frame::{Frame, Frames};
use crate::ip::address::Mac;
use crate::ip::autoconf::Autoconf;
use crate::ip::config::Config;
use crate::ip::ether;
use crate::ip::fragment::Fragments;
use crate::ip::icmp::RateLimit;
use crate::ip::input::Segments;
use crate::ip::interface::{Interface, Net};
use crate::ip::neighbour::{Claim, Due, Key, Neighbours};
use crate::ip::pathmtu::PathMtus;
use crate::ip::stats::Stats;
use crate::{ip::dhcp, ip::ping, udp};
use alloc::collections::VecDeque;
use alloc::{format, sync::Arc, vec, vec::Vec};
use core::net::IpAddr;
use core::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use sync::{Mutex, SetOnce};

/// Frames that wait for room in a card's queue.
const MAX_BACKLOG: usize = 512;

/// Copies of the configuration; CPUs share them when there are more.
const COPIES: usize = 16;

/// The IP layer of this machine.
pub struct IpLayer {
    pub(crate) env: Arc<dyn Environment>,
    /// The configuration, several times: CPUs that look at it do not share a lock, nor a count of references.
    nets: Vec<Mutex<Arc<Net>>>,
    /// Held by who changes it.
    changing: Mutex<()>,
    pub(crate) neighbours: Mutex<Neighbours>,
    pub(crate) fragments: Mutex<Fragments>,
    pub(crate) path_mtus: Mutex<PathMtus>,
    pub(crate) autoconf: Mutex<Autoconf>,
    pub(crate) dhcp: Mutex<Option<dhcp::Client>>,
    /// The first lease is in the configuration.
    pub(crate) leased: AtomicBool,
    pub(crate) icmp_limit: Mutex<RateLimit>,
    pub(crate) udp: udp::Table,
    pub(crate) ping: ping::Table,
    pub(crate) tcp: SetOnce<Arc<dyn Segments>>,
    /// Per CPU: packets of connections to own addresses.
    pub(crate) loopback: Vec<crate::ip::loopback::Queue>,
    backlog: Mutex<Vec<(u32, Frames)>>,
    pub(crate) ident: AtomicU32,
    /// Changes whenever what a [`PathHint`](crate::output::PathHint) remembers may be wrong.
    pub(crate) generation: AtomicU32,
    /// The wake-up that the kernel was asked for.
    next_wake: AtomicU64,
    /// What happened to packets.
    pub stats: Stats,
}

impl IpLayer {
    /// A stack over `cards`, the first of which is configured as `config` says; the others get link-local addresses.
    pub fn new(env: Arc<dyn Environment>, cards: Vec<Arc<dyn NetworkCard>>, config: &Config) -> Arc<Self> {
        let mut net = Net { interfaces: vec![Interface::loopback()], hop_limit: 64, ..Net::default() };
        for (n, card) in (0u32..64).zip(cards) {
            net.interfaces.push(Interface::card(n + 2, format!("eth{n}"), card));
        }
        net.dns = config.dns.clone();
        let mut seed = [0; 24];
        env.random(&mut seed);
        let [a, b, c] = [0, 8, 16].map(|at| crate::ip::wire::bytes(&seed, at).map_or(0, u64::from_ne_bytes));
        let stack = Arc::new(IpLayer {
            nets: (0..COPIES).map(|_| Mutex::new(Arc::new(net.clone()))).collect(),
            changing: Mutex::new(()),
            neighbours: Mutex::new(Neighbours::new()),
            fragments: Mutex::new(Fragments::new()),
            path_mtus: Mutex::new(PathMtus::new()),
            autoconf: Mutex::new(Autoconf::new(!config.dns.is_empty())),
            dhcp: Mutex::new(None),
            leased: AtomicBool::new(false),
            icmp_limit: Mutex::new(RateLimit::new()),
            udp: udp::Table::new(a),
            ping: ping::Table::new(b),
            tcp: SetOnce::new(),
            loopback: crate::ip::loopback::queues(),
            backlog: Mutex::new(Vec::new()),
            ident: AtomicU32::new(c as u32),
            generation: AtomicU32::new(1),
            next_wake: AtomicU64::new(u64::MAX),
            stats: Stats::default(),
            env,
        });
        let mut pass = stack.pass();
        pass.configure(config);
        pass.finish();
        stack
    }

    /// Brings TCP; once.
    pub fn set_tcp(&self, tcp: Arc<dyn Segments>) {
        // A second one is refused; the first stays.
        let _ = self.tcp.set(tcp);
    }

    /// The configuration as it is now.
    pub fn net(&self) -> Arc<Net> {
        let copy = self.nets.get(self.env.cpu() as usize % COPIES);
        copy.map(|net| net.lock().clone()).unwrap_or_default()
    }

    /// Replaces the configuration by what `change` makes of it.
    pub(crate) fn update<R>(&self, change: impl FnOnce(&mut Net) -> R) -> (Arc<Net>, R) {
        let changing = self.changing.lock();
        let mut net = (*self.net()).clone();
        let result = change(&mut net);
        net.note();
        for copy in &self.nets {
            let old = core::mem::replace(&mut *copy.lock(), Arc::new(net.clone()));
            drop(old);
        }
        drop(changing);
        self.outdate_hints();
        (Arc::new(net), result)
    }

    pub(crate) fn outdate_hints(&self) {
        self.generation.fetch_add(1, Ordering::Relaxed);
    }

    /// Begins a pass at the current time.
    pub(crate) fn pass(&self) -> Pass<'_> {
        self.pass_at(self.env.now_ns())
    }

    fn pass_at(&self, now: u64) -> Pass<'_> {
        Pass {
            layer: self,
            net: self.net(),
            now,
            out: Frames::new(),
            out_index: 0,
            local: VecDeque::new(),
            inside: false,
        }
    }

    /// Handles up to `budget` frames of each card, of the queue that belongs to `cpu`. Returns how many there were.
    pub fn poll(&self, now: u64, cpu: u32, budget: usize) -> usize {
        let mut pass = self.pass_at(now);
        let net = pass.net.clone();
        let mut count = 0;
        for interface in &net.interfaces {
            let Some(card) = &interface.card else { continue };
            let queue = queue_of(interface, cpu);
            count += card.receive(queue, budget, &mut |frame| pass.card_input(interface, frame));
            self.send_backlog(interface, queue);
        }
        pass.finish();
        count
    }

    /// Does what time brings: retransmissions, renewals, expiry. Returns when it wants to be called again.
    pub fn work(&self, now: u64) -> Option<u64> {
        self.next_wake.store(u64::MAX, Ordering::Relaxed);
        let mut pass = self.pass_at(now);
        pass.neighbours_work();
        pass.fragments_work();
        pass.autoconf_work();
        pass.dhcp_work();
        pass.finish();
        let tcp = self.tcp.get().and_then(|tcp| tcp.work(now));
        self.schedule_some(tcp);
        let next = self.next_wake.load(Ordering::Relaxed);
        (next != u64::MAX).then_some(next)
    }

    /// When [`work`](Self::work) wants to be called.
    pub fn next_deadline(&self) -> Option<u64> {
        let next = self.next_wake.load(Ordering::Relaxed);
        (next != u64::MAX).then_some(next)
    }

    /// Whether the addresses that were asked for are in use, and all that came with them. Fixed ones are from the start.
    pub fn is_configured(&self) -> bool {
        self.leased.load(Ordering::Acquire) || self.dhcp.lock().is_none()
    }

    /// Asks for a call of [`work`](Self::work) at `deadline`.
    pub(crate) fn schedule(&self, deadline: u64) {
        if self.next_wake.fetch_min(deadline, Ordering::Relaxed) > deadline {
            self.env.wake_at(deadline);
        }
    }

    pub(crate) fn schedule_some(&self, deadline: Option<u64>) {
        if let Some(deadline) = deadline {
            self.schedule(deadline);
        }
    }

    /// Sends `frames`, which have their Ethernet header.
    pub(crate) fn transmit(&self, interface: &Interface, frames: &mut Frames) {
        let Some(card) = interface.card.as_ref().filter(|card| card.link_up()) else {
            self.stats.drops.link_down.add(frames.len() as u64);
            interface.stats.tx_dropped.add(frames.len() as u64);
            return frames.clear();
        };
        let stats = &interface.stats;
        stats.tx_packets.add(frames.len() as u64);
        stats.tx_bytes.add(frames.bytes());
        card.transmit(queue_of(interface, self.env.cpu()), frames);
        if frames.is_empty() {
            return;
        }
        let mut backlog = self.backlog.lock();
        let known = backlog.iter().position(|(index, _)| *index == interface.index);
        let at = known.unwrap_or_else(|| {
            backlog.push((interface.index, Frames::new()));
            backlog.len() - 1
        });
        let Some((_, queue)) = backlog.get_mut(at) else { return };
        let room = MAX_BACKLOG.saturating_sub(queue.len());
        let dropped = frames.len().saturating_sub(room);
        queue.extend(frames.drain(room));
        drop(backlog);
        stats.tx_packets.take_back(dropped as u64);
        stats.tx_bytes.take_back(frames.bytes());
        frames.clear();
        stats.tx_dropped.add(dropped as u64);
        self.stats.drops.transmit_queue.add(dropped as u64);
    }

    /// Whether the cards have taken all frames. If not, their interrupts tell when to look again.
    pub fn sent_all(&self) -> bool {
        let waiting = self.backlog.lock().iter().any(|(_, frames)| !frames.is_empty());
        !waiting && self.net().interfaces.iter().filter_map(|i| i.card.as_ref()).all(|card| card.sent_all())
    }

    /// Tries again to send what there was no room for.
    fn send_backlog(&self, interface: &Interface, queue: u16) {
        let Some(card) = &interface.card else { return };
        let mut frames = {
            let mut backlog = self.backlog.lock();
            match backlog.iter_mut().find(|(index, _)| *index == interface.index) {
                Some((_, frames)) if !frames.is_empty() => core::mem::take(frames),
                _ => return,
            }
        };
        card.transmit(queue, &mut frames);
        if !frames.is_empty()
            && let Some((_, newer)) =
                self.backlog.lock().iter_mut().find(|(index, _)| *index == interface.index)
        {
            // Newer ones stay behind older ones; the bound may be passed by what others added meanwhile, which it bounds too.
            frames.append(newer);
            *newer = frames;
        }
    }
}

/// The queue of a card that a CPU uses.
fn queue_of(interface: &Interface, cpu: u32) -> u16 {
    (cpu % u32::from(interface.info.queues.max(1))) as u16
}

/// One run through the stack.
pub struct Pass<'a> {
    /// The stack.
    pub layer: &'a IpLayer,
    /// The configuration; does not change during a pass but by the pass itself.
    pub net: Arc<Net>,
    /// The time, monotonic nanoseconds.
    pub now: u64,
    out: Frames,
    out_index: u32,
    /// IP packets for this host, and the interface that they seem to come from.
    pub(crate) local: VecDeque<(u32, Frame)>,
    /// The packet that is handled never left this host.
    pub(crate) inside: bool,
}

impl Pass<'_> {
    /// Changes the configuration.
    pub fn update<R>(&mut self, change: impl FnOnce(&mut Net) -> R) -> R {
        let (net, result) = self.layer.update(change);
        self.net = net;
        result
    }

    /// Sends a frame without Ethernet header to a station.
    pub fn link_send(&mut self, index: u32, source: Mac, to: Mac, kind: u16, mut frame: Frame) {
        if !(ether::Header { destination: to, source, kind }).push(&mut frame) {
            return self.layer.stats.drops.no_memory.inc();
        }
        if self.out_index != index {
            self.flush();
            self.out_index = index;
        }
        self.out.push_back(frame);
    }

    fn flush(&mut self) {
        if self.out.is_empty() {
            return;
        }
        match self.net.interface(self.out_index) {
            Some(interface) => self.layer.transmit(interface, &mut self.out),
            None => {
                self.layer.stats.drops.link_down.add(self.out.len() as u64);
                self.out.clear();
            }
        }
    }

    /// Handles packets for this host and sends the others.
    pub fn finish(mut self) {
        self.inside = true;
        while let Some((index, mut frame)) = self.local.pop_front() {
            self.ip_input(index, &mut frame, false);
        }
        self.flush();
    }

    /// A frame that came on a card.
    fn card_input(&mut self, interface: &Interface, frame: &mut Frame) {
        let drops = &self.layer.stats.drops;
        interface.stats.rx_packets.inc();
        interface.stats.rx_bytes.add(frame.len() as u64);
        let Some(header) = ether::Header::parse(frame.data()) else {
            interface.stats.rx_dropped.inc();
            return drops.short_frames.inc();
        };
        if header.is_group() && !header.is_broadcast() {
            interface.stats.rx_multicast.inc();
        }
        if !header.is_for(interface.mac) || header.source == interface.mac {
            return drops.other_station.inc();
        }
        frame.pop_front(ether::HEADER_LEN);
        match header.kind {
            ether::ARP => self.arp_input(interface, frame),
            ether::IPV4 | ether::IPV6 => self.ip_input(interface.index, frame, header.is_group()),
            _ => {
                interface.stats.rx_dropped.inc();
                drops.unknown_types.inc();
            }
        }
    }

    /// The station `key` has the address `mac`: sends what waited for that.
    pub fn learned(&mut self, key: Key, mac: Mac, claim: Claim) {
        let (waiting, next) = {
            let mut table = self.layer.neighbours.lock();
            (table.learn(key, mac, claim, self.now), table.next_deadline())
        };
        self.layer.outdate_hints();
        self.layer.schedule_some(next);
        let Some(source) = self.net.interface(key.0).map(|i| i.mac) else {
            return self.layer.stats.drops.neighbour_failed.add(waiting.len() as u64);
        };
        for frame in waiting {
            self.link_send(key.0, source, mac, ip_type(key.1), frame);
        }
    }

    /// Asks who has the address `key`.
    pub(crate) fn ask(&mut self, key: Key, to: Option<Mac>) {
        let net = self.net.clone();
        let Some(interface) = net.interface(key.0) else { return };
        match key.1 {
            IpAddr::V4(target) => self.arp_ask(interface, target, to),
            IpAddr::V6(target) => self.nd_solicit(interface, target, to),
        }
    }

    fn neighbours_work(&mut self) {
        let (due, next) = {
            let mut table = self.layer.neighbours.lock();
            let before = table.next_deadline();
            let due = table.work(self.now);
            if before.is_some_and(|before| before <= self.now) {
                self.layer.outdate_hints();
            }
            (due, table.next_deadline())
        };
        self.layer.schedule_some(next);
        for event in due {
            match event {
                Due::Ask(key) => self.ask(key, None),
                Due::Probe(key, mac) => self.ask(key, Some(mac)),
                Due::Failed(frames) => {
                    self.layer.stats.drops.neighbour_failed.add(frames.len() as u64);
                    frames.into_iter().for_each(|frame| self.unresolved(frame));
                }
            }
        }
    }
}

/// The Ethernet type of packets to an address.
pub fn ip_type(address: IpAddr) -> u16 {
    if address.is_ipv4() { ether::IPV4 } else { ether::IPV6 }
}
