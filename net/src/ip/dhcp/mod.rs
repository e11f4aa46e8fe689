//! [`Client`]: gets an IPv4 address by DHCP and keeps it (RFC 2131).
//!
//! One client, for the first card. Pure: it says what to send and what to configure, the [`Pass`] does it. A lease is renewed
//! with its server, then with any, and given up when it ends. The address is not probed before use: a server that gives out
//! addresses in use is not met in virtual machines, and the probe would cost a second at each boot.

mod message;
mod session;
#[cfg(test)]
mod tests;

use crate::ip::address::{Mac, Prefix};
use crate::ip::interface::FOREVER;
use alloc::vec::Vec;
use core::net::{IpAddr, Ipv4Addr};
use message::{Answer, Ask, kind};

const SECOND: u64 = 1_000_000_000;
const CLIENT_PORT: u16 = 68;
const SERVER_PORT: u16 = 67;
/// Longest time between two questions without an answer.
const MAX_BACKOFF: u64 = 64 * SECOND;
/// Questions for an offered address before looking for another.
const MAX_REQUESTS: u8 = 4;
/// Least time between two attempts to prolong a lease (RFC 2131, 4.4.5).
const MIN_RETRY: u64 = 60 * SECOND;
/// Least length of a lease that is believed, so that a server cannot make the client ask all the time.
const MIN_LEASE: u32 = 60;

/// Where the conversation is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Looking for a server.
    Selecting,
    /// Asking a server for what it offered.
    Requesting { server: Ipv4Addr, address: Ipv4Addr },
    /// With a lease.
    Bound,
    /// Asking the lease's server to prolong it.
    Renewing,
    /// Asking any server to.
    Rebinding,
}

/// What is held until when, monotonic nanoseconds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lease {
    /// The address.
    pub address: Prefix,
    /// Everything else that the server said.
    answer: Answer,
    server: Ipv4Addr,
    renew_at: u64,
    rebind_at: u64,
    ends_at: u64,
}

/// What is to be done.
#[derive(Debug, PartialEq, Eq)]
enum Action {
    /// Send a message to a server, or to all.
    Send { message: Vec<u8>, to: Ipv4Addr },
    /// Use the lease.
    Configure(Lease),
    /// Do without the address.
    GiveUp(Prefix),
}

/// A client.
#[derive(Debug)]
pub struct Client {
    /// Its interface.
    pub interface: u32,
    mac: Mac,
    xid: u32,
    state: State,
    began: u64,
    deadline: u64,
    tries: u8,
    lease: Option<Lease>,
}

impl Client {
    /// A client that begins to look for a server at `now`. `xid` is random.
    pub fn new(interface: u32, mac: Mac, xid: u32, now: u64) -> Self {
        Client {
            interface,
            mac,
            xid,
            state: State::Selecting,
            began: now,
            deadline: now,
            tries: 0,
            lease: None,
        }
    }

    /// When [`due`](Self::due) has something to do.
    pub fn next_deadline(&self) -> u64 {
        self.deadline
    }

    fn ask(&self, kind: u8, now: u64) -> Ask {
        let seconds = (now.saturating_sub(self.began) / SECOND).min(u64::from(u16::MAX)) as u16;
        let own = Ipv4Addr::UNSPECIFIED;
        Ask { kind, xid: self.xid, seconds, mac: self.mac, own, wanted: None, server: None }
    }

    fn restart(&mut self, now: u64) {
        self.xid = self.xid.wrapping_mul(0x9e37_79b1).wrapping_add(1);
        (self.state, self.began, self.tries, self.deadline) = (State::Selecting, now, 0, now);
    }

    /// The wait after try number `tries`: doubled each time, and a little different for each client.
    fn backoff(&self) -> u64 {
        let doubled = (2 * SECOND).checked_shl(self.tries.saturating_sub(1).into()).unwrap_or(MAX_BACKOFF);
        let jitter = u64::from(self.xid.rotate_left(self.tries.into()) % 1024) * (SECOND / 1024);
        doubled.min(MAX_BACKOFF) + jitter
    }

    /// What is to be done at `now`.
    fn due(&mut self, now: u64) -> Vec<Action> {
        let mut actions = Vec::new();
        if self.deadline > now {
            return actions;
        }
        self.tries = self.tries.saturating_add(1);
        match (self.state, self.lease.clone()) {
            (State::Selecting, _) => {
                self.deadline = now.saturating_add(self.backoff());
                actions.push(Action::Send {
                    message: self.ask(kind::DISCOVER, now).to_bytes(),
                    to: Ipv4Addr::BROADCAST,
                });
            }
            (State::Requesting { .. }, _) if self.tries > MAX_REQUESTS => {
                self.restart(now);
                return self.due(now);
            }
            (State::Requesting { server, address }, _) => {
                self.deadline = now.saturating_add(self.backoff());
                let ask = Ask { wanted: Some(address), server: Some(server), ..self.ask(kind::REQUEST, now) };
                actions.push(Action::Send { message: ask.to_bytes(), to: Ipv4Addr::BROADCAST });
            }
            (_, Some(lease)) if lease.ends_at <= now => {
                self.lease = None;
                actions.push(Action::GiveUp(lease.address));
                self.restart(now);
                actions.extend(self.due(now));
            }
            (_, Some(lease)) => {
                let IpAddr::V4(own) = lease.address.address else { return actions };
                if self.state == State::Bound {
                    self.began = now;
                }
                let rebinding = now >= lease.rebind_at;
                self.state = if rebinding { State::Rebinding } else { State::Renewing };
                let end = if rebinding { lease.ends_at } else { lease.rebind_at };
                // Half of the time that is left, but not too often.
                let half = (end.saturating_sub(now) / 2).max(MIN_RETRY);
                self.deadline = now.saturating_add(half).min(end);
                let ask = Ask { own, ..self.ask(kind::REQUEST, now) };
                let to = if rebinding { Ipv4Addr::BROADCAST } else { lease.server };
                actions.push(Action::Send { message: ask.to_bytes(), to });
            }
            (_, None) => {
                self.restart(now);
                actions.extend(self.due(now));
            }
        }
        actions
    }

    /// A message came from `from`; `None` if it means nothing to this client.
    fn input(&mut self, data: &[u8], from: Ipv4Addr, now: u64) -> Option<Vec<Action>> {
        let answer = Answer::parse(data, self.mac).filter(|answer| answer.xid == self.xid)?;
        match (self.state, answer.kind) {
            (State::Selecting, kind::OFFER) => {
                let IpAddr::V4(address) = answer.address?.address else { return None };
                let server = answer.server?;
                (self.state, self.tries, self.deadline) = (State::Requesting { server, address }, 0, now);
                Some(self.due(now))
            }
            (State::Requesting { server, .. }, kind::NAK) if answer.server == Some(server) => {
                self.restart(now);
                // Not at once: a server that always says no would be asked all the time.
                self.deadline = now.saturating_add(SECOND);
                Some(Vec::new())
            }
            (State::Renewing | State::Rebinding, kind::NAK) => {
                let gone = self.lease.take()?;
                self.restart(now);
                let mut actions = alloc::vec![Action::GiveUp(gone.address)];
                actions.extend(self.due(now));
                Some(actions)
            }
            (State::Requesting { server, .. }, kind::ACK) if answer.server.is_none_or(|s| s == server) => {
                self.bind(answer, server, now)
            }
            (State::Renewing | State::Rebinding, kind::ACK) => {
                let server = answer.server.unwrap_or(from);
                let changed =
                    self.lease.as_ref().map(|old| old.address).filter(|old| Some(*old) != answer.address);
                let mut actions: Vec<_> = changed.map(Action::GiveUp).into_iter().collect();
                actions.extend(self.bind(answer, server, now)?);
                Some(actions)
            }
            _ => None,
        }
    }

    fn bind(&mut self, answer: Answer, server: Ipv4Addr, now: u64) -> Option<Vec<Action>> {
        let address = answer.address?;
        let after = |seconds: u64| now.saturating_add(seconds.saturating_mul(SECOND));
        let lease = match answer.lease? {
            u32::MAX => {
                Lease { address, server, renew_at: FOREVER, rebind_at: FOREVER, ends_at: FOREVER, answer }
            }
            seconds => {
                let seconds = u64::from(seconds.max(MIN_LEASE));
                let within = |told: Option<u32>, usual: u64| {
                    told.map(u64::from).filter(|&t| t > 0 && t < seconds).unwrap_or(usual)
                };
                let rebinding = within(answer.rebinding, seconds * 7 / 8);
                let renewal = within(answer.renewal, seconds / 2).min(rebinding);
                Lease {
                    address,
                    server,
                    renew_at: after(renewal),
                    rebind_at: after(rebinding),
                    ends_at: after(seconds),
                    answer,
                }
            }
        };
        (self.state, self.tries, self.deadline) = (State::Bound, 0, lease.renew_at);
        self.lease = Some(lease.clone());
        Some(alloc::vec![Action::Configure(lease)])
    }
}
