//! [`PathMtus`]: what routers said about the largest packet on the way to a host (RFC 1191, RFC 8201).
//!
//! Bounded; an entry is believed for ten minutes, then a larger packet is tried again.

use core::net::IpAddr;
use hashbrown::HashMap;

/// Entries at most.
const MAX_ENTRIES: usize = 256;
/// How long an entry counts, nanoseconds.
const LIFETIME: u64 = 600_000_000_000;

/// The table.
#[derive(Default)]
pub struct PathMtus(HashMap<IpAddr, (u16, u64)>);

/// What is believed of a router's word that `to` is reached with packets of `mtu` bytes at most.
pub fn believable(to: IpAddr, mtu: u32) -> u16 {
    // Below these, a forged message costs more than it could ever be right.
    let least = if to.is_ipv4() { 552 } else { 1280 };
    mtu.clamp(least, 65535) as u16
}

impl PathMtus {
    /// Empty.
    pub fn new() -> Self {
        Self::default()
    }

    /// The MTU for `to` when the interface carries `mtu`.
    pub fn limit(&self, to: IpAddr, mtu: u16, now: u64) -> u16 {
        match self.0.get(&to) {
            Some(&(known, until)) if until > now => known.min(mtu),
            _ => mtu,
        }
    }

    /// A router said that `to` is reached with packets of `mtu` bytes at most; returns what is believed.
    pub fn set(&mut self, to: IpAddr, mtu: u32, now: u64) -> u16 {
        let mtu = believable(to, mtu);
        if self.0.len() >= MAX_ENTRIES && !self.0.contains_key(&to) {
            self.0.retain(|_, entry| entry.1 > now);
            let oldest = self.0.iter().min_by_key(|(_, entry)| entry.1).map(|(&to, _)| to);
            if let Some(oldest) = oldest.filter(|_| self.0.len() >= MAX_ENTRIES) {
                self.0.remove(&oldest);
            }
        }
        self.0.insert(to, (mtu, now.saturating_add(LIFETIME)));
        mtu
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use core::net::Ipv4Addr;

    #[test]
    fn believes_for_a_while_and_forgets_the_oldest() {
        let mut table = PathMtus::new();
        let host = |n: u32| IpAddr::V4(Ipv4Addr::from_bits(n));
        assert_eq!((table.set(host(1), 1400, 0), table.set(host(2), 1, 5)), (1400, 552));
        assert_eq!((table.limit(host(1), 1500, 1), table.limit(host(1), 1280, 1)), (1400, 1280));
        assert_eq!(table.limit(host(1), 1500, LIFETIME), 1500);
        for n in 3..1000 {
            table.set(host(n), 1300, u64::from(n));
        }
        assert_eq!(
            (table.0.len(), table.limit(host(1), 1500, 1), table.limit(host(999), 1500, 1)),
            (256, 1500, 1300)
        );
    }
}
