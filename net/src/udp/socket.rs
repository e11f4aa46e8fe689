//! [`UdpSocket`]: a socket for datagrams of UDP or ICMP echoes; what it is bound to, connected with, and has received.

use super::HEADER_LEN;
use super::options::IpOptions;
use super::table::{Binding, Table};
use crate::device::Transport;
use crate::frame::Frame;
use crate::ip::address;
use crate::ip::icmp::ErrorReport;
use crate::ip::input::{Arrival, protocol};
use crate::ip::interface::Cast;
use crate::ip::layer::IpLayer;
use crate::ip::send::{Fragmentation, HeaderChoice, TRANSPORT_ROOM};
use crate::ip::wire;
use crate::options::SocketOptions;
use alloc::collections::VecDeque;
use alloc::sync::{Arc, Weak};
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use core::sync::atomic::{AtomicU64, Ordering};
use fs::notify::Notifier;
use fs::socket::{
    Address, Caller, Control, Family, Kind, MessageFlags, OptionValue, PacketInfo, Received, SocketError,
    Ucred,
};
use fs::{FsError, Sink, Source};
use sync::Mutex;

/// CAP_NET_BIND_SERVICE.
const CAP_NET_BIND_SERVICE: u32 = 10;
/// What a datagram costs of the receive buffer beside its memory.
const OVERHEAD: usize = 256;
/// Largest payload over IPv4.
const MAX_V4: usize = 65507;

/// What the socket speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// Datagrams with ports.
    Udp,
    /// Echo requests, whose identifier is the port.
    Ping,
}

/// What became of a datagram that was offered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Offer {
    /// It waits to be received.
    Taken,
    /// There was no room.
    Full,
}

/// A datagram that came.
struct Datagram {
    payload: Frame,
    from: SocketAddr,
    arrival: Arrival,
    time: Option<u64>,
}

impl Datagram {
    fn cost(&self) -> usize {
        self.payload.capacity() + OVERHEAD
    }
}

#[derive(Default)]
struct Queue {
    datagrams: VecDeque<Arc<Datagram>>,
    cost: usize,
    dropped: u32,
}

#[derive(Default)]
struct State {
    /// Own address and port, once bound.
    local: Option<SocketAddr>,
    /// The program chose the address, not connect(2).
    chosen: bool,
    /// It chose the port.
    port_chosen: bool,
    peer: Option<SocketAddr>,
    error: Option<SocketError>,
    no_receive: bool,
    no_send: bool,
    ip: IpOptions,
}

/// A socket.
pub struct UdpSocket {
    me: Weak<UdpSocket>,
    layer: Arc<IpLayer>,
    protocol: Protocol,
    pub(super) options: SocketOptions,
    /// Number of the socket, and of its node.
    pub(super) id: u64,
    pub(super) creator: Ucred,
    state: Mutex<State>,
    queue: Mutex<Queue>,
    pub(super) notifier: Notifier,
}

fn file(error: FsError) -> SocketError {
    SocketError::File(error)
}

/// An IPv4 address in IPv6's clothes as what it is.
fn plain(address: SocketAddr) -> SocketAddr {
    SocketAddr::new(address.ip().to_canonical(), address.port())
}

impl UdpSocket {
    /// A socket of the family Inet or Inet6.
    pub fn new(layer: &Arc<IpLayer>, family: Family, protocol: Protocol, creator: Ucred) -> Arc<Self> {
        static NUMBERS: AtomicU64 = AtomicU64::new(1 << 32);
        let v6 = family == Family::Inet6;
        let number = match protocol {
            Protocol::Udp => protocol::UDP,
            Protocol::Ping if v6 => protocol::ICMPV6,
            Protocol::Ping => protocol::ICMP,
        };
        Arc::new_cyclic(|me| UdpSocket {
            me: me.clone(),
            layer: layer.clone(),
            protocol,
            options: SocketOptions::new(family, Kind::Datagram, number.into()),
            id: NUMBERS.fetch_add(1, Ordering::Relaxed),
            creator,
            state: Mutex::default(),
            queue: Mutex::default(),
            notifier: Notifier::new(),
        })
    }

    pub(super) fn layer(&self) -> &Arc<IpLayer> {
        &self.layer
    }

    pub(crate) fn is_v6(&self) -> bool {
        self.options.family() == Family::Inet6
    }

    fn table(&self) -> &Table {
        match self.protocol {
            Protocol::Udp => &self.layer.udp,
            Protocol::Ping => &self.layer.ping,
        }
    }

    /// Whether it takes IPv4 beside IPv6.
    fn both(&self, state: &State) -> bool {
        self.is_v6() && !state.ip.v6_only && self.protocol == Protocol::Udp
    }

    pub(super) fn ip_options(&self) -> IpOptions {
        self.state.lock().ip.clone()
    }

    pub(super) fn change_ip(
        &self,
        change: impl FnOnce(&mut IpOptions) -> Result<(), SocketError>,
    ) -> Result<(), SocketError> {
        change(&mut self.state.lock().ip)
    }

    pub(super) fn set_v6_only(&self, on: bool) -> Result<(), SocketError> {
        let mut state = self.state.lock();
        if state.local.is_some() {
            return Err(file(FsError::Invalid));
        }
        state.ip.v6_only = on;
        Ok(())
    }

    pub(super) fn path_mtu(&self) -> Result<OptionValue, SocketError> {
        let peer = self.state.lock().peer.ok_or(SocketError::NotConnected)?;
        let path = self.layer.net().path(peer.ip(), None, None)?;
        let mtu = self.layer.path_mtus.lock().limit(path.destination, path.mtu, self.layer.env.now_ns());
        Ok(OptionValue::Int(mtu.into()))
    }

    /// Own address and port; unspecified if it has none.
    pub fn local(&self) -> SocketAddr {
        let any = if self.is_v6() { Ipv6Addr::UNSPECIFIED.into() } else { Ipv4Addr::UNSPECIFIED.into() };
        self.state.lock().local.unwrap_or(SocketAddr::new(any, 0))
    }

    /// Who it is connected with.
    pub fn peer(&self) -> Option<SocketAddr> {
        self.state.lock().peer
    }

    /// For /proc/net: bytes that wait, and datagrams dropped.
    pub(crate) fn usage(&self) -> (usize, u32) {
        let queue = self.queue.lock();
        (queue.cost, queue.dropped)
    }

    /// For /proc/net: owner and node.
    pub(crate) fn owner(&self) -> (u32, u64) {
        (self.creator.uid, self.id)
    }

    /// Length of the first datagram that waits.
    pub(super) fn first_length(&self) -> Option<usize> {
        self.queue.lock().datagrams.front().map(|d| d.payload.len())
    }

    /// How an address of this host is shown by a socket of this family.
    pub(super) fn shown(&self, address: SocketAddr) -> Address {
        Address::Ip(match address.ip() {
            IpAddr::V4(ip) if self.is_v6() && ip.is_unspecified() => {
                SocketAddr::new(Ipv6Addr::UNSPECIFIED.into(), address.port())
            }
            IpAddr::V4(ip) if self.is_v6() => SocketAddr::new(ip.to_ipv6_mapped().into(), address.port()),
            _ => address,
        })
    }

    pub(super) fn bind_to(&self, address: &Address, caller: &Caller<'_>) -> Result<(), SocketError> {
        let Address::Ip(given) = address else { return Err(SocketError::WrongFamily) };
        if given.is_ipv6() != self.is_v6() {
            return Err(SocketError::WrongFamily);
        }
        let scope = if let SocketAddr::V6(a) = given { a.scope_id() } else { 0 };
        let wanted = plain(*given);
        let net = self.layer.net();
        let mut state = self.state.lock();
        let mapped = self.is_v6() && wanted.is_ipv4();
        let ip = wanted.ip();
        if (mapped && !self.both(&state)) || (address::scope(ip) == 2 && ip.is_ipv6() && scope == 0) {
            return Err(file(FsError::Invalid));
        }
        let known = ip.is_unspecified() || net.is_local(ip) || ip.is_multicast() || net.is_broadcast(ip);
        if !known && !state.ip.free_bind {
            return Err(SocketError::AddressNotAvailable);
        }
        if state.local.is_some() {
            return Err(file(FsError::Invalid));
        }
        let low = (1..1024).contains(&wanted.port()) && self.protocol == Protocol::Udp;
        if low && !(caller.capable)(CAP_NET_BIND_SERVICE) {
            return Err(file(FsError::Access));
        }
        self.enter(&mut state, wanted)?;
        state.chosen = !ip.is_unspecified();
        state.port_chosen = wanted.port() != 0;
        let both = self.both(&state) && ip.is_ipv6() && ip.is_unspecified();
        drop(state);
        if wanted.port() != 0 && self.protocol == Protocol::Udp {
            self.layer.env.listening(Transport::Udp, wanted);
            if both {
                let any = SocketAddr::new(Ipv4Addr::UNSPECIFIED.into(), wanted.port());
                self.layer.env.listening(Transport::Udp, any);
            }
        }
        Ok(())
    }

    /// Enters the table with an address and a port, or one of the table's choice.
    fn enter(&self, state: &mut State, wanted: SocketAddr) -> Result<(), SocketError> {
        let values = self.options.values();
        let port = self.table().enter(Binding {
            id: self.id,
            port: wanted.port(),
            address: wanted.ip(),
            both: self.both(state) && wanted.is_ipv6(),
            peer: state.peer,
            interface: values.interface,
            reuse_address: values.reuse_address,
            reuse_port: values.reuse_port.then_some(self.creator.uid),
            socket: self.me.clone(),
        })?;
        state.local = Some(SocketAddr::new(wanted.ip(), port));
        Ok(())
    }

    /// Binds to any address if that has not happened yet.
    fn enter_anywhere(&self, state: &mut State) -> Result<(), SocketError> {
        if state.local.is_some() {
            return Ok(());
        }
        let any = if self.is_v6() { Ipv6Addr::UNSPECIFIED.into() } else { Ipv4Addr::UNSPECIFIED.into() };
        self.enter(state, SocketAddr::new(any, 0))
    }

    /// The address in a call as this socket can reach it, and the interface that it names.
    fn target(&self, state: &State, address: &Address) -> Result<(SocketAddr, Option<u32>), SocketError> {
        let Address::Ip(given) = address else { return Err(SocketError::WrongFamily) };
        if given.is_ipv6() && !self.is_v6() {
            return Err(SocketError::WrongFamily);
        }
        let scope = if let SocketAddr::V6(a) = given { a.scope_id() } else { 0 };
        let target = plain(*given);
        if self.is_v6() && target.is_ipv4() && !self.both(state) {
            return Err(SocketError::NetworkUnreachable);
        }
        let bound = self.options.values().interface;
        let group = target.ip().is_multicast().then_some(state.ip.multicast_interface);
        let interface = [scope, bound, group.unwrap_or(0)].into_iter().find(|&i| i != 0);
        Ok((target, interface))
    }

    pub(super) fn connect_to(&self, address: &Address) -> Result<(), SocketError> {
        if *address == Address::Unspecified {
            return self.disconnect();
        }
        let broadcast = self.options.values().broadcast;
        let net = self.layer.net();
        let mut state = self.state.lock();
        let (target, interface) = self.target(&state, address)?;
        let source = state.local.map(|l| l.ip()).filter(|ip| !ip.is_unspecified() && state.chosen);
        let path = net.path(target.ip(), source.filter(|s| s.is_ipv4() == target.is_ipv4()), interface)?;
        if path.cast == Cast::Broadcast && !broadcast {
            return Err(file(FsError::Access));
        }
        let peer = SocketAddr::new(path.destination, target.port());
        self.enter_anywhere(&mut state)?;
        let Some(local) = state.local else { return Err(SocketError::AddressInUse) };
        let own = SocketAddr::new(source.unwrap_or(path.source), local.port());
        state.peer = Some(peer);
        state.local = Some(own);
        state.error = None;
        // An echo has no port on the other side.
        let port = if self.protocol == Protocol::Ping { 0 } else { peer.port() };
        let entry = SocketAddr::new(peer.ip(), port);
        self.table().change(self.id, local.port(), |b| (b.address, b.peer) = (own.ip(), Some(entry)));
        Ok(())
    }

    fn disconnect(&self) -> Result<(), SocketError> {
        let mut state = self.state.lock();
        if state.peer.take().is_some()
            && let Some(local) = state.local
        {
            let any = if self.is_v6() { Ipv6Addr::UNSPECIFIED.into() } else { Ipv4Addr::UNSPECIFIED.into() };
            let own = if state.chosen { local.ip() } else { any };
            if !state.port_chosen {
                (state.local, state.chosen) = (None, false);
                self.table().remove(self.id, local.port());
                return Ok(());
            }
            state.local = Some(SocketAddr::new(own, local.port()));
            self.table().change(self.id, local.port(), |b| (b.address, b.peer) = (own, None));
        }
        Ok(())
    }

    pub(super) fn send_message(
        &self,
        src: &mut dyn Source,
        to: Option<&Address>,
        control: &Control,
        flags: MessageFlags,
    ) -> Result<usize, SocketError> {
        if flags.out_of_band || flags.more {
            return Err(SocketError::NotSupported);
        }
        let values = self.options.values();
        let (target, interface, source, ip) = {
            let mut state = self.state.lock();
            if let Some(error) = state.error.take() {
                return Err(error);
            }
            if state.no_send {
                return Err(SocketError::Shutdown);
            }
            let (target, interface) = match (to, state.peer) {
                (Some(to), _) => self.target(&state, to)?,
                (None, Some(peer)) => self.target(&state, &Address::Ip(peer))?,
                (None, None) => return Err(SocketError::DestinationRequired),
            };
            if target.port() == 0 && self.protocol == Protocol::Udp {
                return Err(file(FsError::Invalid));
            }
            self.enter_anywhere(&mut state)?;
            let source = state.local.map(|local| local.ip());
            (target, interface, source, state.ip.clone())
        };
        let v6 = target.is_ipv6();
        let usable = |ip: &IpAddr| !ip.is_unspecified() && !ip.is_multicast() && ip.is_ipv6() == v6;
        let (interface, source) = match control.packet_info {
            Some(info) => {
                let net = self.layer.net();
                let own = info.local.to_canonical();
                if !own.is_unspecified() && !net.is_local(own) && !ip.free_bind {
                    return Err(file(FsError::Invalid));
                }
                (Some(info.interface).filter(|&i| i != 0).or(interface), Some(own).filter(usable).or(source))
            }
            None => (interface, source),
        };
        let net = self.layer.net();
        let source = source.filter(usable).filter(|&ip| !net.is_broadcast(ip));
        let path = net.path(target.ip(), source, interface)?;
        if path.cast == Cast::Broadcast && !values.broadcast {
            return Err(file(FsError::Access));
        }
        let room = src.remaining();
        let head = if self.protocol == Protocol::Udp { HEADER_LEN } else { 0 };
        if room > MAX_V4 + if v6 { 20 } else { 0 } {
            return Err(SocketError::MessageSize);
        }
        let frame = fill(src, room, head)?;
        let multicast = path.cast == Cast::Multicast;
        let at = usize::from(v6);
        let unicast = if v6 { ip.hops.unwrap_or(net.hop_limit) } else { ip.ttl.unwrap_or(64) };
        let several = if v6 { ip.multicast_hops } else { ip.multicast_ttl };
        let choice = HeaderChoice {
            traffic_class: control.traffic_class.unwrap_or(if v6 { ip.traffic_class } else { ip.tos }),
            fragmentation: fragmentation(ip.mtu_discover[at]),
            multicast_loop: ip.multicast_loop[at],
            ..HeaderChoice::new(0, control.hop_limit.unwrap_or(if multicast { several } else { unicast }))
        };
        drop(net);
        self.transmit(&path, choice, target.port(), frame)?;
        Ok(room)
    }

    fn transmit(
        &self,
        path: &crate::ip::route::Path,
        mut choice: HeaderChoice,
        port: u16,
        mut frame: Frame,
    ) -> Result<(), SocketError> {
        let v6 = path.destination.is_ipv6();
        let own = self.local().port();
        let mut pass = self.layer.pass();
        let stats = self.layer.stats.family(v6);
        let len = frame.len();
        let result = match self.protocol {
            Protocol::Ping => {
                let kind = if v6 { 128 } else { 8 };
                if len < 8 || frame.data().get(..2) != Some(&[kind, 0]) {
                    return Err(file(FsError::Invalid));
                }
                wire::put(frame.data_mut(), 4, &own.to_be_bytes());
                stats.icmp.out_echos.inc();
                pass.icmp_send(path.destination, Some(path.source), Some(path.interface), choice, frame);
                Ok(())
            }
            Protocol::Udp => {
                choice.protocol = protocol::UDP;
                let data = frame.data_mut();
                wire::put(data, 0, &own.to_be_bytes());
                wire::put(data, 2, &port.to_be_bytes());
                wire::put(data, 4, &(len as u16).to_be_bytes());
                let head = if v6 { 40 } else { 20 };
                let whole = len + head <= path.mtu.into() && self.known_mtu(path) >= len + head;
                let card = pass.net.interface(path.interface).is_some_and(|i| i.info.checksum);
                let quiet = self.options.values().no_check && !v6;
                match (quiet, card && whole) {
                    (true, _) => {}
                    (false, true) => {
                        let sum = wire::pseudo_sum(path.source, path.destination, protocol::UDP, len);
                        wire::put(frame.data_mut(), 6, &sum.to_be_bytes());
                        frame.offload.partial_checksum = Some((0, 6));
                    }
                    (false, false) => {
                        let sum =
                            wire::transport_checksum(path.source, path.destination, protocol::UDP, data);
                        // 0 is "no checksum".
                        wire::put(data, 6, &(if sum == 0 { u16::MAX } else { sum }).to_be_bytes());
                    }
                }
                let sent = pass.ip_send(path, &choice, frame);
                match sent {
                    Ok(()) => stats.udp.out_datagrams.inc(),
                    Err(_) => stats.udp.send_buffer_errors.inc(),
                }
                sent
            }
        };
        pass.finish();
        result
    }

    fn known_mtu(&self, path: &crate::ip::route::Path) -> usize {
        self.layer.path_mtus.lock().limit(path.destination, path.mtu, self.layer.env.now_ns()).into()
    }

    pub(super) fn receive_message(
        &self,
        dst: &mut dyn Sink,
        flags: MessageFlags,
    ) -> Result<Received, SocketError> {
        if flags.error_queue {
            return Err(file(FsError::WouldBlock));
        }
        let (ip, ended) = {
            let mut state = self.state.lock();
            if let Some(error) = state.error.take() {
                return Err(error);
            }
            (state.ip.clone(), state.no_receive)
        };
        let (datagram, dropped) = {
            let mut queue = self.queue.lock();
            let next =
                if flags.peek { queue.datagrams.front().cloned() } else { queue.datagrams.pop_front() };
            if let (Some(next), false) = (&next, flags.peek) {
                queue.cost = queue.cost.saturating_sub(next.cost());
            }
            (next, queue.dropped)
        };
        let Some(datagram) = datagram else {
            return if ended { Ok(Received::default()) } else { Err(file(FsError::WouldBlock)) };
        };
        let payload = datagram.payload.data();
        let room = dst.remaining().min(payload.len());
        let bytes = if room == 0 { 0 } else { dst.put(payload.get(..room).unwrap_or_default())? };
        let values = self.options.values();
        let Arrival { source, destination, hop_limit, traffic_class, interface, .. } = datagram.arrival;
        let at = usize::from(self.is_v6());
        let info = PacketInfo { interface, local: self.own_address(interface, destination), destination };
        let info = match (self.is_v6(), destination) {
            (true, IpAddr::V4(to)) => PacketInfo { destination: to.to_ipv6_mapped().into(), ..info },
            _ => info,
        };
        // An IPv6 socket that gets IPv4 tells IPv4's numbers only if they were asked for by that name.
        let same = source.is_ipv6() == self.is_v6();
        let control = Control {
            packet_info: ip.packet_info[at].then_some(info),
            hop_limit: (same && ip.receive_ttl[at]).then_some(hop_limit),
            traffic_class: (same && ip.receive_tos[at]).then_some(traffic_class),
            timestamp_ns: datagram.time,
            dropped: (values.tell_dropped && dropped > 0).then_some(dropped),
            ..Control::default()
        };
        let from = Some(self.shown_with_scope(datagram.from, interface));
        Ok(Received { bytes, length: payload.len(), from, control, ..Received::default() })
    }

    /// A peer's address, with the interface if it means something there only.
    fn shown_with_scope(&self, from: SocketAddr, interface: u32) -> Address {
        match (self.shown(from), from) {
            (Address::Ip(SocketAddr::V6(mut shown)), SocketAddr::V6(_)) if address::scope(from.ip()) == 2 => {
                shown.set_scope_id(interface);
                Address::Ip(shown.into())
            }
            (shown, _) => shown,
        }
    }

    /// The address of this host that an answer to a datagram would come from.
    fn own_address(&self, interface: u32, destination: IpAddr) -> IpAddr {
        let net = self.layer.net();
        if net.is_local(destination) {
            return destination;
        }
        let first =
            net.interface(interface).and_then(|i| i.usable(destination.is_ipv6()).next()).map(|a| a.ip());
        first.unwrap_or(address::unspecified_like(destination))
    }

    /// A datagram for this socket; the frame is its payload.
    pub(crate) fn offer(&self, payload: Frame, arrival: &Arrival, from: SocketAddr, _now: u64) -> Offer {
        let values = self.options.values();
        let time = (values.timestamps != crate::options::Timestamps::Off)
            .then(|| self.layer.env.wall_ns())
            .flatten();
        let datagram = Datagram { payload, from, arrival: *arrival, time };
        let cost = datagram.cost();
        {
            let mut queue = self.queue.lock();
            let fits = queue.cost == 0 || queue.cost.saturating_add(cost) <= values.receive_buffer as usize;
            if !fits || queue.datagrams.try_reserve(1).is_err() {
                queue.dropped = queue.dropped.wrapping_add(1);
                return Offer::Full;
            }
            queue.cost += cost;
            queue.datagrams.push_back(Arc::new(datagram));
        }
        self.notifier.notify();
        Offer::Taken
    }

    /// Whether it takes a datagram to a group or to everybody.
    pub(crate) fn wants_group(&self, arrival: &Arrival) -> bool {
        let state = self.state.lock();
        arrival.cast != Cast::Multicast
            || state.ip.multicast_all
            || state.ip.groups.contains(&(arrival.interface, arrival.destination))
    }

    /// An error about a datagram that it sent.
    pub(crate) fn trouble(&self, report: &ErrorReport<'_>) {
        {
            let mut state = self.state.lock();
            let at = usize::from(report.source.is_ipv6());
            let asked = state.ip.receive_errors[at];
            // A limit on sizes is the business of those who discover it.
            let wanted = if report.mtu.is_some() { state.ip.mtu_discover[at] != 0 } else { report.fatal };
            if !(asked || (state.peer.is_some() && wanted && report.mtu.is_none())) {
                return;
            }
            state.error = Some(report.error);
        }
        self.notifier.notify();
    }

    pub(super) fn take_pending_error(&self) -> Option<SocketError> {
        self.state.lock().error.take()
    }

    /// Error, end of receiving, end of sending.
    pub(super) fn condition(&self) -> (bool, bool, bool) {
        let state = self.state.lock();
        (state.error.is_some(), state.no_receive, state.no_send)
    }

    pub(super) fn shut_down(&self, receive: bool, send: bool) -> Result<(), SocketError> {
        let connected = {
            let mut state = self.state.lock();
            state.no_receive |= receive;
            state.no_send |= send;
            state.peer.is_some()
        };
        self.notifier.notify();
        if connected { Ok(()) } else { Err(SocketError::NotConnected) }
    }
}

impl Drop for UdpSocket {
    fn drop(&mut self) {
        let (local, groups) = {
            let state = self.state.get_mut();
            (state.local, core::mem::take(&mut state.ip.groups))
        };
        if let Some(local) = local {
            self.table().remove(self.id, local.port());
        }
        if !groups.is_empty() {
            let mut pass = self.layer.pass();
            groups.into_iter().for_each(|(index, group)| pass.leave(index, group));
            pass.finish();
        }
    }
}

/// A frame with `room` bytes of the program's, behind `head` bytes.
fn fill(src: &mut dyn Source, room: usize, head: usize) -> Result<Frame, SocketError> {
    let mut frame = Frame::with_room(TRANSPORT_ROOM, head + room).ok_or(SocketError::NoBuffers)?;
    frame.set_len(head + room);
    let data = frame.data_mut().get_mut(head..).unwrap_or_default();
    if room > 0 && src.take(data)? < room {
        return Err(file(FsError::Fault));
    }
    Ok(frame)
}

/// IP_PMTUDISC_*: 0 never, 1 when it fits, 2 always, 3 always without what routers said, 4 and 5 the interface's only.
fn fragmentation(discover: i32) -> Fragmentation {
    match discover {
        1 => Fragmentation::Here,
        2 | 3 => Fragmentation::Never,
        _ => Fragmentation::Allowed,
    }
}
