//! [`TcpSocket`]: a TCP socket as programs have it, and its calls but transfers and options.
//!
//! The socket is a number of a slot; closing the last descriptor gives the slot to the worker, which frees it when the connection has
//! ended. As with all sockets, what would have to wait says so.

use super::flow::Flow;
use super::ports::{self, Binder, Hold, Place, PortError};
use super::state::{NEVER, Phase, Slot, State};
use super::unit::{Setup, Unit, window_shift};
use super::Tcp;
use super::run::flush_corked;
use crate::device::Transport;
use crate::options::{SOL_SOCKET, SocketOptions};
use abi::{Mode, OpenFlags, PollEvents, ioctl};
use alloc::boxed::Box;
use alloc::format;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use core::sync::atomic::{AtomicU64, Ordering};
use fs::notify::Notifier;
use fs::socket::{
    Address, Caller, Control, Family, Kind, MessageFlags, OptionValue, Received, Shutdown, Socket,
    SocketError, Ucred,
};
use fs::{File, FsError, Metadata, Offset, Sink, Source};
use mm::user::{UserMemory, UserPtr};
use smoltcp::socket::tcp::State as Engine;

/// Number of the file system that sockets are on.
const DEVICE: u64 = 8;
/// Most connections that wait to be accepted (`net.core.somaxconn`).
const MAX_BACKLOG: i32 = 4096;
/// What getsockopt(2) shows of the buffers (`net.ipv4.tcp_rmem`, `tcp_wmem`).
const SHOWN: (u32, u32) = (131_072, 16_384);
/// CAP_NET_BIND_SERVICE.
const CAP_NET_BIND_SERVICE: u32 = 10;
/// IPPROTO_TCP.
const PROTOCOL: i32 = 6;

/// The number of a new socket's inode.
pub(super) fn new_inode() -> u64 {
    static NUMBERS: AtomicU64 = AtomicU64::new(1 << 24);
    NUMBERS.fetch_add(1, Ordering::Relaxed)
}

fn port_error(error: PortError) -> SocketError {
    match error {
        PortError::InUse => SocketError::AddressInUse,
        PortError::NoMemory => SocketError::NoBuffers,
    }
}

pub(super) fn invalid() -> SocketError {
    SocketError::File(FsError::Invalid)
}

/// A TCP socket.
pub struct TcpSocket {
    pub(super) tcp: Arc<Tcp>,
    pub(super) index: u32,
    pub(super) generation: u32,
    pub(super) options: SocketOptions,
    creator: Ucred,
    ino: u64,
}

impl Tcp {
    /// A socket of the family `Inet` or `Inet6`.
    ///
    /// # Errors
    /// `NoBuffers` without memory, or when there are too many.
    pub fn socket(self: &Arc<Self>, family: Family, creator: Ucred) -> Result<Arc<TcpSocket>, SocketError> {
        let index = self.slots.allocate().ok_or(SocketError::NoBuffers)?;
        let slot = self.slots.get(index).ok_or(SocketError::NoBuffers)?;
        let generation = slot.generation.load(Ordering::Relaxed);
        let ino = new_inode();
        let mut state = slot.state.lock();
        self.empty_inbox(slot, 0);
        (state.owned, state.uid, state.ino) = (true, creator.uid, ino);
        state.v6 = family == Family::Inet6;
        (state.waiting_since, state.remote_mss) = (NEVER, super::state::DEFAULT_MSS);
        slot.events.store(state.events(0).bits() as u32, Ordering::Release);
        drop(state);
        let (receive, send) = SHOWN;
        let options = SocketOptions::with_buffers(family, Kind::Stream, PROTOCOL, receive, send);
        Ok(Arc::new(TcpSocket { tcp: self.clone(), index, generation, options, creator, ino }))
    }
}

impl TcpSocket {
    pub(super) fn slot(&self) -> Result<&Slot, SocketError> {
        self.tcp.slots.get(self.index).ok_or(SocketError::NotConnected)
    }

    pub(super) fn now(&self) -> u64 {
        self.tcp.env.now_ns()
    }

    pub(super) fn id(&self) -> (u32, u32) {
        (self.index, self.generation)
    }

    /// Changes the state.
    pub(super) fn with<R>(&self, tell: bool, change: impl FnOnce(&mut State) -> R) -> Result<R, SocketError> {
        Ok(self.tcp.with(self.index, self.slot()?, self.now(), tell, change))
    }

    pub(super) fn is_v6(&self) -> bool {
        self.options.family() == Family::Inet6
    }

    /// An address as this socket's family shows it.
    fn shown(&self, address: SocketAddr) -> Address {
        let ip = match address.ip() {
            IpAddr::V4(ip) if self.is_v6() => IpAddr::V6(ip.to_ipv6_mapped()),
            ip => ip,
        };
        Address::Ip(SocketAddr::new(ip, address.port()))
    }

    /// An address of this socket's family.
    fn own_family(&self, address: &Address) -> Result<SocketAddr, SocketError> {
        match address {
            Address::Ip(address) if address.is_ipv6() == self.is_v6() => Ok(*address),
            _ => Err(SocketError::WrongFamily),
        }
    }

    fn binder(&self, place: Place) -> Binder {
        let values = self.options.values();
        Binder {
            socket: self.id(),
            place,
            reuse_address: values.reuse_address,
            reuse_port: values.reuse_port,
            uid: self.creator.uid,
            listening: false,
        }
    }

    fn any_place(&self, v6_only: bool) -> Place {
        match self.is_v6() {
            true => Place::V6(Ipv6Addr::UNSPECIFIED, v6_only),
            false => Place::V4(Ipv4Addr::UNSPECIFIED),
        }
    }

    fn bind_to(&self, address: &Address, caller: &Caller<'_>) -> Result<(), SocketError> {
        let address = match address {
            // As on Linux, an old program's zeros mean any address.
            Address::Unspecified if !self.is_v6() => SocketAddr::new(Ipv4Addr::UNSPECIFIED.into(), 0),
            address => self.own_family(address)?,
        };
        let mapped = matches!(address.ip(), IpAddr::V6(ip) if ip.to_ipv4_mapped().is_some());
        let ip = address.ip().to_canonical();
        if !ip.is_unspecified() && !self.tcp.output.is_local(ip) {
            return Err(SocketError::AddressNotAvailable);
        }
        if (1..1024).contains(&address.port()) && !(caller.capable)(CAP_NET_BIND_SERVICE) {
            return Err(SocketError::File(FsError::Access));
        }
        let random = self.tcp.random();
        self.with(false, |state| {
            if state.bound.is_some() || !matches!(state.phase, Phase::Idle) {
                return Err(invalid());
            }
            let v6_only = state.settings.v6_only;
            if mapped && v6_only {
                return Err(invalid());
            }
            let place = match ip {
                IpAddr::V4(ip) => Place::V4(ip),
                IpAddr::V6(ip) => Place::V6(ip, v6_only),
            };
            let port = self.tcp.ports.lock().bind(self.binder(place), address.port(), random);
            state.bound = Some((place, port.map_err(port_error)?));
            Ok(())
        })?
    }

    fn listen_with(&self, backlog: i32) -> Result<(), SocketError> {
        let backlog = if backlog < 0 { MAX_BACKLOG } else { backlog.min(MAX_BACKLOG) } as usize;
        let random = self.tcp.random();
        let values = self.options.values();
        self.with(true, |state| {
            match &mut state.phase {
                Phase::Listening(listener) => {
                    listener.backlog = backlog;
                    return Ok(());
                }
                Phase::Idle | Phase::Ended => {}
                Phase::Open(_) => return Err(invalid()),
            }
            let mut ports = self.tcp.ports.lock();
            let port = match state.bound {
                Some((_, port)) => port,
                None => {
                    let place = self.any_place(state.settings.v6_only);
                    let port = ports.bind(self.binder(place), 0, random).map_err(port_error)?;
                    state.bound = Some((place, port));
                    port
                }
            };
            // Options may have been set since bind.
            ports.change(self.id(), port, |binder| {
                (binder.reuse_address, binder.reuse_port) = (values.reuse_address, values.reuse_port);
            });
            ports.listen(self.id(), port).map_err(port_error)?;
            state.settings.reuse_address = values.reuse_address;
            state.phase = Phase::Listening(super::state::Listener { backlog, ..Default::default() });
            state.ends = None;
            Ok(())
        })?
    }

    /// Tells the kernel where this socket serves.
    fn announce(&self) {
        let Ok(Some((place, port))) = self.with(false, |state| state.bound) else { return };
        let tell = |ip| self.tcp.env.listening(Transport::Tcp, SocketAddr::new(ip, port));
        match place {
            Place::V4(ip) => tell(ip.into()),
            Place::V6(ip, only) => {
                tell(ip.into());
                if ip.is_unspecified() && !only {
                    tell(Ipv4Addr::UNSPECIFIED.into());
                }
            }
        }
    }

    pub(super) fn accept_one(&self) -> Result<(Arc<TcpSocket>, Address), SocketError> {
        let child = self.with(false, |state| match &mut state.phase {
            Phase::Listening(listener) => listener.queue.pop_front().ok_or(FsError::WouldBlock.into()),
            _ => Err(invalid()),
        })??;
        let (index, generation) = child;
        let slot = self.tcp.slots.get(index).ok_or(SocketError::Aborted)?;
        let state = slot.state.lock();
        let (ends, ino) = (state.ends, state.ino);
        drop(state);
        let options = self.options.inherit();
        let creator = self.creator;
        let socket = Arc::new(TcpSocket { tcp: self.tcp.clone(), index, generation, options, creator, ino });
        let (_, remote) = ends.ok_or(SocketError::Aborted)?;
        let remote = socket.shown(remote);
        Ok((socket, remote))
    }

    fn connect_to(&self, address: &Address, caller: &Caller<'_>) -> Result<(), SocketError> {
        let _ = caller;
        if *address == Address::Unspecified {
            return self.dissolve();
        }
        let remote = self.own_family(address)?;
        let answer = self.with(false, |state| match &state.phase {
            Phase::Listening(_) => Some(Err(SocketError::IsConnected)),
            Phase::Open(_) if state.connecting => Some(Err(SocketError::Already)),
            Phase::Open(_) | Phase::Ended if state.error.is_some() => {
                state.unannounced = false;
                state.error.take().map(Err)
            }
            Phase::Open(_) | Phase::Ended if core::mem::take(&mut state.unannounced) => Some(Ok(())),
            Phase::Open(_) => Some(Err(SocketError::IsConnected)),
            // After a failed attempt, or a connection that was reset, there may be another.
            Phase::Ended if state.ends.is_some() && !state.aborted => Some(Err(SocketError::IsConnected)),
            Phase::Idle | Phase::Ended => None,
        })?;
        if let Some(answer) = answer {
            return answer;
        }
        self.begin(remote)?;
        Err(SocketError::InProgress)
    }

    /// Begins to connect.
    fn begin(&self, remote: SocketAddr) -> Result<(), SocketError> {
        let slot = self.slot()?;
        let tcp = &*self.tcp;
        let mut ip = remote.ip().to_canonical();
        if ip.is_unspecified() {
            ip = if ip.is_ipv4() { Ipv4Addr::LOCALHOST.into() } else { Ipv6Addr::LOCALHOST.into() };
        }
        if ip.is_multicast() || remote.port() == 0 {
            return Err(if remote.port() == 0 { SocketError::Refused } else { SocketError::NetworkUnreachable });
        }
        let remote = SocketAddr::new(ip, remote.port());
        let (bound, settings) = self.with(false, |state| (state.bound, state.settings))?;
        let source = match bound.map(|(place, _)| place) {
            Some(Place::V4(own)) if ip.is_ipv4() => Some(IpAddr::V4(own)),
            Some(Place::V6(own, _)) if ip.is_ipv6() || own.is_unspecified() => Some(IpAddr::V6(own)),
            None => None,
            Some(_) => return Err(SocketError::NetworkUnreachable),
        };
        if settings.v6_only && ip.is_ipv4() && self.is_v6() {
            return Err(SocketError::NetworkUnreachable);
        }
        let source = source.filter(|own| !own.is_unspecified());
        let interface = Some(settings.interface).filter(|&number| number != 0);
        let route = tcp.output.route(ip, source, interface)?;
        let (receive, send, most) = tcp.first_rings((settings.receive_buffer, settings.send_buffer));
        if !tcp.charge(receive + send) {
            return Err(SocketError::NoBuffers);
        }
        let flow = self.claim(route.source, remote, bound.map(|(_, port)| port), receive);
        let made = flow.and_then(|(flow, hold)| {
            let now = self.now();
            let setup = Setup {
                flow,
                isn: tcp.initial_number(&flow, now),
                mtu: Tcp::packet_limit(route.mtu, &flow, &settings),
                receive_ring: receive,
                shift: window_shift(most),
                send_ring: send,
                partial: route.checksum,
                segmentation: route.segmentation_v4,
            local: route.local,
            };
            let unit = Unit::connect(&setup, now).map(Box::new);
            let unit = unit.ok_or(SocketError::NoBuffers).inspect_err(|_| self.unclaim(hold))?;
            Ok((unit, flow, hold))
        });
        let (unit, flow, hold) = made.inspect_err(|_| tcp.uncharge(receive + send))?;
        slot.hint.set(0);
        tcp.stats.active_opens.inc();
        self.with(false, |state| {
            let kept = State {
                phase: Phase::Open(unit),
                owned: true,
                bound: state.bound,
                hold: Some(hold),
                ends: Some((flow.local(), flow.remote())),
                connecting: true,
                unannounced: true,
                remote_mss: super::state::DEFAULT_MSS,
                last_input: self.now(),
                waiting_since: NEVER,
                charged: receive + send,
                settings: state.settings,
                uid: state.uid,
                ino: state.ino,
                v6: state.v6,
                ..State::default()
            };
            *state = kept;
            state.apply_settings();
        })
    }

    /// Takes a flow for this socket, choosing the port if it has none.
    fn claim(
        &self,
        source: IpAddr,
        remote: SocketAddr,
        port: Option<u16>,
        ring: usize,
    ) -> Result<(Flow, Hold), SocketError> {
        let (tcp, slot) = (&*self.tcp, self.slot()?);
        let reuse = self.options.values().reuse_address;
        tcp.empty_inbox(slot, ring);
        let take = |port: u16| {
            let flow = Flow::new(SocketAddr::new(source, port), remote);
            let hash = tcp.hash(&flow);
            let free = !tcp.time_wait.lock().contains(&flow, hash);
            let hold = Hold { port, reuse };
            if !free || tcp.table.insert(&tcp.slots, self.index, &flow, hash).is_err() {
                return None;
            }
            if tcp.ports.lock().hold(hold).is_err() {
                tcp.table.remove(&tcp.slots, self.index);
                return None;
            }
            Some((flow, hold))
        };
        let taken = match port {
            Some(port) => take(port),
            None => ports::candidates(tcp.random())
                .filter(|&port| tcp.ports.lock().may_share(port))
                .find_map(take),
        };
        taken.ok_or(SocketError::AddressNotAvailable)
    }

    fn unclaim(&self, hold: Hold) {
        self.tcp.table.remove(&self.tcp.slots, self.index);
        self.tcp.ports.lock().release(hold);
    }

    /// connect(2) to no address: resets the connection, and the socket is as new.
    fn dissolve(&self) -> Result<(), SocketError> {
        self.stop_listening()?;
        self.with(true, |state| {
            self.tcp.abort(state, None);
            state.owned = true;
        })?;
        self.with(true, |state| {
            if matches!(state.phase, Phase::Ended | Phase::Open(_)) && state.hold.is_none() {
                self.tcp.uncharge(core::mem::take(&mut state.charged));
                *state = State {
                    owned: true,
                    bound: state.bound,
                    waiting_since: NEVER,
                    remote_mss: super::state::DEFAULT_MSS,
                    settings: state.settings,
                    uid: state.uid,
                    ino: state.ino,
                    v6: state.v6,
                    ..State::default()
                };
            }
        })
    }

    /// Ends listening; connections that nobody has accepted are reset. Returns whether it listened.
    fn stop_listening(&self) -> Result<bool, SocketError> {
        let listener = self.with(true, |state| {
            let Phase::Listening(listener) = &mut state.phase else { return None };
            let listener = core::mem::take(listener);
            state.phase = Phase::Idle;
            if let Some((_, port)) = state.bound {
                self.tcp.ports.lock().stop_listening(self.id(), port);
            }
            Some(listener)
        })?;
        let listened = listener.is_some();
        let now = self.now();
        listener.into_iter().flat_map(|l| l.queue).for_each(|child| self.tcp.abandon(Some(child), now));
        Ok(listened)
    }

    fn shut_down(&self, how: Shutdown) -> Result<(), SocketError> {
        let (read, write) = (how != Shutdown::Write, how != Shutdown::Read);
        if read && self.stop_listening()? {
            return Ok(());
        }
        self.with(true, |state| match &state.phase {
            Phase::Idle => Err(SocketError::NotConnected),
            Phase::Listening(_) => Ok(()),
            Phase::Ended => Err(SocketError::NotConnected),
            Phase::Open(_) if state.connecting => {
                self.tcp.abort(state, None);
                Ok(())
            }
            Phase::Open(_) => {
                state.no_receive |= read;
                if write && !state.no_send {
                    state.no_send = true;
                    flush_corked(state);
                    if let Some(unit) = state.unit() {
                        unit.close();
                    }
                }
                Ok(())
            }
        })?
    }
}

impl Drop for TcpSocket {
    fn drop(&mut self) {
        let Ok(slot) = self.slot() else { return };
        let _ = self.stop_listening();
        let left = slot.reading.lock().drain(..).count();
        slot.left.store(0, Ordering::Relaxed);
        let linger = self.options.values().linger;
        let now = self.now();
        self.tcp.with(self.index, slot, now, false, |state| {
            state.owned = false;
            state.orphan_since = now.max(1);
            self.tcp.orphans.fetch_add(1, Ordering::Relaxed);
            let detached = state.detached;
            let Some(unit) = state.unit() else { return };
            if detached {
                return;
            }
            let unread = left + unit.receivable();
            if unread > 0 || linger == Some(0) {
                // RFC 2525, 2.17: the other side is told that data was lost.
                self.tcp.extended.aborts_on_close.add((unread > 0).into());
                self.tcp.abort(state, None);
            } else if unit.state() == Engine::SynSent {
                self.tcp.abort(state, None);
            } else {
                flush_corked(state);
                if let Some(unit) = state.unit() {
                    unit.close();
                }
            }
        });
    }
}

impl File for TcpSocket {
    fn metadata(&self) -> Result<Metadata, FsError> {
        Ok(Metadata {
            dev: DEVICE,
            ino: self.ino,
            mode: Mode::IFSOCK | 0o777,
            nlink: 1,
            uid: self.creator.uid,
            gid: self.creator.gid,
            block_size: 4096,
            ..Metadata::default()
        })
    }

    fn read(&self, _at: Offset, dst: &mut dyn Sink, flags: OpenFlags) -> Result<usize, FsError> {
        let nonblocking = flags.contains(OpenFlags::NONBLOCK);
        let flags = MessageFlags { nonblocking, ..MessageFlags::default() };
        self.receive_bytes(dst, flags).map_err(SocketError::of_file)
    }

    fn write(&self, _at: Offset, src: &mut dyn Source, _flags: OpenFlags) -> Result<usize, FsError> {
        self.send_bytes(src, MessageFlags::default()).map_err(SocketError::of_file)
    }

    fn writes_all(&self) -> bool {
        true
    }

    fn readiness(&self) -> PollEvents {
        let Ok(slot) = self.slot() else { return PollEvents::ERR };
        if slot.pending.load(Ordering::Acquire) != 0 {
            self.tcp.with(self.index, slot, self.now(), false, |_| ());
        }
        PollEvents::from_bits_truncate(slot.events.load(Ordering::Acquire) as _)
    }

    fn notifier(&self) -> Option<&Notifier> {
        Some(&self.slot().ok()?.notifier)
    }

    fn ioctl(&self, request: u32, arg: u64, memory: &dyn UserMemory) -> Result<u64, FsError> {
        let slot = self.slot().map_err(SocketError::of_file)?;
        let left = slot.left.load(Ordering::Relaxed);
        let value = self.with(false, |state| match (request, &state.phase) {
            (ioctl::FIONREAD | ioctl::TIOCOUTQ, Phase::Listening(_)) => Err(FsError::Invalid),
            (ioctl::FIONREAD, Phase::Open(unit)) => Ok(unit.receivable() + left),
            (ioctl::FIONREAD, _) => Ok(left),
            (ioctl::TIOCOUTQ, Phase::Open(unit)) => Ok(unit.unacknowledged() + state.corked.len()),
            (ioctl::TIOCOUTQ, _) => Ok(0),
            _ => Err(FsError::NotTty),
        });
        let value = i32::try_from(value.map_err(SocketError::of_file)??).unwrap_or(i32::MAX);
        UserPtr::new(arg).write(memory, &value).map_err(|_| FsError::Fault)?;
        Ok(0)
    }

    fn as_socket(&self) -> Option<&dyn Socket> {
        Some(self)
    }

    fn describe(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(format!("socket:[{}]", self.ino).as_bytes());
    }
}

impl Socket for TcpSocket {
    fn family(&self) -> Family {
        self.options.family()
    }

    fn kind(&self) -> Kind {
        Kind::Stream
    }

    fn protocol(&self) -> u32 {
        PROTOCOL as u32
    }

    fn bind(&self, address: &Address, caller: &Caller<'_>) -> Result<(), SocketError> {
        self.bind_to(address, caller)
    }

    fn listen(&self, backlog: i32, _caller: &Caller<'_>) -> Result<(), SocketError> {
        self.listen_with(backlog)?;
        self.announce();
        Ok(())
    }

    fn connect(&self, address: &Address, caller: &Caller<'_>) -> Result<(), SocketError> {
        self.connect_to(address, caller)
    }

    fn accept(&self) -> Result<(Arc<dyn File>, Address), SocketError> {
        let (socket, peer) = self.accept_one()?;
        Ok((socket, peer))
    }

    fn shutdown(&self, how: Shutdown) -> Result<(), SocketError> {
        self.shut_down(how)
    }

    fn local_address(&self) -> Result<Address, SocketError> {
        let (ends, bound) = self.with(false, |state| (state.ends, state.bound))?;
        let address = match (ends, bound) {
            (Some((local, _)), _) => local,
            (None, Some((Place::V4(ip), port))) => SocketAddr::new(ip.into(), port),
            (None, Some((Place::V6(ip, _), port))) => SocketAddr::new(ip.into(), port),
            (None, None) if self.is_v6() => SocketAddr::new(Ipv6Addr::UNSPECIFIED.into(), 0),
            (None, None) => SocketAddr::new(Ipv4Addr::UNSPECIFIED.into(), 0),
        };
        Ok(self.shown(address))
    }

    fn peer_address(&self) -> Result<Address, SocketError> {
        let remote = self.with(false, |state| {
            let connected = matches!(state.phase, Phase::Open(_)) && !state.connecting && !state.detached;
            state.ends.filter(|_| connected)
        })?;
        remote.map(|(_, remote)| self.shown(remote)).ok_or(SocketError::NotConnected)
    }

    fn send(
        &self,
        src: &mut dyn Source,
        _to: Option<&Address>,
        _control: Control,
        flags: MessageFlags,
        _caller: &Caller<'_>,
    ) -> Result<usize, SocketError> {
        self.send_bytes(src, flags)
    }

    fn receive(&self, dst: &mut dyn Sink, flags: MessageFlags) -> Result<Received, SocketError> {
        let bytes = self.receive_bytes(dst, flags)?;
        Ok(Received { bytes, length: bytes, ..Received::default() })
    }

    fn take_error(&self) -> Option<SocketError> {
        self.with(false, |state| {
            if !state.connecting {
                state.unannounced = false;
            }
            state.error.take()
        })
        .ok()
        .flatten()
    }

    fn option(&self, level: i32, name: i32) -> Result<OptionValue, SocketError> {
        self.get_option(level, name)
    }

    fn set_option(
        &self,
        level: i32,
        name: i32,
        value: &[u8],
        caller: &Caller<'_>,
    ) -> Result<(), SocketError> {
        if level == SOL_SOCKET {
            return self.set_socket_option(name, value, caller);
        }
        self.set_other_option(level, name, value)
    }

    fn timeouts(&self) -> (Option<u64>, Option<u64>) {
        self.options.timeouts()
    }
}

