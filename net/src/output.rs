//! [`IpOutput`]: what transport protocols want from the IP layer below.
//!
//! Implemented by the stack (routes, neighbours, cards, loopback) and by fakes in tests; called by TCP and UDP with none of their
//! locks held.

use crate::frame::Frames;
use core::net::IpAddr;
use core::sync::atomic::{AtomicU64, Ordering};
use fs::FsError;
use fs::socket::SocketError;
use mm::user::UserMemory;

/// How packets to a destination leave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Route {
    /// The own address to send from.
    pub source: IpAddr,
    /// Largest IP packet, bytes (up to 65535, for the loopback).
    pub mtu: u16,
    /// Partial checksums ([`Offload::partial_checksum`](crate::frame::Offload)) are completed below, or do not matter as the
    /// packet never leaves the host.
    pub checksum: bool,
    /// TCP segments over IPv4 larger than `mtu` are cut below ([`Offload::segment_size`](crate::frame::Offload)).
    pub segmentation_v4: bool,
    /// Number of the interface.
    pub interface: u32,
    /// The destination is an own address: packets never touch a card.
    pub local: bool,
}

/// What the IP layer wants to remember for a flow (interface, neighbour entry and their generation), in its own encoding. Lost
/// whenever it likes; 0 is "nothing".
#[derive(Debug, Default)]
pub struct PathHint(AtomicU64);

impl PathHint {
    /// Nothing remembered.
    pub const fn new() -> Self {
        PathHint(AtomicU64::new(0))
    }

    /// What was remembered.
    #[inline]
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    /// Remembers.
    #[inline]
    pub fn set(&self, hint: u64) {
        self.0.store(hint, Ordering::Relaxed);
    }
}

/// The IP layer, as transport protocols see it.
pub trait IpOutput: Send + Sync {
    /// How packets to `destination` leave; from `source` if that is given, through interface `interface` if that is.
    ///
    /// # Errors
    /// `NetworkUnreachable`, `NetworkDown`; `AddressNotAvailable` if `source` is not an own address.
    fn route(
        &self,
        destination: IpAddr,
        source: Option<IpAddr>,
        interface: Option<u32>,
    ) -> Result<Route, SocketError>;

    /// Whether a socket may be bound to `address`: an own one of this host, but neither broadcast nor multicast.
    fn is_local(&self, address: IpAddr) -> bool;

    /// The number of the interface with this name.
    fn interface(&self, name: &[u8]) -> Option<u32> {
        (name == b"lo").then_some(1)
    }

    /// ioctl(2) about interfaces (netdevice(7)).
    ///
    /// # Errors
    /// [`FsError::NotTty`] for what is no request about interfaces.
    fn ioctl(&self, _request: u32, _arg: u64, _memory: &dyn UserMemory) -> Result<u64, FsError> {
        Err(FsError::NotTty)
    }

    /// Sends IP packets that all go to one destination, in order, and leaves `packets` empty: what cannot be sent is queued or
    /// counted as dropped. Packets have their IP header (IPv4 with its checksum) and room for the lower headers in front
    /// ([`HEADROOM`](crate::frame::HEADROOM)). Packets to own addresses are queued for the loopback, and come back into the stack
    /// only after this has returned.
    fn send(&self, hint: &PathHint, packets: &mut Frames);
}
