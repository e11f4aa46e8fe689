//! [`Vfs`]: mounts, path lookup (path_resolution(7)) and opening.
//!
//! Called by `task` for exec and by the system calls that take paths. Invariants: a lookup ends on every tree and every path
//! (at most 40 links are followed, each step uses up input); `..` at the root stays there; a mounted root hides the directory
//! it is mounted on.

use crate::device::{DeviceFile, Devices};
use crate::directory::Directory;
use crate::locks::FileLocks;
use crate::{
    File, FileSystem, FsError, Metadata, NewNode, NodeKind, NodeRef, OpenFile, Pinned, Sink, Source,
};
use crate::{Offset, device::DeviceNumber};
use abi::{NAME_MAX, OpenFlags, PATH_MAX};
use alloc::{borrow::Cow, sync::Arc, vec::Vec};

/// Symbolic links that one lookup follows before it fails with ELOOP.
pub const MAX_LINKS: u32 = 40;

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

/// Where a path leads.
struct Walked {
    /// The directory of the last component.
    parent: NodeRef,
    /// The last component; empty for the root, `.` or `..` possible.
    name: Vec<u8>,
    /// Whether slashes come after it.
    slash: bool,
    /// What it names, if it is there.
    node: Option<NodeRef>,
}

/// A node and the entry under which a lookup found it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The node.
    pub node: NodeRef,
    /// The directory and the name in it; `None` for the root and for what was reached by no name.
    pub entry: Option<(NodeRef, Vec<u8>)>,
}

/// The entry of a place: none where the path ended without a name.
fn entry(dir: NodeRef, name: Vec<u8>) -> Option<(NodeRef, Vec<u8>)> {
    (!name.is_empty()).then_some((dir, name))
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
    devices: Devices,
    locks: Arc<FileLocks>,
}

impl Vfs {
    /// A tree with `root` as its root, whose character device nodes open the `devices`.
    pub fn new(root: Arc<dyn FileSystem>, devices: Devices) -> Self {
        Vfs { root: NodeRef::root_of(root), mounts: Vec::new(), devices, locks: Arc::default() }
    }

    /// Mounts `fs` on the directory `path`.
    pub fn mount(&mut self, path: &[u8], fs: Arc<dyn FileSystem>) -> Result<(), FsError> {
        let covered = self.lookup(&self.root, path, Follow::Yes)?;
        if covered.kind()? != NodeKind::Directory {
            return Err(FsError::NotDirectory);
        }
        self.mounts.push(Mount { covered, root: NodeRef::root_of(fs) });
        Ok(())
    }

    /// The locks of flock(2).
    pub fn locks(&self) -> &Arc<FileLocks> {
        &self.locks
    }

    /// The root directory.
    pub fn root(&self) -> &NodeRef {
        &self.root
    }

    /// Finds `path`, relative to `base` unless it begins with a slash.
    pub fn lookup(&self, base: &NodeRef, path: &[u8], follow: Follow) -> Result<NodeRef, FsError> {
        self.walk(base, path, follow)?.node.ok_or(FsError::NotFound)
    }

    /// As [`lookup`](Self::lookup), and remembers the name under which the node was found.
    pub fn locate(&self, base: &NodeRef, path: &[u8], follow: Follow) -> Result<Place, FsError> {
        let walked = self.walk(base, path, follow)?;
        let node = walked.node.ok_or(FsError::NotFound)?;
        Ok(Place { node, entry: entry(walked.parent, walked.name) })
    }

    /// Follows `path` to its last component, which need not be there.
    fn walk(&self, base: &NodeRef, path: &[u8], follow: Follow) -> Result<Walked, FsError> {
        if path.is_empty() {
            return Err(FsError::NotFound);
        }
        if path.len() >= PATH_MAX {
            return Err(FsError::NameTooLong);
        }
        let mut here = if path.starts_with(b"/") { self.root.clone() } else { base.clone() };
        let mut rest = Cow::Borrowed(path);
        let mut at = 0;
        let mut links = 0;
        loop {
            let (name, end) = next_component(&rest, at);
            if name.is_empty() {
                // Nothing but slashes was left: what was found must be a directory.
                let node = Some(self.require_directory(here.clone())?);
                return Ok(Walked { parent: here, name: Vec::new(), slash: true, node });
            }
            let behind = rest.get(end..).unwrap_or_default();
            let last = behind.iter().all(|&byte| byte == b'/');
            let slash = !behind.is_empty();
            if here.kind()? != NodeKind::Directory {
                return Err(FsError::NotDirectory);
            }
            let next = match self.step(&here, name) {
                Ok(next) => next,
                Err(FsError::NotFound) if last => {
                    let name = name.to_vec();
                    return Ok(Walked { parent: here, name, slash, node: None });
                }
                Err(error) => return Err(error),
            };
            let stays = last && (follow == Follow::Never || follow == Follow::No && !slash);
            let kind = next.kind()?;
            if kind == NodeKind::Symlink && !stays {
                links += 1;
                if links > MAX_LINKS {
                    return Err(FsError::Loop);
                }
                if let Some(target) = next.fs.jump(next.id)? {
                    if !last {
                        here = target;
                        at = end;
                        continue;
                    }
                    let target = if slash { self.require_directory(target)? } else { target };
                    return Ok(Walked { parent: here, name: name.to_vec(), slash, node: Some(target) });
                }
                rest = Cow::Owned(expand(&next, behind)?);
                at = 0;
                if rest.starts_with(b"/") {
                    here = self.root.clone();
                }
                continue;
            }
            if last {
                if slash && kind != NodeKind::Directory && follow != Follow::Never {
                    return Err(FsError::NotDirectory);
                }
                return Ok(Walked { parent: here, name: name.to_vec(), slash, node: Some(next) });
            }
            here = next;
            at = end;
        }
    }

    fn require_directory(&self, node: NodeRef) -> Result<NodeRef, FsError> {
        if node.kind()? == NodeKind::Directory { Ok(node) } else { Err(FsError::NotDirectory) }
    }

    /// One component from the directory `here`, over mount points.
    fn step(&self, here: &NodeRef, name: &[u8]) -> Result<NodeRef, FsError> {
        match name {
            b"." => return Ok(here.clone()),
            b".." => return self.parent(here),
            _ if name.len() > NAME_MAX => return Err(FsError::NameTooLong),
            _ => {}
        }
        let next = NodeRef { fs: here.fs.clone(), id: here.fs.lookup(here.id, name)? };
        // The last mount on a directory is the one that is seen.
        let mounted = self.mounts.iter().rev().find(|mount| mount.covered == next);
        Ok(mounted.map_or(next, |mount| mount.root.clone()))
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
                    name = Some(entry.name.to_vec());
                }
                name.is_none()
            })?;
            names.push(name.ok_or(FsError::NotFound)?);
            here = parent;
        }
        let mut path = Vec::new();
        for name in names.iter().rev() {
            path.push(b'/');
            path.extend_from_slice(name);
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
            path.push(b'/');
        }
        path.extend_from_slice(name);
        Ok(path)
    }

    /// What is mounted: the path of the directory that is covered, and the root that covers it. The root comes first.
    pub fn mounts(&self) -> impl Iterator<Item = (Vec<u8>, &NodeRef)> {
        let root = core::iter::once((b"/".to_vec(), &self.root));
        root.chain(
            self.mounts.iter().map(|mount| (self.path_of(&mount.covered).unwrap_or_default(), &mount.root)),
        )
    }

    /// open(2). A file that is made has the type and attributes of `new`.
    pub fn open(
        &self,
        base: &NodeRef,
        path: &[u8],
        flags: OpenFlags,
        new: &NewNode<'_>,
    ) -> Result<Arc<OpenFile>, FsError> {
        let creating = flags.contains(OpenFlags::CREAT) && !flags.contains(OpenFlags::PATH);
        let exclusive = creating && flags.contains(OpenFlags::EXCL);
        let follow = if flags.contains(OpenFlags::NOFOLLOW) || exclusive { Follow::No } else { Follow::Yes };
        if creating && path.ends_with(b"/") {
            // The directory before the name is looked at first.
            self.walk(base, path, Follow::Never)?;
            return Err(FsError::IsDirectory);
        }
        let walked = self.walk(base, path, follow)?;
        match walked.node {
            Some(_) if exclusive => Err(FsError::Exists),
            Some(node) => {
                let file = self.open_node(&node, flags, creating)?;
                Ok(OpenFile::at(file, flags, Place { node, entry: entry(walked.parent, walked.name) }))
            }
            None if !creating => Err(FsError::NotFound),
            // A link whose target ends in a slash.
            None if walked.slash => Err(FsError::IsDirectory),
            None => {
                let Walked { parent, name, .. } = walked;
                let id = parent.fs.create(parent.id, &name, new)?;
                let node = NodeRef { fs: parent.fs.clone(), id };
                let file = node.fs.clone().open(id, flags.difference(OpenFlags::TRUNC))?;
                Ok(OpenFile::at(file, flags, Place { node, entry: entry(parent, name) }))
            }
        }
    }

    /// open(2) with O_TMPFILE: a file without a name in the file system of the directory `path`.
    pub fn open_unnamed(
        &self,
        base: &NodeRef,
        path: &[u8],
        flags: OpenFlags,
        new: &NewNode<'_>,
    ) -> Result<Arc<OpenFile>, FsError> {
        let follow = if flags.contains(OpenFlags::NOFOLLOW) { Follow::No } else { Follow::Yes };
        let dir = self.require_directory(self.lookup(base, path, follow)?)?;
        let id = dir.fs.create_unnamed(dir.id, new, !flags.contains(OpenFlags::EXCL))?;
        let file = dir.fs.clone().open(id, flags);
        // Made with a pin, which the open file now has its own of.
        dir.fs.unpin(id);
        Ok(OpenFile::new(file?, flags))
    }

    fn open_node(&self, node: &NodeRef, flags: OpenFlags, creating: bool) -> Result<Arc<dyn File>, FsError> {
        let kind = node.kind()?;
        if flags.contains(OpenFlags::DIRECTORY) && kind != NodeKind::Directory {
            return Err(FsError::NotDirectory);
        }
        if flags.contains(OpenFlags::PATH) {
            return Ok(Arc::new(PathOnly(Pinned::new(node.clone()))));
        }
        let writing = flags.writable() || flags.contains(OpenFlags::TRUNC);
        match kind {
            NodeKind::Symlink => Err(FsError::Loop),
            NodeKind::Directory if flags.writable() || creating => Err(FsError::IsDirectory),
            NodeKind::Directory => Ok(Arc::new(Directory::new(node.clone(), &self.parent(node)?)?)),
            NodeKind::CharDevice => {
                let number = DeviceNumber(node.metadata()?.rdev);
                let device = self.devices.get(number).ok_or(FsError::NoDevice)?;
                device.check_open()?;
                Ok(Arc::new(DeviceFile::new(node.clone(), device)))
            }
            NodeKind::Regular if writing && node.fs.is_read_only() => Err(FsError::ReadOnly),
            NodeKind::Regular => node.fs.clone().open(node.id, flags),
            NodeKind::Other => Err(FsError::NoDevice),
        }
    }
}

/// The component at or after `at`, and where the rest begins. Slashes before it are skipped.
fn next_component(path: &[u8], at: usize) -> (&[u8], usize) {
    let rest = path.get(at..).unwrap_or_default();
    let start = rest.iter().position(|&byte| byte != b'/').unwrap_or(rest.len());
    let name = rest.get(start..).unwrap_or_default();
    let len = name.iter().position(|&byte| byte == b'/').unwrap_or(name.len());
    (name.get(..len).unwrap_or_default(), at + start + len)
}

/// The target of `link` followed by `rest`, which is empty or begins with a slash.
fn expand(link: &NodeRef, rest: &[u8]) -> Result<Vec<u8>, FsError> {
    let mut target = Vec::new();
    link.fs.read_link(link.id, &mut target)?;
    if target.is_empty() {
        return Err(FsError::NotFound);
    }
    target.extend_from_slice(rest);
    Ok(target)
}

/// A place in the tree opened with O_PATH.
struct PathOnly(Pinned);

impl File for PathOnly {
    fn metadata(&self) -> Result<Metadata, FsError> {
        self.0.metadata()
    }

    fn read(&self, _at: Offset, _dst: &mut dyn Sink, _flags: OpenFlags) -> Result<usize, FsError> {
        Err(FsError::BadMode)
    }

    fn write(&self, _at: Offset, _src: &mut dyn Source, _flags: OpenFlags) -> Result<usize, FsError> {
        Err(FsError::BadMode)
    }

    fn node(&self) -> Option<&NodeRef> {
        Some(self.0.node())
    }

    fn sync(&self) -> Result<(), FsError> {
        Err(FsError::BadMode)
    }
}

mod names;

#[cfg(test)]
mod tests;
