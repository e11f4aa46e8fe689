//! Sockets of the family AF_UNIX (unix(7)).
//!
//! - [`domain`]: names, and all the sockets there are;
//! - [`message`]: what lies in a socket's queue, what it costs its sender, descriptors on their way;
//! - [`connect`]: names, listening, connecting, closing;
//! - [`transfer`]: sending and receiving;
//! - [`file`]: the socket as a file;
//! - [`collect`]: sockets that are open in lost messages only.
//!
//! Invariants: a socket's queue holds what its peers have sent and is locked by `state` only; `state` is never held while program
//! memory is accessed, nor when something is told or dropped; of two sockets the older one's is taken first, the domain's `moving`
//! before any. A socket keeps no
//! other one alive, but those that wait to be accepted and, in messages, those that were sent.

mod collect;
mod connect;
mod domain;
mod file;
mod message;
#[cfg(test)]
mod tests;
mod transfer;

use crate::options::SocketOptions;
use alloc::collections::VecDeque;
use alloc::sync::{Arc, Weak};
use alloc::vec::Vec;
use core::sync::atomic::AtomicUsize;
pub use domain::Domain;
use domain::SharedName;
use fs::FsError;
use fs::notify::Notifier;
use fs::socket::{Kind, SocketError, Ucred};
use message::Entry;
use sync::{Mutex, MutexGuard};

/// Messages in the queue of a datagram socket beyond which nobody sends who is not its peer (`net.unix.max_dgram_qlen`).
const DATAGRAMS: usize = 10;
/// Largest backlog (`net.core.somaxconn`).
const BACKLOG_MAX: usize = 4096;

const INVALID: SocketError = SocketError::File(FsError::Invalid);
const WOULD_BLOCK: SocketError = SocketError::File(FsError::WouldBlock);
const NO_MEMORY: SocketError = SocketError::File(FsError::NoMemory);

/// The other end.
struct Peer {
    socket: Weak<UnixSocket>,
    name: SharedName,
}

/// A listening socket's connections that nobody has accepted yet.
struct Listener {
    backlog: usize,
    pending: VecDeque<Arc<UnixSocket>>,
    credentials: Ucred,
}

#[derive(Default)]
enum Phase {
    #[default]
    Idle,
    Listening(Listener),
    Connected(Peer),
}

impl Phase {
    /// The peer, if it exists.
    fn peer(&self) -> Option<Arc<UnixSocket>> {
        match self {
            Phase::Connected(peer) => peer.socket.upgrade(),
            _ => None,
        }
    }

    /// Whether the peer is `socket`.
    fn is_peer(&self, socket: &UnixSocket) -> bool {
        matches!(self, Phase::Connected(peer) if core::ptr::eq(peer.socket.as_ptr(), socket))
    }
}

#[derive(Default)]
struct State {
    phase: Phase,
    /// Nothing more comes, nothing more may be sent.
    no_receive: bool,
    no_send: bool,
    /// What happened behind the program's back.
    error: Option<SocketError>,
    peer_credentials: Option<Ucred>,
    queue: VecDeque<Entry>,
    /// Bytes in the queue.
    queued: usize,
    /// Who has found the queue or the backlog full and is told when there is room.
    waiting: Vec<Weak<UnixSocket>>,
}

impl State {
    /// Whether the queue, or the backlog, takes no more from others than the peer.
    fn is_full(&self) -> bool {
        match &self.phase {
            Phase::Listening(listener) => listener.pending.len() > listener.backlog,
            _ => self.queue.len() > DATAGRAMS,
        }
    }

    /// Keeps who waits for room.
    fn wait(&mut self, who: &UnixSocket) {
        self.waiting.retain(|other| other.strong_count() > 0);
        let known = self.waiting.iter().any(|other| core::ptr::eq(other.as_ptr(), who));
        if !known && self.waiting.try_reserve(1).is_ok() {
            self.waiting.push(who.me.clone());
        }
    }

    /// Those who wait for room, if there is some.
    #[must_use]
    fn waiters(&mut self) -> Vec<Weak<UnixSocket>> {
        if self.is_full() { Vec::new() } else { core::mem::take(&mut self.waiting) }
    }
}

/// Tells those who waited.
fn tell(waiters: Vec<Weak<UnixSocket>>) {
    for socket in waiters.iter().filter_map(Weak::upgrade) {
        socket.notifier.notify();
    }
}

/// A socket.
pub struct UnixSocket {
    me: Weak<UnixSocket>,
    domain: Arc<Domain>,
    ino: u64,
    options: SocketOptions,
    /// Who made it, and so writes to it as to any file.
    creator: Ucred,
    /// Its name; an accepted socket shares the listener's.
    name: SharedName,
    /// Whether the name is its own.
    owns_name: bool,
    state: Mutex<State>,
    /// Held by the one who binds it.
    binding: Mutex<()>,
    /// Held by the one who reads a stream, over accesses to program memory; the fault path never takes it.
    reading: Mutex<()>,
    /// What the messages that it has sent and nobody has received cost.
    charged: AtomicUsize,
    notifier: Notifier,
}

impl UnixSocket {
    fn kind(&self) -> Kind {
        self.options.kind()
    }

    /// Whether it has connections, not only addresses.
    fn is_connected_kind(&self) -> bool {
        self.kind() != Kind::Datagram
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock()
    }

    /// The states of two different sockets, this one's first.
    fn lock_with<'a>(&'a self, other: &'a UnixSocket) -> (MutexGuard<'a, State>, MutexGuard<'a, State>) {
        if self.ino < other.ino {
            let mine = self.lock();
            (mine, other.lock())
        } else {
            let theirs = other.lock();
            (self.lock(), theirs)
        }
    }
}
