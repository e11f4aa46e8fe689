//! Sending and receiving.

use super::message::{Charge, Entry, InFlight, Message};
use super::{NO_MEMORY, Phase, State, UnixSocket, WOULD_BLOCK, tell};
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::sync::atomic::Ordering;
use fs::socket::{Address, Caller, Control, Kind, MessageFlags, Received, SocketError, Ucred, UnixName};
use fs::{FsError, Sink, Source};
use sync::MutexGuard;

/// Most bytes of a stream in one message.
const PIECE: usize = 32 << 10;

/// Who has sent a message that tells nothing of it: nobody, as Linux shows it.
const UNKNOWN: Ucred = Ucred { pid: 0, uid: 65534, gid: 65534 };

/// Exactly `len` bytes of a source.
fn take(src: &mut dyn Source, len: usize) -> Result<Vec<u8>, SocketError> {
    let mut data = Vec::new();
    data.try_reserve_exact(len).map_err(|_| SocketError::NoBuffers)?;
    data.resize(len, 0);
    let mut done = 0;
    while done < len {
        match src.take(data.get_mut(done..).unwrap_or_default())? {
            0 => return Err(FsError::Fault.into()),
            n => done += n,
        }
    }
    Ok(data)
}

impl UnixSocket {
    /// Whether there is as much room that it pays to wake a sender.
    pub(super) fn is_writable(&self) -> bool {
        let limit = self.options.value(|values| values.send_buffer) as usize;
        self.charged.load(Ordering::Relaxed).saturating_mul(4) <= limit
    }

    fn check_room(&self) -> Result<(), SocketError> {
        let limit = self.options.value(|values| values.send_buffer) as usize;
        if self.charged.load(Ordering::Relaxed) >= limit { Err(WOULD_BLOCK) } else { Ok(()) }
    }

    pub(super) fn send_message(
        &self,
        src: &mut dyn Source,
        to: Option<&Address>,
        control: Control,
        flags: MessageFlags,
        caller: &Caller<'_>,
    ) -> Result<usize, SocketError> {
        if flags.out_of_band {
            return Err(SocketError::NotSupported);
        }
        match self.kind() {
            Kind::Stream if to.is_some() => {
                let connected = matches!(self.lock().phase, Phase::Connected(_));
                Err(if connected { SocketError::IsConnected } else { SocketError::NotSupported })
            }
            Kind::Stream => self.send_stream(src, control, caller),
            Kind::SeqPacket => {
                self.check_connected()?;
                self.send_datagram(src, None, control, caller)
            }
            _ => {
                let name = match to {
                    None => None,
                    Some(Address::Unix(Some(name))) => Some(name),
                    Some(_) => return Err(super::INVALID),
                };
                self.send_datagram(src, name, control, caller)
            }
        }
    }

    fn check_connected(&self) -> Result<(), SocketError> {
        let mut state = self.lock();
        match state.error.take() {
            Some(error) => Err(error),
            None if matches!(state.phase, Phase::Connected(_)) => Ok(()),
            None => Err(SocketError::NotConnected),
        }
    }

    /// The credentials that go with a message: those given, or the caller's if an end wants them.
    fn credentials(&self, control: &Control, peer: &UnixSocket, caller: &Caller<'_>) -> Option<Ucred> {
        let wanted = |socket: &UnixSocket| socket.options.value(|values| values.pass_credentials);
        let implied = || (wanted(self) || wanted(peer)).then_some(caller.credentials);
        control.credentials.or_else(implied)
    }

    fn entry(&self, data: Vec<u8>, files: InFlight, credentials: Option<Ucred>) -> Entry {
        let charge = Charge::new(self, data.len());
        let message = Message { data, from: self.name.clone(), credentials, _charge: charge };
        Entry { message: Arc::new(message), offset: 0, files }
    }

    fn send_stream(
        &self,
        src: &mut dyn Source,
        control: Control,
        caller: &Caller<'_>,
    ) -> Result<usize, SocketError> {
        let peer = {
            let state = self.lock();
            match &state.phase {
                _ if state.no_send => return Err(SocketError::Shutdown),
                Phase::Connected(_) => state.phase.peer(),
                _ => return Err(SocketError::NotConnected),
            }
        };
        let peer = peer.ok_or(SocketError::Shutdown)?;
        self.bind_for_credentials()?;
        let credentials = self.credentials(&control, &peer, caller);
        let mut files = control.files;
        let piece =
            (self.options.value(|values| values.send_buffer) as usize / 2).saturating_sub(64).min(PIECE);
        let mut done = 0;
        let mut send = |src: &mut dyn Source| {
            self.check_room()?;
            let len = src.remaining().min(piece);
            let data = take(src, len)?;
            let files = InFlight::new(&self.domain, core::mem::take(&mut files))?;
            peer.push(self.entry(data, files, credentials), None)?;
            Ok(len)
        };
        while src.remaining() > 0 {
            match send(src) {
                Ok(len) => done += len,
                Err(error) if done == 0 => return Err(error),
                Err(_) => break,
            }
        }
        Ok(done)
    }

    fn send_datagram(
        &self,
        src: &mut dyn Source,
        to: Option<&UnixName>,
        control: Control,
        caller: &Caller<'_>,
    ) -> Result<usize, SocketError> {
        if to.is_none() && !matches!(self.lock().phase, Phase::Connected(_)) {
            return Err(SocketError::NotConnected);
        }
        self.bind_for_credentials()?;
        let len = src.remaining();
        if len > (self.options.value(|values| values.send_buffer) as usize).saturating_sub(32) {
            return Err(SocketError::MessageSize);
        }
        {
            let mut state = self.lock();
            if let Some(error) = state.error.take() {
                return Err(error);
            }
            if state.no_send {
                return Err(SocketError::Shutdown);
            }
        }
        self.check_room()?;
        let data = take(src, len)?;
        let other = match to {
            Some(name) => self.domain.find(name, self.kind(), caller.tree)?,
            None => self.living_peer()?,
        };
        let credentials = self.credentials(&control, &other, caller);
        let files = InFlight::new(&self.domain, control.files)?;
        other.push(self.entry(data, files, credentials), Some(self))?;
        Ok(len)
    }

    /// The peer. One that is gone is a datagram socket's no longer.
    fn living_peer(&self) -> Result<Arc<UnixSocket>, SocketError> {
        let mut state = self.lock();
        match state.phase.peer() {
            Some(peer) => Ok(peer),
            None if self.is_connected_kind() => Err(SocketError::Shutdown),
            None => {
                state.phase = Phase::Idle;
                Err(SocketError::Refused)
            }
        }
    }

    /// Puts a message into this socket's queue; a datagram of `sender` only if there is room for it.
    fn push(&self, entry: Entry, sender: Option<&UnixSocket>) -> Result<(), SocketError> {
        {
            let mut state = self.lock();
            if state.no_receive {
                return Err(SocketError::Shutdown);
            }
            if let Some(sender) = sender {
                let mine = state.phase.is_peer(sender);
                if matches!(state.phase, Phase::Connected(_)) && !mine {
                    return Err(FsError::NotPermitted.into());
                }
                if !mine && !core::ptr::eq(self, sender) && state.is_full() {
                    state.wait(sender);
                    return Err(WOULD_BLOCK);
                }
            }
            state.queue.try_reserve(1).map_err(|_| NO_MEMORY)?;
            state.queued = state.queued.saturating_add(entry.len());
            state.queue.push_back(entry);
        }
        self.notifier.notify();
        Ok(())
    }

    pub(super) fn receive_message(
        &self,
        dst: &mut dyn Sink,
        flags: MessageFlags,
    ) -> Result<Received, SocketError> {
        if flags.out_of_band || flags.error_queue {
            return Err(SocketError::NotSupported);
        }
        match self.kind() {
            Kind::Stream => self.receive_stream(dst, flags),
            Kind::SeqPacket if !matches!(self.lock().phase, Phase::Connected(_)) => {
                Err(SocketError::NotConnected)
            }
            _ => self.receive_datagram(dst, flags),
        }
    }

    /// What an empty queue means.
    fn nothing(&self, state: &mut State, flags: MessageFlags) -> Result<Received, SocketError> {
        if let Some(error) = state.error.take() {
            return Err(error);
        }
        let end = state.no_receive && (self.kind() != Kind::Datagram || !flags.nonblocking);
        if end { Ok(Received::default()) } else { Err(WOULD_BLOCK) }
    }

    /// The state, for taking the first message: with the right to take descriptors if it has some.
    fn lock_to_take(&self) -> (Option<MutexGuard<'_, ()>>, MutexGuard<'_, State>) {
        let mut moving = None;
        loop {
            let state = self.lock();
            let has_files = state.queue.front().is_some_and(|entry| !entry.files.is_empty());
            if !has_files || moving.is_some() {
                return (moving, state);
            }
            drop(state);
            // At the second look the first message may be another one, with or without.
            moving = Some(self.domain.moving.lock());
        }
    }

    /// What a message says beside its bytes.
    fn about(&self, message: &Message, received: &mut Received) {
        received.from = message.from.get().map(|bound| Address::Unix(Some(bound.name.clone())));
        if self.options.value(|values| values.pass_credentials) {
            received.control.credentials = Some(message.credentials.unwrap_or(UNKNOWN));
        }
    }

    fn receive_datagram(&self, dst: &mut dyn Sink, flags: MessageFlags) -> Result<Received, SocketError> {
        let mut received = Received::default();
        let (message, waiters) = {
            let (_moving, mut state) = self.lock_to_take();
            if flags.peek {
                let Some(entry) = state.queue.front() else { return self.nothing(&mut state, flags) };
                received.control.files = entry.files.peek();
                (entry.message.clone(), Vec::new())
            } else {
                // An error is told before what lies behind it.
                if let Some(error) = state.error.take() {
                    return Err(error);
                }
                let Some(mut entry) = state.queue.pop_front() else {
                    return self.nothing(&mut state, flags);
                };
                state.queued = state.queued.saturating_sub(entry.len());
                received.control.files = entry.files.take();
                (entry.message, state.waiters())
            }
        };
        tell(waiters);
        self.about(&message, &mut received);
        received.length = message.data.len();
        received.bytes = copy(&message.data, dst)?;
        Ok(received)
    }

    fn receive_stream(&self, dst: &mut dyn Sink, flags: MessageFlags) -> Result<Received, SocketError> {
        let _turn = self.reading.lock();
        let mut received = Received::default();
        let mut at = 0;
        let mut first = true;
        loop {
            let (message, offset) = {
                let mut state = self.lock();
                match state.queue.get(at) {
                    Some(entry) => (entry.message.clone(), entry.offset),
                    None if !first => break,
                    None if !matches!(state.phase, Phase::Connected(_)) => return Err(super::INVALID),
                    None => return self.nothing(&mut state, flags),
                }
            };
            if first {
                self.about(&message, &mut received);
                first = false;
            } else if received
                .control
                .credentials
                .is_some_and(|who| who != message.credentials.unwrap_or(UNKNOWN))
            {
                // Bytes of different senders are not mixed.
                break;
            }
            let left = message.data.get(offset..).unwrap_or_default();
            let moved = match copy(left, dst) {
                Ok(moved) => moved,
                Err(error) if received.bytes == 0 => return Err(error),
                Err(_) => break,
            };
            received.bytes += moved;
            let files = if flags.peek { self.peeked(at) } else { self.consumed(&message, moved) };
            at += usize::from(flags.peek);
            let has_files = !files.is_empty();
            received.control.files.extend(files);
            if moved < left.len() || has_files || dst.remaining() == 0 {
                break;
            }
        }
        received.length = received.bytes;
        Ok(received)
    }

    /// The descriptors of a message that was looked at.
    fn peeked(&self, at: usize) -> Vec<Arc<fs::OpenFile>> {
        let _moving = self.domain.moving.lock();
        self.lock().queue.get(at).map(|entry| entry.files.peek()).unwrap_or_default()
    }

    /// Bytes of the first message have been read; gives its descriptors.
    fn consumed(&self, message: &Arc<Message>, moved: usize) -> Vec<Arc<fs::OpenFile>> {
        let (files, done) = {
            let (_moving, mut state) = self.lock_to_take();
            let state = &mut *state;
            let Some(entry) = state.queue.front_mut().filter(|entry| Arc::ptr_eq(&entry.message, message))
            else {
                return Vec::new();
            };
            entry.offset += moved;
            state.queued = state.queued.saturating_sub(moved);
            let files = if entry.files.is_empty() { Vec::new() } else { entry.files.take() };
            let finished = entry.len() == 0;
            (files, if finished { state.queue.pop_front() } else { None })
        };
        drop(done);
        files
    }
}

/// Copies what fits.
fn copy(data: &[u8], dst: &mut dyn Sink) -> Result<usize, SocketError> {
    let want = data.len().min(dst.remaining());
    let mut done = 0;
    while done < want {
        match dst.put(data.get(done..want).unwrap_or_default()) {
            Ok(0) => break,
            Ok(n) => done += n,
            Err(error) if done == 0 => return Err(error.into()),
            Err(_) => break,
        }
    }
    Ok(done)
}
