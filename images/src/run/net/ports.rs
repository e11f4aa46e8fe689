//! Ports of the host that QEMU will take: bound here first, so that a port in use is a clear message, and so that
//! port 0 becomes a number.
//!
//! They are held until right before QEMU starts; for a moment in between somebody else can take one, and then QEMU says so.

use std::fmt;
use std::io;
use std::net::{SocketAddr, SocketAddrV4, TcpListener, UdpSocket};

use image_format::channel::Protocol;

use super::{Forward, NetError};

/// Sockets that hold ports.
#[derive(Debug, Default)]
pub struct Reserved {
    _sockets: Vec<Held>,
}

/// Closed when dropped.
#[derive(Debug)]
enum Held {
    Tcp(TcpListener),
    Udp(UdpSocket),
}

impl Held {
    fn local(&self) -> io::Result<SocketAddr> {
        match self {
            Self::Tcp(socket) => socket.local_addr(),
            Self::Udp(socket) => socket.local_addr(),
        }
    }
}

impl Reserved {
    /// Takes the ports, and writes down which ones are meant by 0.
    ///
    /// # Errors
    /// The first that cannot be had.
    pub fn of(forwards: &mut [Forward]) -> Result<Self, NetError> {
        let mut sockets = Vec::new();
        for forward in forwards {
            let held = hold(forward).map_err(|error| NetError::Port(*forward, error))?;
            if let Ok(SocketAddr::V4(local)) = held.local() {
                forward.host = SocketAddrV4::new(*forward.host.ip(), local.port());
            }
            sockets.push(held);
        }
        Ok(Self { _sockets: sockets })
    }
}

fn hold(forward: &Forward) -> io::Result<Held> {
    match forward.protocol {
        // With SO_REUSEADDR, as QEMU does: old connections are not in the way.
        Protocol::Tcp => TcpListener::bind(forward.host).map(Held::Tcp),
        Protocol::Udp => UdpSocket::bind(forward.host).map(Held::Udp),
    }
}

/// Writes why a port cannot be had, and what to do.
pub(super) fn explain(forward: &Forward, error: &io::Error, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let what = super::at(forward.host, forward.protocol);
    let guest = match forward.protocol {
        Protocol::Tcp => forward.guest.to_string(),
        Protocol::Udp => format!("{}/udp", forward.guest),
    };
    match error.kind() {
        io::ErrorKind::AddrInUse => {
            write!(
                f,
                "{what} is in use by another program on this host; choose another port (-p PORT:{guest})"
            )
        }
        io::ErrorKind::PermissionDenied => write!(
            f,
            "{what} is not permitted: ports below 1024 take root; choose a higher one (-p PORT:{guest})"
        ),
        io::ErrorKind::AddrNotAvailable => write!(f, "{} is no address of this host", forward.host.ip()),
        _ => write!(f, "{what}: {}", crate::make::reason(error)),
    }
}
