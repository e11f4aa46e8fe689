//! [`TcpSocket`]: a TCP socket as programs have it, and its calls but transfers and options.
//!
//! The socket is a number of a slot; closing the last descriptor gives the slot to the worker, which frees it when the connection has
//! ended. As with all sockets, what would have to wait says so.

use super::Tcp;
use super::ports::{Binder, Place, PortError};
use super::run::flush_corked;
use super::state::{NEVER, Phase, Slot, State};
use crate::device::Transport;
use crate::options::SocketOptions;
use alloc::sync::Arc;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use core::sync::atomic::{AtomicU64, Ordering};
use fs::FsError;
use fs::socket::{Address, Caller, Family, Kind, Shutdown, SocketError, Ucred};

/// Most connections that wait to be accepted (`net.core.somaxconn`).
const MAX_BACKLOG: i32 = 4096;
/// What getsockopt(2) shows of the buffers (`net.ipv4.tcp_rmem`, `tcp_wmem`).
const SHOWN: (u32, u32) = (131_072, 16_384);
/// CAP_NET_BIND_SERVICE.
const CAP_NET_BIND_SERVICE: u32 = 10;
/// IPPROTO_TCP.
pub(super) const PROTOCOL: i32 = 6;

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

/// A TCP socket.
pub struct TcpSocket {
    pub(super) tcp: Arc<Tcp>,
    pub(super) index: u32,
    pub(super) generation: u32,
    pub(super) options: SocketOptions,
    pub(super) creator: Ucred,
    pub(super) ino: u64,
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
        (state.used, state.owned, state.uid, state.ino) = (true, true, creator.uid, ino);
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
        Ok(self.with_slot(self.slot()?, tell, change))
    }

    /// Changes the state, in the socket's slot.
    pub(super) fn with_slot<R>(&self, slot: &Slot, tell: bool, change: impl FnOnce(&mut State) -> R) -> R {
        self.tcp.with(self.index, slot, self.now(), tell, change)
    }

    pub(super) fn is_v6(&self) -> bool {
        self.options.family() == Family::Inet6
    }

    /// An address as this socket's family shows it.
    pub(super) fn shown(&self, address: SocketAddr) -> Address {
        let ip = match address.ip() {
            IpAddr::V4(ip) if self.is_v6() => IpAddr::V6(ip.to_ipv6_mapped()),
            ip => ip,
        };
        Address::Ip(SocketAddr::new(ip, address.port()))
    }

    /// An address of this socket's family.
    pub(super) fn own_family(&self, address: &Address) -> Result<SocketAddr, SocketError> {
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

    pub(super) fn bind_to(&self, address: &Address, caller: &Caller<'_>) -> Result<(), SocketError> {
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
                return Err(FsError::Invalid.into());
            }
            let v6_only = state.settings.v6_only;
            if mapped && v6_only {
                return Err(FsError::Invalid.into());
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

    pub(super) fn listen_with(&self, backlog: i32) -> Result<(), SocketError> {
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
                Phase::Open(_) => return Err(FsError::Invalid.into()),
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
    pub(super) fn announce(&self) {
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
            Phase::Listening(listener) => listener.queue.pop_front().ok_or(FsError::WouldBlock),
            _ => Err(FsError::Invalid),
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

    pub(super) fn shut_down(&self, how: Shutdown) -> Result<(), SocketError> {
        let (read, write) = (how != Shutdown::Write, how != Shutdown::Read);
        if read && self.tcp.stop_listening(self.index, self.slot()?, self.now()) {
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
