//! Datagrams that are put together from several calls: MSG_MORE and UDP_CORK (udp(7)).
//!
//! The first call says where it goes and how; those that follow only add bytes, and the first one without either sends it. What a closed
//! socket has put together is gone. Program memory is touched with no lock held.

use super::UdpSocket;
use super::send::{Aim, MAX_V4, fill};
use alloc::vec::Vec;
use core::sync::atomic::Ordering;
use fs::socket::{Address, Control, SocketError};
use fs::{FsError, SliceSource, Source};

/// A datagram that waits for more.
pub(super) struct Pending {
    aim: Aim,
    data: Vec<u8>,
}

impl UdpSocket {
    /// Whether the next bytes belong to a datagram that waits, or begin one.
    pub(super) fn is_corked(&self) -> bool {
        self.corked.load(Ordering::Relaxed) || self.waiting.load(Ordering::Relaxed)
    }

    /// Adds to the datagram that waits, and sends it unless there is to be `more`.
    pub(super) fn add(
        &self,
        src: &mut dyn Source,
        to: Option<&Address>,
        control: &Control,
        more: bool,
    ) -> Result<usize, SocketError> {
        let len = src.remaining();
        if len > MAX_V4 + 20 {
            self.drop_pending();
            return Err(SocketError::MessageSize);
        }
        let mut bytes = Vec::new();
        bytes.try_reserve_exact(len).map_err(|_| SocketError::NoBuffers)?;
        bytes.resize(len, 0);
        if len > 0 && src.take(&mut bytes)? < len {
            return Err(FsError::Fault.into());
        }
        let mut aim = None;
        let result = loop {
            match self.append(&mut aim, &bytes) {
                Some(result) => break result,
                None => aim = Some(self.aim(to, control)?),
            }
        };
        if let Err(error) = result {
            self.drop_pending();
            return Err(error);
        }
        if !more && !self.corked.load(Ordering::Relaxed) {
            self.push()?;
        }
        Ok(len)
    }

    /// Adds bytes to the datagram that waits, or begins one with `aim`; `None`, and nothing has changed, if that is wanted.
    fn append(&self, aim: &mut Option<Aim>, bytes: &[u8]) -> Option<Result<(), SocketError>> {
        let mut pending = self.pending.lock();
        if pending.is_none() {
            *pending = Some(Pending { aim: aim.take()?, data: Vec::new() });
            self.waiting.store(true, Ordering::Relaxed);
        }
        let Pending { aim, data } = pending.as_mut()?;
        if data.len() + bytes.len() > aim.most() {
            return Some(Err(SocketError::MessageSize));
        }
        if data.try_reserve(bytes.len()).is_err() {
            return Some(Err(SocketError::NoBuffers));
        }
        data.extend_from_slice(bytes);
        Some(Ok(()))
    }

    fn drop_pending(&self) -> Option<Pending> {
        let mut pending = self.pending.lock();
        self.waiting.store(false, Ordering::Relaxed);
        pending.take()
    }

    /// Sends the datagram that waits, if there is one.
    fn push(&self) -> Result<(), SocketError> {
        let Some(Pending { aim, data }) = self.drop_pending() else { return Ok(()) };
        let frame = fill(&mut SliceSource::new(&data), data.len(), self.head())?;
        self.transmit(&aim.path, aim.choice, aim.port, frame)
    }

    /// UDP_CORK.
    pub(super) fn set_cork(&self, on: bool) -> Result<(), SocketError> {
        self.corked.store(on, Ordering::Relaxed);
        if on { Ok(()) } else { self.push() }
    }
}
