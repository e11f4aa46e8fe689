//! [`Socket`]: what a file can do that is a socket (socket(7)).
//!
//! Implemented in `net`, called by the socket calls through [`File::as_socket`](crate::File::as_socket). As with all files, an
//! operation that would have to wait answers `WouldBlock`: the caller waits for readiness and comes back. Addresses are typed
//! here; their encodings are the callers' business.

use crate::{FsError, NodeRef, OpenFile, Pinned, Sink, Source};
use alloc::{sync::Arc, vec::Vec};
use core::fmt;
use core::net::{IpAddr, SocketAddr};

/// Address families that sockets exist in (`AF_*`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Family {
    /// AF_UNIX.
    Unix,
    /// AF_INET.
    Inet,
    /// AF_INET6.
    Inet6,
    /// AF_NETLINK.
    Netlink,
    /// AF_PACKET.
    Packet,
}

/// Kinds of sockets (`SOCK_*`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// SOCK_STREAM.
    Stream,
    /// SOCK_DGRAM.
    Datagram,
    /// SOCK_SEQPACKET.
    SeqPacket,
    /// SOCK_RAW.
    Raw,
}

/// The name of a socket of the family AF_UNIX (unix(7)).
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum UnixName {
    /// A path, as it was given to bind(2).
    Path(Vec<u8>),
    /// A name in the abstract space, without the leading NUL.
    Abstract(Vec<u8>),
}

/// The address of a socket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Address {
    /// AF_UNSPEC: no address. connect(2) to it dissolves an association.
    Unspecified,
    /// AF_INET and AF_INET6.
    Ip(SocketAddr),
    /// AF_UNIX; `None` for a socket without a name.
    Unix(Option<UnixName>),
    /// AF_NETLINK: port and groups.
    Netlink {
        /// Number of the socket, 0 for the kernel.
        port: u32,
        /// Multicast groups.
        groups: u32,
    },
}

/// Why an operation on a socket failed; error numbers are chosen elsewhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SocketError {
    /// As for any file.
    File(FsError),
    /// Not offered by this kind of socket (EOPNOTSUPP).
    NotSupported,
    /// An option that does not exist (ENOPROTOOPT).
    NoOption,
    /// The address is in use.
    AddressInUse,
    /// No such address here.
    AddressNotAvailable,
    /// The address is not of the socket's family.
    WrongFamily,
    /// Not connected.
    NotConnected,
    /// Connected already.
    IsConnected,
    /// A connection is being made (EINPROGRESS); at the second call, EALREADY.
    InProgress,
    /// A connection is being made since an earlier call.
    Already,
    /// Nobody listens there.
    Refused,
    /// The other side gave up.
    Reset,
    /// Given up by this side.
    Aborted,
    /// No answer in time.
    TimedOut,
    /// No way to the network.
    NetworkUnreachable,
    /// No way to the host.
    HostUnreachable,
    /// The network is not there.
    NetworkDown,
    /// A datagram is too long.
    MessageSize,
    /// No room for another datagram or socket (ENOBUFS).
    NoBuffers,
    /// An address is needed (EDESTADDRREQ).
    DestinationRequired,
    /// The socket has been shut down for writing (EPIPE).
    Shutdown,
    /// A wrong type of peer (EPROTOTYPE).
    WrongType,
    /// Too many descriptors in flight (ETOOMANYREFS).
    TooManyReferences,
    /// A value outside an option's range (EDOM).
    Domain,
    /// No such interface (ENODEV).
    NoInterface,
    /// The family has no such protocol (EPROTONOSUPPORT).
    NoProtocol,
    /// The family has no sockets of this kind (ESOCKTNOSUPPORT).
    NoKind,
}

impl From<FsError> for SocketError {
    fn from(error: FsError) -> Self {
        SocketError::File(error)
    }
}

impl SocketError {
    /// The error of a socket that is read or written as a file.
    #[must_use]
    pub fn of_file(self) -> FsError {
        match self {
            SocketError::File(error) => error,
            SocketError::NotConnected => FsError::NotConnected,
            SocketError::Reset | SocketError::Aborted => FsError::ConnectionReset,
            SocketError::Refused => FsError::ConnectionRefused,
            SocketError::TimedOut => FsError::TimedOut,
            SocketError::HostUnreachable | SocketError::NetworkUnreachable | SocketError::NetworkDown => {
                FsError::Unreachable
            }
            SocketError::MessageSize => FsError::MessageSize,
            SocketError::NoBuffers => FsError::NoBuffers,
            SocketError::DestinationRequired => FsError::DestinationRequired,
            SocketError::Shutdown => FsError::BrokenPipe,
            SocketError::NotSupported => FsError::NotSupported,
            _ => FsError::Invalid,
        }
    }
}

impl fmt::Display for SocketError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            SocketError::File(error) => return error.fmt(f),
            SocketError::NotSupported => "operation not supported by this socket",
            SocketError::NoOption => "no such option",
            SocketError::AddressInUse => "address in use",
            SocketError::AddressNotAvailable => "address not available",
            SocketError::WrongFamily => "address of another family",
            SocketError::NotConnected => "not connected",
            SocketError::IsConnected => "connected already",
            SocketError::InProgress => "connection in progress",
            SocketError::Already => "connection in progress already",
            SocketError::Refused => "connection refused",
            SocketError::Reset => "connection reset",
            SocketError::Aborted => "connection aborted",
            SocketError::TimedOut => "connection timed out",
            SocketError::NetworkUnreachable => "network unreachable",
            SocketError::HostUnreachable => "host unreachable",
            SocketError::NetworkDown => "network is down",
            SocketError::MessageSize => "message too long",
            SocketError::NoBuffers => "no buffer space",
            SocketError::DestinationRequired => "destination address required",
            SocketError::Shutdown => "shut down for writing",
            SocketError::WrongType => "peer of another type",
            SocketError::TooManyReferences => "too many descriptors in flight",
            SocketError::Domain => "value out of range",
            SocketError::NoInterface => "no such interface",
            SocketError::NoProtocol => "no such protocol",
            SocketError::NoKind => "no sockets of this kind",
        })
    }
}

impl core::error::Error for SocketError {}

/// Which directions shutdown(2) ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shutdown {
    /// SHUT_RD.
    Read,
    /// SHUT_WR.
    Write,
    /// SHUT_RDWR.
    Both,
}

/// Who a process is, as SCM_CREDENTIALS and SO_PEERCRED tell.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ucred {
    /// Process.
    pub pid: u32,
    /// User.
    pub uid: u32,
    /// Group.
    pub gid: u32,
}

/// Where a datagram arrived or is to leave (IP_PKTINFO, IPV6_PKTINFO).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PacketInfo {
    /// Number of the interface, 0 for any.
    pub interface: u32,
    /// The local address.
    pub local: IpAddr,
    /// The destination in the header, on arrival.
    pub destination: IpAddr,
}

/// What became of a datagram that was sent (IP_RECVERR, IPV6_RECVERR; `struct sock_extended_err`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SendError {
    /// The error.
    pub error: SocketError,
    /// Whether it was found here or told by ICMP or ICMPv6 (`SO_EE_ORIGIN_*`).
    pub origin: u8,
    /// ICMP's type and code.
    pub icmp: (u8, u8),
    /// The largest packet, for those that were too large.
    pub info: u32,
    /// Who told; unspecified for this host itself.
    pub offender: IpAddr,
}

/// Data beside the bytes of a message (cmsg(3)).
#[derive(Clone, Default)]
pub struct Control {
    /// SCM_RIGHTS.
    pub files: Vec<Arc<OpenFile>>,
    /// SCM_CREDENTIALS.
    pub credentials: Option<Ucred>,
    /// IP_PKTINFO or IPV6_PKTINFO.
    pub packet_info: Option<PacketInfo>,
    /// IP_TTL or IPV6_HOPLIMIT.
    pub hop_limit: Option<u8>,
    /// IP_TOS or IPV6_TCLASS.
    pub traffic_class: Option<u8>,
    /// SO_TIMESTAMP(NS): nanoseconds since 1970.
    pub timestamp_ns: Option<u64>,
    /// SO_RXQ_OVFL: datagrams dropped so far.
    pub dropped: Option<u32>,
    /// IP_RECVERR or IPV6_RECVERR.
    pub send_error: Option<SendError>,
}

/// Flags of send(2) and recv(2) that a socket acts on. Waiting, and O_CLOEXEC of received files, are the caller's business.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MessageFlags {
    /// MSG_PEEK.
    pub peek: bool,
    /// MSG_OOB.
    pub out_of_band: bool,
    /// MSG_TRUNC in recv(2): the true length of a datagram counts; for TCP the bytes are dropped.
    pub truncate: bool,
    /// MSG_MORE.
    pub more: bool,
    /// MSG_DONTROUTE.
    pub dont_route: bool,
    /// MSG_EOR.
    pub end_of_record: bool,
    /// MSG_ERRQUEUE.
    pub error_queue: bool,
    /// The call does not want to wait (O_NONBLOCK or MSG_DONTWAIT).
    pub nonblocking: bool,
}

/// What a receive brought.
#[derive(Clone, Default)]
pub struct Received {
    /// Bytes that went to the program.
    pub bytes: usize,
    /// Length of the whole message; larger than `bytes` if it was cut (MSG_TRUNC).
    pub length: usize,
    /// Who sent it, where that is told.
    pub from: Option<Address>,
    /// Beside the bytes.
    pub control: Control,
    /// MSG_EOR.
    pub end_of_record: bool,
    /// MSG_OOB.
    pub out_of_band: bool,
}

/// A value of an option.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OptionValue {
    /// `int`.
    Int(i32),
    /// A structure.
    Bytes(Vec<u8>),
}

/// The tree of files as a caller may use it, for names of AF_UNIX that are paths (unix(7)).
pub trait SocketTree {
    /// Makes a socket node at `path`.
    ///
    /// # Errors
    /// [`FsError::Exists`] if the name is taken.
    fn make(&self, path: &[u8]) -> Result<Pinned, FsError>;

    /// The node at `path`, which the caller may write.
    fn find(&self, path: &[u8]) -> Result<NodeRef, FsError>;
}

/// A tree without files, for callers that have no names to look up.
pub struct NoTree;

impl SocketTree for NoTree {
    fn make(&self, _path: &[u8]) -> Result<Pinned, FsError> {
        Err(FsError::NotFound)
    }

    fn find(&self, _path: &[u8]) -> Result<NodeRef, FsError> {
        Err(FsError::NotFound)
    }
}

/// Who calls, for what depends on it (ports below 1024, SO_PEERCRED, names in the tree).
pub struct Caller<'a> {
    /// Its identity.
    pub credentials: Ucred,
    /// Whether a capability (`CAP_*`) is in force.
    pub capable: &'a dyn Fn(u32) -> bool,
    /// The files that it can name.
    pub tree: &'a dyn SocketTree,
}

/// A socket.
pub trait Socket: Send + Sync {
    /// Its family.
    fn family(&self) -> Family;

    /// Its kind.
    fn kind(&self) -> Kind;

    /// Its protocol (`IPPROTO_*`, 0 for AF_UNIX).
    fn protocol(&self) -> u32;

    /// bind(2).
    fn bind(&self, address: &Address, caller: &Caller<'_>) -> Result<(), SocketError>;

    /// listen(2).
    fn listen(&self, backlog: i32, caller: &Caller<'_>) -> Result<(), SocketError>;

    /// connect(2). `InProgress` once the attempt has begun; the caller waits until the socket is writable and asks
    /// [`take_error`](Self::take_error).
    fn connect(&self, address: &Address, caller: &Caller<'_>) -> Result<(), SocketError>;

    /// accept(2): the new socket as a file, and its peer's address.
    fn accept(&self) -> Result<(Arc<dyn crate::File>, Address), SocketError>;

    /// shutdown(2).
    fn shutdown(&self, how: Shutdown) -> Result<(), SocketError>;

    /// getsockname(2).
    fn local_address(&self) -> Result<Address, SocketError>;

    /// getpeername(2).
    fn peer_address(&self) -> Result<Address, SocketError>;

    /// sendmsg(2); returns how many bytes went.
    fn send(
        &self,
        src: &mut dyn Source,
        to: Option<&Address>,
        control: Control,
        flags: MessageFlags,
        caller: &Caller<'_>,
    ) -> Result<usize, SocketError>;

    /// recvmsg(2).
    fn receive(&self, dst: &mut dyn Sink, flags: MessageFlags) -> Result<Received, SocketError>;

    /// The last descriptor is being closed. If close(2) is to wait until the other side has all that was sent (SO_LINGER), begins to
    /// close and returns how long it waits at most, nanoseconds; the caller waits while [`is_closing`](Self::is_closing).
    fn begin_close(&self) -> Option<u64> {
        None
    }

    /// Whether, after [`begin_close`](Self::begin_close), the other side does not have all that was sent.
    fn is_closing(&self) -> bool {
        false
    }

    /// The error of what happened behind the program's back, once (SO_ERROR).
    fn take_error(&self) -> Option<SocketError>;

    /// getsockopt(2), for `SOL_*` or `IPPROTO_*` and the option's number.
    fn option(&self, level: i32, name: i32) -> Result<OptionValue, SocketError>;

    /// setsockopt(2).
    fn set_option(&self, level: i32, name: i32, value: &[u8], caller: &Caller<'_>)
    -> Result<(), SocketError>;

    /// How long receives and sends wait, nanoseconds; `None` for ever (SO_RCVTIMEO, SO_SNDTIMEO).
    fn timeouts(&self) -> (Option<u64>, Option<u64>);

    /// This socket, if it moves nothing but bytes.
    fn as_byte_stream(&self) -> Option<&dyn ByteStream> {
        None
    }
}

/// A socket that moves nothing but bytes: neither addresses nor control messages go with them, nor does it matter who sends.
pub trait ByteStream {
    /// As [`Socket::send`].
    fn send_bytes(&self, src: &mut dyn Source, flags: MessageFlags) -> Result<usize, SocketError>;

    /// As [`Socket::receive`]; 0 at the end.
    fn receive_bytes(&self, dst: &mut dyn Sink, flags: MessageFlags) -> Result<usize, SocketError>;
}
