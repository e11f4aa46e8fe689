//! Names, listening, connecting, closing.

use super::message::Remains;
use super::{BACKLOG_MAX, INVALID, Listener, NO_MEMORY, Phase, State, UnixSocket, WOULD_BLOCK, tell};
use alloc::collections::VecDeque;
use alloc::sync::Arc;
use fs::FsError;
use fs::socket::{Address, Caller, Kind, Shutdown, SocketError, UnixName};

impl UnixSocket {
    /// bind(2); without a name one is chosen.
    pub(super) fn bind_to(&self, address: &Address, caller: &Caller<'_>) -> Result<(), SocketError> {
        let Address::Unix(name) = address else { return Err(INVALID) };
        let _binding = self.binding.lock();
        match name {
            None if self.name.get().is_some() => Ok(()),
            None => self.domain.bind_automatically(self),
            // As on Linux, a name that is taken is found out first.
            Some(UnixName::Path(path)) if self.name.get().is_some() && caller.tree.find(path).is_ok() => {
                Err(SocketError::AddressInUse)
            }
            Some(_) if self.name.get().is_some() => Err(INVALID),
            Some(name) => self.domain.bind(self, name, caller.tree),
        }
    }

    /// A socket that tells who sends has a name.
    pub(super) fn bind_for_credentials(&self) -> Result<(), SocketError> {
        if self.name.get().is_some() || !self.options.value(|values| values.pass_credentials) {
            return Ok(());
        }
        let _binding = self.binding.lock();
        if self.name.get().is_some() { Ok(()) } else { self.domain.bind_automatically(self) }
    }

    pub(super) fn listen_with(&self, backlog: i32, caller: &Caller<'_>) -> Result<(), SocketError> {
        if !self.is_connected_kind() {
            return Err(SocketError::NotSupported);
        }
        if self.name.get().is_none() {
            return Err(INVALID);
        }
        // Negative ones are large, as on Linux.
        let backlog = (backlog as u32 as usize).min(BACKLOG_MAX);
        let credentials = caller.credentials;
        let waiters = {
            let mut state = self.lock();
            match &mut state.phase {
                Phase::Idle => {
                    let listener = Listener { backlog, pending: VecDeque::new(), credentials };
                    state.phase = Phase::Listening(listener);
                }
                Phase::Listening(listener) => {
                    (listener.backlog, listener.credentials) = (backlog, credentials)
                }
                Phase::Connected(_) => return Err(INVALID),
            }
            state.waiters()
        };
        tell(waiters);
        Ok(())
    }

    pub(super) fn connect_to(&self, address: &Address, caller: &Caller<'_>) -> Result<(), SocketError> {
        let name = match address {
            Address::Unix(Some(name)) => name,
            Address::Unspecified if !self.is_connected_kind() => {
                self.set_peer(None);
                return Ok(());
            }
            _ => return Err(INVALID),
        };
        self.bind_for_credentials()?;
        let other = self.domain.find(name, self.kind(), caller.tree)?;
        if self.is_connected_kind() {
            return self.connect_stream(&other, caller);
        }
        if !other.accepts_from(self) {
            return Err(SocketError::File(FsError::NotPermitted));
        }
        self.set_peer(Some(&other));
        Ok(())
    }

    /// Whether a datagram socket takes messages of `sender`: it has no peer, or that one.
    pub(super) fn accepts_from(&self, sender: &UnixSocket) -> bool {
        let state = self.lock();
        !matches!(state.phase, Phase::Connected(_)) || state.phase.is_peer(sender)
    }

    fn connect_stream(&self, listener: &Arc<UnixSocket>, caller: &Caller<'_>) -> Result<(), SocketError> {
        if core::ptr::eq(self, &**listener) {
            let listens = matches!(self.lock().phase, Phase::Listening(_));
            return Err(if listens { INVALID } else { SocketError::Refused });
        }
        let accepted = State {
            phase: Phase::Connected(self.as_peer()),
            peer_credentials: Some(caller.credentials),
            ..State::default()
        };
        let accepted = self.domain.make(self.kind(), listener.creator, Some(listener.name.clone()), accepted);
        let result = {
            let (mut mine, mut theirs) = self.lock_with(listener);
            self.enter_backlog(&mut mine, &mut theirs, accepted.clone())
        };
        if result.is_ok() {
            listener.notifier.notify();
        } else {
            // It never was anybody's peer.
            accepted.lock().phase = Phase::Idle;
        }
        result
    }

    /// Puts the other end of this socket's connection into a listener's backlog.
    fn enter_backlog(
        &self,
        mine: &mut State,
        theirs: &mut State,
        accepted: Arc<UnixSocket>,
    ) -> Result<(), SocketError> {
        let (no_more, full) = (theirs.no_receive, theirs.is_full());
        let Phase::Listening(listener) = &mut theirs.phase else { return Err(SocketError::Refused) };
        if no_more {
            return Err(SocketError::Refused);
        }
        if full {
            theirs.wait(self);
            return Err(WOULD_BLOCK);
        }
        match mine.phase {
            Phase::Idle => {}
            Phase::Connected(_) => return Err(SocketError::IsConnected),
            Phase::Listening(_) => return Err(INVALID),
        }
        listener.pending.try_reserve(1).map_err(|_| NO_MEMORY)?;
        mine.phase = Phase::Connected(accepted.as_peer());
        mine.peer_credentials = Some(listener.credentials);
        listener.pending.push_back(accepted);
        Ok(())
    }

    /// connect(2) of a datagram socket. What another peer had sent is lost, and that one learns it.
    fn set_peer(&self, peer: Option<&Arc<UnixSocket>>) {
        let (before, lost) = {
            let _moving = self.domain.moving.lock();
            let mut state = self.lock();
            if peer.is_some_and(|peer| state.phase.is_peer(peer)) {
                return;
            }
            let before = match core::mem::take(&mut state.phase) {
                Phase::Connected(peer) => Some(peer.socket),
                _ => None,
            };
            if let Some(peer) = peer {
                state.phase = Phase::Connected(peer.as_peer());
            }
            if before.is_some() { (before, self.empty(&mut state)) } else { (None, VecDeque::new()) }
        };
        let unread = !lost.is_empty();
        self.domain.graveyard.bury(Remains::Messages(lost));
        if let Some(before) = before.and_then(|socket| socket.upgrade()).filter(|_| unread) {
            let told = {
                let mut state = before.lock();
                let mutual = state.phase.is_peer(self);
                if mutual {
                    state.error = Some(SocketError::Reset);
                }
                mutual
            };
            if told {
                before.notifier.notify();
            }
        }
    }

    fn empty(&self, state: &mut State) -> VecDeque<super::message::Entry> {
        state.queued = 0;
        core::mem::take(&mut state.queue)
    }

    pub(super) fn accept_one(&self) -> Result<(Arc<UnixSocket>, Address), SocketError> {
        if !self.is_connected_kind() {
            return Err(SocketError::NotSupported);
        }
        let (socket, waiters) = {
            let mut state = self.lock();
            let no_more = state.no_receive;
            let Phase::Listening(listener) = &mut state.phase else { return Err(INVALID) };
            let next = listener.pending.pop_front();
            let socket = next.ok_or(if no_more { INVALID } else { WOULD_BLOCK })?;
            (socket, state.waiters())
        };
        tell(waiters);
        if self.options.value(|values| values.pass_credentials) {
            socket.options.inherit_credentials();
        }
        let peer = socket.peer_name().unwrap_or(None);
        Ok((socket, Address::Unix(peer)))
    }

    /// The peer's name; an error without a peer.
    pub(super) fn peer_name(&self) -> Result<Option<UnixName>, SocketError> {
        match &self.lock().phase {
            Phase::Connected(peer) => Ok(peer.name.get().map(|bound| bound.name.clone())),
            _ => Err(SocketError::NotConnected),
        }
    }

    pub(super) fn shut_down(&self, how: Shutdown) {
        let read = matches!(how, Shutdown::Read | Shutdown::Both);
        let write = matches!(how, Shutdown::Write | Shutdown::Both);
        let (peer, waiters) = {
            let mut state = self.lock();
            state.no_receive |= read;
            state.no_send |= write;
            (state.phase.peer(), core::mem::take(&mut state.waiting))
        };
        self.notifier.notify();
        tell(waiters);
        if let Some(peer) = peer.filter(|_| self.is_connected_kind()) {
            {
                let mut state = peer.lock();
                state.no_receive |= write;
                state.no_send |= read;
            }
            peer.notifier.notify();
        }
    }
}

impl Drop for UnixSocket {
    fn drop(&mut self) {
        self.domain.forget(self);
        let state = {
            let has_files = self.lock().queue.iter().any(|entry| !entry.files.is_empty());
            // Nobody else has it: none are added.
            let _moving = has_files.then(|| self.domain.moving.lock());
            core::mem::take(&mut *self.lock())
        };
        let unread = !state.queue.is_empty();
        tell(state.waiting);
        self.domain.graveyard.bury(Remains::Messages(state.queue));
        match state.phase {
            Phase::Idle => {}
            Phase::Listening(listener) => {
                for socket in &listener.pending {
                    let client = socket.lock().phase.peer();
                    if let Some(client) = client {
                        // Nobody has accepted it.
                        client.lock().error = Some(SocketError::Reset);
                    }
                }
                self.domain.graveyard.bury(Remains::Pending(listener.pending));
            }
            Phase::Connected(peer) => {
                let Some(peer) = peer.socket.upgrade() else { return };
                if self.options.kind() != Kind::Datagram {
                    let mut state = peer.lock();
                    (state.no_receive, state.no_send) = (true, true);
                    if unread {
                        state.error = Some(SocketError::Reset);
                    }
                }
                peer.notifier.notify();
            }
        }
    }
}
