//! [`Fragments`]: puts IP packets together (RFC 791, RFC 8200 section 4.5, RFC 5722).
//!
//! Called by input for each fragment and by the timer. Bounded in packets and bytes: when there is no room the oldest packet goes.
//! A packet with fragments that overlap is dropped as a whole, so nobody can slip other bytes into it.

use crate::frame::{Frame, HEADROOM};
use crate::ip::wire;
use alloc::vec::Vec;
use core::net::IpAddr;

/// Packets that are incomplete at most.
pub const MAX_PACKETS: usize = 64;
/// Bytes of all of them at most, with what keeping them costs.
pub const MAX_BYTES: usize = 1 << 20;
/// Fragments of one packet at most.
pub const MAX_PIECES: usize = 256;
/// What a fragment costs beside its bytes.
const OVERHEAD: usize = 64;
/// How long a packet may be incomplete, nanoseconds.
pub const TIMEOUT: u64 = 30_000_000_000;
/// Largest packet.
const MAX_PACKET: usize = 65535;

/// Which packet a fragment belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Key {
    /// From whom.
    pub source: IpAddr,
    /// To whom.
    pub destination: IpAddr,
    /// Its number.
    pub ident: u32,
    /// Its protocol.
    pub protocol: u8,
}

/// Where a fragment belongs.
#[derive(Clone, Copy, Debug)]
pub struct Piece {
    /// Offset of its data in the packet's.
    pub offset: usize,
    /// It is not the last.
    pub more: bool,
    /// Bytes of the header that every fragment has.
    pub header_len: usize,
    /// Where its data begins.
    pub data_at: usize,
    /// IPv6: where the number of the header that follows is stored.
    pub next_at: Option<usize>,
}

/// What became of it.
#[derive(Debug)]
pub enum Verdict {
    /// More is needed.
    Waiting,
    /// It cannot be used; if it overlapped, the packet is gone too.
    Dropped,
    /// Its length is wrong: IPv6 wants an answer that points there.
    Misaligned(u32),
    /// The packet, and the length of its header.
    Complete(Frame, usize),
}

/// A packet whose time was over.
#[derive(Debug)]
pub struct Expired {
    /// Whose.
    pub key: Key,
    /// The interface of the first fragment that came.
    pub interface: u32,
    /// The fragment at offset 0 with its header, if that came.
    pub first: Option<Frame>,
}

struct Partial {
    key: Key,
    interface: u32,
    deadline: u64,
    /// Header of the fragment at offset 0.
    header: Option<(Vec<u8>, Option<usize>)>,
    /// Sorted by offset, without overlaps.
    pieces: Vec<(usize, Vec<u8>)>,
    /// Bytes of data, once the last fragment is there.
    total: Option<usize>,
    cost: usize,
}

/// Packets that are incomplete, oldest first.
#[derive(Default)]
pub struct Fragments {
    partial: Vec<Partial>,
    cost: usize,
}

impl Fragments {
    /// None.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes a fragment.
    pub fn add(&mut self, key: Key, piece: Piece, frame: &Frame, interface: u32, now: u64) -> Verdict {
        let Some(data) = frame.data().get(piece.data_at..) else { return Verdict::Dropped };
        let end = piece.offset + data.len();
        if piece.more && data.len() % 8 != 0 {
            return if piece.next_at.is_some() { Verdict::Misaligned(4) } else { Verdict::Dropped };
        }
        if (data.is_empty() && (piece.more || piece.offset != 0)) || end + piece.header_len > MAX_PACKET {
            return Verdict::Dropped;
        }
        let at = match self.partial.iter().position(|p| p.key == key) {
            Some(at) => at,
            None => {
                if self.partial.len() >= MAX_PACKETS {
                    self.drop_at(0);
                }
                self.partial.push(Partial {
                    key,
                    interface,
                    deadline: now.saturating_add(TIMEOUT),
                    header: None,
                    pieces: Vec::new(),
                    total: None,
                    cost: 0,
                });
                self.partial.len() - 1
            }
        };
        let Some(partial) = self.partial.get_mut(at) else { return Verdict::Dropped };
        match partial.insert(&piece, data, frame.data()) {
            Inserted::No => {
                self.drop_at(at);
                return Verdict::Dropped;
            }
            Inserted::Known => return Verdict::Waiting,
            Inserted::Yes(cost) => self.cost += cost,
        }
        if partial.is_complete() {
            let packet = partial.build();
            self.drop_at(at);
            return packet.map_or(Verdict::Dropped, |(frame, len)| Verdict::Complete(frame, len));
        }
        let mut verdict = Verdict::Waiting;
        while self.cost > MAX_BYTES && !self.partial.is_empty() {
            if self.partial.first().is_some_and(|p| p.key == key) {
                verdict = Verdict::Dropped;
            }
            self.drop_at(0);
        }
        verdict
    }

    fn drop_at(&mut self, at: usize) {
        if at < self.partial.len() {
            let gone = self.partial.remove(at);
            self.cost = self.cost.saturating_sub(gone.cost);
        }
    }

    /// Takes what is too old at `now`.
    pub fn expire(&mut self, now: u64) -> Vec<Expired> {
        let mut expired = Vec::new();
        while self.partial.first().is_some_and(|p| p.deadline <= now) {
            let gone = self.partial.remove(0);
            self.cost = self.cost.saturating_sub(gone.cost);
            let first = gone.first();
            expired.push(Expired { key: gone.key, interface: gone.interface, first });
        }
        expired
    }

    /// When [`expire`](Self::expire) has something to do.
    pub fn next_deadline(&self) -> Option<u64> {
        self.partial.first().map(|p| p.deadline)
    }

    /// Packets, and bytes that they take.
    pub fn usage(&self) -> (usize, usize) {
        (self.partial.len(), self.cost)
    }
}

enum Inserted {
    Yes(usize),
    Known,
    No,
}

impl Partial {
    fn insert(&mut self, piece: &Piece, data: &[u8], packet: &[u8]) -> Inserted {
        let end = piece.offset + data.len();
        if self.pieces.iter().any(|(at, known)| *at == piece.offset && known.as_slice() == data) {
            return Inserted::Known;
        }
        let overlaps = |(at, known): &(usize, Vec<u8>)| *at < end && piece.offset < at + known.len();
        let beyond = |total: usize| end > total || (!piece.more && end != total);
        let last = self.pieces.last().map_or(0, |(at, known)| at + known.len());
        if self.pieces.iter().any(overlaps)
            || self.total.is_some_and(beyond)
            || (!piece.more && last > end)
            || self.pieces.len() >= MAX_PIECES
        {
            return Inserted::No;
        }
        let mut copy = Vec::new();
        if copy.try_reserve_exact(data.len()).is_err() || self.pieces.try_reserve(1).is_err() {
            return Inserted::No;
        }
        copy.extend_from_slice(data);
        if !piece.more {
            self.total = Some(end);
        }
        if piece.offset == 0 {
            let header = packet.get(..piece.header_len).unwrap_or_default().to_vec();
            self.header = Some((header, piece.next_at));
        }
        let place = self.pieces.partition_point(|(at, _)| *at < piece.offset);
        self.pieces.insert(place, (piece.offset, copy));
        let cost = data.len() + OVERHEAD;
        self.cost += cost;
        Inserted::Yes(cost)
    }

    fn is_complete(&self) -> bool {
        let have: usize = self.pieces.iter().map(|(_, data)| data.len()).sum();
        self.header.is_some() && self.total == Some(have)
    }

    /// The packet with one header in front.
    fn build(&self) -> Option<(Frame, usize)> {
        let (header, _) = self.header.as_ref()?;
        self.assemble(header.len() + self.total?)
    }

    /// What came of the front of the packet, as a router would have quoted it.
    fn first(&self) -> Option<Frame> {
        let (header, _) = self.header.as_ref()?;
        let (_, data) = self.pieces.first().filter(|(at, _)| *at == 0)?;
        Some(self.assemble(header.len() + data.len())?.0)
    }

    fn assemble(&self, len: usize) -> Option<(Frame, usize)> {
        let (header, next_at) = self.header.as_ref()?;
        if len > MAX_PACKET {
            return None;
        }
        let mut frame = Frame::with_room(HEADROOM, len)?;
        frame.set_len(len);
        let packet = frame.data_mut();
        wire::put(packet, 0, header);
        for (at, data) in &self.pieces {
            wire::put(packet, header.len() + at, data);
        }
        match next_at {
            Some(at) => {
                wire::put(packet, *at, &[self.key.protocol]);
                wire::put(packet, 4, &((len.checked_sub(40)?) as u16).to_be_bytes());
            }
            None => {
                wire::put(packet, 2, &(len as u16).to_be_bytes());
                wire::put(packet, 6, &[0, 0, packet.get(8).copied()?, packet.get(9).copied()?, 0, 0]);
                let sum = wire::plain_checksum(packet.get(..header.len())?);
                wire::put(packet, 10, &sum.to_be_bytes());
            }
        }
        Some((frame, header.len()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use core::net::Ipv4Addr;
    use smoltcp::wire::Ipv4Packet;

    fn key(ident: u32) -> Key {
        Key {
            source: Ipv4Addr::LOCALHOST.into(),
            destination: Ipv4Addr::LOCALHOST.into(),
            ident,
            protocol: 17,
        }
    }

    fn give(table: &mut Fragments, ident: u32, offset: usize, more: bool, data: &[u8]) -> Verdict {
        let mut frame = Frame::with_room(0, 20 + data.len()).expect("memory");
        frame.set_len(20 + data.len());
        frame.data_mut()[0] = 0x45;
        frame.data_mut()[20..].copy_from_slice(data);
        let piece = Piece { offset, more, header_len: 20, data_at: 20, next_at: None };
        table.add(key(ident), piece, &frame, 2, 0)
    }

    #[test]
    fn any_order_gives_the_packet_once() {
        let data: Vec<u8> = (0..40).collect();
        for order in [[0, 1, 2], [2, 1, 0], [1, 2, 0], [2, 0, 1]] {
            let mut table = Fragments::new();
            for (n, at) in order.into_iter().enumerate() {
                let (from, to) = [(0, 16), (16, 32), (32, 40)][at];
                let verdict = give(&mut table, 7, from, at != 2, &data[from..to]);
                assert!(
                    matches!(give(&mut table, 8, 0, true, &data[..8]), Verdict::Waiting),
                    "another packet"
                );
                match verdict {
                    Verdict::Waiting => assert!(n < 2),
                    Verdict::Complete(frame, 20) => {
                        assert_eq!((n, &frame.data()[20..]), (2, data.as_slice()));
                        let header = Ipv4Packet::new_checked(frame.data()).expect("a header");
                        assert!(header.verify_checksum() && header.total_len() == 60 && !header.more_frags());
                    }
                    other => panic!("{other:?}"),
                }
            }
            assert_eq!(table.usage().0, 1);
        }
    }

    #[test]
    fn overlaps_and_lies_drop_the_packet() {
        let mut table = Fragments::new();
        give(&mut table, 1, 0, true, &[0; 16]);
        assert!(
            matches!(give(&mut table, 1, 0, true, &[0; 16]), Verdict::Waiting),
            "a duplicate is harmless"
        );
        assert!(matches!(give(&mut table, 1, 8, true, &[1; 16]), Verdict::Dropped));
        give(&mut table, 2, 64, true, &[0; 8]);
        assert!(
            matches!(give(&mut table, 2, 8, false, &[0; 8]), Verdict::Dropped),
            "the end lies before other data"
        );
        assert!(matches!(give(&mut table, 3, 0, true, &[0; 9]), Verdict::Dropped), "not a multiple of 8");
        assert!(matches!(give(&mut table, 3, 65528, false, &[0; 9]), Verdict::Dropped), "too long");
        assert_eq!(table.usage(), (0, 0));
    }

    #[test]
    fn bounded_in_packets_bytes_and_time() {
        let mut table = Fragments::new();
        for ident in 0..1000 {
            give(&mut table, ident, 0, true, &[0; 40000]);
            let (packets, bytes) = table.usage();
            assert!(packets <= MAX_PACKETS && bytes <= MAX_BYTES);
        }
        for ident in 0..1000 {
            give(&mut table, ident, 8, true, &[0; 8]);
        }
        assert_eq!(table.usage().0, MAX_PACKETS);
        assert!(table.expire(TIMEOUT - 1).is_empty());
        assert_eq!(table.expire(TIMEOUT).len(), MAX_PACKETS);
        assert_eq!((table.usage(), table.next_deadline()), ((0, 0), None));
    }
}
