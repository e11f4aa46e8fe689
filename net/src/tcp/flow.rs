//! [`Flow`]: both ends of a connection, and the keyed hashes over them.
//!
//! Used by the tables of this module. IPv4 addresses are held as mapped IPv6 addresses, so that both families are one kind of key.
//! The hash is SipHash-1-3: who does not know the key can neither fill one bucket nor guess sequence numbers.

use core::net::{IpAddr, Ipv6Addr, SocketAddr};

/// Local and remote end of a connection.
#[derive(Clone, Copy, Debug, Default, Eq)]
pub struct Flow {
    words: [u64; 5],
}

impl PartialEq for Flow {
    #[inline]
    fn eq(&self, other: &Self) -> bool {
        self.words.iter().zip(&other.words).fold(0, |differences, (a, b)| differences | (a ^ b)) == 0
    }
}

/// Words that a [`Flow`] consists of.
pub const WORDS: usize = 5;

fn halves(address: IpAddr) -> [u64; 2] {
    let bits = match address {
        IpAddr::V4(address) => address.to_ipv6_mapped().to_bits(),
        IpAddr::V6(address) => address.to_bits(),
    };
    [(bits >> 64) as u64, bits as u64]
}

fn address([high, low]: [u64; 2]) -> IpAddr {
    Ipv6Addr::from_bits(u128::from(high) << 64 | u128::from(low)).to_canonical()
}

impl Flow {
    /// From its ends.
    pub fn new(local: SocketAddr, remote: SocketAddr) -> Self {
        let [a, b] = halves(local.ip());
        let [c, d] = halves(remote.ip());
        Flow { words: [a, b, c, d, u64::from(local.port()) << 16 | u64::from(remote.port())] }
    }

    /// From the bits of IPv4 addresses, and ports.
    #[inline]
    pub fn of_v4((local, local_port): (u32, u16), (remote, remote_port): (u32, u16)) -> Self {
        const MAPPED: u64 = 0xffff << 32;
        let ports = u64::from(local_port) << 16 | u64::from(remote_port);
        Flow { words: [0, MAPPED | u64::from(local), 0, MAPPED | u64::from(remote), ports] }
    }

    /// From its words.
    pub fn from_words(words: [u64; WORDS]) -> Self {
        Flow { words }
    }

    /// Its words.
    pub fn words(&self) -> &[u64; WORDS] {
        &self.words
    }

    /// All that tells a connection over IPv4 from others: both addresses, and the ports. `None` for one over IPv6.
    #[inline]
    pub fn short_words(&self) -> Option<[u64; 2]> {
        const MAPPED: u64 = 0xffff << 32;
        let [a, b, c, d, ports] = self.words;
        let v4 = a | c == 0 && (b & !0xffff_ffff, d & !0xffff_ffff) == (MAPPED, MAPPED);
        v4.then_some([b << 32 | d & 0xffff_ffff, ports])
    }

    /// The own end.
    pub fn local(&self) -> SocketAddr {
        let [a, b, _, _, ports] = self.words;
        SocketAddr::new(address([a, b]), (ports >> 16) as u16)
    }

    /// The other end.
    pub fn remote(&self) -> SocketAddr {
        let [_, _, c, d, ports] = self.words;
        SocketAddr::new(address([c, d]), ports as u16)
    }

    /// The same connection, seen from the other end.
    pub fn reversed(&self) -> Flow {
        Flow::new(self.remote(), self.local())
    }
}

/// The key of a hash.
#[derive(Clone, Copy, Debug)]
pub struct Key(pub u64, pub u64);

impl Key {
    /// The hash of `words`.
    #[inline]
    pub fn hash(self, words: &[u64]) -> u64 {
        let Key(k0, k1) = self;
        let mut v = [
            k0 ^ 0x736f_6d65_7073_6575,
            k1 ^ 0x646f_7261_6e64_6f6d,
            k0 ^ 0x6c79_6765_6e65_7261,
            k1 ^ 0x7465_6462_7974_6573,
        ];
        let mut take = |word: u64| {
            v[3] ^= word;
            round(&mut v);
            v[0] ^= word;
        };
        words.iter().copied().for_each(&mut take);
        take((words.len() as u64 * 8) << 56);
        v[2] ^= 0xff;
        (0..3).for_each(|_| round(&mut v));
        v[0] ^ v[1] ^ v[2] ^ v[3]
    }
}

#[inline(always)]
fn round(v: &mut [u64; 4]) {
    let [a, b, c, d] = v;
    *a = a.wrapping_add(*b);
    *c = c.wrapping_add(*d);
    *b = b.rotate_left(13) ^ *a;
    *d = d.rotate_left(16) ^ *c;
    *a = a.rotate_left(32);
    *c = c.wrapping_add(*b);
    *a = a.wrapping_add(*d);
    *b = b.rotate_left(17) ^ *c;
    *d = d.rotate_left(21) ^ *a;
    *c = c.rotate_left(32);
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::hash::Hasher;

    #[test]
    fn ends_survive() {
        for (a, b) in [("10.0.0.1:80", "192.168.1.2:40000"), ("[::1]:80", "[fe80::2]:9")] {
            let (a, b): (SocketAddr, SocketAddr) = (a.parse().unwrap(), b.parse().unwrap());
            let flow = Flow::new(a, b);
            assert_eq!((flow.local(), flow.remote()), (a, b));
            assert_eq!(flow.reversed(), Flow::new(b, a));
            if let (SocketAddr::V4(a), SocketAddr::V4(b)) = (a, b) {
                let end = |address: core::net::SocketAddrV4| (address.ip().to_bits(), address.port());
                assert_eq!(flow, Flow::of_v4(end(a), end(b)));
            }
        }
        let mapped =
            Flow::new("[::ffff:10.0.0.1]:80".parse().unwrap(), "[::ffff:1.2.3.4]:9".parse().unwrap());
        assert_eq!(mapped.local(), "10.0.0.1:80".parse().unwrap());
        assert_eq!(mapped.short_words(), Some([0x0a00_0001_0102_0304, 80 << 16 | 9]));
        let v6 = Flow::new("[::1]:80".parse().unwrap(), "[::ffff:1.2.3.4]:9".parse().unwrap());
        assert_eq!(v6.short_words(), None);
    }

    /// The standard library's default hasher is SipHash-1-3 with a key of zeros.
    #[test]
    fn hash_is_siphash_1_3() {
        for words in [&[][..], &[1], &[1, 2, 3, u64::MAX, 5]] {
            let mut hasher = std::collections::hash_map::DefaultHasher::new();
            words.iter().for_each(|word| hasher.write(&word.to_le_bytes()));
            assert_eq!(Key(0, 0).hash(words), hasher.finish());
        }
        assert_ne!(Key(0, 1).hash(&[1]), Key(0, 0).hash(&[1]));
    }
}
