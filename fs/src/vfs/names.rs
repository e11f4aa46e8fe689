//! Calls that make, remove and move names, on paths. What a file system decides alone is decided there; here are the rules about
//! the path itself: its last component, the slashes behind it, and mount points.

use super::Follow;
use super::view::{View, Walked};
use crate::access::{CAP_MKNOD, Want};
use crate::{FileSystem, FsError, NewNode, NodeKind, NodeRef, RenameMode};
use abi::{Mode, general as raw};
use alloc::sync::Arc;

/// What a last component must not be for the calls that make or remove a name.
fn is_special(name: &[u8]) -> bool {
    matches!(name, b"" | b"." | b"..")
}

/// A file system that the call would change.
fn writable(node: &NodeRef) -> Result<&Arc<dyn FileSystem>, FsError> {
    if node.fs.is_read_only() { Err(FsError::ReadOnly) } else { Ok(&node.fs) }
}

impl View<'_> {
    /// mkdir(2), mknod(2) and symlink(2): makes `path`, and gives the new node.
    pub fn create(&self, base: &NodeRef, path: &[u8], new: &NewNode<'_>) -> Result<NodeRef, FsError> {
        let directory = Mode(new.mode).file_type() == Mode::IFDIR;
        let walked = self.free_name(base, path, directory)?;
        let fs = writable(&walked.parent)?;
        let new = self.new_node(&walked.parent, new)?;
        let device = matches!(Mode(new.mode).file_type(), Mode::IFCHR | Mode::IFBLK);
        if device && !self.who.capable(CAP_MKNOD) {
            return Err(FsError::NotPermitted);
        }
        let id = fs.create(walked.parent.id, &walked.name, &new)?;
        self.vfs.watches.entry(&walked.parent, &walked.name, raw::IN_CREATE, 0, directory);
        Ok(NodeRef { fs: fs.clone(), id })
    }

    /// A name that is free. Only a directory may be made with a slash behind its name.
    fn free_name<'p>(&self, base: &NodeRef, path: &'p [u8], directory: bool) -> Result<Walked<'p>, FsError> {
        let walked = self.walk(base, path, Follow::Never)?;
        if walked.node.is_some() || is_special(&walked.name) {
            return Err(FsError::Exists);
        }
        walked.parent.fs.check_new_name()?;
        if walked.slash && !directory { Err(FsError::NotFound) } else { Ok(walked) }
    }

    /// link(2): makes `path` one more name of `node`.
    pub fn link(&self, node: &NodeRef, base: &NodeRef, path: &[u8]) -> Result<(), FsError> {
        let walked = self.free_name(base, path, false)?;
        if walked.parent.fs.device() != node.fs.device() {
            return Err(FsError::CrossDevice);
        }
        let fs = writable(&walked.parent)?;
        self.who.check(&walked.parent, Want::WRITE | Want::EXEC)?;
        fs.link(node.id, walked.parent.id, &walked.name)?;
        self.vfs.watches.itself(node, raw::IN_ATTRIB);
        self.vfs.watches.entry(&walked.parent, &walked.name, raw::IN_CREATE, 0, false);
        Ok(())
    }

    /// unlink(2).
    pub fn unlink(&self, base: &NodeRef, path: &[u8]) -> Result<(), FsError> {
        let walked = self.walk(base, path, Follow::Never)?;
        if is_special(&walked.name) {
            return Err(FsError::IsDirectory);
        }
        let node = walked.node.ok_or(FsError::NotFound)?;
        if walked.slash {
            let directory = node.kind()? == NodeKind::Directory;
            return Err(if directory { FsError::IsDirectory } else { FsError::NotDirectory });
        }
        let fs = writable(&walked.parent)?;
        self.who.check_remove(&walked.parent, &node)?;
        if node.kind()? == NodeKind::Directory {
            return Err(FsError::IsDirectory);
        }
        fs.unlink(walked.parent.id, &walked.name)?;
        self.vfs.watches.itself(&node, raw::IN_ATTRIB);
        self.vfs.watches.gone(&node);
        self.vfs.watches.entry(&walked.parent, &walked.name, raw::IN_DELETE, 0, false);
        Ok(())
    }

    /// rmdir(2).
    pub fn remove_dir(&self, base: &NodeRef, path: &[u8]) -> Result<(), FsError> {
        let walked = self.walk(base, path, Follow::Never)?;
        match &*walked.name {
            b"" => return Err(FsError::Busy),
            b"." => return Err(FsError::Invalid),
            b".." => return Err(FsError::NotEmpty),
            _ => {}
        }
        let node = walked.node.ok_or(FsError::NotFound)?;
        let fs = writable(&walked.parent)?;
        self.who.check_remove(&walked.parent, &node)?;
        if self.is_mounted(&node) {
            return Err(FsError::Busy);
        }
        fs.remove_dir(walked.parent.id, &walked.name)?;
        self.vfs.watches.gone(&node);
        self.vfs.watches.entry(&walked.parent, &walked.name, raw::IN_DELETE, 0, true);
        Ok(())
    }

    /// Whether `node` is the root of a mount.
    fn is_mounted(&self, node: &NodeRef) -> bool {
        *node == self.vfs.root || self.vfs.mounts.iter().any(|mount| mount.root == *node)
    }

    /// renameat2(2): moves `from` to `to`, each relative to its own base.
    pub fn rename(
        &self,
        from: (&NodeRef, &[u8]),
        to: (&NodeRef, &[u8]),
        mode: RenameMode,
    ) -> Result<(), FsError> {
        let old = self.walk(from.0, from.1, Follow::Never)?;
        let new = self.walk(to.0, to.1, Follow::Never)?;
        if old.parent.fs.device() != new.parent.fs.device() {
            return Err(FsError::CrossDevice);
        }
        if is_special(&old.name) {
            return Err(FsError::Busy);
        }
        if is_special(&new.name) {
            let exists = mode == RenameMode::NoReplace;
            return Err(if exists { FsError::Exists } else { FsError::Busy });
        }
        let fs = writable(&old.parent)?;
        let node = old.node.ok_or(FsError::NotFound)?;
        if mode == RenameMode::NoReplace && new.node.is_some() {
            return Err(FsError::Exists);
        }
        let is_directory = |node: &NodeRef| Ok(node.kind()? == NodeKind::Directory);
        // A slash says "directory" (rename(2)); with Exchange behind the new name it speaks of what moves there.
        let new_is_directory = match (&new.node, mode) {
            (Some(node), RenameMode::Exchange) => is_directory(node)?,
            (None, RenameMode::Exchange) => return Err(FsError::NotFound),
            _ => is_directory(&node)?,
        };
        if !is_directory(&node)? && old.slash || !new_is_directory && new.slash {
            return Err(FsError::NotDirectory);
        }
        // Two names of one file: nothing will move.
        if new.node.as_ref() != Some(&node) {
            self.check_move((&old.parent, &node), (&new.parent, new.node.as_ref()), mode)?;
        }
        if self.is_mounted(&node) || new.node.as_ref().is_some_and(|node| self.is_mounted(node)) {
            return Err(FsError::Busy);
        }
        fs.rename((old.parent.id, &old.name), (new.parent.id, &new.name), mode)?;
        if self.vfs.watches.any() && new.node.as_ref() != Some(&node) {
            let (from, to) = ((&old.parent, &*old.name), (&new.parent, &*new.name));
            match new.node {
                Some(other) if mode == RenameMode::Exchange => {
                    self.moved(&node, from, to)?;
                    self.moved(&other, to, from)?;
                }
                target => {
                    self.moved(&node, from, to)?;
                    if let Some(target) = target {
                        if !is_directory(&node)? {
                            self.vfs.watches.itself(&target, raw::IN_ATTRIB);
                        }
                        self.vfs.watches.gone(&target);
                    }
                }
            }
        }
        Ok(())
    }

    /// Tells that a node moved from one entry to another.
    fn moved(
        &self,
        node: &NodeRef,
        (from, old): (&NodeRef, &[u8]),
        (to, new): (&NodeRef, &[u8]),
    ) -> Result<(), FsError> {
        let directory = node.kind()? == NodeKind::Directory;
        let cookie = self.vfs.watches.cookie();
        self.vfs.watches.entry(from, old, raw::IN_MOVED_FROM, cookie, directory);
        self.vfs.watches.entry(to, new, raw::IN_MOVED_TO, cookie, directory);
        self.vfs.watches.itself(node, raw::IN_MOVE_SELF);
        Ok(())
    }

    /// Whether `from` (directory and node) may move to a directory, in the place of a node there.
    fn check_move(
        &self,
        from: (&NodeRef, &NodeRef),
        to: (&NodeRef, Option<&NodeRef>),
        mode: RenameMode,
    ) -> Result<(), FsError> {
        self.who.check_remove(from.0, from.1)?;
        match to.1 {
            Some(replaced) => self.who.check_remove(to.0, replaced)?,
            None => self.who.check(to.0, Want::WRITE | Want::EXEC)?,
        }
        // A directory that moves gets another `..`.
        let moved = [Some(from.1), to.1.filter(|_| mode == RenameMode::Exchange)];
        for node in moved.into_iter().flatten().filter(|_| from.0 != to.0) {
            if node.kind()? == NodeKind::Directory {
                self.who.check(node, Want::WRITE)?;
            }
        }
        Ok(())
    }
}
