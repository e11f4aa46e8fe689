//! [`Domain`]: the names of AF_UNIX, and all its sockets.

use super::message::Graveyard;
use super::{Peer, Phase, State, UnixSocket};
use crate::options::{SocketOptions, kind_number};
use crate::output::IpOutput;
use alloc::collections::BTreeMap;
use alloc::format;
use alloc::sync::{Arc, Weak};
use alloc::vec::Vec;
use core::sync::atomic::{AtomicU32, AtomicU64, AtomicUsize, Ordering};
use fs::notify::Notifier;
use fs::pseudo::Output;
use fs::socket::{Family, Kind, SocketError, SocketTree, Ucred, UnixName};
use fs::{FsError, NodeRef, Pinned};
use sync::{Mutex, SetOnce};

/// How many names autobind has to give.
const AUTOMATIC: u32 = 1 << 20;

/// A name that a socket has.
pub(super) struct Bound {
    pub name: UnixName,
    /// The node in the tree, for names that are paths.
    pub node: Option<Pinned>,
}

/// A socket's name, which it gets once; shared with those who were accepted, and with peers, who may ask for it when the socket is
/// gone.
pub(super) type SharedName = Arc<SetOnce<Bound>>;

/// An abstract name: kinds have spaces of their own, as on Linux.
type AbstractKey = (i32, Vec<u8>);

#[derive(Default)]
struct Names {
    abstracts: BTreeMap<AbstractKey, Weak<UnixSocket>>,
    /// By file system and node.
    nodes: BTreeMap<(u64, u64), Weak<UnixSocket>>,
}

/// The family AF_UNIX.
pub struct Domain {
    names: Mutex<Names>,
    sockets: Mutex<BTreeMap<u64, Weak<UnixSocket>>>,
    automatic: AtomicU32,
    pub(super) graveyard: Graveyard,
    /// Descriptors in messages that nobody has received.
    pub(super) in_flight: AtomicUsize,
    /// Held by who takes descriptors, or messages with some, out of a queue.
    pub(super) moving: Mutex<()>,
    /// How many descriptors have to be on their way for the next collection.
    pub(super) collect_at: Mutex<usize>,
    /// Answers ioctl(2) about network interfaces, which programs ask of any socket.
    pub(super) interfaces: SetOnce<Arc<dyn IpOutput>>,
}

impl Default for Domain {
    fn default() -> Self {
        Domain {
            names: Mutex::default(),
            sockets: Mutex::default(),
            automatic: AtomicU32::new(0),
            graveyard: Graveyard::default(),
            in_flight: AtomicUsize::new(0),
            moving: Mutex::new(()),
            collect_at: Mutex::new(super::collect::FIRST),
            interfaces: SetOnce::new(),
        }
    }
}

/// A node's number in [`Names`].
fn key(node: &NodeRef) -> Result<(u64, u64), FsError> {
    let metadata = node.metadata()?;
    Ok((metadata.dev, metadata.ino))
}

impl Domain {
    /// A socket without name and peer.
    pub fn socket(self: &Arc<Self>, kind: Kind, creator: Ucred) -> Arc<UnixSocket> {
        self.make(kind, creator, None, State::default())
    }

    /// Two sockets that are each other's peers.
    pub fn pair(self: &Arc<Self>, kind: Kind, creator: Ucred) -> (Arc<UnixSocket>, Arc<UnixSocket>) {
        let (one, other) = (self.socket(kind, creator), self.socket(kind, creator));
        for (socket, peer) in [(&one, &other), (&other, &one)] {
            let mut state = socket.lock();
            state.phase = Phase::Connected(peer.as_peer());
            state.peer_credentials = Some(creator);
        }
        (one, other)
    }

    /// A socket in `state`, with the name of another one.
    pub(super) fn make(
        self: &Arc<Self>,
        kind: Kind,
        creator: Ucred,
        name: Option<SharedName>,
        state: State,
    ) -> Arc<UnixSocket> {
        static NUMBERS: AtomicU64 = AtomicU64::new(1000);
        let ino = NUMBERS.fetch_add(1, Ordering::Relaxed);
        let owns_name = name.is_none();
        let socket = Arc::new_cyclic(|me| UnixSocket {
            me: me.clone(),
            domain: self.clone(),
            ino,
            options: SocketOptions::new(Family::Unix, kind, 0),
            creator,
            name: name.unwrap_or_else(|| Arc::new(SetOnce::new())),
            owns_name,
            state: Mutex::new(state),
            binding: Mutex::new(()),
            reading: Mutex::new(()),
            charged: AtomicUsize::new(0),
            notifier: Notifier::new(),
        });
        self.sockets.lock().insert(ino, Arc::downgrade(&socket));
        socket
    }

    /// The socket of a name, which must be of a kind.
    pub(super) fn find(
        &self,
        name: &UnixName,
        kind: Kind,
        tree: &dyn SocketTree,
    ) -> Result<Arc<UnixSocket>, SocketError> {
        let found = match name {
            UnixName::Abstract(name) => {
                let key = (kind_number(kind), name.clone());
                self.names.lock().abstracts.get(&key).and_then(Weak::upgrade)
            }
            UnixName::Path(path) => {
                let key = key(&tree.find(path)?)?;
                self.names.lock().nodes.get(&key).and_then(Weak::upgrade)
            }
        };
        let socket = found.ok_or(SocketError::Refused)?;
        if socket.kind() == kind { Ok(socket) } else { Err(SocketError::WrongType) }
    }

    /// Gives a socket a name that it does not have yet. Called with its `binding` held.
    pub(super) fn bind(
        &self,
        socket: &UnixSocket,
        name: &UnixName,
        tree: &dyn SocketTree,
    ) -> Result<(), SocketError> {
        let node = match name {
            UnixName::Abstract(name) => {
                if !self.take(socket, name) {
                    return Err(SocketError::AddressInUse);
                }
                None
            }
            UnixName::Path(path) => {
                let node = tree.make(path).map_err(|error| match error {
                    FsError::Exists => SocketError::AddressInUse,
                    error => SocketError::File(error),
                })?;
                self.names.lock().nodes.insert(key(&node)?, socket.me.clone());
                Some(node)
            }
        };
        // Nobody else sets it: `binding` is held.
        let _ = socket.name.set(Bound { name: name.clone(), node });
        Ok(())
    }

    /// Takes an abstract name, if it is free.
    fn take(&self, socket: &UnixSocket, name: &[u8]) -> bool {
        let key = (kind_number(socket.kind()), name.to_vec());
        let mut names = self.names.lock();
        if names.abstracts.get(&key).is_some_and(|owner| owner.strong_count() > 0) {
            return false;
        }
        names.abstracts.insert(key, socket.me.clone());
        true
    }

    /// Gives a socket an abstract name of five digits. Called with its `binding` held.
    pub(super) fn bind_automatically(&self, socket: &UnixSocket) -> Result<(), SocketError> {
        for _ in 0..AUTOMATIC {
            let number = self.automatic.fetch_add(1, Ordering::Relaxed) % AUTOMATIC;
            let name = format!("{number:05x}").into_bytes();
            if self.take(socket, &name) {
                let _ = socket.name.set(Bound { name: UnixName::Abstract(name), node: None });
                return Ok(());
            }
        }
        Err(SocketError::File(FsError::NoSpace))
    }

    /// A socket is gone.
    pub(super) fn forget(&self, socket: &UnixSocket) {
        self.sockets.lock().remove(&socket.ino);
        let Some(bound) = socket.name.get().filter(|_| socket.owns_name) else { return };
        let mine = |owner: &Weak<UnixSocket>| Weak::ptr_eq(owner, &socket.me);
        let mut names = self.names.lock();
        match (&bound.name, &bound.node) {
            (UnixName::Abstract(name), _) => {
                let key = (kind_number(socket.kind()), name.clone());
                if names.abstracts.get(&key).is_some_and(mine) {
                    names.abstracts.remove(&key);
                }
            }
            (UnixName::Path(_), node) => {
                // The node is pinned, so its number is still its own.
                let key = node.as_ref().and_then(|node| key(node).ok());
                if let Some(key) = key.filter(|key| names.nodes.get(key).is_some_and(mine)) {
                    names.nodes.remove(&key);
                }
            }
        }
    }

    /// All sockets.
    pub(super) fn sockets(&self) -> Vec<Weak<UnixSocket>> {
        self.sockets.lock().values().cloned().collect()
    }

    /// Brings the network interfaces; once.
    pub fn set_interfaces(&self, interfaces: Arc<dyn IpOutput>) {
        // A second one is refused; the first stays.
        let _ = self.interfaces.set(interfaces);
    }

    /// How many sockets there are.
    pub fn sockets_in_use(&self) -> usize {
        self.sockets.lock().len()
    }

    /// How many sockets and names there are.
    #[cfg(test)]
    pub(super) fn count(&self) -> (usize, usize) {
        let names = self.names.lock();
        (self.sockets.lock().len(), names.abstracts.len() + names.nodes.len())
    }

    /// The text of `/proc/net/unix`.
    pub fn text(&self, out: &mut Output) {
        out.extend_from_slice(b"Num       RefCount Protocol Flags    Type St Inode Path\n");
        for socket in self.sockets().iter().filter_map(Weak::upgrade) {
            let (flags, phase) = match socket.lock().phase {
                Phase::Listening(_) => (0x10000, 1),
                Phase::Idle => (0, 1),
                Phase::Connected(_) => (0, 3),
            };
            let kind = kind_number(socket.kind());
            let line = format!(
                "{:016x}: {:08X} {:08X} {flags:08X} {kind:04X} {phase:02X} {:5}",
                0, 2, 0, socket.ino
            );
            out.extend_from_slice(line.as_bytes());
            match socket.name.get().map(|bound| &bound.name) {
                Some(UnixName::Path(path)) => {
                    out.push(b' ');
                    out.extend_from_slice(path);
                }
                Some(UnixName::Abstract(name)) => {
                    out.extend_from_slice(b" @");
                    out.extend(name.iter().map(|&byte| if byte == 0 { b'@' } else { byte }));
                }
                None => {}
            }
            out.push(b'\n');
        }
    }
}

impl UnixSocket {
    /// This socket, as the peer of another one.
    pub(super) fn as_peer(&self) -> Peer {
        Peer { socket: self.me.clone(), name: self.name.clone() }
    }
}
