//! [`TimeWait`]: what is left of a connection that this side closed first (RFC 9293, 3.3.2).
//!
//! A record of some 100 bytes takes the place of the whole connection for a minute: it acknowledges a FIN that comes again, and makes
//! way for a SYN with a higher sequence number. Asked for segments that no connection takes. Invariants: at most `limit` records, the
//! oldest going first; each record has one live entry in the queue, which is ordered by time; each holds its port.

use super::flow::Flow;
use super::ports::Hold;
use super::segment::{ACK, FIN, Plain, RST, SYN, Segment, SynOptions, after};
use alloc::collections::VecDeque;
use alloc::vec::Vec;
use hashbrown::HashTable;

/// How long a record lives, nanoseconds: as on Linux, a minute.
pub const LIFETIME: u64 = 60_000_000_000;

/// What is left of a connection.
#[derive(Clone, Copy, Debug)]
pub struct Record {
    /// The connection.
    pub flow: Flow,
    /// Next sequence number to send.
    pub send_next: u32,
    /// Next one expected.
    pub receive_next: u32,
    /// The port that it holds.
    pub hold: Hold,
}

struct Entry {
    record: Record,
    hash: u64,
    expires: u64,
    id: u64,
}

/// What a segment does to a record.
#[derive(Debug)]
pub enum Verdict {
    /// There is no record.
    Unknown,
    /// Nothing more is to be done.
    Done,
    /// This is to be sent.
    Answer(Plain),
    /// The record made way for a new connection, whose own sequence numbers begin behind this one.
    Reused(u32),
}

/// All records.
pub struct TimeWait {
    table: HashTable<Entry>,
    queue: VecDeque<(u64, u64, u64)>,
    next_id: u64,
    limit: usize,
    released: Vec<Hold>,
}

impl TimeWait {
    /// For up to `limit` records.
    pub fn new(limit: usize) -> Self {
        TimeWait {
            table: HashTable::new(),
            queue: VecDeque::new(),
            next_id: 0,
            limit: limit.max(1),
            released: Vec::new(),
        }
    }

    /// Keeps a record. Returns whether an older one, or this one for lack of memory, had to go before its time.
    pub fn insert(&mut self, record: Record, hash: u64, now: u64) -> bool {
        let mut early = false;
        while self.table.len() >= self.limit {
            early = true;
            if !self.drop_oldest() {
                break;
            }
        }
        if self.queue.len() >= 2 * self.limit {
            // Entries of records that were reused.
            let table = &self.table;
            self.queue.retain(|&(_, hash, id)| table.find(hash, |entry| entry.id == id).is_some());
        }
        let room = self.table.try_reserve(1, |entry| entry.hash).is_ok() && self.queue.try_reserve(1).is_ok();
        if !room || self.released.try_reserve(1).is_err() {
            self.released.push(record.hold);
            return true;
        }
        self.remove(&record.flow, hash);
        let id = self.next_id;
        self.next_id += 1;
        let expires = now.saturating_add(LIFETIME);
        self.queue.push_back((expires, hash, id));
        self.table.insert_unique(hash, Entry { record, hash, expires, id }, |entry| entry.hash);
        early
    }

    fn remove(&mut self, flow: &Flow, hash: u64) -> bool {
        match self.table.find_entry(hash, |entry| entry.record.flow == *flow) {
            Ok(found) => {
                let (entry, _) = found.remove();
                self.released.push(entry.record.hold);
                true
            }
            Err(_) => false,
        }
    }

    fn drop_oldest(&mut self) -> bool {
        while let Some((_, hash, id)) = self.queue.pop_front() {
            if let Ok(found) = self.table.find_entry(hash, |entry| entry.id == id) {
                let (entry, _) = found.remove();
                self.released.push(entry.record.hold);
                return true;
            }
        }
        false
    }

    /// Whether there is a record of this connection.
    pub fn contains(&self, flow: &Flow, hash: u64) -> bool {
        self.table.find(hash, |entry| entry.record.flow == *flow).is_some()
    }

    /// What a segment for nobody does here.
    pub fn segment(&mut self, segment: &Segment, hash: u64, now: u64) -> Verdict {
        let Some(entry) = self.table.find_mut(hash, |entry| entry.record.flow == segment.flow) else {
            return Verdict::Unknown;
        };
        let record = entry.record;
        if segment.flags & RST != 0 {
            // Only an exact one, which is hard to guess (RFC 5961).
            if segment.seq == record.receive_next {
                self.remove(&record.flow, hash);
            }
            return Verdict::Done;
        }
        if segment.flags & (SYN | ACK) == SYN && after(segment.seq, record.receive_next) {
            self.remove(&record.flow, hash);
            return Verdict::Reused(record.send_next);
        }
        if segment.flags & FIN != 0 {
            entry.expires = now.saturating_add(LIFETIME);
        }
        if segment.space() == 0 {
            return Verdict::Done;
        }
        Verdict::Answer(Plain {
            flow: record.flow,
            seq: record.send_next,
            ack: Some(record.receive_next),
            flag: 0,
            window: 0,
            options: SynOptions::default(),
        })
    }

    /// Ends the records whose time is over.
    pub fn expire(&mut self, now: u64) {
        while let Some(&(expires, hash, id)) = self.queue.front() {
            if expires > now {
                break;
            }
            self.queue.pop_front();
            let Ok(mut found) = self.table.find_entry(hash, |entry| entry.id == id) else { continue };
            let later = found.get_mut().expires;
            if later > now {
                // A FIN came again meanwhile. Order holds to within one lifetime.
                self.queue.push_back((later, hash, id));
            } else {
                let (entry, _) = found.remove();
                self.released.push(entry.record.hold);
            }
        }
    }

    /// The ports that records gave up since the last call.
    pub fn released(&mut self) -> Vec<Hold> {
        core::mem::take(&mut self.released)
    }

    /// When [`expire`](Self::expire) is to be called.
    pub fn next(&self) -> Option<u64> {
        self.queue.front().map(|entry| entry.0)
    }

    /// Number of records.
    pub fn count(&self) -> usize {
        self.table.len()
    }

    /// Gives all connections, and nanoseconds until each record ends.
    pub fn each(&self, now: u64, f: &mut dyn FnMut(&Flow, u64)) {
        self.table.iter().for_each(|entry| f(&entry.record.flow, entry.expires.saturating_sub(now)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::HashMap;

    fn flow(n: u64) -> Flow {
        Flow::from_words([0, 1, 0, n, 80 << 16 | 9])
    }

    fn record(n: u64) -> Record {
        let hold = Hold { port: 80, reuse: true };
        Record { flow: flow(n), send_next: 1000, receive_next: 2000, hold }
    }

    fn segment(n: u64, seq: u32, flags: u8, payload: usize) -> Segment {
        Segment { flow: flow(n), seq, ack: 1000, flags, window: 1, at: 20, header_len: 20, payload }
    }

    #[test]
    fn answers() {
        let mut records = TimeWait::new(10);
        assert!(!records.insert(record(1), 1, 0));
        let answered =
            |verdict| matches!(verdict, Verdict::Answer(Plain { seq: 1000, ack: Some(2000), flag: 0, .. }));
        assert!(answered(records.segment(&segment(1, 1999, FIN | ACK, 0), 1, 5)));
        assert!(answered(records.segment(&segment(1, 2000, ACK, 5), 1, 5)));
        assert!(answered(records.segment(&segment(1, 1500, SYN, 0), 1, 5)), "an old SYN");
        assert!(matches!(records.segment(&segment(1, 2000, ACK, 0), 1, 5), Verdict::Done));
        assert!(matches!(records.segment(&segment(2, 2000, ACK, 0), 1, 5), Verdict::Unknown));
        assert!(matches!(records.segment(&segment(1, 2001, RST, 0), 1, 5), Verdict::Done));
        assert!(records.contains(&flow(1), 1), "a reset that is not exact");
        assert!(matches!(records.segment(&segment(1, 2001, SYN, 0), 1, 5), Verdict::Reused(1000)));
        assert!(!records.contains(&flow(1), 1) && records.released().len() == 1);
        records.insert(record(1), 1, 0);
        assert!(matches!(records.segment(&segment(1, 2000, RST, 0), 1, 5), Verdict::Done));
        assert_eq!(records.count(), 0);
    }

    #[test]
    fn a_repeated_fin_prolongs() {
        let mut records = TimeWait::new(10);
        records.insert(record(1), 1, 0);
        records.segment(&segment(1, 1999, FIN | ACK, 0), 1, LIFETIME / 2);
        records.expire(LIFETIME);
        assert_eq!(records.count(), 1);
        records.expire(LIFETIME / 2 * 3);
        assert_eq!((records.count(), records.next()), (0, None));
    }

    proptest! {
        #[test]
        fn agrees_with_a_map(ops in prop::collection::vec((0u8..3, 0u64..12, 0u64..LIFETIME / 3), 1..200)) {
            let limit = 6;
            let mut records = TimeWait::new(limit);
            let mut model: HashMap<u64, u64> = HashMap::new();
            let (mut now, mut inserted, mut released) = (0, 0, 0);
            for (op, n, pause) in ops {
                now += pause;
                match op {
                    0 => {
                        if model.len() >= limit {
                            // The oldest goes.
                            let oldest = model.iter().min_by_key(|(_, time)| **time).map(|(n, _)| *n).unwrap();
                            model.remove(&oldest);
                        }
                        records.insert(record(n), n % 3, now);
                        model.insert(n, now);
                        inserted += 1;
                    }
                    1 => {
                        let reused = matches!(records.segment(&segment(n, 3000, SYN, 0), n % 3, now), Verdict::Reused(_));
                        prop_assert_eq!(reused, model.remove(&n).is_some());
                    }
                    _ => {
                        records.expire(now);
                        model.retain(|_, since| *since + LIFETIME > now);
                    }
                }
                released += records.released().len();
                for n in 0..12 {
                    prop_assert_eq!(records.contains(&flow(n), n % 3), model.contains_key(&n));
                }
                prop_assert_eq!(inserted - released, model.len());
                prop_assert!(records.queue.len() <= 2 * limit);
            }
        }
    }
}
