//! [`Neighbours`]: the Ethernet addresses of stations on the links (RFC 826, RFC 4861 section 7.3).
//!
//! One bounded table for ARP and neighbour discovery, called by IP output, by ARP and ND input, and by the timer. A busy
//! or silent peer costs a few queued frames and some probes; the table never grows beyond [`MAX_ENTRIES`], and entries in use are
//! the last to go. Nothing is sent here: what is to be asked is returned, so the caller sends without the table's lock.

use crate::frame::Frame;
use crate::ip::address::Mac;
use alloc::{collections::VecDeque, vec::Vec};
use core::net::IpAddr;
use fs::FsError;
use hashbrown::HashMap;

/// Entries at most.
pub const MAX_ENTRIES: usize = 1024;
/// Entries at most that are still being resolved: a scan of a network must not push out those that are known.
pub const MAX_INCOMPLETE: usize = 256;
/// Frames that wait for one address.
pub const MAX_QUEUED: usize = 16;
/// Time between two questions.
pub const RETRANSMIT: u64 = 1_000_000_000;
/// Questions before an address counts as not there.
pub const MAX_PROBES: u8 = 3;
/// How long a confirmed address is used without asking again.
pub const REACHABLE: u64 = 30_000_000_000;
/// How long a stale address is used before it is asked about.
pub const DELAY: u64 = 5_000_000_000;
/// How long packets to a failed address are refused without asking again.
pub const FAILED: u64 = 1_000_000_000;

/// How much is known (`NUD_*`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Asked, no answer yet.
    Incomplete,
    /// Confirmed not long ago.
    Reachable,
    /// Known, not confirmed lately.
    Stale,
    /// Stale, and used: asked about soon.
    Delay,
    /// Asked about directly.
    Probe,
    /// No answer.
    Failed,
}

/// A station.
#[derive(Debug)]
pub struct Entry {
    /// What is known.
    pub state: State,
    /// Its address; meaningless in `Incomplete` and `Failed`.
    pub mac: Mac,
    /// It said that it is a router.
    pub router: bool,
    /// When the state changes by itself; `u64::MAX` for never.
    deadline: u64,
    probes: u8,
    used: u64,
    queue: VecDeque<Frame>,
}

/// Interface and address.
pub type Key = (u32, IpAddr);

/// What output does with a frame.
#[derive(Debug)]
pub enum Resolution {
    /// Send it there.
    Send(Mac, Frame),
    /// It waits; ask now if told so.
    Queued {
        /// A question is to be sent.
        ask: bool,
        /// A frame for which there was no room went.
        dropped: bool,
    },
    /// Nobody answers there.
    Unreachable(Frame),
    /// The table is full of stations being resolved.
    NoRoom,
}

/// What the timer found.
#[derive(Debug)]
pub enum Due {
    /// Ask everybody.
    Ask(Key),
    /// Ask the station itself.
    Probe(Key, Mac),
    /// Given up; frames that waited.
    Failed(Vec<Frame>),
}

/// What an advertisement or a question says about its sender.
#[derive(Clone, Copy, Debug, Default)]
pub struct Claim {
    /// It answers a question of ours.
    pub solicited: bool,
    /// It replaces what is known.
    pub overrides: bool,
    /// Whether it is a router, if it says so.
    pub router: Option<bool>,
    /// The sender is about to get an answer from us: worth an entry.
    pub create: bool,
}

/// The table.
#[derive(Default)]
pub struct Neighbours {
    entries: HashMap<Key, Entry>,
    incomplete: usize,
    next: Option<u64>,
}

impl Neighbours {
    /// An empty table.
    pub fn new() -> Self {
        Self::default()
    }

    fn due_by(&mut self, deadline: u64) {
        if deadline != u64::MAX && self.next.is_none_or(|next| deadline < next) {
            self.next = Some(deadline);
        }
    }

    /// Sends `frame` to the station `key`, or lets it wait.
    pub fn resolve(&mut self, key: Key, frame: Frame, now: u64) -> Resolution {
        if let Some(entry) = self.entries.get_mut(&key) {
            entry.used = now;
            match entry.state {
                State::Reachable | State::Delay | State::Probe => return Resolution::Send(entry.mac, frame),
                State::Stale => {
                    entry.state = State::Delay;
                    entry.deadline = now.saturating_add(DELAY);
                    let (mac, deadline) = (entry.mac, entry.deadline);
                    self.due_by(deadline);
                    return Resolution::Send(mac, frame);
                }
                State::Incomplete => {
                    // The oldest goes: a newer one is likelier to be still wanted.
                    let dropped = entry.queue.len() >= MAX_QUEUED && entry.queue.pop_front().is_some();
                    entry.queue.push_back(frame);
                    return Resolution::Queued { ask: false, dropped };
                }
                State::Failed if entry.deadline > now => return Resolution::Unreachable(frame),
                State::Failed => {
                    self.entries.remove(&key);
                }
            }
        }
        let deadline = now.saturating_add(RETRANSMIT);
        let entry = Entry {
            state: State::Incomplete,
            mac: [0; 6],
            router: false,
            deadline,
            probes: 1,
            used: now,
            queue: VecDeque::from([frame]),
        };
        if self.incomplete >= MAX_INCOMPLETE || !self.insert(key, entry) {
            return Resolution::NoRoom;
        }
        self.incomplete += 1;
        self.due_by(deadline);
        Resolution::Queued { ask: true, dropped: false }
    }

    /// Makes room if need be; false without memory.
    fn insert(&mut self, key: Key, entry: Entry) -> bool {
        if self.entries.len() >= MAX_ENTRIES {
            let idle = self.entries.iter().filter(|(_, e)| e.state != State::Incomplete);
            let victim = idle.min_by_key(|(_, e)| (e.state != State::Failed, e.used)).map(|(&key, _)| key);
            let Some(victim) = victim else { return false };
            self.entries.remove(&victim);
        }
        if self.entries.try_reserve(1).is_err() {
            return false;
        }
        self.entries.insert(key, entry);
        true
    }

    /// Learns that `key` has the address `mac`; returns the frames that waited for it.
    pub fn learn(&mut self, key: Key, mac: Mac, claim: Claim, now: u64) -> VecDeque<Frame> {
        let Some(entry) = self.entries.get_mut(&key) else {
            if claim.create {
                let fresh = Entry {
                    state: State::Stale,
                    mac,
                    router: claim.router.unwrap_or(false),
                    deadline: u64::MAX,
                    probes: 0,
                    used: now,
                    queue: VecDeque::new(),
                };
                self.insert(key, fresh);
            }
            return VecDeque::new();
        };
        if let Some(router) = claim.router {
            entry.router = router;
        }
        let unknown = matches!(entry.state, State::Incomplete | State::Failed);
        if unknown {
            if entry.state == State::Incomplete {
                self.incomplete = self.incomplete.saturating_sub(1);
            }
            entry.mac = mac;
        } else if entry.mac != mac {
            if !claim.overrides {
                // RFC 4861, 7.2.5: somebody else claims it; believe nobody until asked.
                if entry.state == State::Reachable {
                    (entry.state, entry.deadline) = (State::Stale, u64::MAX);
                }
                return VecDeque::new();
            }
            entry.mac = mac;
        } else if !claim.solicited {
            // Nothing new.
            return VecDeque::new();
        }
        entry.probes = 0;
        (entry.state, entry.deadline) = if claim.solicited {
            (State::Reachable, now.saturating_add(REACHABLE))
        } else {
            (State::Stale, u64::MAX)
        };
        let (waiting, deadline) = (core::mem::take(&mut entry.queue), entry.deadline);
        self.due_by(deadline);
        waiting
    }

    /// The address of a station that needs no question now.
    pub fn known(&self, key: Key) -> Option<Mac> {
        let entry = self.entries.get(&key)?;
        (entry.state == State::Reachable).then_some(entry.mac)
    }

    /// What is to be done at `now`.
    pub fn work(&mut self, now: u64) -> Vec<Due> {
        if self.next.is_none_or(|next| next > now) {
            return Vec::new();
        }
        let mut due = Vec::new();
        let mut next = u64::MAX;
        let mut failed = 0;
        for (&key, entry) in &mut self.entries {
            if entry.deadline <= now {
                match entry.state {
                    State::Incomplete | State::Probe if entry.probes >= MAX_PROBES => {
                        failed += usize::from(entry.state == State::Incomplete);
                        (entry.state, entry.deadline) = (State::Failed, now.saturating_add(FAILED));
                        due.push(Due::Failed(entry.queue.drain(..).collect()));
                    }
                    State::Incomplete => {
                        entry.probes += 1;
                        entry.deadline = now.saturating_add(RETRANSMIT);
                        due.push(Due::Ask(key));
                    }
                    State::Reachable => (entry.state, entry.deadline) = (State::Stale, u64::MAX),
                    State::Delay | State::Probe => {
                        entry.probes = if entry.state == State::Delay { 1 } else { entry.probes + 1 };
                        (entry.state, entry.deadline) = (State::Probe, now.saturating_add(RETRANSMIT));
                        due.push(Due::Probe(key, entry.mac));
                    }
                    State::Stale | State::Failed => entry.deadline = u64::MAX,
                }
            }
            next = next.min(entry.deadline);
        }
        // What failed is forgotten when its time of refusal is over.
        self.entries.retain(|_, e| !(e.state == State::Failed && e.deadline == u64::MAX));
        self.incomplete = self.incomplete.saturating_sub(failed);
        self.next = (next != u64::MAX).then_some(next);
        due
    }

    /// When [`work`](Self::work) is to be called.
    pub fn next_deadline(&self) -> Option<u64> {
        self.next
    }

    /// The hardware address of a neighbour that is known of.
    pub fn mac_of(&self, key: Key) -> Option<Mac> {
        self.entries.get(&key).map(|entry| entry.mac)
    }

    /// All stations, ordered.
    ///
    /// # Errors
    /// [`FsError::NoMemory`].
    pub fn list(&self) -> Result<Vec<(Key, State, Mac, bool)>, FsError> {
        let mut list = Vec::new();
        list.try_reserve_exact(self.entries.len()).map_err(|_| FsError::NoMemory)?;
        list.extend(self.entries.iter().map(|(&key, e)| (key, e.state, e.mac, e.router)));
        list.sort_unstable_by_key(|&(key, ..)| key);
        Ok(list)
    }
}

#[cfg(test)]
mod tests;
