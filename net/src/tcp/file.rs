//! [`TcpSocket`] as a file and as a socket: what the system calls see.

use super::ports::Place;
use super::socket::{PROTOCOL, TcpSocket};
use super::state::Phase;
use crate::as_file;
use crate::options::SOL_SOCKET;
use abi::{OpenFlags, PollEvents, ioctl};
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use core::sync::atomic::Ordering;
use fs::notify::Notifier;
use fs::socket::{
    Address, ByteStream, Caller, Control, Family, Kind, MessageFlags, OptionValue, Received, Shutdown,
    Socket, SocketError,
};
use fs::{File, FsError, Metadata, Offset, Sink, Source};
use mm::user::UserMemory;

impl File for TcpSocket {
    fn metadata(&self) -> Result<Metadata, FsError> {
        Ok(as_file::metadata(self.ino, &self.creator))
    }

    fn read(&self, _at: Offset, dst: &mut dyn Sink, flags: OpenFlags) -> Result<usize, FsError> {
        let flags = as_file::message_flags(flags);
        self.receive_bytes(dst, flags).map_err(SocketError::of_file)
    }

    fn write(&self, _at: Offset, src: &mut dyn Source, _flags: OpenFlags) -> Result<usize, FsError> {
        self.send_bytes(src, MessageFlags::default()).map_err(SocketError::of_file)
    }

    fn writes_all(&self) -> bool {
        true
    }

    fn readiness(&self) -> PollEvents {
        let Ok(slot) = self.slot() else { return PollEvents::ERR };
        if slot.pending.load(Ordering::Acquire) != 0 {
            self.tcp.with(self.index, slot, self.now(), false, |_| ());
        }
        PollEvents::from_bits_truncate(slot.events.load(Ordering::Acquire) as _)
    }

    fn notifier(&self) -> Option<&Notifier> {
        Some(&self.slot().ok()?.notifier)
    }

    fn ioctl(&self, request: u32, arg: u64, memory: &dyn UserMemory) -> Result<u64, FsError> {
        if !matches!(request, ioctl::FIONREAD | ioctl::TIOCOUTQ) {
            return self.tcp.output.ioctl(request, arg, memory);
        }
        let slot = self.slot().map_err(SocketError::of_file)?;
        let left = slot.left.load(Ordering::Relaxed);
        let value = self.with(false, |state| match (request, &state.phase) {
            (ioctl::FIONREAD | ioctl::TIOCOUTQ, Phase::Listening(_)) => Err(FsError::Invalid),
            (ioctl::FIONREAD, Phase::Open(unit)) => Ok(unit.receivable() + left),
            (ioctl::FIONREAD, _) => Ok(left),
            (ioctl::TIOCOUTQ, Phase::Open(unit)) => Ok(unit.unacknowledged() + state.corked.len()),
            (ioctl::TIOCOUTQ, _) => Ok(0),
            _ => Err(FsError::NotTty),
        });
        as_file::give_bytes(value.map_err(SocketError::of_file)??, arg, memory)
    }

    fn as_socket(&self) -> Option<&dyn Socket> {
        Some(self)
    }

    fn describe(&self, out: &mut Vec<u8>) {
        as_file::describe(self.ino, out);
    }
}

impl Socket for TcpSocket {
    fn family(&self) -> Family {
        self.options.family()
    }

    fn kind(&self) -> Kind {
        Kind::Stream
    }

    fn protocol(&self) -> u32 {
        PROTOCOL as u32
    }

    fn bind(&self, address: &Address, caller: &Caller<'_>) -> Result<(), SocketError> {
        self.bind_to(address, caller)
    }

    fn listen(&self, backlog: i32, _caller: &Caller<'_>) -> Result<(), SocketError> {
        self.listen_with(backlog)?;
        self.announce();
        Ok(())
    }

    fn connect(&self, address: &Address, caller: &Caller<'_>) -> Result<(), SocketError> {
        self.connect_to(address, caller)
    }

    fn accept(&self) -> Result<(Arc<dyn File>, Address), SocketError> {
        let (socket, peer) = self.accept_one()?;
        Ok((socket, peer))
    }

    fn shutdown(&self, how: Shutdown) -> Result<(), SocketError> {
        self.shut_down(how)
    }

    fn local_address(&self) -> Result<Address, SocketError> {
        let (ends, bound) = self.with(false, |state| (state.ends, state.bound))?;
        let address = match (ends, bound) {
            (Some((local, _)), _) => local,
            (None, Some((Place::V4(ip), port))) => SocketAddr::new(ip.into(), port),
            (None, Some((Place::V6(ip, _), port))) => SocketAddr::new(ip.into(), port),
            (None, None) if self.is_v6() => SocketAddr::new(Ipv6Addr::UNSPECIFIED.into(), 0),
            (None, None) => SocketAddr::new(Ipv4Addr::UNSPECIFIED.into(), 0),
        };
        Ok(self.shown(address))
    }

    fn peer_address(&self) -> Result<Address, SocketError> {
        let remote = self.with(false, |state| {
            let connected = matches!(state.phase, Phase::Open(_)) && !state.connecting && !state.detached;
            state.ends.filter(|_| connected)
        })?;
        remote.map(|(_, remote)| self.shown(remote)).ok_or(SocketError::NotConnected)
    }

    fn send(
        &self,
        src: &mut dyn Source,
        _to: Option<&Address>,
        _control: Control,
        flags: MessageFlags,
        _caller: &Caller<'_>,
    ) -> Result<usize, SocketError> {
        self.send_bytes(src, flags)
    }

    fn receive(&self, dst: &mut dyn Sink, flags: MessageFlags) -> Result<Received, SocketError> {
        let bytes = self.receive_bytes(dst, flags)?;
        Ok(Received { bytes, length: bytes, ..Received::default() })
    }

    fn begin_close(&self) -> Option<u64> {
        self.begin_lingering()
    }

    fn is_closing(&self) -> bool {
        self.lingers()
    }

    fn take_error(&self) -> Option<SocketError> {
        self.with(false, |state| {
            if !state.connecting {
                state.unannounced = false;
            }
            state.error.take()
        })
        .ok()
        .flatten()
    }

    fn option(&self, level: i32, name: i32) -> Result<OptionValue, SocketError> {
        self.get_option(level, name)
    }

    fn set_option(
        &self,
        level: i32,
        name: i32,
        value: &[u8],
        caller: &Caller<'_>,
    ) -> Result<(), SocketError> {
        if level == SOL_SOCKET {
            return self.set_socket_option(name, value, caller);
        }
        self.set_other_option(level, name, value)
    }

    fn timeouts(&self) -> (Option<u64>, Option<u64>) {
        self.options.timeouts()
    }

    fn as_byte_stream(&self) -> Option<&dyn ByteStream> {
        Some(self)
    }
}
