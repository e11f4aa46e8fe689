//! Names: making, linking, removing and moving them, by the rules of the manual pages of those calls. Called by the
//! [`FileSystem`](crate::FileSystem) of [`MemFs`] only.

use super::inode::Inode;
use super::{MemFs, State};
use crate::FsError;
use crate::node::{NewNode, NodeId, NodeKind, RenameMode};
use abi::Mode;

/// Most names of one file.
const MAX_LINKS: u32 = i32::MAX as u32;

impl MemFs {
    /// Makes a node: with a name, or pinned and without one.
    pub(super) fn make(
        &self,
        dir: NodeId,
        name: Option<&[u8]>,
        new: &NewNode<'_>,
        linkable: bool,
    ) -> Result<NodeId, FsError> {
        let now = self.clock.now_ns();
        let mut state = self.state();
        let parent = self.living_directory(&mut state, dir)?;
        if let Some(name) = name
            && parent.directory()?.get(name).is_some()
        {
            return Err(FsError::Exists);
        }
        let mut new = *new;
        let is_directory = Mode(new.mode).file_type() == Mode::IFDIR;
        // inode(7): a set-group-ID directory hands down its group, and to directories the bit too.
        if parent.mode & 0o2000 != 0 {
            new.gid = parent.gid;
            new.mode |= if is_directory { 0o2000 } else { 0 };
        }
        if state.inodes.len() as u64 >= state.nodes() {
            return Err(FsError::NoSpace);
        }
        let mut inode = Inode::new(&new, dir, self.frames, now)?;
        let id = state.next_id;
        match name {
            Some(name) => {
                let parent = self.own(&mut state, dir)?;
                parent.directory_mut()?.insert(name, id, NodeKind::of_mode(new.mode))?;
                parent.nlink = parent.nlink.saturating_add(is_directory.into());
                (parent.mtime, parent.ctime) = (now, now);
            }
            None => {
                (inode.nlink, inode.linkable) = (0, linkable);
                self.pinned(&mut state, id);
            }
        }
        state.next_id += 1;
        state.inodes.insert(id, inode);
        Ok(id)
    }

    /// A directory for a change of its entries: one that was removed takes no more.
    fn living_directory<'a>(&self, state: &'a mut State, dir: NodeId) -> Result<&'a mut Inode, FsError> {
        let inode = self.own(state, dir)?;
        inode.directory()?;
        if inode.nlink == 0 { Err(FsError::NotFound) } else { Ok(inode) }
    }

    pub(super) fn add_name(&self, node: NodeId, dir: NodeId, name: &[u8]) -> Result<(), FsError> {
        let now = self.clock.now_ns();
        let mut state = self.state();
        if self.living_directory(&mut state, dir)?.directory()?.get(name).is_some() {
            return Err(FsError::Exists);
        }
        let inode = self.own(&mut state, node)?;
        if inode.is_directory() {
            return Err(FsError::NotPermitted);
        }
        if inode.nlink == 0 && !inode.linkable {
            return Err(FsError::NotFound);
        }
        if inode.nlink >= MAX_LINKS {
            return Err(FsError::TooManyLinks);
        }
        let kind = inode.kind();
        let parent = self.own(&mut state, dir)?;
        parent.directory_mut()?.insert(name, node, kind)?;
        (parent.mtime, parent.ctime) = (now, now);
        let inode = self.own(&mut state, node)?;
        inode.nlink += 1;
        inode.linkable = false;
        inode.ctime = now;
        Ok(())
    }

    pub(super) fn remove_name(&self, dir: NodeId, name: &[u8], directory: bool) -> Result<(), FsError> {
        let now = self.clock.now_ns();
        let mut state = self.state();
        let id = self.living_directory(&mut state, dir)?.directory()?.get(name).ok_or(FsError::NotFound)?;
        let inode = self.own(&mut state, id)?;
        match (inode.directory(), directory) {
            (Ok(_), false) => return Err(FsError::IsDirectory),
            (Err(error), true) => return Err(error),
            (Ok(entries), true) if !entries.is_empty() => return Err(FsError::NotEmpty),
            _ => {}
        }
        self.lose_name(&mut state, id, now)?;
        let parent = self.own(&mut state, dir)?;
        parent.directory_mut()?.remove(name);
        parent.nlink = parent.nlink.saturating_sub(directory.into());
        (parent.mtime, parent.ctime) = (now, now);
        self.reap(&mut state, id);
        Ok(())
    }

    /// One name less for a node; none for a directory.
    fn lose_name(&self, state: &mut State, id: NodeId, now: u64) -> Result<(), FsError> {
        let inode = self.own(state, id)?;
        inode.nlink = if inode.is_directory() { 0 } else { inode.nlink.saturating_sub(1) };
        inode.ctime = now;
        Ok(())
    }

    pub(super) fn move_name(
        &self,
        from: (NodeId, &[u8]),
        to: (NodeId, &[u8]),
        mode: RenameMode,
    ) -> Result<(), FsError> {
        let now = self.clock.now_ns();
        let state = &mut *self.state();
        let old = self.living_directory(state, from.0)?.directory()?.get(from.1).ok_or(FsError::NotFound)?;
        let target = self.living_directory(state, to.0)?.directory()?.get(to.1);
        match (mode, target) {
            (RenameMode::NoReplace, Some(_)) => return Err(FsError::Exists),
            (RenameMode::Exchange, None) => return Err(FsError::NotFound),
            _ => {}
        }
        let old_is_directory = self.own(state, old)?.is_directory();
        let target_is_directory = match target {
            Some(target) => self.own(state, target)?.is_directory(),
            None => false,
        };
        // A directory cannot move below itself.
        if old_is_directory && self.is_within(state, to.0, old)? {
            return Err(FsError::Invalid);
        }
        if let Some(target) = target {
            if mode == RenameMode::Exchange {
                if target_is_directory && self.is_within(state, from.0, target)? {
                    return Err(FsError::Invalid);
                }
            } else {
                if target_is_directory && self.is_within(state, from.0, target)? {
                    return Err(FsError::NotEmpty);
                }
                match (old_is_directory, target_is_directory) {
                    (true, false) if target != old => return Err(FsError::NotDirectory),
                    (false, true) => return Err(FsError::IsDirectory),
                    _ => {}
                }
                // Two names of one file: nothing to do, and both stay (rename(2)).
                if target == old {
                    return Ok(());
                }
                if let Ok(entries) = self.own(state, target)?.directory()
                    && !entries.is_empty()
                {
                    return Err(FsError::NotEmpty);
                }
            }
        }
        self.put_name(state, to, old, now)?;
        match target.filter(|_| mode == RenameMode::Exchange) {
            Some(target) => {
                self.put_name(state, from, target, now)?;
                self.count_directory(state, from.0, target_is_directory, old_is_directory)?;
                self.count_directory(state, to.0, old_is_directory, target_is_directory)?;
            }
            None => {
                let parent = self.own(state, from.0)?;
                parent.directory_mut()?.remove(from.1);
                (parent.mtime, parent.ctime) = (now, now);
                self.count_directory(state, from.0, false, old_is_directory)?;
                self.count_directory(state, to.0, old_is_directory, target_is_directory)?;
                if let Some(target) = target {
                    self.lose_name(state, target, now)?;
                    self.reap(state, target);
                }
            }
        }
        Ok(())
    }

    /// Makes the entry `at` name `id`.
    fn put_name(&self, state: &mut State, at: (NodeId, &[u8]), id: NodeId, now: u64) -> Result<(), FsError> {
        let kind = self.own(state, id)?.kind();
        let parent = self.own(state, at.0)?;
        parent.directory_mut()?.insert(at.1, id, kind)?;
        (parent.mtime, parent.ctime) = (now, now);
        let inode = self.own(state, id)?;
        inode.ctime = now;
        if let Ok(directory) = inode.directory_mut() {
            directory.parent = at.0;
        }
        Ok(())
    }

    /// Corrects a directory's link count for a subdirectory that came or went.
    fn count_directory(&self, state: &mut State, dir: NodeId, came: bool, went: bool) -> Result<(), FsError> {
        let inode = self.own(state, dir)?;
        inode.nlink = inode.nlink.saturating_add(came.into()).saturating_sub(went.into());
        Ok(())
    }

    /// Whether the directory `dir` is `above` or lies below it.
    fn is_within(&self, state: &State, dir: NodeId, above: NodeId) -> Result<bool, FsError> {
        let mut here = dir;
        loop {
            if here == above {
                return Ok(true);
            }
            let parent = match state.inodes.get(&here) {
                Some(inode) => inode.directory()?.parent,
                None => {
                    use crate::FileSystem;
                    self.lower()?.parent(here)?
                }
            };
            if parent == here {
                return Ok(false);
            }
            here = parent;
        }
    }
}
