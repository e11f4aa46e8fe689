//! [`PidFd`]: the process as a file (pidfd_open(2)). Made and asked by the calls of that name.
//!
//! It becomes readable when its process ends. The machine ends with the process, so nobody ever sees it readable.

use abi::{OpenFlags, PollEvents};
use alloc::{format, vec::Vec};
use fs::pseudo::Output;
use fs::{File, FsError, Metadata, Offset, Sink, Source};

/// A file that stands for the process.
pub struct PidFd {
    pid: u32,
}

impl PidFd {
    /// For the process of that number.
    #[must_use]
    pub fn new(pid: u32) -> Self {
        PidFd { pid }
    }
}

impl File for PidFd {
    fn metadata(&self) -> Result<Metadata, FsError> {
        Ok(Metadata::anonymous())
    }

    fn read(&self, _at: Offset, _dst: &mut dyn Sink, _flags: OpenFlags) -> Result<usize, FsError> {
        Err(FsError::Invalid)
    }

    fn write(&self, _at: Offset, _src: &mut dyn Source, _flags: OpenFlags) -> Result<usize, FsError> {
        Err(FsError::Invalid)
    }

    fn readiness(&self) -> PollEvents {
        PollEvents::empty()
    }

    fn describe(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(b"anon_inode:[pidfd]");
    }

    fn details(&self, out: &mut Output) {
        out.extend_from_slice(format!("Pid:\t{0}\nNSpid:\t{0}\n", self.pid).as_bytes());
    }

    fn as_any(&self) -> Option<&dyn core::any::Any> {
        Some(self)
    }
}
