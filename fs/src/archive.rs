//! The read-only root: a tree over the image's cpio archive.
//!
//! Built once at boot by the kernel. The tree holds names and contents as slices of the archive; nothing is copied. Regular
//! files can be mapped without copying where the archive has them page-aligned, because the archive stays in memory.
//!
//! Invariants of a built tree: every node but the root has a parent that is a directory; names are neither empty, `.`, `..`,
//! nor contain a slash or a NUL; a directory's entries are sorted and unique. Archives that say otherwise are refused.

mod build;
mod file;

use crate::append_to;
use crate::node::NodeKind;
use crate::{DirEntry, File, FileSystem, FsError, Metadata, NodeId, NodeRef};
use abi::OpenFlags;
use alloc::{sync::Arc, vec::Vec};
use build::Builder;
use core::fmt;
use file::{ArchiveFile, Contents};
use image_format::newc::{Archive, NewcError};
use mm::addr::{Frame, PAGE_SIZE, PhysAddr};

/// Why an archive cannot be the root.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ArchiveError {
    /// The archive itself is damaged.
    Newc(NewcError),
    /// An entry's path has an empty, `.`, `..`, NUL-containing or overlong component. Offset of its contents.
    BadName(usize),
    /// An entry comes before its directory, or below something that is no directory.
    NoParent(usize),
    /// Two entries with the same path.
    Duplicate(usize),
    /// A symbolic link without target, or with one that is too long.
    BadLink(usize),
    /// A mode without a known file type.
    BadType(usize),
}

impl fmt::Display for ArchiveError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (what, at) = match self {
            ArchiveError::Newc(error) => return error.fmt(f),
            ArchiveError::BadName(at) => ("an entry's name is no valid path", at),
            ArchiveError::NoParent(at) => ("an entry has no directory before it", at),
            ArchiveError::Duplicate(at) => ("two entries have the same path", at),
            ArchiveError::BadLink(at) => ("a symbolic link's target is empty or too long", at),
            ArchiveError::BadType(at) => ("an entry is of no known file type", at),
        };
        write!(f, "root archive: {what} (byte {at})")
    }
}

impl core::error::Error for ArchiveError {}

impl From<NewcError> for ArchiveError {
    fn from(error: NewcError) -> Self {
        ArchiveError::Newc(error)
    }
}

/// What a node holds.
enum Content {
    /// Contents within the archive.
    File { offset: usize, len: usize },
    /// Entries sorted by name.
    Directory(Vec<(&'static [u8], u32)>),
    /// Target.
    Link(&'static [u8]),
    /// Device, FIFO or socket.
    Special,
}

struct Node {
    parent: u32,
    mode: u32,
    uid: u32,
    gid: u32,
    nlink: u32,
    mtime: u32,
    rdev: u64,
    content: Content,
}

/// The tree over an archive.
pub struct ArchiveFs {
    bytes: &'static [u8],
    /// Where `bytes` begins in physical memory, if the kernel wants pages mapped in place.
    physical: Option<PhysAddr>,
    device: u64,
    nodes: Vec<Node>,
}

const ROOT: u32 = 0;

impl ArchiveFs {
    /// Builds the tree. `physical` is where `bytes` begins in physical memory; with it, page-aligned contents can be mapped
    /// in place. `device` is the file system's number.
    pub fn new(
        bytes: &'static [u8],
        physical: Option<PhysAddr>,
        device: u64,
    ) -> Result<Arc<Self>, ArchiveError> {
        let mut builder = Builder::new();
        for entry in Archive::new(bytes).entries() {
            builder.add(&entry?)?;
        }
        Ok(Arc::new(ArchiveFs { bytes, physical, device, nodes: builder.finish() }))
    }

    /// Number of nodes, the root included.
    pub fn node_count(&self) -> usize {
        self.nodes.len()
    }

    /// The content of a regular file.
    pub(crate) fn contents(&self, id: NodeId) -> Result<&'static [u8], FsError> {
        let Content::File { offset, len } = self.node(id)?.content else { return Err(FsError::Invalid) };
        self.bytes.get(offset..).and_then(|rest| rest.get(..len)).ok_or(FsError::Io)
    }

    fn node(&self, id: NodeId) -> Result<&Node, FsError> {
        usize::try_from(id).ok().and_then(|index| self.nodes.get(index)).ok_or(FsError::NotFound)
    }
}

impl FileSystem for ArchiveFs {
    fn device(&self) -> u64 {
        self.device
    }

    fn type_name(&self) -> &'static str {
        "rootfs"
    }

    fn root(&self) -> NodeId {
        ROOT.into()
    }

    fn metadata(&self, id: NodeId) -> Result<Metadata, FsError> {
        let node = self.node(id)?;
        let size = match &node.content {
            Content::File { len, .. } => *len as u64,
            Content::Link(target) => target.len() as u64,
            Content::Directory(_) | Content::Special => 0,
        };
        Ok(Metadata {
            dev: self.device,
            ino: id + 1,
            mode: node.mode,
            nlink: node.nlink,
            uid: node.uid,
            gid: node.gid,
            rdev: node.rdev,
            size,
            block_size: PAGE_SIZE as u32,
            // Whole pages, as a file on any Linux file system has whole blocks.
            blocks: if matches!(node.content, Content::File { .. }) {
                size.div_ceil(PAGE_SIZE) * (PAGE_SIZE / 512)
            } else {
                0
            },
            mtime_ns: u64::from(node.mtime) * 1_000_000_000,
            ..Metadata::default()
        })
    }

    fn kind(&self, id: NodeId) -> Result<NodeKind, FsError> {
        Ok(NodeKind::of_mode(self.node(id)?.mode))
    }

    fn lookup(&self, dir: NodeId, name: &[u8]) -> Result<NodeId, FsError> {
        let Content::Directory(entries) = &self.node(dir)?.content else { return Err(FsError::NotDirectory) };
        let found =
            entries.binary_search_by(|(entry, _)| entry.iter().cmp(name)).map_err(|_| FsError::NotFound)?;
        entries.get(found).map(|&(_, id)| id.into()).ok_or(FsError::NotFound)
    }

    fn parent(&self, dir: NodeId) -> Result<NodeId, FsError> {
        Ok(self.node(dir)?.parent.into())
    }

    fn read_link(&self, id: NodeId, out: &mut Vec<u8>) -> Result<(), FsError> {
        let Content::Link(target) = self.node(id)?.content else { return Err(FsError::Invalid) };
        append_to(out, target)?;
        Ok(())
    }

    fn read_dir(
        &self,
        dir: NodeId,
        skip: u64,
        emit: &mut dyn FnMut(DirEntry<'_>) -> bool,
    ) -> Result<(), FsError> {
        let Content::Directory(entries) = &self.node(dir)?.content else { return Err(FsError::NotDirectory) };
        let skip = usize::try_from(skip).unwrap_or(usize::MAX);
        for (i, &(name, id)) in entries.iter().enumerate().skip(skip) {
            let mode = self.node(id.into())?.mode;
            if !emit(DirEntry { name, ino: u64::from(id) + 1, mode, next: i as u64 + 1 }) {
                break;
            }
        }
        Ok(())
    }

    fn open(self: Arc<Self>, id: NodeId, _flags: OpenFlags) -> Result<Arc<dyn File>, FsError> {
        let (data, physical) = (self.contents(id)?, self.physical(id)?);
        let store =
            Arc::new(Contents { data, physical, name: self.path_of(id), identity: (self.device, id + 1) });
        Ok(Arc::new(ArchiveFile { node: NodeRef { fs: self, id }, store }))
    }

    fn is_read_only(&self) -> bool {
        true
    }
}

impl ArchiveFs {
    /// Where the content of a regular file is in physical memory.
    fn physical(&self, id: NodeId) -> Result<Option<PhysAddr>, FsError> {
        let Content::File { offset, .. } = self.node(id)?.content else { return Err(FsError::Invalid) };
        Ok(self.physical.and_then(|base| base.0.checked_add(offset as u64)).map(PhysAddr))
    }

    /// The frame that is page `index` of a regular file, if the archive has one that is only the file's.
    pub(crate) fn frame_at(&self, id: NodeId, index: u64) -> Option<Frame> {
        file::frame_at(self.contents(id).ok()?, self.physical(id).ok()?, index)
    }

    /// One path of a node, for reports.
    pub(crate) fn path_of(&self, id: NodeId) -> Vec<u8> {
        let mut names = Vec::new();
        let mut here = id;
        while here != NodeId::from(ROOT) {
            let Ok(node) = self.node(here) else { break };
            let parent = NodeId::from(node.parent);
            let Ok(Node { content: Content::Directory(entries), .. }) = self.node(parent) else { break };
            let Some((name, _)) = entries.iter().find(|&&(_, child)| NodeId::from(child) == here) else {
                break;
            };
            names.push(*name);
            here = parent;
        }
        names.iter().rev().flat_map(|name| [&b"/"[..], *name]).flatten().copied().collect()
    }
}

#[cfg(test)]
mod tests;
