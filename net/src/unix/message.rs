//! What lies in a socket's queue.
//!
//! Invariants: a message costs its sender until it is gone; descriptors on their way are counted until they are delivered or
//! closed.

use super::domain::SharedName;
use super::{Domain, UnixSocket};
use alloc::collections::VecDeque;
use alloc::sync::{Arc, Weak};
use alloc::vec::Vec;
use core::sync::atomic::Ordering;
use fs::OpenFile;
use fs::socket::{SocketError, Ucred};
use sync::Mutex;

/// Most descriptors that may be on their way.
const IN_FLIGHT: usize = 16 << 10;

/// What a message costs beside its bytes.
const OVERHEAD: usize = 512;

/// What `len` bytes in a message cost.
pub(super) fn cost(len: usize) -> usize {
    len.saturating_add(1).next_multiple_of(256).saturating_add(OVERHEAD)
}

/// What a sender pays for a message that nobody has received.
pub(super) struct Charge {
    sender: Weak<UnixSocket>,
    bytes: usize,
}

impl Charge {
    /// Charges `sender`, which must have room.
    pub fn new(sender: &UnixSocket, len: usize) -> Self {
        let bytes = cost(len);
        sender.charged.fetch_add(bytes, Ordering::Relaxed);
        Charge { sender: sender.me.clone(), bytes }
    }
}

impl Drop for Charge {
    fn drop(&mut self) {
        if let Some(sender) = self.sender.upgrade() {
            sender.charged.fetch_sub(self.bytes, Ordering::Relaxed);
            if sender.is_writable() {
                sender.notifier.notify();
            }
        }
    }
}

/// A message, or a piece of a stream.
pub(super) struct Message {
    pub data: Vec<u8>,
    /// The sender's name.
    pub from: SharedName,
    pub credentials: Option<Ucred>,
    pub _charge: Charge,
}

/// Descriptors on their way.
pub(super) struct InFlight {
    files: Vec<Arc<OpenFile>>,
    /// Who counts them; `None` if there never were any, as mostly.
    domain: Option<Arc<Domain>>,
}

impl InFlight {
    pub fn new(domain: &Arc<Domain>, files: Vec<Arc<OpenFile>>) -> Result<Self, SocketError> {
        if files.is_empty() {
            return Ok(InFlight { files, domain: None });
        }
        domain.collect_if_many();
        let before = domain.in_flight.fetch_add(files.len(), Ordering::Relaxed);
        let added = InFlight { files, domain: Some(domain.clone()) };
        if before.saturating_add(added.files.len()) > IN_FLIGHT {
            return Err(SocketError::TooManyReferences);
        }
        Ok(added)
    }

    pub fn is_empty(&self) -> bool {
        self.files.is_empty()
    }

    pub fn iter(&self) -> impl Iterator<Item = &Arc<OpenFile>> {
        self.files.iter()
    }

    /// The descriptors, which stay on their way as well.
    pub fn peek(&self) -> Vec<Arc<OpenFile>> {
        self.files.clone()
    }

    /// The descriptors, which have arrived.
    pub fn take(&mut self) -> Vec<Arc<OpenFile>> {
        let files = core::mem::take(&mut self.files);
        if let Some(domain) = &self.domain {
            domain.in_flight.fetch_sub(files.len(), Ordering::Relaxed);
        }
        files
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        drop(self.take());
    }
}

/// A message in a queue.
pub(super) struct Entry {
    pub message: Arc<Message>,
    /// Bytes of it that have been read.
    pub offset: usize,
    pub files: InFlight,
}

impl Entry {
    /// Bytes that are left.
    pub fn len(&self) -> usize {
        self.message.data.len().saturating_sub(self.offset)
    }
}

/// What a socket leaves behind.
pub(super) enum Remains {
    Messages(#[allow(dead_code, reason = "kept to be dropped")] VecDeque<Entry>),
    Pending(#[allow(dead_code, reason = "kept to be dropped")] VecDeque<Arc<UnixSocket>>),
}

#[derive(Default)]
struct Graves {
    open: Vec<Remains>,
    /// Somebody is at work, and will come to all that is added.
    busy: bool,
}

/// Where closed sockets leave what they hold: other sockets, which hold others in turn. One after the other is let go here, not each
/// one inside the other, so that no chain is too long for the stack.
#[derive(Default)]
pub(super) struct Graveyard(Mutex<Graves>);

impl Graveyard {
    /// Lets go of `remains`.
    pub fn bury(&self, remains: Remains) {
        let empty = match &remains {
            Remains::Messages(entries) => entries.is_empty(),
            Remains::Pending(sockets) => sockets.is_empty(),
        };
        if empty {
            return;
        }
        {
            let mut graves = self.0.lock();
            if graves.open.try_reserve(1).is_err() {
                // Better deep than never.
                drop(graves);
                return drop(remains);
            }
            graves.open.push(remains);
            if core::mem::replace(&mut graves.busy, true) {
                return;
            }
        }
        while let Some(remains) = self.next() {
            drop(remains);
        }
    }

    fn next(&self) -> Option<Remains> {
        let mut graves = self.0.lock();
        let next = graves.open.pop();
        graves.busy = next.is_some();
        next
    }
}
