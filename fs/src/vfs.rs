//! [`Vfs`]: mounts, and with [`View`] path lookup (path_resolution(7)), opening and names.
//!
//! Called by `task` for exec and by the system calls that take paths. Invariant: a mounted root hides the directory it is
//! mounted on.

use crate::access::Subject;
use crate::device::Devices;
use crate::inotify::Watches;
use crate::locks::FileLocks;
use crate::pipe::Fifos;
use crate::{FileSystem, FsError, NewNode, NodeId, NodeKind, NodeRef, OpenFile};
use crate::{append_to, copy_of};
use abi::OpenFlags;
use alloc::{sync::Arc, vec::Vec};
pub use view::{MAX_LINKS, Resolve, View};

/// What a lookup does with a symbolic link as the last component.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Follow {
    /// Follows it.
    Yes,
    /// Returns the link itself, unless a slash comes after it.
    No,
    /// Returns the link itself, slash or not: for calls that make or remove the name.
    Never,
}

/// A node and the entry under which a lookup found it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The node.
    pub node: NodeRef,
    /// The directory and the name in it; `None` for the root and for what was reached by no name.
    pub entry: Option<(NodeRef, Vec<u8>)>,
}

struct Mount {
    /// The directory that is covered.
    covered: NodeRef,
    /// The root that covers it.
    root: NodeRef,
}

/// The tree that the program sees.
pub struct Vfs {
    root: NodeRef,
    mounts: Vec<Mount>,
    /// A bit for each node that something may be mounted on, at its number modulo 64: each step of a path asks.
    covered: u64,
    devices: Devices,
    locks: Arc<FileLocks>,
    fifos: Fifos,
    watches: Arc<Watches>,
}

impl Vfs {
    /// A tree with `root` as its root, whose character device nodes open the `devices`.
    pub fn new(root: Arc<dyn FileSystem>, devices: Devices) -> Self {
        Vfs {
            root: NodeRef::root_of(root),
            mounts: Vec::new(),
            covered: 0,
            devices,
            locks: Arc::default(),
            fifos: Fifos::default(),
            watches: Arc::default(),
        }
    }

    /// Mounts `fs` on the directory `path`.
    pub fn mount(&mut self, path: &[u8], fs: Arc<dyn FileSystem>) -> Result<(), FsError> {
        let covered = self.lookup(&self.root, path, Follow::Yes)?;
        if covered.kind()? != NodeKind::Directory {
            return Err(FsError::NotDirectory);
        }
        self.covered |= 1 << (covered.id % 64);
        self.mounts.push(Mount { covered, root: NodeRef::root_of(fs) });
        Ok(())
    }

    /// The locks of flock(2).
    pub fn locks(&self) -> &Arc<FileLocks> {
        &self.locks
    }

    /// What is watched by inotify(7).
    pub fn watches(&self) -> &Arc<Watches> {
        &self.watches
    }

    /// The root directory.
    pub fn root(&self) -> &NodeRef {
        &self.root
    }

    /// The root that is mounted on node `id` of `fs`: of the last mount, which is the one that is seen.
    #[inline]
    fn mounted_on(&self, fs: &dyn FileSystem, id: NodeId) -> Option<&NodeRef> {
        if self.covered >> (id % 64) & 1 == 0 {
            return None;
        }
        let covers = |covered: &NodeRef| covered.id == id && covered.fs.device() == fs.device();
        self.mounts.iter().rev().find(|mount| covers(&mount.covered)).map(|mount| &mount.root)
    }

    /// As [`View::open`], for root.
    pub fn open(
        &self,
        base: &NodeRef,
        path: &[u8],
        flags: OpenFlags,
        new: &NewNode<'_>,
    ) -> Result<Arc<OpenFile>, FsError> {
        self.view(Subject::ROOT).open(base, path, flags, new)
    }

    /// The directory above the directory `here`.
    pub fn parent(&self, here: &NodeRef) -> Result<NodeRef, FsError> {
        let mut here = here;
        while let Some(mount) = self.mounts.iter().find(|mount| mount.root == *here) {
            here = &mount.covered;
        }
        if *here == self.root {
            return Ok(here.clone());
        }
        Ok(NodeRef { fs: here.fs.clone(), id: here.fs.parent(here.id)? })
    }

    /// The absolute path of a directory (getcwd(2)).
    pub fn path_of(&self, dir: &NodeRef) -> Result<Vec<u8>, FsError> {
        let mut names: Vec<Vec<u8>> = Vec::new();
        let mut here = dir.clone();
        while here != self.root {
            let parent = self.parent(&here)?;
            // The name stands in the parent for the covered directory, if something is mounted on it.
            let covered =
                self.mounts.iter().find(|mount| mount.root == here).map_or(&here, |mount| &mount.covered);
            let ino = covered.metadata()?.ino;
            let mut name = None;
            parent.fs.read_dir(parent.id, 0, &mut |entry| {
                if entry.ino == ino {
                    name = Some(copy_of(entry.name));
                }
                name.is_none()
            })?;
            names.try_reserve(1).map_err(|_| FsError::NoMemory)?;
            names.push(name.ok_or(FsError::NotFound)??);
            here = parent;
        }
        let mut path = Vec::new();
        for name in names.iter().rev() {
            append_to(&mut path, b"/")?;
            append_to(&mut path, name)?;
        }
        if path.is_empty() {
            path.push(b'/');
        }
        Ok(path)
    }

    /// The absolute path of a place, as far as it has one: under the name it was found by.
    pub fn path_to(&self, place: &Place) -> Result<Vec<u8>, FsError> {
        if place.node.kind()? == NodeKind::Directory {
            return self.path_of(&place.node);
        }
        let (dir, name) = place.entry.as_ref().ok_or(FsError::NotFound)?;
        let mut path = self.path_of(dir)?;
        if path != b"/" {
            append_to(&mut path, b"/")?;
        }
        append_to(&mut path, name)?;
        Ok(path)
    }

    /// What is mounted: the path of the directory that is covered, and the root that covers it. The root comes first.
    pub fn mounts(&self) -> impl Iterator<Item = (Vec<u8>, &NodeRef)> {
        let root = core::iter::once((b"/".to_vec(), &self.root));
        root.chain(
            self.mounts.iter().map(|mount| (self.path_of(&mount.covered).unwrap_or_default(), &mount.root)),
        )
    }
}

mod names;
mod open;
mod view;

#[cfg(test)]
mod tests;
