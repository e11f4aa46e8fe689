//! The socket as a file, and its calls.

use super::{Phase, UnixSocket};
use crate::as_file;
use crate::options::SOL_SOCKET;
use abi::net as raw;
use abi::{OpenFlags, PollEvents, ioctl};
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::sync::atomic::Ordering;
use fs::notify::Notifier;
use fs::socket::{
    Address, Caller, Control, Family, Kind, MessageFlags, NoTree, OptionValue, Received, Shutdown, Socket,
    SocketError, Ucred,
};
use fs::{File, FsError, Metadata, Offset, Sink, Source};
use mm::user::UserMemory;

/// Who nobody is connected with.
const NOBODY: Ucred = Ucred { pid: 0, uid: u32::MAX, gid: u32::MAX };

impl File for UnixSocket {
    fn metadata(&self) -> Result<Metadata, FsError> {
        Ok(as_file::metadata(self.ino, &self.creator))
    }

    fn read(&self, _at: Offset, dst: &mut dyn Sink, flags: OpenFlags) -> Result<usize, FsError> {
        let flags = as_file::message_flags(flags);
        let received = self.receive_message(dst, flags).map_err(SocketError::of_file)?;
        Ok(received.bytes)
    }

    fn write(&self, _at: Offset, src: &mut dyn Source, flags: OpenFlags) -> Result<usize, FsError> {
        let flags = as_file::message_flags(flags);
        let caller = Caller { credentials: self.creator, capable: &|_| false, tree: &NoTree };
        self.send_message(src, None, Control::default(), flags, &caller).map_err(SocketError::of_file)
    }

    fn writes_all(&self) -> bool {
        self.kind() == Kind::Stream
    }

    fn readiness(&self) -> PollEvents {
        let writable = self.is_writable() && !self.is_peer_full();
        let state = self.lock();
        let mut events = PollEvents::empty();
        events.set(PollEvents::ERR, state.error.is_some());
        events.set(PollEvents::RDHUP, state.no_receive);
        let mut readable = state.no_receive || !state.queue.is_empty();
        let mut writable = writable;
        let mut hangup = state.no_receive && state.no_send;
        match &state.phase {
            Phase::Listening(listener) => {
                readable |= !listener.pending.is_empty();
                writable = false;
            }
            Phase::Idle => hangup |= self.is_connected_kind(),
            Phase::Connected(_) => {}
        }
        events.set(PollEvents::IN | PollEvents::RDNORM, readable);
        events.set(PollEvents::OUT | PollEvents::WRNORM | PollEvents::WRBAND, writable);
        events.set(PollEvents::HUP, hangup);
        events
    }

    fn notifier(&self) -> Option<&Notifier> {
        Some(&self.notifier)
    }

    fn ioctl(&self, request: u32, arg: u64, memory: &dyn UserMemory) -> Result<u64, FsError> {
        let value = match request {
            ioctl::FIONREAD => {
                let state = self.lock();
                match &state.phase {
                    Phase::Listening(_) => return Err(FsError::Invalid),
                    _ if self.is_connected_kind() => state.queued,
                    _ => state.queue.front().map_or(0, |entry| entry.len()),
                }
            }
            ioctl::TIOCOUTQ => self.charged.load(Ordering::Relaxed),
            _ => {
                let interfaces = self.domain.interfaces.get().ok_or(FsError::NotTty)?;
                return interfaces.ioctl(request, arg, memory);
            }
        };
        as_file::give_bytes(value, arg, memory)
    }

    fn as_socket(&self) -> Option<&dyn Socket> {
        Some(self)
    }

    fn describe(&self, out: &mut Vec<u8>) {
        as_file::describe(self.ino, out);
    }
}

impl UnixSocket {
    /// Whether a datagram to the peer would have to wait. If so, this socket is told when there is room.
    fn is_peer_full(&self) -> bool {
        if self.kind() == Kind::Stream {
            return false;
        }
        let Some(peer) = self.lock().phase.peer() else { return false };
        let mut theirs = peer.lock();
        let full = !theirs.phase.is_peer(self) && !core::ptr::eq(self, &*peer) && theirs.is_full();
        if full {
            theirs.wait(self);
        }
        full
    }
}

impl Socket for UnixSocket {
    fn family(&self) -> Family {
        Family::Unix
    }

    fn kind(&self) -> Kind {
        self.options.kind()
    }

    fn protocol(&self) -> u32 {
        0
    }

    fn bind(&self, address: &Address, caller: &Caller<'_>) -> Result<(), SocketError> {
        self.bind_to(address, caller)
    }

    fn listen(&self, backlog: i32, caller: &Caller<'_>) -> Result<(), SocketError> {
        self.listen_with(backlog, caller)
    }

    fn connect(&self, address: &Address, caller: &Caller<'_>) -> Result<(), SocketError> {
        self.connect_to(address, caller)
    }

    fn accept(&self) -> Result<(Arc<dyn File>, Address), SocketError> {
        let (socket, peer) = self.accept_one()?;
        Ok((socket, peer))
    }

    fn shutdown(&self, how: Shutdown) -> Result<(), SocketError> {
        self.shut_down(how);
        Ok(())
    }

    fn local_address(&self) -> Result<Address, SocketError> {
        Ok(Address::Unix(self.name.get().map(|bound| bound.name.clone())))
    }

    fn peer_address(&self) -> Result<Address, SocketError> {
        Ok(Address::Unix(self.peer_name()?))
    }

    fn send(
        &self,
        src: &mut dyn Source,
        to: Option<&Address>,
        control: Control,
        flags: MessageFlags,
        caller: &Caller<'_>,
    ) -> Result<usize, SocketError> {
        self.send_message(src, to, control, flags, caller)
    }

    fn receive(&self, dst: &mut dyn Sink, flags: MessageFlags) -> Result<Received, SocketError> {
        self.receive_message(dst, flags)
    }

    fn take_error(&self) -> Option<SocketError> {
        self.lock().error.take()
    }

    fn option(&self, level: i32, name: i32) -> Result<OptionValue, SocketError> {
        if level != SOL_SOCKET {
            return Err(SocketError::NotSupported);
        }
        match name as u32 {
            raw::SO_ACCEPTCONN => {
                Ok(OptionValue::Int(matches!(self.lock().phase, Phase::Listening(_)).into()))
            }
            raw::SO_PEERCRED => {
                let Ucred { pid, uid, gid } = self.lock().peer_credentials.unwrap_or(NOBODY);
                Ok(OptionValue::Bytes(abi::bytes_of(&[pid, uid, gid]).to_vec()))
            }
            _ => self.options.get(name),
        }
    }

    fn set_option(
        &self,
        level: i32,
        name: i32,
        value: &[u8],
        caller: &Caller<'_>,
    ) -> Result<(), SocketError> {
        if level != SOL_SOCKET {
            return Err(SocketError::NotSupported);
        }
        self.options.set(name, value, caller, &|name| (name == b"lo").then_some(1))?;
        if name as u32 == raw::SO_SNDBUF {
            self.notifier.notify();
        }
        Ok(())
    }

    fn timeouts(&self) -> (Option<u64>, Option<u64>) {
        self.options.timeouts()
    }
}
