//! Packets of connections to own addresses: [`IpOutput`] for TCP, and the queues that bring its local packets back.
//!
//! TCP calls `send` with none of its locks held. A local packet goes into the queue of the running CPU; whoever finds no one
//! draining that queue drains it, in a loop, so input never nests in input. A drainer on a paused CPU delays only packets that
//! were sent on the same CPU.

use crate::frame::{Frame, Frames};
use crate::ip::address;
use crate::ip::ether;
use crate::ip::interface::{Cast, LOOPBACK};
use crate::ip::layer::{IpLayer, Pass};
use crate::ip::stats::FamilyStats;
use crate::output::{IpOutput, PathHint, Route};
use alloc::collections::VecDeque;
use alloc::vec::Vec;
use core::net::IpAddr;
use core::sync::atomic::{AtomicBool, Ordering};
use fs::FsError;
use fs::socket::SocketError;
use mm::user::UserMemory;
use smoltcp::wire::{Ipv4Packet, Ipv6Packet};
use sync::Mutex;

/// Queues; CPUs share them when there are more.
const QUEUES: usize = 64;
/// Packets in one queue: what a sender sends while its own queue is drained by somebody else.
const MAX_QUEUED: usize = 16384;
/// Bits of a hint that hold the generation, and the interface.
const GENERATION_BITS: u32 = 12;
const INTERFACE_BITS: u32 = 4;

/// Local packets of one CPU.
#[derive(Default)]
pub struct Queue {
    packets: Mutex<VecDeque<Frame>>,
    draining: AtomicBool,
}

/// All queues, empty.
pub fn queues() -> Vec<Queue> {
    (0..QUEUES).map(|_| Queue::default()).collect()
}

/// Source and destination of an IP packet; `None` if it is none.
pub fn ends(packet: &[u8]) -> Option<(IpAddr, IpAddr)> {
    match packet.first()? >> 4 {
        4 => {
            let header = Ipv4Packet::new_checked(packet).ok()?;
            Some((header.src_addr().into(), header.dst_addr().into()))
        }
        6 => {
            let header = Ipv6Packet::new_checked(packet).ok()?;
            Some((header.src_addr().into(), header.dst_addr().into()))
        }
        _ => None,
    }
}

impl IpLayer {
    fn hint_of(&self, interface: u32, mac: address::Mac, generation: u32) -> u64 {
        let [a, b, c, d, e, f] = mac;
        let mac = u64::from_be_bytes([0, 0, a, b, c, d, e, f]);
        if interface >= 1 << INTERFACE_BITS {
            return 0;
        }
        let generation = u64::from(generation) & ((1 << GENERATION_BITS) - 1);
        mac << 16 | generation << INTERFACE_BITS | u64::from(interface)
    }

    /// The interface and station that a hint remembers, if that still holds.
    fn remembered(&self, hint: u64) -> Option<(u32, address::Mac)> {
        let interface = (hint & ((1 << INTERFACE_BITS) - 1)) as u32;
        let mask = (1 << GENERATION_BITS) - 1;
        let generation = (hint >> INTERFACE_BITS) as u32 & mask;
        let current = self.generation.load(Ordering::Relaxed) & mask;
        let [_, _, a, b, c, d, e, f] = (hint >> 16).to_be_bytes();
        (hint != 0 && generation == current).then_some((interface, [a, b, c, d, e, f]))
    }

    /// Counts packets that sockets send.
    #[inline]
    fn count_requests(&self, v6: bool, packets: &Frames) -> &FamilyStats {
        let stats = self.stats.family(v6);
        stats.ip.out_requests.add(packets.len() as u64);
        stats.ext.out_octets.add(packets.bytes());
        stats
    }

    /// Sends packets to the station that `hint` remembers; false if it remembers none.
    fn send_remembered(&self, hint: &PathHint, packets: &mut Frames) -> bool {
        let Some((index, mac)) = self.remembered(hint.get()) else { return false };
        let net = self.net();
        let Some(interface) = net.interface(index) else { return false };
        let v6 = packets.front().and_then(|frame| frame.data().first()).is_some_and(|byte| byte >> 4 == 6);
        let stats = self.count_requests(v6, packets);
        stats.ip.out_transmits.add(packets.len() as u64);
        let kind = if v6 { ether::IPV6 } else { ether::IPV4 };
        let header = ether::Header { destination: mac, source: interface.mac, kind };
        if packets.iter_mut().all(|frame| header.push(frame)) {
            self.transmit(interface, packets);
        } else {
            // Packets come with room for the header.
            self.stats.drops.no_memory.add(packets.len() as u64);
            packets.clear();
        }
        true
    }

    /// Queues packets to own addresses, and handles them unless somebody does.
    fn send_local(&self, packets: &mut Frames) {
        let at = self.env.cpu() as usize % QUEUES;
        let Some(queue) = self.loopback.get(at) else { return };
        let dropped = {
            let mut waiting = queue.packets.lock();
            let room = MAX_QUEUED.saturating_sub(waiting.len());
            let dropped = packets.len().saturating_sub(room);
            waiting.extend(packets.drain(room));
            packets.clear();
            dropped
        };
        self.stats.drops.transmit_queue.add(dropped as u64);
        // SeqCst: who has queued and finds somebody draining is seen by that one's last look (below).
        while !queue.draining.swap(true, Ordering::SeqCst) {
            loop {
                let batch = core::mem::take(&mut *queue.packets.lock());
                if batch.is_empty() {
                    break;
                }
                let mut pass = self.pass();
                pass.local.extend(batch.into_iter().map(|frame| (LOOPBACK, frame)));
                pass.finish();
            }
            queue.draining.store(false, Ordering::SeqCst);
            if queue.packets.lock().is_empty() {
                break;
            }
        }
    }
}

impl IpOutput for IpLayer {
    fn route(
        &self,
        destination: IpAddr,
        source: Option<IpAddr>,
        interface: Option<u32>,
    ) -> Result<Route, SocketError> {
        let net = self.net();
        if source.is_some_and(|s| !s.is_unspecified() && !net.is_local(s)) {
            return Err(SocketError::AddressNotAvailable);
        }
        let path = net.path(destination, source, interface)?;
        if path.cast != Cast::Unicast {
            return Err(SocketError::NetworkUnreachable);
        }
        let out = net.interface(path.interface).ok_or(SocketError::NetworkUnreachable)?;
        let mtu = self.path_mtus.lock().limit(path.destination, path.mtu, self.env.now_ns());
        Ok(Route {
            source: path.source,
            mtu,
            checksum: out.info.checksum,
            segmentation_v4: out.info.segmentation_v4,
            interface: path.interface,
            local: path.is_local(),
        })
    }

    fn is_local(&self, address: IpAddr) -> bool {
        self.net().is_local(address)
    }

    fn interface(&self, name: &[u8]) -> Option<u32> {
        self.net().named(name).map(|i| i.index)
    }

    fn ioctl(&self, request: u32, arg: u64, memory: &dyn UserMemory) -> Result<u64, FsError> {
        crate::ip::ioctl::ioctl(self, request, arg, memory)
    }

    fn send(&self, hint: &PathHint, packets: &mut Frames) {
        if self.send_remembered(hint, packets) {
            return;
        }
        let Some((source, destination)) = packets.front().and_then(|frame| ends(frame.data())) else {
            self.stats.v4.ip.out_discards.add(packets.len() as u64);
            packets.clear();
            return;
        };
        let stats = self.count_requests(destination.is_ipv6(), packets);
        let generation = self.generation.load(Ordering::Relaxed);
        let mut pass = self.pass();
        match pass.net.path(destination, Some(source), None) {
            Ok(path) if path.is_local() => {
                pass.finish();
                self.send_local(packets);
            }
            Ok(path) => {
                if let Some(mac) = self.neighbours.lock().known((path.interface, path.next_hop)) {
                    hint.set(self.hint_of(path.interface, mac, generation));
                }
                packets.drain(usize::MAX).for_each(|frame| pass.emit(&path, frame));
                pass.finish();
            }
            Err(_) => {
                stats.ip.out_no_routes.add(packets.len() as u64);
                packets.clear();
            }
        }
    }
}

impl Pass<'_> {
    /// Sends an IP packet whose header is complete.
    pub(crate) fn emit(&mut self, path: &crate::ip::route::Path, frame: Frame) {
        let stats = self.layer.stats.family(path.destination.is_ipv6());
        if path.is_local() {
            stats.ip.out_transmits.inc();
            return self.local.push_back((LOOPBACK, frame));
        }
        let Some(own) = self.net.interface(path.interface).map(|i| i.mac) else {
            // The way there has gone since it was looked up.
            return stats.ip.out_no_routes.inc();
        };
        stats.ip.out_transmits.inc();
        let kind = crate::ip::layer::ip_type(path.destination);
        match path.cast {
            Cast::Multicast => {
                stats.ext.out_multicast.inc();
                self.link_send(path.interface, own, address::multicast_mac(path.destination), kind, frame);
            }
            Cast::Broadcast => {
                stats.ext.out_broadcast.inc();
                self.link_send(path.interface, own, address::BROADCAST_MAC, kind, frame);
            }
            Cast::Unicast => self.emit_to_neighbour(path, own, kind, frame),
        }
    }

    fn emit_to_neighbour(
        &mut self,
        path: &crate::ip::route::Path,
        own: address::Mac,
        kind: u16,
        frame: Frame,
    ) {
        use crate::ip::neighbour::Resolution;
        let key = (path.interface, path.next_hop);
        let (resolution, next) = {
            let mut table = self.layer.neighbours.lock();
            (table.resolve(key, frame, self.now), table.next_deadline())
        };
        self.layer.schedule_some(next);
        let drops = &self.layer.stats.drops;
        match resolution {
            Resolution::Send(mac, frame) => self.link_send(path.interface, own, mac, kind, frame),
            Resolution::Queued { ask, dropped } => {
                drops.neighbour_queue.add(dropped.into());
                if ask {
                    self.ask(key, None);
                }
            }
            Resolution::Unreachable(frame) => {
                drops.neighbour_failed.inc();
                self.unresolved(frame);
            }
            Resolution::NoRoom => drops.neighbour_table.inc(),
        }
    }
}
