//! The ends of a relay: frames over sockets as QEMU's netdevs speak.
//!
//! Over a stream each frame comes behind its length in four bytes, the highest first (`-netdev socket,connect=HOST:PORT`,
//! `-netdev stream`). Over datagrams each is a frame (`-netdev dgram,local.type=unix,...`).

use std::io::{self, ErrorKind, Read as _, Write as _};
use std::net::{Shutdown, TcpStream};
use std::os::unix::net::UnixDatagram;
use std::path::Path;

/// The largest frame that QEMU sends.
const FRAME_MAX: usize = (64 + 4) << 10;

/// One end of a relay.
#[derive(Debug)]
pub enum End {
    /// A connection.
    Stream(TcpStream),
    /// A datagram socket that is bound and connected.
    Datagram(UnixDatagram),
}

impl End {
    /// A datagram socket at `local` whose peer will be at `remote`; what is sent before the peer is there is lost.
    ///
    /// # Errors
    /// The socket cannot be bound there.
    pub fn datagram(local: &Path, remote: &Path) -> io::Result<Self> {
        let socket = UnixDatagram::bind(local)?;
        socket.connect(remote)?;
        Ok(End::Datagram(socket))
    }

    /// Both directions.
    ///
    /// # Errors
    /// The socket cannot be cloned.
    pub fn split(self) -> io::Result<(FrameReader, FrameWriter)> {
        Ok(match self {
            End::Stream(stream) => {
                stream.set_nodelay(true)?;
                (FrameReader(End::Stream(stream.try_clone()?)), FrameWriter(End::Stream(stream)))
            }
            End::Datagram(socket) => {
                (FrameReader(End::Datagram(socket.try_clone()?)), FrameWriter(End::Datagram(socket)))
            }
        })
    }
}

/// Takes frames from an end.
#[derive(Debug)]
pub struct FrameReader(End);

impl FrameReader {
    /// The next frame; `None` at the end.
    ///
    /// # Errors
    /// Those of the socket.
    #[allow(clippy::should_implement_trait)] // it can fail
    pub fn next(&mut self) -> io::Result<Option<Vec<u8>>> {
        match &mut self.0 {
            End::Stream(stream) => {
                let mut len = [0; 4];
                if let Err(error) = stream.read_exact(&mut len) {
                    return if error.kind() == ErrorKind::UnexpectedEof { Ok(None) } else { Err(error) };
                }
                let len = u32::from_be_bytes(len) as usize;
                if len > FRAME_MAX {
                    return Err(ErrorKind::InvalidData.into());
                }
                let mut frame = vec![0; len];
                stream.read_exact(&mut frame)?;
                Ok(Some(frame))
            }
            End::Datagram(socket) => {
                let mut frame = vec![0; FRAME_MAX];
                let len = socket.recv(&mut frame)?;
                frame.truncate(len);
                Ok(Some(frame))
            }
        }
    }
}

/// Gives frames to an end.
#[derive(Debug)]
pub struct FrameWriter(End);

impl FrameWriter {
    /// Sends a frame; waits while the other side does not take it. A datagram that nobody is there for is lost.
    ///
    /// # Errors
    /// Those of the socket.
    pub fn send(&mut self, frame: &[u8]) -> io::Result<()> {
        match &mut self.0 {
            End::Stream(stream) => {
                let len = u32::try_from(frame.len()).map_err(|_| ErrorKind::InvalidInput)?;
                // One write: a length by itself would be a segment by itself.
                stream.write_all(&[&len.to_be_bytes(), frame].concat())
            }
            End::Datagram(socket) => match socket.send(frame) {
                Err(error) if error.kind() == ErrorKind::ConnectionRefused => Ok(()),
                result => result.map(|_| ()),
            },
        }
    }

    /// Tells the other side that no more frames come.
    pub fn close(self) {
        if let End::Stream(stream) = self.0 {
            // It may be gone already.
            let _ = stream.shutdown(Shutdown::Write);
        }
    }
}
