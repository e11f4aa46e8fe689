//! [`Table`]: which socket gets a datagram.
//!
//! Buckets by port, each with a lock of its own. Entries repeat what matters of the sockets, so that looking for one takes no lock
//! of theirs; they hold sockets weakly, and a socket takes its entry out when it goes.

use super::UdpSocket;
use alloc::sync::{Arc, Weak};
use alloc::vec::Vec;
use core::net::{IpAddr, SocketAddr};
use core::sync::atomic::{AtomicU64, Ordering};
use fs::FsError;
use fs::socket::SocketError;
use sync::Mutex;

const BUCKETS: usize = 256;
/// Ports for those who do not choose (`net.ipv4.ip_local_port_range`).
pub const EPHEMERAL: core::ops::RangeInclusive<u16> = 32768..=60999;

/// Both ends of a datagram, as this host sees them.
#[derive(Clone, Copy, Debug)]
pub struct Ends {
    /// This host's.
    pub local: SocketAddr,
    /// The other one.
    pub peer: SocketAddr,
    /// Where it came; 0 if that does not matter.
    pub interface: u32,
}

/// What the table knows of a socket.
#[derive(Clone)]
pub struct Binding {
    /// Number of the socket.
    pub id: u64,
    /// Own port.
    pub port: u16,
    /// Own address; unspecified for any.
    pub address: IpAddr,
    /// An IPv6 socket that takes IPv4 as well.
    pub both: bool,
    /// Who it is connected with; port 0 for any.
    pub peer: Option<SocketAddr>,
    /// Interface that it is bound to; 0 for any.
    pub interface: u32,
    /// SO_REUSEADDR.
    pub reuse_address: bool,
    /// SO_REUSEPORT, and by whom.
    pub reuse_port: Option<u32>,
    /// The socket.
    pub socket: Weak<UdpSocket>,
}

impl Binding {
    fn any(&self) -> bool {
        self.address.is_unspecified()
    }

    /// Whether the two could get the same datagrams.
    fn overlaps(&self, other: &Binding) -> bool {
        let families = self.address.is_ipv4() == other.address.is_ipv4()
            || (self.both && self.any())
            || (other.both && other.any());
        self.port == other.port
            && families
            && (self.any() || other.any() || self.address == other.address)
            && (self.interface == 0 || other.interface == 0 || self.interface == other.interface)
    }

    fn tolerates(&self, other: &Binding) -> bool {
        (self.reuse_address && other.reuse_address)
            || (self.reuse_port.is_some() && self.reuse_port == other.reuse_port)
    }

    /// How well it fits a datagram; `None` if it does not.
    fn score(&self, ends: &Ends) -> Option<u32> {
        let mut score = 1;
        if self.port != ends.local.port() {
            return None;
        }
        if self.any() {
            if self.address.is_ipv4() != ends.local.is_ipv4() && !self.both {
                return None;
            }
            score += u32::from(self.address.is_ipv4());
        } else if self.address != ends.local.ip() {
            return None;
        } else {
            score += 4;
        }
        if let Some(peer) = self.peer {
            if peer.ip() != ends.peer.ip()
                || (peer.port() != ends.peer.port() && peer.port() != 0 && ends.peer.port() != 0)
            {
                return None;
            }
            score += 8;
        }
        if self.interface != 0 && ends.interface != 0 {
            if self.interface != ends.interface {
                return None;
            }
            score += 4;
        }
        Some(score)
    }
}

/// The table.
pub struct Table {
    buckets: Vec<Mutex<Vec<Binding>>>,
    seed: AtomicU64,
}

impl Table {
    /// Empty; `seed` is random.
    pub fn new(seed: u64) -> Self {
        Table { buckets: (0..BUCKETS).map(|_| Mutex::new(Vec::new())).collect(), seed: AtomicU64::new(seed) }
    }

    fn bucket(&self, port: u16) -> Option<&Mutex<Vec<Binding>>> {
        self.buckets.get(usize::from(port) % BUCKETS)
    }

    /// Enters a socket, with a port of the table's choice if it has none; returns the port.
    ///
    /// # Errors
    /// `AddressInUse`; `NoBuffers` without memory.
    pub fn enter(&self, mut binding: Binding) -> Result<u16, SocketError> {
        if binding.port != 0 {
            return self.try_enter(&binding).map(|()| binding.port);
        }
        let count = u64::from(EPHEMERAL.end() - EPHEMERAL.start()) + 1;
        let first = mix(self.seed.fetch_add(1, Ordering::Relaxed)) % count;
        for n in 0..count {
            binding.port = EPHEMERAL.start() + ((first + n) % count) as u16;
            // A port of the table's choice is never shared.
            let alone = Binding { reuse_address: false, reuse_port: None, ..binding.clone() };
            match self.check(&alone) {
                true if self.try_enter(&binding).is_ok() => return Ok(binding.port),
                _ => {}
            }
        }
        Err(SocketError::AddressInUse)
    }

    fn check(&self, binding: &Binding) -> bool {
        let Some(bucket) = self.bucket(binding.port) else { return false };
        !bucket.lock().iter().any(|other| other.overlaps(binding))
    }

    fn try_enter(&self, binding: &Binding) -> Result<(), SocketError> {
        let mut bucket = self.bucket(binding.port).ok_or(SocketError::NoBuffers)?.lock();
        if bucket.iter().any(|other| other.overlaps(binding) && !other.tolerates(binding)) {
            return Err(SocketError::AddressInUse);
        }
        bucket.try_reserve(1).map_err(|_| SocketError::NoBuffers)?;
        bucket.push(binding.clone());
        Ok(())
    }

    /// Changes the entry of a socket.
    pub fn change(&self, id: u64, port: u16, change: impl FnOnce(&mut Binding)) {
        if let Some(bucket) = self.bucket(port)
            && let Some(binding) = bucket.lock().iter_mut().find(|b| b.id == id)
        {
            change(binding);
        }
    }

    /// Takes a socket out.
    pub fn remove(&self, id: u64, port: u16) {
        if let Some(bucket) = self.bucket(port) {
            bucket.lock().retain(|b| b.id != id);
        }
    }

    /// The socket that a datagram to one host is for.
    pub fn find(&self, ends: &Ends) -> Option<Arc<UdpSocket>> {
        let bucket = self.bucket(ends.local.port())?.lock();
        let best = bucket.iter().filter_map(|b| b.score(ends)).max()?;
        let fitting = || bucket.iter().filter(|b| b.score(ends) == Some(best));
        // The last one that was bound, unless they share the port on purpose: then each peer keeps to one of them.
        let sharing = fitting().filter(|b| b.reuse_port.is_some()).count();
        if sharing > 1 {
            let chosen = hash(ends) as usize % sharing;
            return fitting().filter(|b| b.reuse_port.is_some()).nth(chosen)?.socket.upgrade();
        }
        fitting().next_back()?.socket.upgrade()
    }

    /// All sockets that a datagram to many is for.
    pub fn find_all(&self, ends: &Ends) -> Vec<Arc<UdpSocket>> {
        let Some(bucket) = self.bucket(ends.local.port()) else { return Vec::new() };
        let bucket = bucket.lock();
        bucket.iter().filter(|b| b.score(ends).is_some()).filter_map(|b| b.socket.upgrade()).collect()
    }

    /// All sockets, by port.
    ///
    /// # Errors
    /// [`FsError::NoMemory`].
    pub fn all(&self) -> Result<Vec<Arc<UdpSocket>>, FsError> {
        let mut all: Vec<(u16, Arc<UdpSocket>)> = Vec::new();
        for bucket in &self.buckets {
            let bucket = bucket.lock();
            all.try_reserve(bucket.len()).map_err(|_| FsError::NoMemory)?;
            all.extend(bucket.iter().filter_map(|b| Some((b.port, b.socket.upgrade()?))));
        }
        all.sort_unstable_by_key(|(port, socket)| (*port, Arc::as_ptr(socket).addr()));
        let mut sockets = Vec::new();
        sockets.try_reserve_exact(all.len()).map_err(|_| FsError::NoMemory)?;
        sockets.extend(all.into_iter().map(|(_, socket)| socket));
        Ok(sockets)
    }
}

/// A permutation of numbers that looks random (Steele et al., SplitMix64's finalizer).
fn mix(mut x: u64) -> u64 {
    x = (x ^ x >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ x >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ x >> 31
}

fn hash(ends: &Ends) -> u64 {
    let bits = |ip: IpAddr| match ip {
        IpAddr::V4(a) => u128::from(a.to_bits()),
        IpAddr::V6(a) => a.to_bits(),
    };
    let address = bits(ends.peer.ip());
    mix((address as u64 ^ (address >> 64) as u64).wrapping_add(mix(ends.peer.port().into())))
}
