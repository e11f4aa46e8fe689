//! [`Stack`]: the sockets of a machine.
//!
//! Made once by the kernel, reached by the system calls through the process. Families hook in at [`Stack::socket`].

use crate::unix::Domain;
use alloc::sync::Arc;
use fs::File;
use fs::socket::{Caller, Kind, SocketError};

/// AF_UNIX.
const UNIX: i32 = 1;
/// One more than the largest kind that Linux has a number for (SOCK_MAX).
const KINDS: i32 = 11;

/// Two connected sockets.
pub type Pair = (Arc<dyn File>, Arc<dyn File>);

/// All that sockets have in common.
#[derive(Default)]
pub struct Stack {
    unix: Arc<Domain>,
}

impl Stack {
    /// Without cards and sockets.
    pub fn new() -> Self {
        Self::default()
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
            _ => Err(SocketError::WrongFamily),
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
