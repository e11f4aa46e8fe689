//! [`FileSystem`] and [`NodeRef`]: the trees that paths are looked up in.
//!
//! Called by [`vfs`](crate::vfs). A node is a number in its file system, so that walking a path allocates nothing: the walk
//! moves from number to number and only its result takes a reference on the file system. Whoever keeps a node longer than a
//! call holds it [`Pinned`]: a file system that can be written gives up a node when its last name and its last pin are gone.

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
    /// A FIFO.
    Fifo,
    /// A block device or socket node: can be seen, not opened.
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
            Mode::IFIFO => NodeKind::Fifo,
            _ => NodeKind::Other,
        }
    }
}

/// What a new node is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NewNode<'a> {
    /// Type and permissions.
    pub mode: u32,
    /// Owner.
    pub uid: u32,
    /// Group, unless the directory hands down its own (S_ISGID).
    pub gid: u32,
    /// Device number, for device nodes.
    pub rdev: u64,
    /// Target, for symbolic links.
    pub target: &'a [u8],
}

impl NewNode<'_> {
    /// A node of root's with the given type and permissions.
    pub fn of_mode(mode: u32) -> Self {
        NewNode { mode, uid: 0, gid: 0, rdev: 0, target: b"" }
    }
}

/// A time to set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SetTime {
    /// The present.
    Now,
    /// Nanoseconds since 1970.
    At(u64),
}

/// Attributes to change; `None` stays as it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SetAttributes {
    /// Permissions, without type.
    pub mode: Option<u32>,
    /// Owner.
    pub uid: Option<u32>,
    /// Group.
    pub gid: Option<u32>,
    /// It is a chown(2): what would run a program with its owner's rights goes, even if neither id changes.
    pub is_chown: bool,
    /// Last access.
    pub atime: Option<SetTime>,
    /// Last change of the content.
    pub mtime: Option<SetTime>,
}

/// What a rename does with a name that exists (renameat2(2)).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RenameMode {
    /// Replaces it.
    Replace,
    /// Fails.
    NoReplace,
    /// Swaps the two.
    Exchange,
}

/// What setting an extended attribute does with one that is there or not (setxattr(2)).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SetMode {
    /// Makes or replaces it.
    Either,
    /// Fails with [`FsError::Exists`] if it is there.
    Create,
    /// Fails with [`FsError::NoData`] if it is not.
    Replace,
    /// Fails either way.
    Neither,
}

/// What statfs(2) tells.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FsStatistics {
    /// The type's magic number.
    pub magic: u64,
    /// Size, in pages.
    pub blocks: u64,
    /// Free pages.
    pub free: u64,
    /// Nodes there can be; 0 where there is no limit.
    pub nodes: u64,
    /// Nodes that can still be made.
    pub free_nodes: u64,
}

/// The wall clock, for the times of files.
pub trait Clock: Send + Sync {
    /// Nanoseconds since 1970.
    fn now_ns(&self) -> u64;
}

/// A tree of nodes.
pub trait FileSystem: Send + Sync {
    /// Its type, as `/proc/mounts` shows it.
    fn type_name(&self) -> &'static str {
        "none"
    }

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

    /// As [`lookup`](Self::lookup), with the node's type.
    fn find(&self, dir: NodeId, name: &[u8]) -> Result<(NodeId, NodeKind), FsError> {
        let id = self.lookup(dir, name)?;
        Ok((id, self.kind(id)?))
    }

    /// The directory that holds the directory `dir`; the root's is itself.
    fn parent(&self, dir: NodeId) -> Result<NodeId, FsError>;

    /// Appends a symbolic link's target to `out`.
    fn read_link(&self, node: NodeId, out: &mut Vec<u8>) -> Result<(), FsError>;

    /// Where following a symbolic link leads if not to what its text says: the links to open files below `/proc`.
    fn jump(&self, _node: NodeId) -> Result<Option<NodeRef>, FsError> {
        Ok(None)
    }

    /// The entries of a directory without `.` and `..`, to `emit` until it returns false. `skip` is 0 for all of them, or the
    /// `next` of the entry after which to go on. Entries come by growing `next`, and one keeps its own while it exists.
    fn read_dir(
        &self,
        dir: NodeId,
        skip: u64,
        emit: &mut dyn FnMut(DirEntry<'_>) -> bool,
    ) -> Result<(), FsError>;

    /// Opens a regular file.
    fn open(self: Arc<Self>, node: NodeId, flags: OpenFlags) -> Result<Arc<dyn File>, FsError>;

    /// Whether everybody may list and search its directories, whatever their modes say (`/proc`, which shows the caller).
    fn opens_directories(&self) -> bool {
        false
    }

    /// Whether nothing in it can be changed.
    fn is_read_only(&self) -> bool;

    /// What statfs(2) tells.
    fn statistics(&self) -> FsStatistics {
        FsStatistics::default()
    }

    /// Keeps a node while it is in use, even without a name.
    fn pin(&self, _node: NodeId) {}

    /// Takes back one [`pin`](Self::pin).
    fn unpin(&self, _node: NodeId) {}

    /// Whether a name that is free can be given at all: where the kernel makes all names, it does not exist.
    fn check_new_name(&self) -> Result<(), FsError> {
        Ok(())
    }

    /// Whether a node has a name or a pin.
    fn is_used(&self, _node: NodeId) -> bool {
        true
    }

    /// Makes a node `name` in a directory.
    fn create(&self, _dir: NodeId, _name: &[u8], _new: &NewNode<'_>) -> Result<NodeId, FsError> {
        Err(FsError::ReadOnly)
    }

    /// Makes a regular file without a name, pinned once. With `linkable` it may get a name (O_TMPFILE).
    fn create_unnamed(&self, _dir: NodeId, _new: &NewNode<'_>, _linkable: bool) -> Result<NodeId, FsError> {
        Err(FsError::NotSupported)
    }

    /// Gives a node that is no directory one more name.
    fn link(&self, _node: NodeId, _dir: NodeId, _name: &[u8]) -> Result<(), FsError> {
        Err(FsError::ReadOnly)
    }

    /// Removes a name of a node that is no directory.
    fn unlink(&self, _dir: NodeId, _name: &[u8]) -> Result<(), FsError> {
        Err(FsError::ReadOnly)
    }

    /// Removes an empty directory.
    fn remove_dir(&self, _dir: NodeId, _name: &[u8]) -> Result<(), FsError> {
        Err(FsError::ReadOnly)
    }

    /// Moves the entry `from` (directory and name) to `to`.
    fn rename(&self, _from: (NodeId, &[u8]), _to: (NodeId, &[u8]), _mode: RenameMode) -> Result<(), FsError> {
        Err(FsError::ReadOnly)
    }

    /// The value of an extended attribute; [`FsError::NoData`] if there is none.
    fn xattr(&self, _node: NodeId, _name: &[u8]) -> Result<Vec<u8>, FsError> {
        Err(FsError::NotSupported)
    }

    /// Gives the names of the extended attributes to `emit`, which must not access program memory.
    fn xattr_names(&self, _node: NodeId, _emit: &mut dyn FnMut(&[u8])) {}

    /// Sets an extended attribute.
    fn set_xattr(&self, _node: NodeId, _name: &[u8], _value: &[u8], _mode: SetMode) -> Result<(), FsError> {
        Err(FsError::NotSupported)
    }

    /// Removes an extended attribute; [`FsError::NoData`] if there is none.
    fn remove_xattr(&self, _node: NodeId, _name: &[u8]) -> Result<(), FsError> {
        Err(FsError::NotSupported)
    }

    /// Changes attributes.
    fn set_attributes(&self, _node: NodeId, _set: &SetAttributes) -> Result<(), FsError> {
        Err(FsError::ReadOnly)
    }
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

/// A node that stays while this exists.
pub struct Pinned(NodeRef);

impl Pinned {
    /// Pins a node.
    pub fn new(node: NodeRef) -> Self {
        node.fs.pin(node.id);
        Pinned(node)
    }

    /// The node.
    pub fn node(&self) -> &NodeRef {
        &self.0
    }
}

impl core::ops::Deref for Pinned {
    type Target = NodeRef;

    fn deref(&self) -> &NodeRef {
        &self.0
    }
}

impl Drop for Pinned {
    fn drop(&mut self) {
        self.0.fs.unpin(self.0.id);
    }
}

impl core::fmt::Debug for Pinned {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        self.0.fmt(f)
    }
}
