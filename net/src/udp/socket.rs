//! [`UdpSocket`]: a socket for datagrams of UDP or ICMP echoes; what it is bound to, connected with, and has received.

use super::cork::Pending;
use super::options::IpOptions;
use super::table::Table;
use crate::frame::Frame;
use crate::ip::input::{Arrival, protocol};
use crate::ip::layer::IpLayer;
use crate::options::SocketOptions;
use alloc::collections::VecDeque;
use alloc::sync::{Arc, Weak};
use alloc::vec::Vec;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use core::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use fs::FsError;
use fs::notify::Notifier;
use fs::socket::{Address, Family, Kind, OptionValue, SendError, SocketError, Ucred};
use sync::Mutex;

/// What a datagram costs of the receive buffer beside its memory.
const OVERHEAD: usize = 256;

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
pub(super) struct Datagram {
    pub payload: Frame,
    pub from: SocketAddr,
    pub arrival: Arrival,
    pub time: Option<u64>,
}

impl Datagram {
    pub fn cost(&self) -> usize {
        self.payload.capacity() + OVERHEAD
    }
}

/// A datagram that did not arrive.
pub(super) struct FailedDatagram {
    pub error: SendError,
    pub payload: Vec<u8>,
    pub to: SocketAddr,
}

#[derive(Default)]
pub(super) struct Queue {
    pub datagrams: VecDeque<Arc<Datagram>>,
    pub cost: usize,
    pub dropped: u32,
}

#[derive(Default)]
pub(super) struct State {
    /// Own address and port, once bound.
    pub local: Option<SocketAddr>,
    /// The program chose the address, not connect(2).
    pub chosen: bool,
    /// It chose the port.
    pub port_chosen: bool,
    pub peer: Option<SocketAddr>,
    pub error: Option<SocketError>,
    /// What IP_RECVERR tells, oldest first.
    pub errors: VecDeque<FailedDatagram>,
    pub no_receive: bool,
    pub no_send: bool,
    pub ip: IpOptions,
}

/// A socket.
pub struct UdpSocket {
    pub(super) me: Weak<UdpSocket>,
    pub(super) layer: Arc<IpLayer>,
    pub(super) protocol: Protocol,
    pub(super) options: SocketOptions,
    /// Number of the socket, and of its node.
    pub(super) id: u64,
    pub(super) creator: Ucred,
    pub(super) state: Mutex<State>,
    pub(super) queue: Mutex<Queue>,
    pub(super) notifier: Notifier,
    /// UDP_CORK.
    pub(super) corked: AtomicBool,
    /// A datagram waits for more bytes; and which one.
    pub(super) waiting: AtomicBool,
    /// That one.
    pub(super) pending: Mutex<Option<Pending>>,
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
            corked: AtomicBool::new(false),
            waiting: AtomicBool::new(false),
            pending: Mutex::default(),
        })
    }

    pub(super) fn layer(&self) -> &Arc<IpLayer> {
        &self.layer
    }

    pub(crate) fn is_v6(&self) -> bool {
        self.options.family() == Family::Inet6
    }

    pub(super) fn table(&self) -> &Table {
        match self.protocol {
            Protocol::Udp => &self.layer.udp,
            Protocol::Ping => &self.layer.ping,
        }
    }

    /// Whether it takes IPv4 beside IPv6.
    pub(super) fn both(&self, state: &State) -> bool {
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
            return Err(FsError::Invalid.into());
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
