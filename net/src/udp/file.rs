//! The socket as a file, and its calls.

use super::UdpSocket;
use super::options::{SOL_IP, SOL_IPV6};
use crate::as_file;
use crate::ip::ioctl as interface_ioctl;
use crate::options::SOL_SOCKET;
use abi::net as raw;
use abi::{OpenFlags, PollEvents, ioctl};
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::sync::atomic::Ordering;
use fs::notify::Notifier;
use fs::socket::{
    Address, Caller, Control, Family, Kind, MessageFlags, OptionValue, Received, Shutdown, Socket,
    SocketError,
};
use fs::{File, FsError, Metadata, Offset, Sink, Source};
use mm::user::UserMemory;

/// Level of UDP.
const SOL_UDP: i32 = 17;
const UDP_CORK: i32 = 1;

impl File for UdpSocket {
    fn metadata(&self) -> Result<Metadata, FsError> {
        Ok(as_file::metadata(self.id, &self.creator))
    }

    fn read(&self, _at: Offset, dst: &mut dyn Sink, flags: OpenFlags) -> Result<usize, FsError> {
        let flags = as_file::message_flags(flags);
        let received = self.receive_message(dst, flags).map_err(SocketError::of_file)?;
        Ok(received.bytes)
    }

    fn write(&self, _at: Offset, src: &mut dyn Source, flags: OpenFlags) -> Result<usize, FsError> {
        let flags = as_file::message_flags(flags);
        self.send_message(src, None, &Control::default(), flags).map_err(SocketError::of_file)
    }

    fn readiness(&self) -> PollEvents {
        let (error, no_receive, no_send) = self.condition();
        let mut events = PollEvents::OUT | PollEvents::WRNORM | PollEvents::WRBAND;
        events.set(PollEvents::ERR, error);
        events.set(PollEvents::IN | PollEvents::RDNORM, no_receive || self.first_length().is_some());
        events.set(PollEvents::RDHUP, no_receive);
        events.set(PollEvents::HUP, no_receive && no_send);
        events
    }

    fn notifier(&self) -> Option<&Notifier> {
        Some(&self.notifier)
    }

    fn ioctl(&self, request: u32, arg: u64, memory: &dyn UserMemory) -> Result<u64, FsError> {
        let value = match request {
            ioctl::FIONREAD => self.first_length().unwrap_or(0),
            // What is sent leaves at once.
            ioctl::TIOCOUTQ => 0,
            _ => return interface_ioctl::ioctl(self.layer(), request, arg, memory),
        };
        as_file::give_bytes(value, arg, memory)
    }

    fn as_socket(&self) -> Option<&dyn Socket> {
        Some(self)
    }

    fn describe(&self, out: &mut Vec<u8>) {
        as_file::describe(self.id, out);
    }
}

impl Socket for UdpSocket {
    fn family(&self) -> Family {
        self.options.family()
    }

    fn kind(&self) -> Kind {
        Kind::Datagram
    }

    fn protocol(&self) -> u32 {
        self.options.protocol() as u32
    }

    fn bind(&self, address: &Address, caller: &Caller<'_>) -> Result<(), SocketError> {
        self.bind_to(address, caller)
    }

    fn listen(&self, _backlog: i32, _caller: &Caller<'_>) -> Result<(), SocketError> {
        Err(SocketError::NotSupported)
    }

    fn connect(&self, address: &Address, _caller: &Caller<'_>) -> Result<(), SocketError> {
        self.connect_to(address)
    }

    fn accept(&self) -> Result<(Arc<dyn File>, Address), SocketError> {
        Err(SocketError::NotSupported)
    }

    fn shutdown(&self, how: Shutdown) -> Result<(), SocketError> {
        self.shut_down(how != Shutdown::Write, how != Shutdown::Read)
    }

    fn local_address(&self) -> Result<Address, SocketError> {
        Ok(self.shown(self.local()))
    }

    fn peer_address(&self) -> Result<Address, SocketError> {
        self.peer().map(|peer| self.shown(peer)).ok_or(SocketError::NotConnected)
    }

    fn send(
        &self,
        src: &mut dyn Source,
        to: Option<&Address>,
        control: Control,
        flags: MessageFlags,
        _caller: &Caller<'_>,
    ) -> Result<usize, SocketError> {
        self.send_message(src, to, &control, flags)
    }

    fn receive(&self, dst: &mut dyn Sink, flags: MessageFlags) -> Result<Received, SocketError> {
        self.receive_message(dst, flags)
    }

    fn take_error(&self) -> Option<SocketError> {
        self.take_pending_error()
    }

    fn option(&self, level: i32, name: i32) -> Result<OptionValue, SocketError> {
        match level {
            SOL_SOCKET if name == raw::SO_ACCEPTCONN as i32 => Ok(OptionValue::Int(0)),
            SOL_SOCKET => self.options.get(name),
            SOL_IP | SOL_IPV6 => self.ip_option(level, name),
            // Segments of datagrams (UDP_SEGMENT, UDP_GRO) are not offered.
            SOL_UDP if name == UDP_CORK && self.protocol() == SOL_UDP as u32 => {
                Ok(OptionValue::Int(self.corked.load(Ordering::Relaxed).into()))
            }
            SOL_UDP => Err(SocketError::NoOption),
            _ => Err(SocketError::NotSupported),
        }
    }

    fn set_option(
        &self,
        level: i32,
        name: i32,
        value: &[u8],
        caller: &Caller<'_>,
    ) -> Result<(), SocketError> {
        match level {
            SOL_SOCKET => {
                let net = self.layer().net();
                self.options.set(name, value, caller, &|name| net.named(name).map(|i| i.index))
            }
            SOL_IP | SOL_IPV6 => self.set_ip_option(level, name, value, caller),
            SOL_UDP if name == UDP_CORK && self.protocol() == SOL_UDP as u32 => {
                let value = value.first_chunk().ok_or(SocketError::File(FsError::Invalid))?;
                self.set_cork(i32::from_ne_bytes(*value) != 0)
            }
            _ => Err(SocketError::NoOption),
        }
    }

    fn timeouts(&self) -> (Option<u64>, Option<u64>) {
        self.options.timeouts()
    }
}
