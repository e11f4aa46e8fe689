//! [`FileSystem`] and [`NodeRef`]: the trees that paths are looked up in.
//!
//! Called by [`vfs`](crate::vfs). A node is a number in its file system, so that walking a path allocates nothing: the walk
//! moves from number to number and only its result takes a reference on the file system.

use crate::{DirEntry, File, FsError, Metadata};
use abi::{Mode, OpenFlags};
use alloc::{sync::Arc, vec::Vec};

/// A node's number in its file system.
pub type NodeId = u64;

/// The type of a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NodeKind {
    /// A regular file.
    Regular,
    /// A directory.
    Directory,
    /// A symbolic link.
    Symlink,
    /// A character device.
    CharDevice,
    /// A block device, FIFO or socket node: can be seen, not opened.
    Other,
}

impl NodeKind {
    /// From the type bits of a mode.
    pub fn of_mode(mode: u32) -> Self {
        match Mode(mode).file_type() {
            Mode::IFREG => NodeKind::Regular,
            Mode::IFDIR => NodeKind::Directory,
            Mode::IFLNK => NodeKind::Symlink,
            Mode::IFCHR => NodeKind::CharDevice,
            _ => NodeKind::Other,
        }
    }
}

/// A tree of nodes.
pub trait FileSystem: Send + Sync {
    /// Its number, different from every other file system's: `st_dev`.
    fn device(&self) -> u64;

    /// The root directory.
    fn root(&self) -> NodeId;

    /// What stat(2) tells about a node.
    fn metadata(&self, node: NodeId) -> Result<Metadata, FsError>;

    /// The type of a node.
    fn kind(&self, node: NodeId) -> Result<NodeKind, FsError> {
        Ok(NodeKind::of_mode(self.metadata(node)?.mode))
    }

    /// The entry `name` of a directory; never `.` or `..`.
    fn lookup(&self, dir: NodeId, name: &[u8]) -> Result<NodeId, FsError>;

    /// The directory that holds the directory `dir`; the root's is itself.
    fn parent(&self, dir: NodeId) -> Result<NodeId, FsError>;

    /// Appends a symbolic link's target to `out`.
    fn read_link(&self, node: NodeId, out: &mut Vec<u8>) -> Result<(), FsError>;

    /// The entries of a directory after the first `skip`, without `.` and `..`, to `emit` until it returns false. Each entry's
    /// `next` counts from 1 for the first.
    fn read_dir(
        &self,
        dir: NodeId,
        skip: u64,
        emit: &mut dyn FnMut(DirEntry<'_>) -> bool,
    ) -> Result<(), FsError>;

    /// Opens a regular file.
    fn open(self: Arc<Self>, node: NodeId, flags: OpenFlags) -> Result<Arc<dyn File>, FsError>;

    /// Whether nothing in it can be changed.
    fn is_read_only(&self) -> bool;
}

/// A node of a file system.
#[derive(Clone)]
pub struct NodeRef {
    /// The file system.
    pub fs: Arc<dyn FileSystem>,
    /// The node in it.
    pub id: NodeId,
}

impl NodeRef {
    /// The root of a file system.
    pub fn root_of(fs: Arc<dyn FileSystem>) -> Self {
        let id = fs.root();
        NodeRef { fs, id }
    }

    /// What stat(2) tells.
    pub fn metadata(&self) -> Result<Metadata, FsError> {
        self.fs.metadata(self.id)
    }

    /// The type.
    pub fn kind(&self) -> Result<NodeKind, FsError> {
        self.fs.kind(self.id)
    }
}

impl PartialEq for NodeRef {
    fn eq(&self, other: &Self) -> bool {
        self.id == other.id && self.fs.device() == other.fs.device()
    }
}

impl Eq for NodeRef {}

impl core::fmt::Debug for NodeRef {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "NodeRef({}:{})", self.fs.device(), self.id)
    }
}
