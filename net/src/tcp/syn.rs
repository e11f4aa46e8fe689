//! [`SynQueue`]: connections whose handshake is not complete, and [`Cookies`] for when there are too many of them.
//!
//! A half-open connection is a compact record; what the engine needs is made when the handshake completes, from the record. When a
//! listener's records or all of them are at their bound, the SYN-ACK's own sequence number carries what has to be known (RFC 4987,
//! 3.6): such connections lose nothing but repetitions of the SYN-ACK. Records are kept under one lock and looked through as a whole a
//! few times a second while there are any.

use super::flow::{Flow, Key};
use super::segment::{Plain, SYN, SynOptions};
use alloc::vec::Vec;
use hashbrown::{HashMap, HashTable};

/// Most records.
pub const LIMIT: usize = 4096;
/// SYN-ACKs that are sent again (`net.ipv4.tcp_synack_retries`).
const TRIES: u8 = 5;
/// Time between looks, nanoseconds.
const TICK: u64 = 250_000_000;
const SECOND: u64 = 1_000_000_000;

/// A half-open connection.
#[derive(Clone, Copy, Debug)]
pub struct Half {
    /// The connection.
    pub flow: Flow,
    /// Socket that listens, and which use of the slot it is.
    pub listener: (u32, u32),
    /// The other side's initial sequence number.
    pub remote_isn: u32,
    /// The own one.
    pub isn: u32,
    /// What the SYN asked for.
    pub options: SynOptions,
    /// Window of the SYN.
    pub window: u16,
    /// Largest segment that this side announced.
    pub mss: u16,
    /// The own window's shift, as announced.
    pub shift: u8,
    /// Bytes of the receive buffer that were promised.
    pub receive_buffer: u32,
    /// When the SYN came.
    pub since: u64,
}

impl Half {
    /// Its SYN-ACK.
    pub fn answer(&self) -> Plain {
        let options = SynOptions {
            mss: Some(self.mss),
            scale: self.options.scale.map(|_| self.shift),
            sack: self.options.sack,
        };
        Plain {
            flow: self.flow,
            seq: self.isn,
            ack: Some(self.remote_isn.wrapping_add(1)),
            flag: SYN,
            window: self.receive_buffer.min(65535) as u16,
            options,
        }
    }
}

struct Entry {
    half: Half,
    hash: u64,
    next_at: u64,
    tries: u8,
    /// The acknowledgement came, but the connection was not made: for want of data (TCP_DEFER_ACCEPT), or of room.
    acknowledged: bool,
    /// Somebody makes the connection at this moment.
    taken: bool,
}

/// What became of an acknowledgement.
#[derive(Debug)]
pub enum Claim {
    /// No such record.
    Unknown,
    /// Somebody else makes the connection now.
    Busy,
    /// The caller makes the connection, and says [`done`](SynQueue::done) then.
    Mine(Half),
}

/// All half-open connections.
pub struct SynQueue {
    table: HashTable<Entry>,
    per_listener: HashMap<u32, u32>,
    next_tick: u64,
}

impl Default for SynQueue {
    fn default() -> Self {
        Self::new()
    }
}

impl SynQueue {
    /// Empty.
    pub fn new() -> Self {
        SynQueue { table: HashTable::new(), per_listener: HashMap::new(), next_tick: u64::MAX }
    }

    /// Takes in a record. False if there are too many of this listener (`backlog`) or of all.
    pub fn insert(&mut self, half: Half, hash: u64, backlog: usize, now: u64) -> bool {
        let (listener, _) = half.listener;
        let mine = self.per_listener.get(&listener).map_or(0, |&n| n as usize);
        if self.table.len() >= LIMIT || mine >= backlog {
            return false;
        }
        let room = self.table.try_reserve(1, |entry| entry.hash).is_ok();
        if !room || self.per_listener.try_reserve(1).is_err() {
            return false;
        }
        *self.per_listener.entry(listener).or_insert(0) += 1;
        let next_at = now.saturating_add(SECOND);
        let entry = Entry { half, hash, next_at, tries: 0, acknowledged: false, taken: false };
        self.table.insert_unique(hash, entry, |entry| entry.hash);
        self.next_tick = self.next_tick.min(now.saturating_add(TICK));
        true
    }

    /// The record of a connection whose SYN came again.
    pub fn find(&self, flow: &Flow, hash: u64) -> Option<Half> {
        self.table.find(hash, |entry| entry.half.flow == *flow).map(|entry| entry.half)
    }

    /// The handshake of `flow` is complete, if `ack` acknowledges the SYN-ACK.
    pub fn claim(&mut self, flow: &Flow, hash: u64, ack: u32) -> Claim {
        match self.table.find_mut(hash, |entry| entry.half.flow == *flow) {
            Some(entry) if entry.half.isn.wrapping_add(1) != ack => Claim::Unknown,
            Some(entry) if entry.taken => Claim::Busy,
            Some(entry) => {
                entry.taken = true;
                Claim::Mine(entry.half)
            }
            None => Claim::Unknown,
        }
    }

    /// The connection was made, or not: then the record stays, and the SYN-ACK is repeated in time.
    pub fn done(&mut self, flow: &Flow, hash: u64, made: bool) {
        if made {
            self.remove(flow, hash);
        } else if let Some(entry) = self.table.find_mut(hash, |entry| entry.half.flow == *flow) {
            (entry.taken, entry.acknowledged) = (false, true);
        }
    }

    /// Forgets a connection.
    pub fn remove(&mut self, flow: &Flow, hash: u64) -> Option<Half> {
        let found = self.table.find_entry(hash, |entry| entry.half.flow == *flow).ok()?;
        let (entry, _) = found.remove();
        self.forget(entry.half.listener.0);
        Some(entry.half)
    }

    fn forget(&mut self, listener: u32) {
        if let Some(count) = self.per_listener.get_mut(&listener) {
            *count -= 1;
            if *count == 0 {
                self.per_listener.remove(&listener);
            }
        }
    }

    /// Repeats SYN-ACKs and drops connections whose time is over or whose listener is gone (`listens`). Returns what is to be sent,
    /// and how many were given up.
    pub fn tick(&mut self, now: u64, listens: &dyn Fn((u32, u32)) -> bool) -> (Vec<Half>, u64) {
        let (mut again, mut dropped) = (Vec::new(), 0);
        if now < self.next_tick {
            return (again, dropped);
        }
        let counts = &mut self.per_listener;
        self.table.retain(|entry| {
            if entry.taken || entry.next_at > now {
                return true;
            }
            entry.tries += 1;
            let stays = entry.tries <= TRIES && listens(entry.half.listener);
            if !stays {
                dropped += 1;
                if let Some(count) = counts.get_mut(&entry.half.listener.0) {
                    *count -= 1;
                }
                return false;
            }
            entry.next_at = now.saturating_add(SECOND << entry.tries);
            if again.try_reserve(1).is_ok() {
                again.push(entry.half);
            }
            true
        });
        counts.retain(|_, count| *count > 0);
        self.next_tick = if self.table.is_empty() { u64::MAX } else { now.saturating_add(TICK) };
        (again, dropped)
    }

    /// When [`tick`](Self::tick) is to be called.
    pub fn next(&self) -> Option<u64> {
        (self.next_tick != u64::MAX).then_some(self.next_tick)
    }

    /// Number of records.
    pub fn count(&self) -> usize {
        self.table.len()
    }

    /// Records of one listener.
    pub fn len_of(&self, listener: u32) -> usize {
        self.per_listener.get(&listener).map_or(0, |&n| n as usize)
    }

    /// Gives all connections.
    pub fn each(&self, f: &mut dyn FnMut(&Half)) {
        self.table.iter().for_each(|entry| f(&entry.half));
    }
}

/// Sizes of segments that a cookie can name.
const SIZES: [u16; 4] = [536, 1220, 1440, 1460];
/// Shift that stands for none.
const NO_SCALE: u8 = 15;
/// Bits of a cookie that prove it.
const PROOF: u32 = (1 << 23) - 1;
/// A cookie is good in the period that it was made in, and in the next one.
const PERIOD: u64 = 64 * SECOND;

/// Sequence numbers that carry a connection's options.
///
/// From the top: period (2 bits), size (2), the other side's shift (4), selective acknowledgements (1), proof (23).
#[derive(Clone, Copy, Debug)]
pub struct Cookies(pub Key);

impl Cookies {
    fn proof(self, flow: &Flow, remote_isn: u32, period: u64, options: u32) -> u32 {
        let [a, b, c, d, e] = *flow.words();
        self.0.hash(&[a, b, c, d, e, u64::from(remote_isn) << 32 | u64::from(options), period]) as u32 & PROOF
    }

    /// The cookie for a SYN, and the options as it can carry them.
    pub fn make(self, flow: &Flow, remote_isn: u32, asked: SynOptions, now: u64) -> (u32, SynOptions) {
        let period = now / PERIOD;
        let size = SIZES.iter().rposition(|&size| size <= asked.mss.unwrap_or(536)).unwrap_or(0);
        let scale = asked.scale.map_or(NO_SCALE, |scale| scale.min(14));
        let options = (size as u32) << 28 | u32::from(scale) << 24 | u32::from(asked.sack) << 23;
        let proof = self.proof(flow, remote_isn, period, options);
        let cookie = (period as u32 & 3) << 30 | options | proof;
        (cookie, SynOptions { mss: SIZES.get(size).copied(), ..asked })
    }

    /// The options that a cookie carries, if it is one of ours and not too old.
    pub fn check(self, flow: &Flow, remote_isn: u32, cookie: u32, now: u64) -> Option<SynOptions> {
        let current = now / PERIOD;
        let age = (current as u32).wrapping_sub(cookie >> 30) & 3;
        let period = current.checked_sub(u64::from(age)).filter(|_| age <= 1)?;
        let options = cookie & 0x3f80_0000;
        if self.proof(flow, remote_isn, period, options) != cookie & PROOF {
            return None;
        }
        let scale = (cookie >> 24 & 15) as u8;
        Some(SynOptions {
            mss: SIZES.get((cookie >> 28 & 3) as usize).copied(),
            scale: (scale != NO_SCALE).then_some(scale),
            sack: cookie & 1 << 23 != 0,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn half(n: u64) -> Half {
        Half {
            flow: Flow::from_words([0, 1, 0, n, 80 << 16 | 7]),
            listener: (3, 1),
            remote_isn: 5,
            isn: 100 + n as u32,
            options: SynOptions::default(),
            window: 1,
            mss: 1460,
            shift: 0,
            receive_buffer: 1000,
            since: 0,
        }
    }

    #[test]
    fn bounded_and_repeated() {
        let mut queue = SynQueue::new();
        for n in 0..10 {
            assert_eq!(queue.insert(half(n), n, 4, 0), n < 4);
        }
        assert_eq!((queue.count(), queue.len_of(3)), (4, 4));
        assert!(matches!(queue.claim(&half(0).flow, 0, 7), Claim::Unknown));
        assert!(matches!(queue.claim(&half(0).flow, 0, 101), Claim::Mine(_)));
        assert!(matches!(queue.claim(&half(0).flow, 0, 101), Claim::Busy));
        queue.done(&half(0).flow, 0, false);
        assert!(matches!(queue.claim(&half(0).flow, 0, 101), Claim::Mine(_)));
        queue.done(&half(0).flow, 0, true);
        assert_eq!(queue.len_of(3), 3);
        // 1, 3, 7, 15, 31 seconds: five repetitions, then the end at 63.
        let (mut sent, mut gone, mut now) = (0, 0, 0);
        while let Some(next) = queue.next() {
            now = next;
            let (again, dropped) = queue.tick(now, &|_| true);
            sent += again.len();
            gone += dropped;
        }
        assert_eq!((sent, gone, queue.count(), queue.len_of(3)), (15, 3, 0, 0));
        assert!((63..66).contains(&(now / SECOND)));
    }

    #[test]
    fn dies_with_its_listener() {
        let mut queue = SynQueue::new();
        queue.insert(half(0), 0, 4, 0);
        assert_eq!(queue.tick(SECOND, &|listener| listener != (3, 1)).1, 1);
        assert_eq!(queue.next(), None);
    }

    proptest! {
        #[test]
        fn cookies_carry(n in any::<u64>(), isn in any::<u32>(), mss in any::<Option<u16>>(), scale in prop::option::of(0u8..15),
            sack in any::<bool>(), now in 0u64..1 << 50, later in 0u64..64, forged in any::<u32>()) {
            let (cookies, flow) = (Cookies(Key(n, 9)), half(n).flow);
            let (cookie, carried) = cookies.make(&flow, isn, SynOptions { mss, scale, sack }, now);
            prop_assert_eq!((carried.scale, carried.sack), (scale, sack));
            prop_assert!(carried.mss.unwrap() <= mss.unwrap_or(536).max(536));
            prop_assert_eq!(cookies.check(&flow, isn, cookie, now + later * SECOND), Some(carried));
            prop_assert_eq!(cookies.check(&flow, isn, cookie, now + 3 * PERIOD), None);
            prop_assert_eq!(Cookies(Key(n, 8)).check(&flow, isn, cookie ^ forged, now).is_some_and(|_| forged == 0), false);
        }
    }
}
