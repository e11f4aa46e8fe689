//! [`Inode`]: a node in memory. A directory holds all its entries, also those that the archive below has.

use super::pages::Pages;
use super::xattr::Attributes;
use crate::copy_of;
use crate::node::{NewNode, NodeId, NodeKind};
use crate::{FsError, Metadata};
use abi::Mode;
use alloc::{collections::BTreeMap, sync::Arc, vec::Vec};
use core::hash::{BuildHasher, Hasher};
use hashbrown::{DefaultHashBuilder, HashTable};
use mm::paging::FrameSource;

/// A file's access time is brought up to date at least this often when it is read (mount(8), relatime).
const DAY_NS: u64 = 24 * 3600 * 1_000_000_000;

/// A name in a directory.
struct Entry {
    name: Arc<[u8]>,
    id: NodeId,
    /// The node's type, which never changes.
    kind: NodeKind,
    position: u64,
}

/// The entries of a directory. Each has a position, which grows with every entry made and stays its own, so that a listing goes
/// on where it was whatever is made or removed meanwhile.
pub(super) struct Directory {
    pub(super) parent: NodeId,
    /// By the hash of the name.
    entries: HashTable<Entry>,
    hasher: DefaultHashBuilder,
    order: BTreeMap<u64, Arc<[u8]>>,
    last: u64,
}

impl Directory {
    pub(super) fn new(parent: NodeId) -> Self {
        Directory {
            parent,
            entries: HashTable::new(),
            hasher: DefaultHashBuilder::default(),
            order: BTreeMap::new(),
            last: 0,
        }
    }

    fn hash(&self, name: &[u8]) -> u64 {
        hash(&self.hasher, name)
    }

    /// What a name stands for, and the type of that.
    pub(super) fn find(&self, name: &[u8]) -> Option<(NodeId, NodeKind)> {
        let entry = self.entries.find(self.hash(name), |entry| same(&entry.name, name))?;
        Some((entry.id, entry.kind))
    }

    pub(super) fn get(&self, name: &[u8]) -> Option<NodeId> {
        self.find(name).map(|(id, _)| id)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Adds an entry, or makes it name another node, which cannot fail.
    pub(super) fn insert(&mut self, name: &[u8], id: NodeId, kind: NodeKind) -> Result<(), FsError> {
        let hash = self.hash(name);
        if let Some(entry) = self.entries.find_mut(hash, |entry| same(&entry.name, name)) {
            (entry.id, entry.kind) = (id, kind);
            return Ok(());
        }
        let hasher = &self.hasher;
        let hash_of = |entry: &Entry| self::hash(hasher, &entry.name);
        self.entries.try_reserve(1, hash_of).map_err(|_| FsError::NoMemory)?;
        self.last += 1;
        let (name, position): (Arc<[u8]>, _) = (name.into(), self.last);
        self.order.insert(position, name.clone());
        self.entries.insert_unique(hash, Entry { name, id, kind, position }, hash_of);
        Ok(())
    }

    pub(super) fn remove(&mut self, name: &[u8]) -> Option<NodeId> {
        let hash = self.hash(name);
        let found = self.entries.find_entry(hash, |entry| same(&entry.name, name)).ok()?;
        let (Entry { id, position, .. }, _) = found.remove();
        self.order.remove(&position);
        Some(id)
    }

    /// A name of a node.
    pub(super) fn name_of(&self, id: NodeId) -> Option<Arc<[u8]>> {
        self.entries.iter().find(|entry| entry.id == id).map(|entry| entry.name.clone())
    }

    /// The first entry behind `position`: its own position, name, node.
    pub(super) fn after(&self, position: u64) -> Option<(u64, Arc<[u8]>, NodeId)> {
        let (&at, name) = self.order.range(position.checked_add(1)?..).next()?;
        Some((at, name.clone(), self.get(name)?))
    }
}

/// The hash of a name; its length need not be in it, as nothing comes behind.
fn hash(hasher: &DefaultHashBuilder, name: &[u8]) -> u64 {
    let mut hasher = hasher.build_hasher();
    hasher.write(name);
    hasher.finish()
}

/// Whether two names are equal. Most are a few bytes, for which calling a comparison costs more than making one.
fn same(a: &[u8], b: &[u8]) -> bool {
    a.len() == b.len() && a.iter().eq(b)
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
            Mode::IFLNK => Content::Link(copy_of(new.target)?),
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

    pub(super) fn kind(&self) -> NodeKind {
        NodeKind::of_mode(self.mode)
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

    /// Records a read at `now` (mount(8), relatime).
    pub(super) fn accessed(&mut self, now: u64) {
        let changed = self.atime <= self.mtime || self.atime <= self.ctime;
        if changed || now.saturating_sub(self.atime) >= DAY_NS {
            self.atime = now;
        }
    }

    pub(super) fn is_directory(&self) -> bool {
        matches!(self.content, Content::Directory(_))
    }
}
