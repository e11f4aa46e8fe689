//! The read-only root: a tree over the image's cpio archive.
//!
//! Built once at boot by the kernel. The tree holds names and contents as slices of the archive; nothing is copied. Regular
//! files can be mapped without copying where the archive has them page-aligned, because the archive stays in memory.
//!
//! Invariants of a built tree: every node but the root has a parent that is a directory; names are neither empty, `.`, `..`,
//! nor contain a slash or a NUL; a directory's entries are sorted and unique. Archives that say otherwise are refused.

use crate::file::seek_in;
use crate::node::NodeKind;
use crate::{DirEntry, File, FileSystem, FsError, Metadata, NodeId, NodeRef, Offset, SeekFrom, Sink, Source};
use abi::{Mode, NAME_MAX, OpenFlags, PATH_MAX};
use alloc::{collections::BTreeMap, sync::Arc, vec::Vec};
use core::fmt;
use hashbrown::HashMap;
use image_format::newc::{Archive, Entry, NewcError};
use mm::addr::{Frame, PAGE_SIZE, PhysAddr};
use mm::store::{BackingStore, StoreError};

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

/// The tree under construction: directories still as maps.
struct Builder {
    nodes: Vec<Node>,
    children: HashMap<u32, BTreeMap<&'static [u8], u32>>,
    /// Nodes with several names, by the archive's device and inode.
    linked: HashMap<((u32, u32), u32), u32>,
    /// The last parent looked up: entries of one directory usually follow each other.
    recent: (&'static [u8], u32),
}

impl Builder {
    fn new() -> Self {
        let root = Node {
            parent: ROOT,
            mode: Mode::IFDIR | 0o755,
            uid: 0,
            gid: 0,
            nlink: 2,
            mtime: 0,
            rdev: 0,
            content: Content::Special,
        };
        let mut children = HashMap::new();
        children.insert(ROOT, BTreeMap::new());
        Builder { nodes: alloc::vec![root], children, linked: HashMap::new(), recent: (b"", ROOT) }
    }

    fn add(&mut self, entry: &Entry<'static>) -> Result<(), ArchiveError> {
        let at = entry.data_offset;
        let path = entry.name.strip_suffix(b"/").unwrap_or(entry.name);
        if path.is_empty() || path == b"." {
            if NodeKind::of_mode(entry.mode) != NodeKind::Directory {
                return Err(ArchiveError::BadType(at));
            }
            return self.update_directory(ROOT, entry);
        }
        let (dir, name) = match path.iter().rposition(|&byte| byte == b'/') {
            Some(slash) => (path.get(..slash).unwrap_or_default(), path.get(slash + 1..).unwrap_or_default()),
            None => (&b""[..], path),
        };
        if name.is_empty() || name == b"." || name == b".." || name.len() > NAME_MAX || name.contains(&0) {
            return Err(ArchiveError::BadName(at));
        }
        let parent = self.find_directory(dir).ok_or(ArchiveError::NoParent(at))?;
        let existing = self.children.get(&parent).and_then(|map| map.get(name).copied());
        if let Some(node) = existing {
            if self.children.contains_key(&node) && NodeKind::of_mode(entry.mode) == NodeKind::Directory {
                return self.update_directory(node, entry);
            }
            return Err(ArchiveError::Duplicate(at));
        }
        let node = self.node_for(entry, parent)?;
        self.children.entry(parent).or_default().insert(name, node);
        Ok(())
    }

    fn update_directory(&mut self, node: u32, entry: &Entry<'static>) -> Result<(), ArchiveError> {
        if let Some(dir) = self.nodes.get_mut(node as usize) {
            (dir.mode, dir.uid, dir.gid, dir.nlink, dir.mtime) =
                (entry.mode, entry.uid, entry.gid, entry.nlink, entry.mtime);
        }
        Ok(())
    }

    fn find_directory(&mut self, path: &'static [u8]) -> Option<u32> {
        if self.recent.0 == path {
            return Some(self.recent.1);
        }
        let mut node = ROOT;
        for name in path.split(|&byte| byte == b'/').filter(|_| !path.is_empty()) {
            node = *self.children.get(&node)?.get(name)?;
        }
        self.children.contains_key(&node).then(|| {
            self.recent = (path, node);
            node
        })
    }

    /// The node of an entry: a new one, or the one that it is a further name of.
    fn node_for(&mut self, entry: &Entry<'static>, parent: u32) -> Result<u32, ArchiveError> {
        let at = entry.data_offset;
        let index = u32::try_from(self.nodes.len()).map_err(|_| ArchiveError::BadType(at))?;
        let file = Content::File { offset: at, len: entry.data.len() };
        let content = match Mode(entry.mode).file_type() {
            Mode::IFREG if entry.nlink > 1 => {
                let first = *self.linked.entry((entry.dev, entry.ino)).or_insert(index);
                if first != index {
                    // Contents stand with one of the names only.
                    if let (false, Some(node)) = (entry.data.is_empty(), self.nodes.get_mut(first as usize)) {
                        node.content = file;
                    }
                    return Ok(first);
                }
                file
            }
            Mode::IFREG => file,
            Mode::IFDIR => {
                self.children.insert(index, BTreeMap::new());
                Content::Special
            }
            Mode::IFLNK
                if entry.data.is_empty() || entry.data.len() >= PATH_MAX || entry.data.contains(&0) =>
            {
                return Err(ArchiveError::BadLink(at));
            }
            Mode::IFLNK => Content::Link(entry.data),
            Mode::IFCHR | Mode::IFBLK | Mode::IFIFO | Mode::IFSOCK => Content::Special,
            _ => return Err(ArchiveError::BadType(at)),
        };
        let rdev = crate::device::DeviceNumber::new(entry.rdev.0, entry.rdev.1).0;
        let &Entry { mode, uid, gid, nlink, mtime, .. } = entry;
        self.nodes.push(Node { parent, mode, uid, gid, nlink, mtime, rdev, content });
        Ok(index)
    }

    fn finish(mut self) -> Vec<Node> {
        for (index, map) in self.children {
            if let Some(node) = self.nodes.get_mut(index as usize) {
                node.content = Content::Directory(map.into_iter().collect());
            }
        }
        self.nodes
    }
}

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

    fn node(&self, id: NodeId) -> Result<&Node, FsError> {
        usize::try_from(id).ok().and_then(|index| self.nodes.get(index)).ok_or(FsError::NotFound)
    }
}

impl FileSystem for ArchiveFs {
    fn device(&self) -> u64 {
        self.device
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
            blocks: if matches!(node.content, Content::File { .. }) { size.div_ceil(512) } else { 0 },
            mtime_ns: u64::from(node.mtime) * 1_000_000_000,
        })
    }

    fn kind(&self, id: NodeId) -> Result<NodeKind, FsError> {
        Ok(NodeKind::of_mode(self.node(id)?.mode))
    }

    fn lookup(&self, dir: NodeId, name: &[u8]) -> Result<NodeId, FsError> {
        let Content::Directory(entries) = &self.node(dir)?.content else { return Err(FsError::NotDirectory) };
        let found =
            entries.binary_search_by(|(entry, _)| (*entry).cmp(name)).map_err(|_| FsError::NotFound)?;
        entries.get(found).map(|&(_, id)| id.into()).ok_or(FsError::NotFound)
    }

    fn parent(&self, dir: NodeId) -> Result<NodeId, FsError> {
        Ok(self.node(dir)?.parent.into())
    }

    fn read_link(&self, id: NodeId, out: &mut Vec<u8>) -> Result<(), FsError> {
        let Content::Link(target) = self.node(id)?.content else { return Err(FsError::Invalid) };
        out.extend_from_slice(target);
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
        let Content::File { offset, len } = self.node(id)?.content else { return Err(FsError::Invalid) };
        let data = self.bytes.get(offset..).and_then(|rest| rest.get(..len)).ok_or(FsError::Io)?;
        let physical = self.physical.and_then(|base| base.0.checked_add(offset as u64)).map(PhysAddr);
        let store = Arc::new(Contents { data, physical, name: self.path_of(id) });
        Ok(Arc::new(ArchiveFile { node: NodeRef { fs: self, id }, store }))
    }

    fn is_read_only(&self) -> bool {
        true
    }
}

impl ArchiveFs {
    /// One path of a node, for reports.
    fn path_of(&self, id: NodeId) -> Vec<u8> {
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

/// The contents of a regular file, as mmap sees them.
struct Contents {
    data: &'static [u8],
    physical: Option<PhysAddr>,
    name: Vec<u8>,
}

impl BackingStore for Contents {
    fn name(&self) -> &[u8] {
        &self.name
    }

    fn len(&self) -> u64 {
        self.data.len() as u64
    }

    fn read_at(&self, offset: u64, buf: &mut [u8]) -> Result<usize, StoreError> {
        let rest = usize::try_from(offset).ok().and_then(|at| self.data.get(at..)).unwrap_or_default();
        let n = rest.len().min(buf.len());
        if let (Some(to), Some(from)) = (buf.get_mut(..n), rest.get(..n)) {
            to.copy_from_slice(from);
        }
        Ok(n)
    }

    fn frame_at(&self, page_index: u64) -> Option<Frame> {
        let start = page_index.checked_mul(PAGE_SIZE)?;
        // The page must be the file's alone: behind the file's end the archive goes on with something else.
        if start.checked_add(PAGE_SIZE)? > self.len() {
            return None;
        }
        let at = self.physical?.0.checked_add(start)?;
        at.is_multiple_of(PAGE_SIZE).then(|| Frame::containing(PhysAddr(at)))
    }
}

/// An open regular file of the archive.
struct ArchiveFile {
    node: NodeRef,
    store: Arc<Contents>,
}

impl File for ArchiveFile {
    fn metadata(&self) -> Result<Metadata, FsError> {
        self.node.metadata()
    }

    fn has_position(&self) -> bool {
        true
    }

    fn read(&self, at: Offset, dst: &mut dyn Sink, _flags: OpenFlags) -> Result<usize, FsError> {
        let rest = usize::try_from(at.0).ok().and_then(|at| self.store.data.get(at..)).unwrap_or_default();
        let n = rest.len().min(dst.remaining());
        if n == 0 {
            return Ok(0);
        }
        dst.put(rest.get(..n).unwrap_or_default())
    }

    fn write(&self, _at: Offset, _src: &mut dyn Source, _flags: OpenFlags) -> Result<usize, FsError> {
        Err(FsError::ReadOnly)
    }

    fn seek(&self, to: SeekFrom, position: u64) -> Result<u64, FsError> {
        seek_in(self.store.len(), to, position)
    }

    fn node(&self) -> Option<&NodeRef> {
        Some(&self.node)
    }

    fn backing(&self) -> Option<Arc<dyn BackingStore>> {
        Some(self.store.clone())
    }
}

#[cfg(test)]
mod tests;
