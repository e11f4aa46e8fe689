//! A file system in memory: the root over the image's archive, and what is mounted on `/tmp` and its like.
//!
//! With an archive below, a node is first the archive's, under the archive's number. The first change puts an inode with the same
//! number into memory, and from then on the inode is the node: what is open stays open, inode numbers never change, and a
//! directory that was changed lists what it holds now, so that nothing marks what was removed. Contents are taken over page by
//! page, as they are overwritten. Nodes that were never changed keep the archive's times; reading them records no access time.
//!
//! Invariants: a node in memory that has neither names nor pins has no content, and above the archive it is gone; an inode's
//! `nlink` counts its names (for directories 2 plus its subdirectories); the lock is never held while program memory is accessed,
//! because a page fault on a mapped file takes it. Files take `Pin::order` before the lock to keep a write in one piece.

mod buffers;
mod file;
mod inode;
mod pages;
mod tree;
mod xattr;

use crate::append_to;
use crate::archive::ArchiveFs;
use crate::node::{Clock, FsStatistics, NewNode, NodeKind, RenameMode, SetAttributes, SetMode, SetTime};
use crate::{DirEntry, File, FileSystem, FsError, Metadata, NodeId, NodeRef, Pinned};
use abi::{Mode, OpenFlags};
use alloc::{
    sync::{Arc, Weak},
    vec::Vec,
};
use buffers::Buffers;
use file::MemFile;
use hashbrown::{HashMap, hash_map::Entry};
use inode::{Content, Directory, Inode};
use mm::paging::FrameSource;
use pages::{Budget, PAGE, Pages};
use sync::{Mutex, MutexGuard};

/// TMPFS_MAGIC, what statfs(2) gives as the type.
const MAGIC: u64 = 0x0102_1994;
/// Pages that there must be for each node.
const PAGES_PER_NODE: u64 = 1;

/// The root directory of a file system without an archive.
const ROOT: NodeId = 0;

/// Uses of a node beside its names.
#[derive(Default)]
struct Pin {
    count: usize,
    /// Held during a write.
    order: Arc<Mutex<()>>,
    /// The content for mappings, if there are any.
    store: Weak<file::Contents>,
}

struct State {
    inodes: HashMap<NodeId, Inode>,
    pins: HashMap<NodeId, Pin>,
    next_id: NodeId,
    budget: Budget,
    /// What extended attributes count for.
    attribute_bytes: u64,
}

impl State {
    /// Nodes that there can be in memory.
    fn nodes(&self) -> u64 {
        self.budget.limit / PAGES_PER_NODE
    }
}

/// Where the content of a file system is kept.
#[derive(Clone, Copy)]
pub struct Space {
    /// Memory.
    pub frames: &'static dyn FrameSource,
    /// How much of it, in bytes.
    pub bytes: u64,
}

/// A file system in memory.
pub struct MemFs {
    device: u64,
    lower: Option<Arc<ArchiveFs>>,
    clock: Arc<dyn Clock>,
    frames: &'static dyn FrameSource,
    state: Mutex<State>,
    buffers: Buffers,
}

impl MemFs {
    /// An empty file system with number `device`, for `space` bytes of content; `mode` is the root directory's, and `born_ns`
    /// its times.
    pub fn new(device: u64, space: Space, clock: Arc<dyn Clock>, mode: u32, born_ns: u64) -> Arc<Self> {
        let fs = Self::with(device, None, space, clock, ROOT + 1);
        let inode = Inode {
            mode: Mode::IFDIR | mode & 0o7777,
            nlink: 2,
            uid: 0,
            gid: 0,
            rdev: 0,
            atime: born_ns,
            mtime: born_ns,
            ctime: born_ns,
            linkable: false,
            attributes: xattr::Attributes::new(),
            content: Content::Directory(Directory::new(ROOT)),
        };
        fs.state().inodes.insert(ROOT, inode);
        Arc::new(fs)
    }

    /// A file system that begins as `archive`, with `space` for new content.
    pub fn over(archive: Arc<ArchiveFs>, space: Space, clock: Arc<dyn Clock>) -> Arc<Self> {
        let next = archive.node_count() as NodeId;
        Arc::new(Self::with(archive.device(), Some(archive), space, clock, next))
    }

    fn with(
        device: u64,
        lower: Option<Arc<ArchiveFs>>,
        Space { frames, bytes }: Space,
        clock: Arc<dyn Clock>,
        next_id: NodeId,
    ) -> Self {
        let budget = Budget { used: 0, limit: bytes / PAGE };
        let state =
            State { inodes: HashMap::new(), pins: HashMap::new(), next_id, budget, attribute_bytes: 0 };
        MemFs { device, lower, clock, frames, state: Mutex::new(state), buffers: Buffers::new() }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock()
    }

    fn lower(&self) -> Result<&Arc<ArchiveFs>, FsError> {
        self.lower.as_ref().ok_or(FsError::NotFound)
    }

    /// The inode of a node for a change, taken over from the archive if it is not in memory yet.
    fn own<'a>(&self, state: &'a mut State, id: NodeId) -> Result<&'a mut Inode, FsError> {
        self.own_of(&mut state.inodes, id)
    }

    fn own_of<'a>(
        &self,
        inodes: &'a mut HashMap<NodeId, Inode>,
        id: NodeId,
    ) -> Result<&'a mut Inode, FsError> {
        match inodes.entry(id) {
            Entry::Occupied(inode) => Ok(inode.into_mut()),
            Entry::Vacant(place) => Ok(place.insert(self.take_over(id)?)),
        }
    }

    /// The inode for a node of the archive.
    fn take_over(&self, id: NodeId) -> Result<Inode, FsError> {
        let lower = self.lower()?;
        let mut metadata = lower.metadata(id)?;
        let content = match lower.kind(id)? {
            NodeKind::Regular => Content::File(Pages::over(self.frames, lower.contents(id)?)),
            NodeKind::Directory => {
                let mut directory = Directory::new(lower.parent(id)?);
                // Archives say what they like; here it decides whether the directory still exists.
                metadata.nlink = 2;
                let mut inserted = Ok(());
                lower.read_dir(id, 0, &mut |entry| {
                    let kind = NodeKind::of_mode(entry.mode);
                    // The archive's inode numbers are its node numbers from 1 on.
                    inserted = directory.insert(entry.name, entry.ino.saturating_sub(1), kind);
                    metadata.nlink += u32::from(kind == NodeKind::Directory);
                    inserted.is_ok()
                })?;
                inserted?;
                Content::Directory(directory)
            }
            NodeKind::Symlink => {
                let mut target = Vec::new();
                lower.read_link(id, &mut target)?;
                Content::Link(target)
            }
            NodeKind::CharDevice | NodeKind::Fifo | NodeKind::Other => Content::Special,
        };
        Ok(Inode::of(&metadata, content))
    }

    /// Drops the content of a node without names and pins, and the node itself where the archive does not have it.
    fn reap(&self, state: &mut State, id: NodeId) {
        let State { inodes, pins, budget, attribute_bytes, .. } = state;
        if pins.contains_key(&id) || inodes.get(&id).is_none_or(|inode| inode.nlink > 0) {
            return;
        }
        if let Some(inode) = inodes.get_mut(&id) {
            *attribute_bytes = attribute_bytes.saturating_sub(xattr::bytes_of(inode));
            inode.attributes.clear();
            if let Content::File(pages) = &mut inode.content {
                pages.clear(budget);
            }
        }
        // One of the archive's stays, empty: without it the archive's would be seen again.
        if self.lower.as_ref().is_none_or(|lower| id >= lower.node_count() as NodeId) {
            inodes.remove(&id);
        }
    }

    fn pinned(&self, state: &mut State, id: NodeId) -> Arc<Mutex<()>> {
        let pin = state.pins.entry(id).or_default();
        pin.count += 1;
        pin.order.clone()
    }

    /// One path of a node below the file system's root, for reports.
    fn name_of(&self, id: NodeId) -> Vec<u8> {
        let state = self.state();
        let mut names = Vec::new();
        let mut here = id;
        while let Some((parent, name)) = state.inodes.iter().find_map(|(&parent, inode)| {
            let directory = inode.directory().ok()?;
            Some((parent, directory.name_of(here)?))
        }) {
            if names.try_reserve(1).is_err() {
                break;
            }
            names.push(name);
            here = parent;
        }
        let mut path = match &self.lower {
            Some(lower) if here != lower.root() => lower.path_of(here),
            _ => Vec::new(),
        };
        for name in names.iter().rev() {
            // A path that does not fit into memory is shown as far as it does.
            let _ = append_to(&mut path, b"/").and_then(|()| append_to(&mut path, name));
        }
        path
    }

    fn kind_in(&self, state: &State, id: NodeId) -> Result<NodeKind, FsError> {
        match state.inodes.get(&id) {
            Some(inode) => Ok(inode.kind()),
            None => self.lower()?.kind(id),
        }
    }
}

impl FileSystem for MemFs {
    fn device(&self) -> u64 {
        self.device
    }

    fn root(&self) -> NodeId {
        self.lower.as_ref().map_or(ROOT, |lower| lower.root())
    }

    fn metadata(&self, id: NodeId) -> Result<Metadata, FsError> {
        match self.state().inodes.get(&id) {
            Some(inode) => Ok(inode.metadata(self.device, id)),
            None => self.lower()?.metadata(id),
        }
    }

    fn kind(&self, id: NodeId) -> Result<NodeKind, FsError> {
        self.kind_in(&self.state(), id)
    }

    fn lookup(&self, dir: NodeId, name: &[u8]) -> Result<NodeId, FsError> {
        Ok(self.find(dir, name)?.0)
    }

    fn find(&self, dir: NodeId, name: &[u8]) -> Result<(NodeId, NodeKind), FsError> {
        match self.state().inodes.get(&dir) {
            Some(inode) => inode.directory()?.find(name).ok_or(FsError::NotFound),
            None => self.lower()?.find(dir, name),
        }
    }

    fn parent(&self, dir: NodeId) -> Result<NodeId, FsError> {
        match self.state().inodes.get(&dir) {
            Some(inode) => Ok(inode.directory()?.parent),
            None => self.lower()?.parent(dir),
        }
    }

    fn read_link(&self, id: NodeId, out: &mut Vec<u8>) -> Result<(), FsError> {
        match self.state().inodes.get(&id) {
            Some(Inode { content: Content::Link(target), .. }) => {
                append_to(out, target)?;
                Ok(())
            }
            Some(_) => Err(FsError::Invalid),
            None => self.lower()?.read_link(id, out),
        }
    }

    fn read_dir(
        &self,
        dir: NodeId,
        skip: u64,
        emit: &mut dyn FnMut(DirEntry<'_>) -> bool,
    ) -> Result<(), FsError> {
        let mut position = skip;
        loop {
            // One by one, for `emit` may access program memory.
            let state = self.state();
            let Some(inode) = state.inodes.get(&dir) else {
                drop(state);
                return self.lower()?.read_dir(dir, position, emit);
            };
            let Some((next, name, id)) = inode.directory()?.after(position) else { return Ok(()) };
            let mode = match state.inodes.get(&id) {
                Some(inode) => inode.mode,
                None => self.lower()?.metadata(id)?.mode,
            };
            drop(state);
            if !emit(DirEntry { name: &name, ino: id + 1, mode, next }) {
                return Ok(());
            }
            position = next;
        }
    }

    fn open(self: Arc<Self>, id: NodeId, flags: OpenFlags) -> Result<Arc<dyn File>, FsError> {
        let order = {
            let mut state = self.state();
            if self.kind_in(&state, id)? != NodeKind::Regular {
                return Err(FsError::Invalid);
            }
            self.pinned(&mut state, id)
        };
        let pin = Pinned::new(NodeRef { fs: self.clone(), id });
        self.unpin(id);
        let file = MemFile::new(self, pin, order);
        if flags.contains(OpenFlags::TRUNC) {
            file.truncate(0)?;
        }
        Ok(Arc::new(file))
    }

    fn is_read_only(&self) -> bool {
        false
    }

    fn statistics(&self) -> FsStatistics {
        let state = self.state();
        let Budget { used, limit } = state.budget;
        let free = limit.saturating_sub(used);
        let nodes = state.nodes();
        FsStatistics {
            magic: MAGIC,
            blocks: limit,
            free,
            nodes,
            free_nodes: nodes.saturating_sub(state.inodes.len() as u64),
        }
    }

    fn pin(&self, id: NodeId) {
        self.pinned(&mut self.state(), id);
    }

    fn unpin(&self, id: NodeId) {
        let mut state = self.state();
        if let Some(pin) = state.pins.get_mut(&id) {
            pin.count = pin.count.saturating_sub(1);
            if pin.count == 0 {
                state.pins.remove(&id);
                self.reap(&mut state, id);
            }
        }
    }

    fn is_used(&self, id: NodeId) -> bool {
        let state = self.state();
        let named = state.inodes.get(&id).map(|inode| inode.nlink > 0);
        let archived = self.lower.as_ref().is_some_and(|lower| id < lower.node_count() as NodeId);
        named.unwrap_or(archived) || state.pins.contains_key(&id)
    }

    fn create(&self, dir: NodeId, name: &[u8], new: &NewNode<'_>) -> Result<NodeId, FsError> {
        self.make(dir, Some(name), new, false)
    }

    fn create_unnamed(&self, dir: NodeId, new: &NewNode<'_>, linkable: bool) -> Result<NodeId, FsError> {
        self.make(dir, None, new, linkable)
    }

    fn link(&self, node: NodeId, dir: NodeId, name: &[u8]) -> Result<(), FsError> {
        self.add_name(node, dir, name)
    }

    fn unlink(&self, dir: NodeId, name: &[u8]) -> Result<(), FsError> {
        self.remove_name(dir, name, false)
    }

    fn remove_dir(&self, dir: NodeId, name: &[u8]) -> Result<(), FsError> {
        self.remove_name(dir, name, true)
    }

    fn rename(&self, from: (NodeId, &[u8]), to: (NodeId, &[u8]), mode: RenameMode) -> Result<(), FsError> {
        self.move_name(from, to, mode)
    }

    fn xattr(&self, node: NodeId, name: &[u8]) -> Result<Vec<u8>, FsError> {
        self.attribute(node, name)
    }

    fn xattr_names(&self, node: NodeId, emit: &mut dyn FnMut(&[u8])) {
        self.attribute_names(node, emit);
    }

    fn set_xattr(&self, node: NodeId, name: &[u8], value: &[u8], mode: SetMode) -> Result<(), FsError> {
        self.change_attribute(node, name, Some(value), mode)
    }

    fn remove_xattr(&self, node: NodeId, name: &[u8]) -> Result<(), FsError> {
        self.change_attribute(node, name, None, SetMode::Replace)
    }

    fn set_attributes(&self, node: NodeId, set: &SetAttributes) -> Result<(), FsError> {
        let now = self.clock.now_ns();
        let time = |time| match time {
            SetTime::Now => now,
            SetTime::At(ns) => ns,
        };
        let mut state = self.state();
        let inode = self.own(&mut state, node)?;
        if set.uid.is_some() || set.gid.is_some() {
            (inode.uid, inode.gid) = (set.uid.unwrap_or(inode.uid), set.gid.unwrap_or(inode.gid));
            // chown(2): an executable does not keep the right to run as its old owner.
            if !inode.is_directory() {
                let group_executable = inode.mode & 0o010 != 0;
                inode.mode &= if group_executable { !0o6000 } else { !0o4000 };
            }
        }
        if let Some(mode) = set.mode {
            inode.mode = inode.mode & Mode::IFMT | mode & 0o7777;
        }
        inode.atime = set.atime.map_or(inode.atime, time);
        inode.mtime = set.mtime.map_or(inode.mtime, time);
        inode.ctime = now;
        Ok(())
    }
}

#[cfg(test)]
mod tests;
