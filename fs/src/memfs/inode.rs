//! [`Inode`]: a node in memory. A directory holds all its entries, also those that the archive below has.

use super::pages::Pages;
use super::xattr::Attributes;
use crate::node::{NewNode, NodeId};
use crate::{FsError, Metadata};
use abi::Mode;
use alloc::{collections::BTreeMap, sync::Arc, vec::Vec};
use mm::paging::FrameSource;

/// The entries of a directory. Each has a position, which grows with every entry made and stays its own, so that a listing goes
/// on where it was whatever is made or removed meanwhile.
pub(super) struct Directory {
    pub(super) parent: NodeId,
    entries: BTreeMap<Arc<[u8]>, (NodeId, u64)>,
    order: BTreeMap<u64, Arc<[u8]>>,
    last: u64,
}

impl Directory {
    pub(super) fn new(parent: NodeId) -> Self {
        Directory { parent, entries: BTreeMap::new(), order: BTreeMap::new(), last: 0 }
    }

    pub(super) fn get(&self, name: &[u8]) -> Option<NodeId> {
        self.entries.get(name).map(|&(id, _)| id)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Adds an entry, or makes it name another node.
    pub(super) fn insert(&mut self, name: &[u8], id: NodeId) {
        if let Some((old, _)) = self.entries.get_mut(name) {
            *old = id;
            return;
        }
        self.last += 1;
        let name: Arc<[u8]> = name.into();
        self.order.insert(self.last, name.clone());
        self.entries.insert(name, (id, self.last));
    }

    pub(super) fn remove(&mut self, name: &[u8]) -> Option<NodeId> {
        let (id, position) = self.entries.remove(name)?;
        self.order.remove(&position);
        Some(id)
    }

    /// A name of a node.
    pub(super) fn name_of(&self, id: NodeId) -> Option<Arc<[u8]>> {
        self.entries.iter().find(|(_, (entry, _))| *entry == id).map(|(name, _)| name.clone())
    }

    /// The first entry behind `position`: its own position, name, node.
    pub(super) fn after(&self, position: u64) -> Option<(u64, Arc<[u8]>, NodeId)> {
        let (&at, name) = self.order.range(position.checked_add(1)?..).next()?;
        Some((at, name.clone(), self.get(name)?))
    }
}

/// What a node holds.
pub(super) enum Content {
    /// A regular file's bytes.
    File(Pages),
    /// A directory's entries.
    Directory(Directory),
    /// A symbolic link's target.
    Link(Vec<u8>),
    /// A device, FIFO or socket node.
    Special,
}

/// A node.
pub(super) struct Inode {
    pub(super) mode: u32,
    pub(super) nlink: u32,
    pub(super) uid: u32,
    pub(super) gid: u32,
    pub(super) rdev: u64,
    pub(super) atime: u64,
    pub(super) mtime: u64,
    pub(super) ctime: u64,
    /// A file made without a name may get one.
    pub(super) linkable: bool,
    /// Extended attributes.
    pub(super) attributes: Attributes,
    pub(super) content: Content,
}

impl Inode {
    /// A new node in `dir`.
    pub(super) fn new(
        new: &NewNode<'_>,
        dir: NodeId,
        frames: &'static dyn FrameSource,
        now: u64,
    ) -> Result<Self, FsError> {
        let content = match Mode(new.mode).file_type() {
            Mode::IFREG => Content::File(Pages::over(frames, &[])),
            Mode::IFDIR => Content::Directory(Directory::new(dir)),
            Mode::IFLNK => Content::Link(new.target.to_vec()),
            Mode::IFCHR | Mode::IFBLK | Mode::IFIFO | Mode::IFSOCK => Content::Special,
            _ => return Err(FsError::Invalid),
        };
        let nlink = if matches!(content, Content::Directory(_)) { 2 } else { 1 };
        let NewNode { mode, uid, gid, rdev, .. } = *new;
        let linkable = false;
        let attributes = Attributes::new();
        Ok(Inode {
            mode,
            nlink,
            uid,
            gid,
            rdev,
            atime: now,
            mtime: now,
            ctime: now,
            linkable,
            attributes,
            content,
        })
    }

    /// A node of the archive with its content.
    pub(super) fn of(metadata: &Metadata, content: Content) -> Self {
        let &Metadata { mode, nlink, uid, gid, rdev, mtime_ns: time, .. } = metadata;
        Inode {
            mode,
            nlink,
            uid,
            gid,
            rdev,
            atime: metadata.atime_ns.unwrap_or(time),
            mtime: time,
            ctime: metadata.ctime_ns.unwrap_or(time),
            linkable: false,
            attributes: Attributes::new(),
            content,
        }
    }

    pub(super) fn metadata(&self, device: u64, id: NodeId) -> Metadata {
        let (size, blocks) = match &self.content {
            Content::File(pages) => (pages.size(), pages.blocks()),
            Content::Link(target) => (target.len() as u64, 0),
            Content::Directory(_) | Content::Special => (0, 0),
        };
        Metadata {
            dev: device,
            ino: id + 1,
            mode: self.mode,
            nlink: self.nlink,
            uid: self.uid,
            gid: self.gid,
            rdev: self.rdev,
            size,
            block_size: super::pages::PAGE as u32,
            blocks,
            mtime_ns: self.mtime,
            atime_ns: Some(self.atime),
            ctime_ns: Some(self.ctime),
        }
    }

    pub(super) fn directory(&self) -> Result<&Directory, FsError> {
        if let Content::Directory(directory) = &self.content {
            Ok(directory)
        } else {
            Err(FsError::NotDirectory)
        }
    }

    pub(super) fn directory_mut(&mut self) -> Result<&mut Directory, FsError> {
        if let Content::Directory(directory) = &mut self.content {
            Ok(directory)
        } else {
            Err(FsError::NotDirectory)
        }
    }

    pub(super) fn is_directory(&self) -> bool {
        matches!(self.content, Content::Directory(_))
    }
}
