//! [`NetlinkSocket`]: the socket as a file, and its calls.

use super::Ports;
use super::request;
use crate::as_file;
use crate::ip::{IpLayer, ioctl as interface_ioctl};
use crate::options::{SOL_SOCKET, SocketOptions, int_of};
use abi::net as raw;
use abi::{OpenFlags, PollEvents, ioctl};
use alloc::collections::VecDeque;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::sync::atomic::{AtomicU64, Ordering};
use fs::notify::Notifier;
use fs::socket::{
    Address, Caller, Control, Family, Kind, MessageFlags, OptionValue, Received, Shutdown, Socket,
    SocketError, Ucred,
};
use fs::{File, FsError, Metadata, Offset, Sink, Source};
use mm::user::UserMemory;
use sync::Mutex;

/// Level of options of this family.
const SOL_NETLINK: i32 = 270;
/// The first of the options that are switches (NETLINK_PKTINFO), and how many there are.
const FIRST_SWITCH: i32 = 3;
const SWITCHES: usize = 10;
/// NETLINK_GET_STRICT_CHK: filters in requests count.
const STRICT: i32 = 12;
/// Longest request.
const MAX_REQUEST: usize = 32 << 10;

#[derive(Default)]
struct State {
    /// Own number, once bound.
    port: Option<u32>,
    groups: u32,
    connected: bool,
    switches: [bool; SWITCHES],
    queue: VecDeque<Vec<u8>>,
    bytes: usize,
}

/// A socket.
pub struct NetlinkSocket {
    layer: Arc<IpLayer>,
    ports: Arc<Ports>,
    options: SocketOptions,
    kind: Kind,
    ino: u64,
    creator: Ucred,
    state: Mutex<State>,
    notifier: Notifier,
}

/// Port and groups of an address.
fn parts(address: &Address) -> Result<(u32, u32), SocketError> {
    match *address {
        Address::Netlink { port, groups } => Ok((port, groups)),
        _ => Err(FsError::Invalid.into()),
    }
}

impl NetlinkSocket {
    /// A socket of kind Raw or Datagram, which is the same here.
    pub fn new(layer: &Arc<IpLayer>, ports: &Arc<Ports>, kind: Kind, creator: Ucred) -> Arc<Self> {
        static NUMBERS: AtomicU64 = AtomicU64::new(3 << 32);
        Arc::new(NetlinkSocket {
            layer: layer.clone(),
            ports: ports.clone(),
            options: SocketOptions::new(Family::Netlink, kind, super::ROUTE),
            kind,
            ino: NUMBERS.fetch_add(1, Ordering::Relaxed),
            creator,
            state: Mutex::default(),
            notifier: Notifier::new(),
        })
    }

    fn switch(name: i32) -> Option<usize> {
        usize::try_from(name - FIRST_SWITCH).ok().filter(|&at| at < SWITCHES)
    }

    /// The own port, taken now if there is none yet.
    fn port(&self, state: &mut State) -> Result<u32, SocketError> {
        if let Some(port) = state.port {
            return Ok(port);
        }
        match self.ports.take_any(self.creator.pid) {
            0 => Err(SocketError::NoBuffers),
            port => Ok(*state.port.insert(port)),
        }
    }

    fn ask(&self, src: &mut dyn Source, to: Option<&Address>) -> Result<usize, SocketError> {
        let (port, _) = to.map(parts).transpose()?.unwrap_or((0, 0));
        if port != 0 {
            // Sockets do not talk to each other.
            return Err(SocketError::Refused);
        }
        let len = src.remaining();
        if len > MAX_REQUEST {
            return Err(SocketError::MessageSize);
        }
        let mut data = Vec::new();
        data.try_reserve_exact(len).map_err(|_| SocketError::NoBuffers)?;
        data.resize(len, 0);
        if len > 0 && src.take(&mut data)? < len {
            return Err(FsError::Fault.into());
        }
        let (port, strict) = {
            let mut state = self.state.lock();
            let strict = Self::switch(STRICT).and_then(|at| state.switches.get(at)).copied();
            (self.port(&mut state)?, strict.unwrap_or(false))
        };
        let answers = request::answer(&self.layer, &data, port, strict).ok_or(SocketError::NoBuffers)?;
        let room = self.options.values().receive_buffer as usize;
        {
            let mut state = self.state.lock();
            let more: usize = answers.iter().map(Vec::len).sum();
            if state.bytes > 0 && state.bytes.saturating_add(more) > room {
                return Err(SocketError::NoBuffers);
            }
            state.queue.try_reserve(answers.len()).map_err(|_| SocketError::NoBuffers)?;
            state.bytes = state.bytes.saturating_add(more);
            state.queue.extend(answers);
        }
        self.notifier.notify();
        Ok(len)
    }

    fn take(&self, dst: &mut dyn Sink, flags: MessageFlags) -> Result<Received, SocketError> {
        if flags.out_of_band {
            return Err(SocketError::NotSupported);
        }
        let datagram = {
            let mut state = self.state.lock();
            let next = if flags.peek { state.queue.front().cloned() } else { state.queue.pop_front() };
            if let (Some(next), false) = (&next, flags.peek) {
                state.bytes = state.bytes.saturating_sub(next.len());
            }
            next.ok_or(FsError::WouldBlock)?
        };
        let room = dst.remaining().min(datagram.len());
        let bytes = if room == 0 { 0 } else { dst.put(datagram.get(..room).unwrap_or_default())? };
        let from = Some(Address::Netlink { port: 0, groups: 0 });
        Ok(Received { bytes, length: datagram.len(), from, ..Received::default() })
    }
}

impl Drop for NetlinkSocket {
    fn drop(&mut self) {
        if let Some(port) = self.state.get_mut().port {
            self.ports.release(port);
        }
    }
}

impl File for NetlinkSocket {
    fn metadata(&self) -> Result<Metadata, FsError> {
        Ok(as_file::metadata(self.ino, &self.creator))
    }

    fn read(&self, _at: Offset, dst: &mut dyn Sink, _flags: OpenFlags) -> Result<usize, FsError> {
        Ok(self.take(dst, MessageFlags::default()).map_err(SocketError::of_file)?.bytes)
    }

    fn write(&self, _at: Offset, src: &mut dyn Source, _flags: OpenFlags) -> Result<usize, FsError> {
        self.ask(src, None).map_err(SocketError::of_file)
    }

    fn readiness(&self) -> PollEvents {
        let mut events = PollEvents::OUT | PollEvents::WRNORM | PollEvents::WRBAND;
        events.set(PollEvents::IN | PollEvents::RDNORM, !self.state.lock().queue.is_empty());
        events
    }

    fn notifier(&self) -> Option<&Notifier> {
        Some(&self.notifier)
    }

    fn ioctl(&self, request: u32, arg: u64, memory: &dyn UserMemory) -> Result<u64, FsError> {
        if request != ioctl::FIONREAD {
            return interface_ioctl::ioctl(&self.layer, request, arg, memory);
        }
        let first = self.state.lock().queue.front().map_or(0, Vec::len);
        as_file::give_bytes(first, arg, memory)
    }

    fn as_socket(&self) -> Option<&dyn Socket> {
        Some(self)
    }

    fn describe(&self, out: &mut Vec<u8>) {
        as_file::describe(self.ino, out);
    }
}

impl Socket for NetlinkSocket {
    fn family(&self) -> Family {
        Family::Netlink
    }

    fn kind(&self) -> Kind {
        self.kind
    }

    fn protocol(&self) -> u32 {
        super::ROUTE as u32
    }

    fn bind(&self, address: &Address, _caller: &Caller<'_>) -> Result<(), SocketError> {
        let (port, groups) = parts(address)?;
        let mut state = self.state.lock();
        match (state.port, port) {
            (Some(own), port) if port != 0 && port != own => return Err(FsError::Invalid.into()),
            (Some(_), _) => {}
            (None, 0) => {
                self.port(&mut state)?;
            }
            (None, port) if self.ports.take(port) => state.port = Some(port),
            (None, _) => return Err(SocketError::AddressInUse),
        }
        state.groups = groups;
        Ok(())
    }

    fn listen(&self, _backlog: i32, _caller: &Caller<'_>) -> Result<(), SocketError> {
        Err(SocketError::NotSupported)
    }

    fn connect(&self, address: &Address, _caller: &Caller<'_>) -> Result<(), SocketError> {
        let mut state = self.state.lock();
        if *address == Address::Unspecified {
            state.connected = false;
            return Ok(());
        }
        let (port, _) = parts(address)?;
        if port != 0 {
            return Err(SocketError::Refused);
        }
        self.port(&mut state)?;
        state.connected = true;
        Ok(())
    }

    fn accept(&self) -> Result<(Arc<dyn File>, Address), SocketError> {
        Err(SocketError::NotSupported)
    }

    fn shutdown(&self, _how: Shutdown) -> Result<(), SocketError> {
        Err(SocketError::NotSupported)
    }

    fn local_address(&self) -> Result<Address, SocketError> {
        let state = self.state.lock();
        Ok(Address::Netlink { port: state.port.unwrap_or(0), groups: state.groups })
    }

    fn peer_address(&self) -> Result<Address, SocketError> {
        Ok(Address::Netlink { port: 0, groups: 0 })
    }

    fn send(
        &self,
        src: &mut dyn Source,
        to: Option<&Address>,
        _control: Control,
        flags: MessageFlags,
        _caller: &Caller<'_>,
    ) -> Result<usize, SocketError> {
        if flags.out_of_band {
            return Err(SocketError::NotSupported);
        }
        self.ask(src, to)
    }

    fn receive(&self, dst: &mut dyn Sink, flags: MessageFlags) -> Result<Received, SocketError> {
        self.take(dst, flags)
    }

    fn take_error(&self) -> Option<SocketError> {
        None
    }

    fn option(&self, level: i32, name: i32) -> Result<OptionValue, SocketError> {
        match level {
            SOL_SOCKET if name == raw::SO_ACCEPTCONN as i32 => Ok(OptionValue::Int(0)),
            SOL_SOCKET => self.options.get(name),
            SOL_NETLINK => {
                let at = Self::switch(name).ok_or(SocketError::NoOption)?;
                Ok(OptionValue::Int(self.state.lock().switches.get(at).copied().unwrap_or(false).into()))
            }
            _ => Err(SocketError::NoOption),
        }
    }

    fn set_option(
        &self,
        level: i32,
        name: i32,
        value: &[u8],
        caller: &Caller<'_>,
    ) -> Result<(), SocketError> {
        if level == SOL_SOCKET {
            let net = self.layer.net();
            return self.options.set(name, value, caller, &|name| net.named(name).map(|i| i.index));
        }
        let int = int_of(value)?;
        match (level, name) {
            // NETLINK_ADD_MEMBERSHIP, NETLINK_DROP_MEMBERSHIP: groups stay silent.
            (SOL_NETLINK, 1 | 2) if (1..=64).contains(&int) => {
                let bit = 1u32.checked_shl(int as u32 - 1).unwrap_or(0);
                let mut state = self.state.lock();
                state.groups = if name == 1 { state.groups | bit } else { state.groups & !bit };
                Ok(())
            }
            (SOL_NETLINK, 1 | 2) => Err(FsError::Invalid.into()),
            (SOL_NETLINK, name) => {
                let at = Self::switch(name).ok_or(SocketError::NoOption)?;
                if let Some(switch) = self.state.lock().switches.get_mut(at) {
                    *switch = int != 0;
                }
                Ok(())
            }
            _ => Err(SocketError::NoOption),
        }
    }

    fn timeouts(&self) -> (Option<u64>, Option<u64>) {
        self.options.timeouts()
    }
}
