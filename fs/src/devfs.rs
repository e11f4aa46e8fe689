//! The file system on `/dev`: one directory of device nodes.

use crate::device::{self, DeviceNumber};
use crate::{DirEntry, File, FileSystem, FsError, Metadata, NodeId};
use abi::{Mode, OpenFlags};
use alloc::{sync::Arc, vec::Vec};

/// The nodes, sorted by name: name, number, permissions.
const NODES: [(&[u8], DeviceNumber, u32); 7] = [
    (b"console", device::CONSOLE, 0o600),
    (b"full", device::FULL, 0o666),
    (b"null", device::NULL, 0o666),
    (b"random", device::RANDOM, 0o666),
    (b"tty", device::TTY, 0o666),
    (b"urandom", device::URANDOM, 0o666),
    (b"zero", device::ZERO, 0o666),
];

/// The directory's node; the n-th device is node n + 2.
const ROOT: NodeId = 1;

/// The device file system.
#[derive(Debug)]
pub struct DevFs {
    device: u64,
    boot_time_ns: u64,
}

impl DevFs {
    /// The file system with number `device`; its nodes appeared at `boot_time_ns` (since 1970).
    pub fn new(device: u64, boot_time_ns: u64) -> Arc<Self> {
        Arc::new(DevFs { device, boot_time_ns })
    }

    fn entry(id: NodeId) -> Result<&'static (&'static [u8], DeviceNumber, u32), FsError> {
        let index = id.checked_sub(ROOT + 1).and_then(|index| usize::try_from(index).ok());
        index.and_then(|index| NODES.get(index)).ok_or(FsError::NotFound)
    }
}

impl FileSystem for DevFs {
    fn device(&self) -> u64 {
        self.device
    }

    fn root(&self) -> NodeId {
        ROOT
    }

    fn metadata(&self, id: NodeId) -> Result<Metadata, FsError> {
        let common = Metadata {
            dev: self.device,
            ino: id,
            block_size: 4096,
            mtime_ns: self.boot_time_ns,
            ..Metadata::default()
        };
        if id == ROOT {
            return Ok(Metadata { mode: Mode::IFDIR | 0o755, nlink: 2, ..common });
        }
        let &(_, number, mode) = Self::entry(id)?;
        Ok(Metadata { mode: Mode::IFCHR | mode, nlink: 1, rdev: number.0, ..common })
    }

    fn lookup(&self, dir: NodeId, name: &[u8]) -> Result<NodeId, FsError> {
        if dir != ROOT {
            return Err(FsError::NotDirectory);
        }
        let index = NODES.iter().position(|(entry, _, _)| *entry == name).ok_or(FsError::NotFound)?;
        Ok(index as NodeId + ROOT + 1)
    }

    fn parent(&self, _dir: NodeId) -> Result<NodeId, FsError> {
        Ok(ROOT)
    }

    fn read_link(&self, _node: NodeId, _out: &mut Vec<u8>) -> Result<(), FsError> {
        Err(FsError::Invalid)
    }

    fn read_dir(
        &self,
        dir: NodeId,
        skip: u64,
        emit: &mut dyn FnMut(DirEntry<'_>) -> bool,
    ) -> Result<(), FsError> {
        if dir != ROOT {
            return Err(FsError::NotDirectory);
        }
        let skip = usize::try_from(skip).unwrap_or(usize::MAX);
        for (i, &(name, _, mode)) in NODES.iter().enumerate().skip(skip) {
            let entry =
                DirEntry { name, ino: i as u64 + ROOT + 1, mode: Mode::IFCHR | mode, next: i as u64 + 1 };
            if !emit(entry) {
                break;
            }
        }
        Ok(())
    }

    fn open(self: Arc<Self>, _node: NodeId, _flags: OpenFlags) -> Result<Arc<dyn File>, FsError> {
        Err(FsError::NoDevice)
    }

    fn is_read_only(&self) -> bool {
        true
    }
}
