//! [`SocketOptions`]: the options of level SOL_SOCKET that every socket keeps (socket(7)).
//!
//! Each socket owns one and asks it first for what it does not answer itself: SO_ERROR, SO_ACCEPTCONN, SO_PEERCRED and the like depend
//! on the socket's state and are its own. What an option means for the flow of data is the owner's business: it reads
//! [`values`](SocketOptions::values).
//!
//! Invariants: buffer sizes are what getsockopt(2) shows, so twice what was asked for, within the limits.

mod values;

use abi::net as raw;
use alloc::vec::Vec;
use core::sync::atomic::{AtomicU64, Ordering};
use fs::FsError;
use fs::socket::{Caller, Family, Kind, OptionValue, SocketError};
use sync::Mutex;
use values::NAME_MAX;
pub use values::{Timestamps, Values};

/// Level of these options.
pub const SOL_SOCKET: i32 = 1;
/// Most that SO_RCVBUF and SO_SNDBUF may ask for without privilege (`net.core.rmem_max`, `wmem_max`); also what sockets without
/// other defaults begin with.
pub const BUFFER_MAX: u32 = 212_992;
/// Least that getsockopt shows of SO_RCVBUF.
const RECEIVE_MIN: u32 = 2304;
/// Least that getsockopt shows of SO_SNDBUF.
const SEND_MIN: u32 = 4608;
/// CAP_NET_ADMIN.
pub const CAP_NET_ADMIN: u32 = 12;
/// CAP_NET_RAW.
pub const CAP_NET_RAW: u32 = 13;

/// Finds the number of an interface by its name.
pub type FindInterface<'a> = &'a dyn Fn(&[u8]) -> Option<u32>;

/// The options of a socket.
pub struct SocketOptions {
    family: Family,
    kind: Kind,
    protocol: i32,
    /// SO_COOKIE.
    cookie: u64,
    values: Mutex<Values>,
}

impl SocketOptions {
    /// Defaults of a socket with buffers of [`BUFFER_MAX`].
    pub fn new(family: Family, kind: Kind, protocol: i32) -> Self {
        Self::with_buffers(family, kind, protocol, BUFFER_MAX, BUFFER_MAX)
    }

    /// Defaults of a socket with buffers that getsockopt(2) shows as `receive` and `send`.
    pub fn with_buffers(family: Family, kind: Kind, protocol: i32, receive: u32, send: u32) -> Self {
        Self::of(family, kind, protocol, Values::new(receive, send))
    }

    /// Those of a socket that was accepted: as the listener's.
    pub fn inherit(&self) -> Self {
        Self::of(self.family, self.kind, self.protocol, self.values())
    }

    fn of(family: Family, kind: Kind, protocol: i32, values: Values) -> Self {
        static COOKIES: AtomicU64 = AtomicU64::new(1);
        let cookie = COOKIES.fetch_add(1, Ordering::Relaxed);
        SocketOptions { family, kind, protocol, cookie, values: Mutex::new(values) }
    }

    /// The family.
    pub fn family(&self) -> Family {
        self.family
    }

    /// The kind.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// The protocol.
    pub fn protocol(&self) -> i32 {
        self.protocol
    }

    /// One of the values, or what follows from some, as they are now.
    #[inline]
    pub fn value<T>(&self, what: impl FnOnce(&Values) -> T) -> T {
        what(&self.values.lock())
    }

    /// All values as they are now.
    pub fn values(&self) -> Values {
        *self.values.lock()
    }

    /// Receive and send timeouts, as [`fs::socket::Socket::timeouts`] wants them.
    pub fn timeouts(&self) -> (Option<u64>, Option<u64>) {
        let values = self.values.lock();
        (values.receive_timeout, values.send_timeout)
    }

    /// getsockopt(2) at level SOL_SOCKET.
    ///
    /// # Errors
    /// [`SocketError::NoOption`] for what is not kept here.
    pub fn get(&self, name: i32) -> Result<OptionValue, SocketError> {
        let mut values = self.values();
        let flag = |on: bool| Ok(OptionValue::Int(on.into()));
        if let Some(on) = values.flag(name as u32) {
            return flag(*on);
        }
        let int = |value: i32| Ok(OptionValue::Int(value));
        let bytes = |value: &[u8]| Ok(OptionValue::Bytes(value.to_vec()));
        match name as u32 {
            raw::SO_TYPE => int(kind_number(self.kind)),
            raw::SO_DOMAIN => int(family_number(self.family)),
            raw::SO_PROTOCOL => int(self.protocol),
            raw::SO_SNDBUF => int(values.send_buffer as i32),
            raw::SO_RCVBUF => int(values.receive_buffer as i32),
            raw::SO_PRIORITY => int(values.priority),
            raw::SO_LINGER => {
                let pair = [values.linger.is_some().into(), values.linger.unwrap_or(values.linger_off)];
                bytes(abi::bytes_of(&pair))
            }
            raw::SO_BSDCOMPAT => int(0),
            raw::SO_RCVLOWAT => int(values.receive_low_water),
            raw::SO_SNDLOWAT => int(1),
            raw::SO_RCVTIMEO_OLD | raw::SO_RCVTIMEO_NEW => bytes(&timeval(values.receive_timeout)),
            raw::SO_SNDTIMEO_OLD | raw::SO_SNDTIMEO_NEW => bytes(&timeval(values.send_timeout)),
            raw::SO_TIMESTAMP_OLD | raw::SO_TIMESTAMP_NEW => flag(values.timestamps == Timestamps::Micros),
            raw::SO_TIMESTAMPNS_OLD | raw::SO_TIMESTAMPNS_NEW => flag(values.timestamps == Timestamps::Nanos),
            raw::SO_MARK => int(values.mark as i32),
            raw::SO_INCOMING_CPU => int(values.incoming_cpu),
            raw::SO_BUSY_POLL => int(values.busy_poll),
            raw::SO_MAX_PACING_RATE => int(u32::try_from(values.pacing).unwrap_or(u32::MAX) as i32),
            raw::SO_PEEK_OFF => Err(SocketError::NotSupported),
            raw::SO_BINDTOIFINDEX => int(values.interface as i32),
            raw::SO_BINDTODEVICE => {
                let mut name = values.device().to_vec();
                if !name.is_empty() {
                    name.push(0);
                }
                Ok(OptionValue::Bytes(name))
            }
            raw::SO_COOKIE => bytes(abi::bytes_of(&self.cookie)),
            _ => Err(SocketError::NoOption),
        }
    }

    /// setsockopt(2) at level SOL_SOCKET. `interface` is asked for SO_BINDTODEVICE.
    ///
    /// # Errors
    /// As the manual says; [`SocketError::NoOption`] for what is not kept here or cannot be set.
    pub fn set(
        &self,
        name: i32,
        value: &[u8],
        caller: &Caller<'_>,
        interface: FindInterface<'_>,
    ) -> Result<(), SocketError> {
        if name as u32 == raw::SO_BINDTODEVICE {
            return self.bind_to_device(value, caller, interface);
        }
        let int = int_of(value)?;
        let on = int != 0;
        let permitted = |capability| {
            if (caller.capable)(capability) { Ok(()) } else { Err(FsError::NotPermitted) }
        };
        if name as u32 == raw::SO_DEBUG && on {
            permitted(CAP_NET_ADMIN)?;
        }
        if let Some(flag) = self.values.lock().flag(name as u32) {
            *flag = on;
            return Ok(());
        }
        match name as u32 {
            raw::SO_BSDCOMPAT => {}
            raw::SO_SNDBUF | raw::SO_SNDBUFFORCE | raw::SO_RCVBUF | raw::SO_RCVBUFFORCE => {
                self.set_buffer(name as u32, int, caller)?;
            }
            raw::SO_PRIORITY => {
                if !(0..=6).contains(&int) {
                    permitted(CAP_NET_ADMIN).or_else(|_| permitted(CAP_NET_RAW))?;
                }
                self.change(|values| values.priority = int);
            }
            raw::SO_LINGER => self.set_linger(value)?,
            raw::SO_RCVLOWAT => self.change(|values| {
                values.receive_low_water = if int < 0 { i32::MAX } else { int.max(1) };
            }),
            raw::SO_RCVTIMEO_OLD | raw::SO_RCVTIMEO_NEW => {
                let timeout = timeout_of(value)?;
                self.change(|values| values.receive_timeout = timeout);
            }
            raw::SO_SNDTIMEO_OLD | raw::SO_SNDTIMEO_NEW => {
                let timeout = timeout_of(value)?;
                self.change(|values| values.send_timeout = timeout);
            }
            raw::SO_TIMESTAMP_OLD | raw::SO_TIMESTAMP_NEW => self.set_timestamps(Timestamps::Micros, on),
            raw::SO_TIMESTAMPNS_OLD | raw::SO_TIMESTAMPNS_NEW => self.set_timestamps(Timestamps::Nanos, on),
            raw::SO_MARK => {
                permitted(CAP_NET_ADMIN).or_else(|_| permitted(CAP_NET_RAW))?;
                self.change(|values| values.mark = int as u32);
            }
            raw::SO_INCOMING_CPU => self.change(|values| values.incoming_cpu = int),
            raw::SO_BUSY_POLL => self.set_busy_poll(int, caller)?,
            raw::SO_MAX_PACING_RATE => {
                let rate = match value.first_chunk::<8>() {
                    Some(bytes) => u64::from_le_bytes(*bytes),
                    None if int == -1 => u64::MAX,
                    None => u64::from(int as u32),
                };
                self.change(|values| values.pacing = rate);
            }
            raw::SO_PEEK_OFF => return Err(SocketError::NotSupported),
            raw::SO_BINDTOIFINDEX => {
                let index = u32::try_from(int).map_err(|_| FsError::Invalid)?;
                self.change(|values| (values.interface, values.device) = (index, [0; NAME_MAX]));
            }
            _ => return Err(SocketError::NoOption),
        }
        Ok(())
    }

    /// What an accepted socket of AF_UNIX has from its listener: SO_PASSCRED.
    pub fn inherit_credentials(&self) {
        self.change(|values| values.pass_credentials = true);
    }

    fn change(&self, change: impl FnOnce(&mut Values)) {
        change(&mut self.values.lock());
    }

    fn set_timestamps(&self, kind: Timestamps, on: bool) {
        self.change(|values| values.timestamps = if on { kind } else { Timestamps::Off });
    }

    fn set_buffer(&self, name: u32, size: i32, caller: &Caller<'_>) -> Result<(), SocketError> {
        let force = matches!(name, raw::SO_SNDBUFFORCE | raw::SO_RCVBUFFORCE);
        if force && !(caller.capable)(CAP_NET_ADMIN) {
            return Err(FsError::NotPermitted.into());
        }
        // As on Linux a negative size is a large one, unless it is forced.
        let size = if force { size.max(0) as u32 } else { (size as u32).min(BUFFER_MAX) };
        let doubled = size.min(i32::MAX as u32 / 2) * 2;
        self.change(|values| {
            if matches!(name, raw::SO_SNDBUF | raw::SO_SNDBUFFORCE) {
                values.send_buffer = doubled.max(SEND_MIN);
                values.buffers_set.1 = true;
            } else {
                values.receive_buffer = doubled.max(RECEIVE_MIN);
                values.buffers_set.0 = true;
            }
        });
        Ok(())
    }

    fn set_busy_poll(&self, micros: i32, caller: &Caller<'_>) -> Result<(), SocketError> {
        if micros < 0 {
            return Err(FsError::Invalid.into());
        }
        if micros > self.values().busy_poll && !(caller.capable)(CAP_NET_ADMIN) {
            return Err(FsError::NotPermitted.into());
        }
        self.change(|values| values.busy_poll = micros);
        Ok(())
    }

    fn set_linger(&self, value: &[u8]) -> Result<(), SocketError> {
        let seconds = value.get(4..8).and_then(|bytes| bytes.try_into().ok()).map(i32::from_le_bytes);
        let seconds = seconds.ok_or(FsError::Invalid)?;
        let on = int_of(value)? != 0;
        self.change(|values| match on {
            true => values.linger = Some(seconds),
            false => {
                values.linger_off = values.linger.unwrap_or(values.linger_off);
                values.linger = None;
            }
        });
        Ok(())
    }

    fn bind_to_device(
        &self,
        value: &[u8],
        caller: &Caller<'_>,
        find: FindInterface<'_>,
    ) -> Result<(), SocketError> {
        let name = value.iter().copied().take(NAME_MAX - 1).take_while(|&byte| byte != 0);
        let mut device = [0; NAME_MAX];
        device.iter_mut().zip(name).for_each(|(to, from)| *to = from);
        // Who has bound a socket may not take it off without privilege.
        if self.values().interface != 0 && !(caller.capable)(CAP_NET_RAW) {
            return Err(FsError::NotPermitted.into());
        }
        let name = device.split(|&byte| byte == 0).next().unwrap_or_default();
        let interface = if name.is_empty() { 0 } else { find(name).ok_or(SocketError::NoInterface)? };
        self.change(|values| (values.interface, values.device) = (interface, device));
        Ok(())
    }
}

/// An option's value as a C `int`.
///
/// # Errors
/// If it is shorter.
pub fn int_of(value: &[u8]) -> Result<i32, SocketError> {
    value.first_chunk::<4>().map(|bytes| i32::from_le_bytes(*bytes)).ok_or(FsError::Invalid.into())
}

/// The number of a family (`AF_*`).
pub fn family_number(family: Family) -> i32 {
    match family {
        Family::Unix => 1,
        Family::Inet => 2,
        Family::Inet6 => 10,
        Family::Netlink => 16,
        Family::Packet => 17,
    }
}

/// The number of a kind (`SOCK_*`).
pub fn kind_number(kind: Kind) -> i32 {
    let number = match kind {
        Kind::Stream => raw::SOCK_STREAM,
        Kind::Datagram => raw::SOCK_DGRAM,
        Kind::SeqPacket => raw::SOCK_SEQPACKET,
        Kind::Raw => raw::SOCK_RAW,
    };
    number as i32
}

/// A timeout as `struct timeval`; none is zero.
fn timeval(timeout: Option<u64>) -> Vec<u8> {
    let ns = timeout.unwrap_or(0);
    let pair = [ns / 1_000_000_000, ns % 1_000_000_000 / 1000];
    abi::bytes_of(&pair).to_vec()
}

/// A timeout from `struct timeval`. Zero is none; a negative one does not wait at all.
fn timeout_of(value: &[u8]) -> Result<Option<u64>, SocketError> {
    let word =
        |at: usize| value.get(at..at + 8).and_then(|bytes| bytes.try_into().ok()).map(i64::from_le_bytes);
    let (seconds, micros) = word(0).zip(word(8)).ok_or(FsError::Invalid)?;
    let micros =
        u64::try_from(micros).ok().filter(|&micros| micros < 1_000_000).ok_or(SocketError::Domain)?;
    let Ok(seconds) = u64::try_from(seconds) else { return Ok(Some(0)) };
    let ns = seconds.saturating_mul(1_000_000_000).saturating_add(micros * 1000);
    // More than the clock can ever show is for ever.
    Ok((ns != 0 && ns < i64::MAX as u64).then_some(ns))
}

#[cfg(test)]
mod tests;
