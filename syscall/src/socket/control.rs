//! Control messages (cmsg(3)) between program memory and sockets.

use super::address;
use crate::errors::ToErrno;
use crate::{CallResult, Context};
use abi::structs::CmsgHdr;
use abi::{Errno, FdFlags, bytes_of, net as raw};
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use fs::OpenFile;
use fs::socket::{Address, Control, Family, PacketInfo, SendError, Socket, Ucred};
use mm::user::UserSlice;
use task::Fd;

/// Most bytes of control messages in one call (`net.core.optmem_max`).
const MAX: usize = 128 << 10;
/// Most descriptors in one message.
const FILES_MAX: usize = 253;
const HEADER: usize = size_of::<CmsgHdr>();
const SOL_SOCKET: i32 = 1;
const SOL_IP: i32 = 0;
const SOL_IPV6: i32 = 41;
const IP_TOS: i32 = 1;
const IP_TTL: i32 = 2;
const IP_PKTINFO: i32 = 8;
const IP_RECVERR: i32 = 11;
const IPV6_RECVERR: i32 = 25;
const IPV6_PKTINFO: i32 = 50;
const IPV6_HOPLIMIT: i32 = 52;
const IPV6_TCLASS: i32 = 67;
const CAP_SETGID: u32 = 6;
const CAP_SETUID: u32 = 7;
const CAP_SYS_ADMIN: u32 = 21;

const INVALID: Errno = Errno::EINVAL;

fn array<const N: usize>(data: &[u8], at: usize) -> Result<[u8; N], Errno> {
    data.get(at..).and_then(|rest| rest.first_chunk::<N>()).copied().ok_or(INVALID)
}

fn int(data: &[u8]) -> Result<i32, Errno> {
    Ok(i32::from_ne_bytes(array(data, 0)?))
}

/// Control messages that a program sends on a socket of `family`.
pub fn load(ctx: &Context<'_>, addr: u64, len: u64, family: Family) -> CallResult<Control> {
    let mut control = Control::default();
    let len = usize::try_from(len).ok().filter(|&len| len <= MAX).ok_or(Errno::ENOBUFS)?;
    if addr == 0 || len == 0 {
        return Ok(control);
    }
    let mut bytes = Vec::new();
    bytes.try_reserve_exact(len).map_err(|_| Errno::ENOBUFS)?;
    bytes.resize(len, 0);
    UserSlice::new(addr, len).read_at(ctx.memory(), 0, &mut bytes)?;
    let mut rest = bytes.as_slice();
    while rest.len() >= HEADER {
        let size = usize::try_from(u64::from_ne_bytes(array(rest, 0)?)).map_err(|_| INVALID)?;
        let (level, kind) = (i32::from_ne_bytes(array(rest, 8)?), i32::from_ne_bytes(array(rest, 12)?));
        // Also where the length of one is wrong.
        let data = rest.get(HEADER..size).ok_or(INVALID)?;
        add(ctx, &mut control, (level, kind), data, family)?;
        rest = rest.get(size.next_multiple_of(8)..).unwrap_or_default();
    }
    Ok(control)
}

fn add(
    ctx: &Context<'_>,
    control: &mut Control,
    what: (i32, i32),
    data: &[u8],
    family: Family,
) -> CallResult<()> {
    const RIGHTS: i32 = raw::SCM_RIGHTS as i32;
    const CREDENTIALS: i32 = raw::SCM_CREDENTIALS as i32;
    match what {
        (SOL_SOCKET, RIGHTS) if family == Family::Unix => add_files(ctx, control, data)?,
        (SOL_SOCKET, CREDENTIALS) if data.len() == 12 => control.credentials = Some(claimed(ctx, data)?),
        (SOL_SOCKET, _) => return Err(INVALID.into()),
        (SOL_IP, IP_PKTINFO) if family == Family::Inet && data.len() == 12 => {
            control.packet_info = Some(PacketInfo {
                interface: int(data)? as u32,
                local: IpAddr::V4(Ipv4Addr::from(array::<4>(data, 4)?)),
                destination: IpAddr::V4(Ipv4Addr::from(array::<4>(data, 8)?)),
            });
        }
        (SOL_IP, IP_TTL) if family == Family::Inet => {
            control.hop_limit = Some(u8::try_from(int(data)?).ok().filter(|&ttl| ttl > 0).ok_or(INVALID)?);
        }
        (SOL_IP, IP_TOS) if family == Family::Inet => {
            let value = if data.len() == 1 { array::<1>(data, 0)?[0] } else { int(data)? as u8 };
            control.traffic_class = Some(value);
        }
        (SOL_IPV6, IPV6_PKTINFO) if family == Family::Inet6 && data.len() >= 20 => {
            let local = IpAddr::V6(Ipv6Addr::from(array::<16>(data, 0)?));
            let interface = u32::from_ne_bytes(array(data, 16)?);
            control.packet_info = Some(PacketInfo { interface, local, destination: local });
        }
        (SOL_IPV6, IPV6_HOPLIMIT) if family == Family::Inet6 => {
            // -1 is the default.
            control.hop_limit = match int(data)? {
                -1 => None,
                value => Some(u8::try_from(value).map_err(|_| INVALID)?),
            };
        }
        (SOL_IPV6, IPV6_TCLASS) if family == Family::Inet6 => {
            control.traffic_class = match int(data)? {
                -1 => None,
                value => Some(u8::try_from(value).map_err(|_| INVALID)?),
            };
        }
        (SOL_IP, _) if family == Family::Inet => return Err(INVALID.into()),
        (SOL_IPV6, _) if family == Family::Inet6 => return Err(INVALID.into()),
        // Of another family: not for this socket.
        _ => {}
    }
    Ok(())
}

fn add_files(ctx: &Context<'_>, control: &mut Control, data: &[u8]) -> CallResult<()> {
    let (fds, _) = data.as_chunks::<4>();
    if control.files.len() + fds.len() > FILES_MAX {
        return Err(INVALID.into());
    }
    for fd in fds {
        control.files.push(ctx.file(i32::from_ne_bytes(*fd))?);
    }
    Ok(())
}

/// Credentials that the caller says are its own, if it may.
fn claimed(ctx: &Context<'_>, data: &[u8]) -> CallResult<Ucred> {
    let word = |at| Ok::<_, Errno>(u32::from_ne_bytes(array(data, at)?));
    let who = Ucred { pid: word(0)?, uid: word(4)?, gid: word(8)? };
    let own = ctx.process.credentials();
    let has = |ids: &task::credentials::Ids, id| [ids.real, ids.effective, ids.saved].contains(&id);
    let allowed = (who.pid == ctx.process.pid || own.capable(CAP_SYS_ADMIN))
        && (has(&own.user, who.uid) || own.capable(CAP_SETUID))
        && (has(&own.group, who.gid) || own.capable(CAP_SETGID));
    if allowed { Ok(who) } else { Err(Errno::EPERM.into()) }
}

/// Where control messages are put together for a program that has room for so many bytes.
struct Writer {
    bytes: Vec<u8>,
    room: usize,
    cut: bool,
}

impl Writer {
    fn left(&self) -> usize {
        self.room.saturating_sub(self.bytes.len())
    }

    /// Adds one message, cut to the room that is left.
    fn put(&mut self, level: i32, kind: i32, data: &[u8]) {
        let left = self.left();
        if left < HEADER {
            self.cut = true;
            return;
        }
        let len = (HEADER + data.len()).min(left);
        self.cut |= len < HEADER + data.len();
        let header = CmsgHdr { len: len as u64, level, kind };
        self.bytes.extend_from_slice(bytes_of(&header));
        self.bytes.extend_from_slice(data.get(..len - HEADER).unwrap_or_default());
        let end = (self.bytes.len().next_multiple_of(8)).min(self.room);
        self.bytes.resize(end, 0);
    }
}

/// Stores what came beside the bytes of a message; returns how many bytes were used, and whether there was too little room.
pub fn store(
    ctx: &Context<'_>,
    addr: u64,
    len: u64,
    socket: &dyn Socket,
    control: Control,
    cloexec: bool,
) -> (u64, bool) {
    let room = if addr == 0 { 0 } else { usize::try_from(len).unwrap_or(usize::MAX).min(MAX) };
    let mut out = Writer { bytes: Vec::new(), room, cut: false };
    put_times_and_headers(&mut out, socket, &control);
    if let Some(Ucred { pid, uid, gid }) = control.credentials {
        out.put(SOL_SOCKET, raw::SCM_CREDENTIALS as i32, bytes_of(&[pid, uid, gid]));
    }
    let fds = put_files(ctx, &mut out, control.files, cloexec);
    if UserSlice::new(addr, out.bytes.len()).write_at(ctx.memory(), 0, &out.bytes).is_err() {
        for fd in fds {
            let _ = ctx.process.files().remove(fd).map(drop);
        }
        return (0, out.cut);
    }
    (out.bytes.len() as u64, out.cut)
}

fn put_times_and_headers(out: &mut Writer, socket: &dyn Socket, control: &Control) {
    if let Some(ns) = control.timestamp_ns {
        let nanos = socket.option(SOL_SOCKET, raw::SO_TIMESTAMPNS as i32);
        let (seconds, rest) = (ns / 1_000_000_000, ns % 1_000_000_000);
        match nanos {
            Ok(fs::socket::OptionValue::Int(1)) => {
                out.put(SOL_SOCKET, raw::SO_TIMESTAMPNS as i32, bytes_of(&[seconds, rest]));
            }
            _ => out.put(SOL_SOCKET, raw::SO_TIMESTAMP as i32, bytes_of(&[seconds, rest / 1000])),
        }
    }
    if let Some(dropped) = control.dropped {
        out.put(SOL_SOCKET, raw::SO_RXQ_OVFL as i32, bytes_of(&dropped));
    }
    let v6 = socket.family() == Family::Inet6;
    if let Some(PacketInfo { interface, local, destination }) = control.packet_info {
        match (local, destination) {
            (IpAddr::V4(local), IpAddr::V4(destination)) => {
                let mut data = [0; 12];
                let fields = [interface.to_ne_bytes(), local.octets(), destination.octets()];
                data.iter_mut().zip(fields.as_flattened()).for_each(|(to, from)| *to = *from);
                out.put(SOL_IP, IP_PKTINFO, &data);
            }
            (_, IpAddr::V6(destination)) => {
                let mut data = destination.octets().to_vec();
                data.extend_from_slice(&interface.to_ne_bytes());
                out.put(SOL_IPV6, IPV6_PKTINFO, &data);
            }
            _ => {}
        }
    }
    if let Some(hops) = control.hop_limit {
        let (level, kind) = if v6 { (SOL_IPV6, IPV6_HOPLIMIT) } else { (SOL_IP, IP_TTL) };
        out.put(level, kind, bytes_of(&i32::from(hops)));
    }
    match control.traffic_class {
        Some(class) if v6 => out.put(SOL_IPV6, IPV6_TCLASS, bytes_of(&i32::from(class))),
        Some(class) => out.put(SOL_IP, IP_TOS, &[class]),
        None => {}
    }
    if let Some(error) = &control.send_error {
        put_error(out, error);
    }
}

/// `struct sock_extended_err`, and the address of who told.
fn put_error(out: &mut Writer, error: &SendError) {
    let number = u32::from(error.error.to_errno().raw());
    let (kind, code) = error.icmp;
    let fields = [number.to_ne_bytes(), [error.origin, kind, code, 0], error.info.to_ne_bytes(), [0; 4]];
    let mut data = fields.as_flattened().to_vec();
    let size = if error.offender.is_ipv6() { 28 } else { 16 };
    let mut offender = match error.offender.is_unspecified() {
        true => Vec::new(),
        false => address::encode(&Address::Ip(SocketAddr::new(error.offender, 0))),
    };
    offender.resize(size, 0);
    data.append(&mut offender);
    match error.offender.is_ipv6() {
        true => out.put(SOL_IPV6, IPV6_RECVERR, &data),
        false => out.put(SOL_IP, IP_RECVERR, &data),
    }
}

/// Gives the program descriptors, as many as there is room for; the others are closed.
fn put_files(ctx: &Context<'_>, out: &mut Writer, files: Vec<Arc<OpenFile>>, cloexec: bool) -> Vec<Fd> {
    if files.is_empty() {
        return Vec::new();
    }
    let flags = if cloexec { FdFlags::CLOEXEC } else { FdFlags::empty() };
    let most = out.left().saturating_sub(HEADER) / size_of::<i32>();
    let limit = ctx.fd_limit();
    let mut fds = Vec::new();
    let mut data = Vec::new();
    let count = files.len();
    for file in files.into_iter().take(most) {
        let Ok(fd) = ctx.process.files().insert(file, flags, 0, limit) else { break };
        data.extend_from_slice(&(fd as i32).to_ne_bytes());
        fds.push(fd);
    }
    if !fds.is_empty() {
        out.put(SOL_SOCKET, raw::SCM_RIGHTS as i32, &data);
    }
    out.cut |= fds.len() < count;
    fds
}
