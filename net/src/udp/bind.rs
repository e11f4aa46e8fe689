//! Where a socket is: bind(2), connect(2), and which address a call means.

use super::UdpSocket;
use super::socket::{Protocol, State};
use super::table::Binding;
use crate::device::Transport;
use crate::ip::address;
use crate::ip::interface::Cast;
use core::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use fs::FsError;
use fs::socket::{Address, Caller, SocketError};

/// CAP_NET_BIND_SERVICE.
const CAP_NET_BIND_SERVICE: u32 = 10;

/// An IPv4 address in IPv6's clothes as what it is.
fn plain(address: SocketAddr) -> SocketAddr {
    SocketAddr::new(address.ip().to_canonical(), address.port())
}

impl UdpSocket {
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
            return Err(FsError::Invalid.into());
        }
        let known = ip.is_unspecified() || net.is_local(ip) || ip.is_multicast() || net.is_broadcast(ip);
        if !known && !state.ip.free_bind {
            return Err(SocketError::AddressNotAvailable);
        }
        if state.local.is_some() {
            return Err(FsError::Invalid.into());
        }
        let low = (1..1024).contains(&wanted.port()) && self.protocol == Protocol::Udp;
        if low && !(caller.capable)(CAP_NET_BIND_SERVICE) {
            return Err(FsError::Access.into());
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
    pub(super) fn enter_anywhere(&self, state: &mut State) -> Result<(), SocketError> {
        if state.local.is_some() {
            return Ok(());
        }
        let any = if self.is_v6() { Ipv6Addr::UNSPECIFIED.into() } else { Ipv4Addr::UNSPECIFIED.into() };
        self.enter(state, SocketAddr::new(any, 0))
    }

    /// The address in a call as this socket can reach it, and the interface that it names.
    pub(super) fn target(
        &self,
        state: &State,
        address: &Address,
    ) -> Result<(SocketAddr, Option<u32>), SocketError> {
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
            return Err(FsError::Access.into());
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
}
