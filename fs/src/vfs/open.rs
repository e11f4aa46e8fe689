//! Opening (open(2)): what a path leads to becomes an [`OpenFile`].

use super::view::{View, Walked, entry};
use super::{Follow, Place};
use crate::access::{CAP_FSETID, Want};
use crate::device::{DeviceFile, DeviceNumber};
use crate::directory::Directory;
use crate::{File, FsError, Metadata, NewNode, NodeKind, NodeRef, Offset, OpenFile, Pinned, Sink, Source};
use abi::{OpenFlags, general as raw};
use alloc::sync::Arc;

impl View<'_> {
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
                // Other files than regular ones are not cut.
                let cut = flags.contains(OpenFlags::TRUNC) && node.kind()? == NodeKind::Regular;
                Ok(self.opened(file, flags, Place { node, entry: entry(walked.parent, &walked.name) }, cut))
            }
            None if !creating => Err(FsError::NotFound),
            // A link whose target ends in a slash.
            None if walked.slash => Err(FsError::IsDirectory),
            None => {
                let Walked { parent, name, .. } = walked;
                let new = self.new_node(&parent, new)?;
                let id = parent.fs.create(parent.id, &name, &new)?;
                let node = NodeRef { fs: parent.fs.clone(), id };
                let file = node.fs.clone().open(id, flags.difference(OpenFlags::TRUNC))?;
                self.vfs.watches.entry(&parent, &name, raw::IN_CREATE, 0, false);
                Ok(self.opened(file, flags, Place { node, entry: entry(parent, &name) }, false))
            }
        }
    }

    /// A description of what was opened, and perhaps `cut`. With O_PATH nothing that happens to the file can come from it.
    fn opened(&self, file: Arc<dyn File>, flags: OpenFlags, place: Place, cut: bool) -> Arc<OpenFile> {
        if flags.contains(OpenFlags::PATH) {
            return OpenFile::at(file, flags, place);
        }
        if cut {
            self.vfs.watches.happened((&place).into(), raw::IN_MODIFY);
        }
        OpenFile::watched(file, flags, place, &self.vfs.watches)
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
        let new = self.new_node(&dir, new)?;
        let id = dir.fs.create_unnamed(dir.id, &new, !flags.contains(OpenFlags::EXCL))?;
        let file = dir.fs.clone().open(id, flags);
        // Made with a pin, which the open file now has its own of.
        dir.fs.unpin(id);
        Ok(OpenFile::new(file?, flags))
    }

    /// What is made in a directory, if that is permitted.
    pub(super) fn new_node<'t>(&self, dir: &NodeRef, new: &NewNode<'t>) -> Result<NewNode<'t>, FsError> {
        self.who.check(dir, Want::WRITE | Want::EXEC)?;
        if self.who.capable(CAP_FSETID) {
            return Ok(*new);
        }
        Ok(NewNode { mode: self.who.new_mode(new.mode, &dir.metadata()?), ..*new })
    }

    fn open_node(&self, node: &NodeRef, flags: OpenFlags, creating: bool) -> Result<Arc<dyn File>, FsError> {
        let kind = node.kind()?;
        if flags.contains(OpenFlags::DIRECTORY) && kind != NodeKind::Directory {
            return Err(FsError::NotDirectory);
        }
        if flags.contains(OpenFlags::PATH) {
            return Ok(Arc::new(PathOnly(Pinned::new(node.clone()))));
        }
        // Access mode 3 asks for permission to do both and gives neither (open(2)).
        let both = flags.contains(OpenFlags::WRONLY | OpenFlags::RDWR);
        let writing = flags.writable() || both || flags.contains(OpenFlags::TRUNC);
        match kind {
            NodeKind::Symlink => return Err(FsError::Loop),
            NodeKind::Directory if writing || creating => return Err(FsError::IsDirectory),
            NodeKind::Regular if writing && node.fs.is_read_only() => return Err(FsError::ReadOnly),
            _ => {}
        }
        let mut want = Want::empty();
        want.set(Want::READ, flags.readable() || both);
        want.set(Want::WRITE, writing);
        self.who.check(node, want)?;
        if flags.contains(OpenFlags::NOATIME) && !self.who.owns(&node.metadata()?) {
            return Err(FsError::NotPermitted);
        }
        match kind {
            NodeKind::Symlink => Err(FsError::Loop),
            NodeKind::Directory => Ok(Arc::new(Directory::new(node.clone(), &self.vfs.parent(node)?)?)),
            NodeKind::CharDevice => {
                let number = DeviceNumber(node.metadata()?.rdev);
                let device = self.vfs.devices.get(number).ok_or(FsError::NoDevice)?;
                device.check_open()?;
                Ok(Arc::new(DeviceFile::new(node.clone(), device)))
            }
            NodeKind::Regular => node.fs.clone().open(node.id, flags),
            NodeKind::Fifo => Ok(self.vfs.fifos.open(node, flags)?),
            NodeKind::Other => Err(FsError::NoDevice),
        }
    }
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
