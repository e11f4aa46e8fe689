//! [`Stack`]: the sockets of a machine.
//!
//! Made once by the kernel, reached by the system calls through the process. Families hook in at [`Stack::socket`].

use crate::device::{Environment, NetworkCard};
use crate::ip::{Config, IpLayer};
use crate::netlink::{self, NetlinkSocket, Ports};
use crate::tcp::{Limits, Tcp};
use crate::texts;
use crate::udp::{Protocol, UdpSocket};
use crate::unix::Domain;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use fs::File;
use fs::FsError;
use fs::pseudo::Output;
use fs::socket::{Caller, Family, Kind, SocketError};

/// AF_UNIX.
const UNIX: i32 = 1;
/// AF_INET.
const INET: i32 = 2;
/// AF_INET6.
const INET6: i32 = 10;
/// AF_NETLINK.
const NETLINK: i32 = 16;
/// AF_PACKET.
const PACKET: i32 = 17;
/// One more than the largest kind that Linux has a number for (SOCK_MAX).
const KINDS: i32 = 11;

/// Memory of a machine that does not say how much it has.
const USUAL_MEMORY: usize = 256 << 20;
/// Buffers of connections take this part of the memory at most.
const RING_SHARE: usize = 4;
/// One record in TIME-WAIT for so many bytes, within limits (`net.ipv4.tcp_max_tw_buckets`).
const TIME_WAIT_SHARE: usize = 16 << 10;
const LEAST_TIME_WAITS: usize = 4096;
const MOST_TIME_WAITS: usize = 262_144;

/// Two connected sockets.
pub type Pair = (Arc<dyn File>, Arc<dyn File>);

/// All that sockets have in common.
#[derive(Default)]
pub struct Stack {
    unix: Arc<Domain>,
    internet: Option<Internet>,
}

/// The IP layer, and TCP above it.
struct Internet {
    ip: Arc<IpLayer>,
    tcp: Arc<Tcp>,
    netlink: Arc<Ports>,
}

impl Stack {
    /// With cards (or none, which leaves the loopback), configured as `config` says. The default one has no IP at all: only sockets of
    /// AF_UNIX exist there.
    pub fn new(env: Arc<dyn Environment>, cards: Vec<Arc<dyn NetworkCard>>, config: &Config) -> Self {
        Self::over(IpLayer::new(env, cards, config), config.memory)
    }

    /// Over an IP layer, on a machine with `memory` bytes.
    pub(crate) fn over(ip: Arc<IpLayer>, memory: usize) -> Self {
        let memory = if memory == 0 { USUAL_MEMORY } else { memory };
        let limits = Limits {
            memory: memory / RING_SHARE,
            time_waits: (memory / TIME_WAIT_SHARE).clamp(LEAST_TIME_WAITS, MOST_TIME_WAITS),
        };
        let tcp = Tcp::new(ip.env.clone(), ip.clone(), limits);
        ip.set_tcp(tcp.clone());
        let unix: Arc<Domain> = Arc::default();
        unix.set_interfaces(ip.clone());
        Stack { unix, internet: Some(Internet { ip, tcp, netlink: Ports::new() }) }
    }

    /// The IP layer, if there is one.
    pub fn ip(&self) -> Option<&Arc<IpLayer>> {
        self.internet.as_ref().map(|internet| &internet.ip)
    }

    /// TCP, if there is IP.
    pub fn tcp(&self) -> Option<&Arc<Tcp>> {
        self.internet.as_ref().map(|internet| &internet.tcp)
    }

    /// Handles up to `budget` frames of each card, of the queue that belongs to `cpu`; returns how many there were. From thread context,
    /// on several CPUs at once if wanted, with no lock held.
    pub fn poll(&self, now: u64, cpu: u32, budget: usize) -> usize {
        self.ip().map_or(0, |ip| ip.poll(now, cpu, budget))
    }

    /// Does what time brings. To be called at [`next_deadline`](Self::next_deadline), which it returns;
    /// [`Environment::wake_at`] tells of an earlier one.
    pub fn work(&self, now: u64) -> Option<u64> {
        self.ip().and_then(|ip| ip.work(now))
    }

    /// When [`work`](Self::work) wants to be called, monotonic nanoseconds, as far as is known without having worked:
    /// connections tell through [`Environment::wake_at`] alone.
    pub fn next_deadline(&self) -> Option<u64> {
        self.ip().and_then(|ip| ip.next_deadline())
    }

    /// The addresses that were asked for are in use: fixed ones from the start, that of DHCP once there is a lease. A program may as well
    /// be started before.
    pub fn is_configured(&self) -> bool {
        self.ip().is_none_or(|ip| ip.is_configured())
    }

    /// The text of `/etc/resolv.conf` as it should be now; empty without name servers.
    pub fn resolv_conf(&self) -> String {
        let Some(ip) = self.ip() else { return String::new() };
        let net = ip.net();
        crate::ip::resolv_conf(&net.dns, net.domain.as_deref())
    }

    /// The host's name, if DHCP told it.
    pub fn hostname(&self) -> Option<String> {
        self.ip().and_then(|ip| ip.net().hostname.clone())
    }

    /// Names of the files in `/proc/net`.
    pub fn proc_files() -> impl Iterator<Item = &'static str> {
        texts::FILES.iter().map(|&(name, _)| name)
    }

    /// Appends the text of a file in `/proc/net`; nothing for a name that is not in [`proc_files`](Self::proc_files).
    pub fn proc_text(&self, name: &str, out: &mut Output) {
        if let Some((_, text)) = texts::FILES.iter().find(|&&(known, _)| known == name) {
            text(self, out);
        }
    }

    /// The family AF_UNIX.
    pub fn unix(&self) -> &Arc<Domain> {
        &self.unix
    }

    /// socket(2): family, kind without flags, and protocol as numbers.
    ///
    /// # Errors
    /// [`SocketError::WrongFamily`], [`SocketError::NoKind`], [`SocketError::NoProtocol`] for what is not there.
    pub fn socket(
        &self,
        family: i32,
        kind: i32,
        protocol: i32,
        caller: &Caller<'_>,
    ) -> Result<Arc<dyn File>, SocketError> {
        match check(family, kind)? {
            UNIX => Ok(self.unix.socket(unix_kind(kind, protocol)?, caller.credentials)),
            INET => self.ip_socket(Family::Inet, kind, protocol, caller),
            INET6 => self.ip_socket(Family::Inet6, kind, protocol, caller),
            NETLINK => self.netlink_socket(kind, protocol, caller),
            // Packets of the link belong to the kernel.
            PACKET => Err(SocketError::File(FsError::NotPermitted)),
            _ => Err(SocketError::WrongFamily),
        }
    }

    /// A socket of AF_INET or AF_INET6.
    fn ip_socket(
        &self,
        family: Family,
        kind: i32,
        protocol: i32,
        caller: &Caller<'_>,
    ) -> Result<Arc<dyn File>, SocketError> {
        use crate::ip::input::protocol as number;
        use abi::net as raw;
        let Internet { ip, tcp, .. } = self.internet.as_ref().ok_or(SocketError::WrongFamily)?;
        if !ip.env.keep_deadlines() {
            return Err(SocketError::NoBuffers);
        }
        let ping = if family == Family::Inet6 { number::ICMPV6 } else { number::ICMP };
        match (kind as u32, protocol) {
            (raw::SOCK_DGRAM, 0) => Ok(UdpSocket::new(ip, family, Protocol::Udp, caller.credentials)),
            (raw::SOCK_DGRAM, p) if p == i32::from(number::UDP) => {
                Ok(UdpSocket::new(ip, family, Protocol::Udp, caller.credentials))
            }
            (raw::SOCK_DGRAM, p) if p == i32::from(ping) => {
                Ok(UdpSocket::new(ip, family, Protocol::Ping, caller.credentials))
            }
            (raw::SOCK_STREAM, p) if p == 0 || p == i32::from(number::TCP) => {
                Ok(tcp.socket(family, caller.credentials)?)
            }
            // As for who lacks CAP_NET_RAW: whole IP packets are not offered to programs.
            (raw::SOCK_RAW, 1..=255) => Err(SocketError::File(FsError::NotPermitted)),
            (raw::SOCK_RAW | raw::SOCK_DGRAM | raw::SOCK_STREAM, _) => Err(SocketError::NoProtocol),
            _ => Err(SocketError::NoKind),
        }
    }

    /// A socket of AF_NETLINK.
    fn netlink_socket(
        &self,
        kind: i32,
        protocol: i32,
        caller: &Caller<'_>,
    ) -> Result<Arc<dyn File>, SocketError> {
        let Internet { ip, netlink, .. } = self.internet.as_ref().ok_or(SocketError::WrongFamily)?;
        let kind = match kind as u32 {
            abi::net::SOCK_RAW => Kind::Raw,
            abi::net::SOCK_DGRAM => Kind::Datagram,
            _ => return Err(SocketError::NoKind),
        };
        match protocol {
            netlink::ROUTE => Ok(NetlinkSocket::new(ip, netlink, kind, caller.credentials)),
            _ => Err(SocketError::NoProtocol),
        }
    }

    /// socketpair(2): two sockets that are connected with each other.
    ///
    /// # Errors
    /// As [`socket`](Self::socket); [`SocketError::NotSupported`] for families without pairs.
    pub fn pair(
        &self,
        family: i32,
        kind: i32,
        protocol: i32,
        caller: &Caller<'_>,
    ) -> Result<Pair, SocketError> {
        match check(family, kind)? {
            UNIX => {
                let (one, other) = self.unix.pair(unix_kind(kind, protocol)?, caller.credentials);
                Ok((one, other))
            }
            _ => {
                self.socket(family, kind, protocol, caller)?;
                Err(SocketError::NotSupported)
            }
        }
    }
}

/// The family, if it and the kind are numbers that Linux could have.
fn check(family: i32, kind: i32) -> Result<i32, SocketError> {
    /// AF_MAX.
    const FAMILIES: i32 = 46;
    if !(0..FAMILIES).contains(&family) {
        return Err(SocketError::WrongFamily);
    }
    if !(0..KINDS).contains(&kind) {
        return Err(SocketError::File(fs::FsError::Invalid));
    }
    Ok(family)
}

/// The kind of a socket of AF_UNIX. As on Linux, SOCK_RAW is SOCK_DGRAM.
fn unix_kind(kind: i32, protocol: i32) -> Result<Kind, SocketError> {
    use abi::net as raw;
    if protocol != 0 && protocol != UNIX {
        return Err(SocketError::NoProtocol);
    }
    match kind as u32 {
        raw::SOCK_STREAM => Ok(Kind::Stream),
        raw::SOCK_DGRAM | raw::SOCK_RAW => Ok(Kind::Datagram),
        raw::SOCK_SEQPACKET => Ok(Kind::SeqPacket),
        _ => Err(SocketError::NoKind),
    }
}

#[cfg(test)]
mod tests;
