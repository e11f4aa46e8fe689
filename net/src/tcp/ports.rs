//! [`Ports`]: who has which local port (bind(2), listen(2), SO_REUSEADDR and SO_REUSEPORT of socket(7)).
//!
//! Asked by bind, listen and connect, and for each SYN: which listener takes it. Not asked for packets of connections. Sockets that
//! were bound are listed; connections that were accepted, and what is left of them, are only counted.

use alloc::vec::Vec;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use core::ops::RangeInclusive;
use hashbrown::HashMap;

/// Ports that are chosen for those who name none (`net.ipv4.ip_local_port_range`).
pub const EPHEMERAL: RangeInclusive<u16> = 32768..=60999;

/// Addresses that a socket is bound to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// Of IPv4; unspecified for all.
    V4(Ipv4Addr),
    /// Of IPv6; unspecified for all, and those of IPv4 too unless `true` (IPV6_V6ONLY).
    V6(Ipv6Addr, bool),
}

impl Place {
    fn overlaps(self, other: Place) -> bool {
        match (self, other) {
            (Place::V4(a), Place::V4(b)) => a == b || a.is_unspecified() || b.is_unspecified(),
            (Place::V6(a, _), Place::V6(b, _)) => a == b || a.is_unspecified() || b.is_unspecified(),
            (Place::V4(_), Place::V6(six, only)) | (Place::V6(six, only), Place::V4(_)) => {
                six.is_unspecified() && !only
            }
        }
    }

    /// How well it fits a destination; `None` if not at all.
    fn score(self, address: IpAddr) -> Option<u8> {
        match (self, address) {
            (Place::V4(mine), IpAddr::V4(to)) if mine == to => Some(3),
            (Place::V4(mine), IpAddr::V4(_)) if mine.is_unspecified() => Some(2),
            (Place::V6(mine, _), IpAddr::V6(to)) if mine == to => Some(3),
            (Place::V6(mine, _), IpAddr::V6(_)) if mine.is_unspecified() => Some(2),
            (Place::V6(mine, false), IpAddr::V4(_)) if mine.is_unspecified() => Some(1),
            _ => None,
        }
    }
}

/// A socket that is bound.
#[derive(Clone, Copy, Debug)]
pub struct Binder {
    /// Its slot, and which use of it.
    pub socket: (u32, u32),
    /// Where.
    pub place: Place,
    /// SO_REUSEADDR.
    pub reuse_address: bool,
    /// SO_REUSEPORT.
    pub reuse_port: bool,
    /// Who made it.
    pub uid: u32,
    /// It listens.
    pub listening: bool,
}

/// A connection's share in a port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hold {
    /// The port.
    pub port: u16,
    /// SO_REUSEADDR.
    pub reuse: bool,
}

#[derive(Default)]
struct Port {
    binders: Vec<Binder>,
    /// Connections without and with SO_REUSEADDR.
    held: [u32; 2],
}

impl Port {
    fn is_unused(&self) -> bool {
        self.binders.is_empty() && self.held == [0, 0]
    }

    fn conflicts(&self, new: &Binder) -> bool {
        let [held, held_reusable] = self.held;
        let shared = |other: &Binder| new.reuse_port && other.reuse_port && new.uid == other.uid;
        let reusable = |other: &Binder| new.reuse_address && other.reuse_address && !other.listening;
        // With SO_REUSEPORT what is left of connections does not matter: they were accepted by one that shares.
        (!new.reuse_port && (held > 0 || held_reusable > 0 && !new.reuse_address))
            || self.binders.iter().any(|other| {
                other.socket != new.socket
                    && other.place.overlaps(new.place)
                    && !reusable(other)
                    && !shared(other)
            })
    }
}

/// Why a port was not given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PortError {
    /// Somebody has it.
    InUse,
    /// There is no memory.
    NoMemory,
}

/// All ports.
#[derive(Default)]
pub struct Ports {
    ports: HashMap<u16, Port>,
}

impl Ports {
    fn entry(&mut self, port: u16) -> Result<&mut Port, PortError> {
        self.ports.try_reserve(1).map_err(|_| PortError::NoMemory)?;
        let entry = self.ports.entry(port).or_default();
        entry.binders.try_reserve(1).map_err(|_| PortError::NoMemory)?;
        Ok(entry)
    }

    /// Binds a socket to `port`, or to a free one if that is 0: the first after a place that `random` tells.
    ///
    /// # Errors
    /// The port, or all of them, are in use.
    pub fn bind(&mut self, new: Binder, port: u16, random: u32) -> Result<u16, PortError> {
        let port = if port != 0 { port } else { self.free_port(random).ok_or(PortError::InUse)? };
        let entry = self.entry(port)?;
        if entry.conflicts(&new) {
            return Err(PortError::InUse);
        }
        entry.binders.push(new);
        Ok(port)
    }

    fn free_port(&self, random: u32) -> Option<u16> {
        candidates(random).find(|port| self.ports.get(port).is_none_or(Port::is_unused))
    }

    /// A bound socket begins to listen.
    ///
    /// # Errors
    /// Another one listens there.
    pub fn listen(&mut self, socket: (u32, u32), port: u16) -> Result<(), PortError> {
        let entry = self.entry(port)?;
        let Some(new) = entry.binders.iter().find(|binder| binder.socket == socket).copied() else {
            return Err(PortError::InUse);
        };
        let taken = |other: &Binder| {
            other.socket != socket
                && other.listening
                && other.place.overlaps(new.place)
                && !(new.reuse_port && other.reuse_port && new.uid == other.uid)
        };
        if entry.binders.iter().any(taken) {
            return Err(PortError::InUse);
        }
        self.change(socket, port, |binder| binder.listening = true);
        Ok(())
    }

    /// A bound socket listens no longer.
    pub fn stop_listening(&mut self, socket: (u32, u32), port: u16) {
        self.change(socket, port, |binder| binder.listening = false);
    }

    /// Options of a bound socket have changed.
    pub fn change(&mut self, socket: (u32, u32), port: u16, change: impl FnOnce(&mut Binder)) {
        let entry = self.ports.get_mut(&port);
        if let Some(binder) = entry.and_then(|e| e.binders.iter_mut().find(|b| b.socket == socket)) {
            change(binder);
        }
    }

    /// A socket is bound no longer.
    pub fn unbind(&mut self, socket: (u32, u32), port: u16) {
        if let Some(entry) = self.ports.get_mut(&port) {
            entry.binders.retain(|binder| binder.socket != socket);
            if entry.is_unused() {
                self.ports.remove(&port);
            }
        }
    }

    /// Whether connect may choose this port: nobody is bound to it.
    pub fn may_share(&self, port: u16) -> bool {
        self.ports.get(&port).is_none_or(|entry| entry.binders.is_empty())
    }

    /// A connection uses a port.
    ///
    /// # Errors
    /// There is no memory.
    pub fn hold(&mut self, hold: Hold) -> Result<(), PortError> {
        let entry = self.entry(hold.port)?;
        let [plain, reusable] = &mut entry.held;
        *(if hold.reuse { reusable } else { plain }) += 1;
        Ok(())
    }

    /// A connection gives up its port.
    pub fn release(&mut self, hold: Hold) {
        let Some(entry) = self.ports.get_mut(&hold.port) else { return };
        let [plain, reusable] = &mut entry.held;
        let count = if hold.reuse { reusable } else { plain };
        *count = count.saturating_sub(1);
        if entry.is_unused() {
            self.ports.remove(&hold.port);
        }
    }

    /// The listener for a connection to `to`: the one that is bound most exactly; of several that share a port, the one that the
    /// hash of the connection chooses.
    pub fn listener(&self, to: SocketAddr, hash: u64) -> Option<(u32, u32)> {
        let entry = self.ports.get(&to.port())?;
        let score = |binder: &&Binder| if binder.listening { binder.place.score(to.ip()) } else { None };
        let best = entry.binders.iter().filter_map(|binder| score(&binder)).max()?;
        let group = || entry.binders.iter().filter(|binder| score(binder) == Some(best));
        let count = group().count() as u64;
        // The upper half of the hash: the lower one finds the bucket.
        let chosen = ((hash >> 32) * count) >> 32;
        group().nth(chosen as usize).map(|binder| binder.socket)
    }
}

/// All ephemeral ports, from a random one on.
pub fn candidates(random: u32) -> impl Iterator<Item = u16> {
    let count = u32::from(EPHEMERAL.end() - EPHEMERAL.start()) + 1;
    (0..count).map(move |n| EPHEMERAL.start() + ((random % count + n) % count) as u16)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ANY4: Place = Place::V4(Ipv4Addr::UNSPECIFIED);
    const ONE4: Place = Place::V4(Ipv4Addr::new(10, 0, 0, 1));
    const ANY6: Place = Place::V6(Ipv6Addr::UNSPECIFIED, false);
    const ONLY6: Place = Place::V6(Ipv6Addr::UNSPECIFIED, true);

    fn binder(n: u32, place: Place) -> Binder {
        Binder { socket: (n, 0), place, reuse_address: false, reuse_port: false, uid: 0, listening: false }
    }

    #[test]
    fn who_may_bind() {
        let mut ports = Ports::default();
        let mut bind = |binder| ports.bind(binder, 80, 0);
        assert_eq!(bind(binder(1, ANY6)), Ok(80));
        assert_eq!(bind(binder(2, ONE4)), Err(PortError::InUse));
        ports.unbind((1, 0), 80);
        let mut bind = |binder| ports.bind(binder, 80, 0);
        assert_eq!(bind(binder(1, ONLY6)), Ok(80));
        assert_eq!(bind(binder(2, ONE4)), Ok(80));
        assert_eq!(bind(binder(3, ANY4)), Err(PortError::InUse));
        assert_eq!(bind(binder(3, Place::V4(Ipv4Addr::LOCALHOST))), Ok(80));
        assert_eq!(ports.listener("10.0.0.1:80".parse().unwrap(), 0), None);
        ports.listen((2, 0), 80).unwrap();
        assert_eq!(ports.listener("10.0.0.1:80".parse().unwrap(), 0), Some((2, 0)));
        assert_eq!(ports.listener("10.0.0.2:80".parse().unwrap(), 0), None);
    }

    #[test]
    fn reuse_of_addresses() {
        let mut ports = Ports::default();
        let reusing = |n| Binder { reuse_address: true, ..binder(n, ANY4) };
        assert_eq!(ports.bind(reusing(1), 80, 0), Ok(80));
        assert_eq!(ports.bind(reusing(2), 80, 0), Ok(80), "none of them listens");
        assert_eq!(ports.bind(binder(3, ANY4), 80, 0), Err(PortError::InUse));
        assert_eq!(ports.listen((1, 0), 80), Ok(()));
        assert_eq!(ports.listen((2, 0), 80), Err(PortError::InUse));
        assert_eq!(ports.bind(reusing(3), 80, 0), Err(PortError::InUse));
        ports.unbind((1, 0), 80);
        ports.unbind((2, 0), 80);
        // A connection is left.
        ports.hold(Hold { port: 80, reuse: true }).unwrap();
        assert_eq!(ports.bind(binder(4, ANY4), 80, 0), Err(PortError::InUse));
        assert_eq!(ports.bind(reusing(4), 80, 0), Ok(80));
        ports.unbind((4, 0), 80);
        ports.hold(Hold { port: 80, reuse: false }).unwrap();
        assert_eq!(ports.bind(reusing(4), 80, 0), Err(PortError::InUse), "the connection must allow it too");
        ports.release(Hold { port: 80, reuse: false });
        ports.release(Hold { port: 80, reuse: true });
        assert!(ports.ports.is_empty());
    }

    #[test]
    fn sharing_of_ports() {
        let mut ports = Ports::default();
        for n in 0..4 {
            let sharing = Binder { reuse_port: true, ..binder(n, ANY4) };
            ports.bind(sharing, 80, 0).unwrap();
            ports.listen((n, 0), 80).unwrap();
        }
        let other = Binder { reuse_port: true, uid: 7, ..binder(9, ANY4) };
        assert_eq!(ports.bind(other, 80, 0), Err(PortError::InUse), "another user");
        let mut counts = [0; 4];
        let key = crate::tcp::flow::Key(3, 4);
        for n in 0..4000u64 {
            let (socket, _) = ports.listener("1.2.3.4:80".parse().unwrap(), key.hash(&[n])).unwrap();
            counts[socket as usize] += 1;
        }
        assert!(counts.iter().all(|&n| (800..1200).contains(&n)), "{counts:?}");
    }

    #[test]
    fn chosen_ports_run_out() {
        let mut ports = Ports::default();
        for n in 0..28232 {
            let port = ports.bind(binder(n, ANY4), 0, n).unwrap();
            assert!(EPHEMERAL.contains(&port));
            assert!(!ports.may_share(port));
        }
        assert_eq!(ports.bind(binder(1, ANY4), 0, 5), Err(PortError::InUse));
    }
}
