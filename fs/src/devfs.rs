//! The file system on `/dev`: one directory of device nodes and links, and the mount point `shm`.

use crate::device::{self, DeviceNumber};
use crate::{DirEntry, File, FileSystem, FsError, Metadata, NodeId};
use abi::{Mode, OpenFlags};
use alloc::{sync::Arc, vec::Vec};

/// The device nodes: name, number, permissions.
const NODES: [(&[u8], DeviceNumber, u32); 7] = [
    (b"console", device::CONSOLE, 0o600),
    (b"full", device::FULL, 0o666),
    (b"null", device::NULL, 0o666),
    (b"random", device::RANDOM, 0o666),
    (b"tty", device::TTY, 0o666),
    (b"urandom", device::URANDOM, 0o666),
    (b"zero", device::ZERO, 0o666),
];

/// The symbolic links to the program's own descriptors.
const LINKS: [(&[u8], &[u8]); 4] = [
    (b"fd", b"/proc/self/fd"),
    (b"stderr", b"/proc/self/fd/2"),
    (b"stdin", b"/proc/self/fd/0"),
    (b"stdout", b"/proc/self/fd/1"),
];

/// The empty directory that shared memory is mounted on.
const SHM: &[u8] = b"shm";

/// The directory's node; the n-th device is node n + 2, the links come next, and then `shm`.
const ROOT: NodeId = 1;
const FIRST_LINK: NodeId = ROOT + 1 + NODES.len() as NodeId;
const SHM_MODE: u32 = Mode::IFDIR | 0o1777;
const SHM_NODE: NodeId = FIRST_LINK + LINKS.len() as NodeId;

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

    fn link(id: NodeId) -> Option<&'static (&'static [u8], &'static [u8])> {
        LINKS.get(usize::try_from(id.checked_sub(FIRST_LINK)?).ok()?)
    }

    /// Name and type of each entry, in the order of their numbers.
    fn entries() -> impl Iterator<Item = (&'static [u8], u32)> {
        let nodes = NODES.iter().map(|&(name, _, mode)| (name, Mode::IFCHR | mode));
        let links = LINKS.iter().map(|&(name, _)| (name, Mode::IFLNK | 0o777));
        nodes.chain(links).chain([(SHM, SHM_MODE)])
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

    fn type_name(&self) -> &'static str {
        "devtmpfs"
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
        if id == SHM_NODE {
            return Ok(Metadata { mode: SHM_MODE, nlink: 2, ..common });
        }
        if let Some((_, target)) = Self::link(id) {
            let size = target.len() as u64;
            return Ok(Metadata { mode: Mode::IFLNK | 0o777, nlink: 1, size, ..common });
        }
        let &(_, number, mode) = Self::entry(id)?;
        Ok(Metadata { mode: Mode::IFCHR | mode, nlink: 1, rdev: number.0, ..common })
    }

    fn lookup(&self, dir: NodeId, name: &[u8]) -> Result<NodeId, FsError> {
        if dir != ROOT && dir != SHM_NODE {
            return Err(FsError::NotDirectory);
        }
        let found = Self::entries().position(|(entry, _)| dir == ROOT && entry == name);
        Ok(found.ok_or(FsError::NotFound)? as NodeId + ROOT + 1)
    }

    fn parent(&self, _dir: NodeId) -> Result<NodeId, FsError> {
        Ok(ROOT)
    }

    fn read_link(&self, node: NodeId, out: &mut Vec<u8>) -> Result<(), FsError> {
        let (_, target) = Self::link(node).ok_or(FsError::Invalid)?;
        out.extend_from_slice(target);
        Ok(())
    }

    fn read_dir(
        &self,
        dir: NodeId,
        skip: u64,
        emit: &mut dyn FnMut(DirEntry<'_>) -> bool,
    ) -> Result<(), FsError> {
        if dir == SHM_NODE {
            return Ok(());
        }
        if dir != ROOT {
            return Err(FsError::NotDirectory);
        }
        let skip = usize::try_from(skip).unwrap_or(usize::MAX);
        for (i, (name, mode)) in Self::entries().enumerate().skip(skip) {
            let next = i as u64 + 1;
            if !emit(DirEntry { name, ino: next + ROOT, mode, next }) {
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
