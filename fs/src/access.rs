//! [`Subject`]: who uses files, and what that allows (path_resolution(7), inode(7), capabilities(7)).
//!
//! Made from a process's credentials by `syscall`, asked by [`vfs`](crate::vfs) for each directory on a path and each node that
//! is opened or changed. Pure rules over [`Metadata`].

use crate::{FsError, Metadata, NodeKind, NodeRef, SetAttributes, SetTime};
use abi::Mode;
use alloc::sync::Arc;
use alloc::vec::Vec;
use bitflags::bitflags;

/// CAP_CHOWN.
pub const CAP_CHOWN: u32 = 0;
/// CAP_DAC_OVERRIDE.
pub const CAP_DAC_OVERRIDE: u32 = 1;
/// CAP_DAC_READ_SEARCH.
pub const CAP_DAC_READ_SEARCH: u32 = 2;
/// CAP_FOWNER.
pub const CAP_FOWNER: u32 = 3;
/// CAP_FSETID.
pub const CAP_FSETID: u32 = 4;
/// CAP_MKNOD.
pub const CAP_MKNOD: u32 = 27;

/// S_ISUID, S_ISGID, S_ISVTX, S_IXGRP.
const SET_UID: u32 = 0o4000;
const SET_GID: u32 = 0o2000;
const STICKY: u32 = 0o1000;
const GROUP_EXEC: u32 = 0o010;

bitflags! {
    /// What is wanted of a node; the bits are those of one third of a mode, and of access(2).
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct Want: u32 {
        /// Execute, or search a directory.
        const EXEC = 1;
        /// Write, or change the entries of a directory.
        const WRITE = 2;
        /// Read, or list a directory.
        const READ = 4;
    }
}

/// Who uses files.
#[derive(Clone, Debug)]
pub struct Subject {
    /// The user whose files it uses.
    pub uid: u32,
    /// Its group, which new files get.
    pub gid: u32,
    /// Further groups, sorted.
    pub groups: Option<Arc<Vec<u32>>>,
    /// Capabilities in force, a bit each.
    pub capabilities: u64,
}

impl Subject {
    /// Root with every capability.
    pub const ROOT: Subject = Subject { uid: 0, gid: 0, groups: None, capabilities: u64::MAX };

    /// Whether a capability is in force.
    pub fn capable(&self, capability: u32) -> bool {
        self.capabilities.checked_shr(capability).is_some_and(|bits| bits & 1 != 0)
    }

    /// Whether it belongs to a group.
    pub fn in_group(&self, gid: u32) -> bool {
        self.gid == gid || self.groups.as_ref().is_some_and(|groups| groups.binary_search(&gid).is_ok())
    }

    /// Whether it may do what a file's owner may.
    pub fn owns(&self, metadata: &Metadata) -> bool {
        self.uid == metadata.uid || self.capable(CAP_FOWNER)
    }

    /// Whether a set-group-ID bit for `gid` may stay when it makes or changes a file.
    fn keeps_set_gid(&self, gid: u32) -> bool {
        self.in_group(gid) || self.capable(CAP_FSETID)
    }

    /// Whether no directory is closed to it, so that its permissions need not be looked at.
    pub fn searches_all(&self) -> bool {
        self.capable(CAP_DAC_OVERRIDE) || self.capable(CAP_DAC_READ_SEARCH)
    }

    /// Whether a node may be used: [`FsError::Access`] if not.
    pub fn check(&self, node: &NodeRef, want: Want) -> Result<(), FsError> {
        let directory = node.kind()? == NodeKind::Directory;
        let everything = self.capable(CAP_DAC_OVERRIDE) && (directory || !want.contains(Want::EXEC));
        if want.is_empty() || everything || directory && self.opens(node, want) {
            return Ok(());
        }
        self.check_mode(&node.metadata()?, want)
    }

    /// Whether a directory may be listed or searched whatever its mode.
    fn opens(&self, directory: &NodeRef, want: Want) -> bool {
        !want.contains(Want::WRITE) && (self.capable(CAP_DAC_READ_SEARCH) || directory.fs.opens_directories())
    }

    /// As [`check`](Self::check), by what stat(2) tells.
    pub fn check_mode(&self, metadata: &Metadata, want: Want) -> Result<(), FsError> {
        let mode = metadata.mode;
        let bits = if self.uid == metadata.uid {
            mode >> 6
        } else if self.in_group(metadata.gid) {
            mode >> 3
        } else {
            mode
        };
        let directory = Mode(mode).file_type() == Mode::IFDIR;
        let executable = directory || mode & 0o111 != 0;
        let allowed = want.bits() & !(bits & 7) == 0
            || self.capable(CAP_DAC_OVERRIDE) && (executable || !want.contains(Want::EXEC))
            || self.capable(CAP_DAC_READ_SEARCH)
                && (want == Want::READ || directory && !want.contains(Want::WRITE));
        if allowed { Ok(()) } else { Err(FsError::Access) }
    }

    /// Whether the entry of `node` may be removed from a directory, or moved out of it.
    pub fn check_remove(&self, directory: &NodeRef, node: &NodeRef) -> Result<(), FsError> {
        self.check(directory, Want::WRITE | Want::EXEC)?;
        if self.capable(CAP_FOWNER) {
            return Ok(());
        }
        let above = directory.metadata()?;
        let sticky = above.mode & STICKY != 0 && above.uid != self.uid && node.metadata()?.uid != self.uid;
        if sticky { Err(FsError::NotPermitted) } else { Ok(()) }
    }

    /// The mode of a new file in a directory: without a set-group-ID bit that its maker could not give it later (inode(7)).
    pub fn new_mode(&self, mode: u32, directory: &Metadata) -> u32 {
        let handed_down = directory.mode & SET_GID != 0 && Mode(mode).file_type() != Mode::IFDIR;
        let set = mode & (SET_GID | GROUP_EXEC) == SET_GID | GROUP_EXEC;
        if handed_down && set && !self.keeps_set_gid(directory.gid) { mode & !SET_GID } else { mode }
    }

    /// Whether attributes may be changed (chmod(2), chown(2), utimensat(2)), and the change that results: bits that grant
    /// somebody's rights to others go.
    pub fn check_change(&self, node: &NodeRef, set: &SetAttributes) -> Result<SetAttributes, FsError> {
        let metadata = node.metadata()?;
        let mut set = *set;
        if set.is_chown {
            let same_owner = self.uid == metadata.uid && set.uid.is_none_or(|uid| uid == metadata.uid);
            let own_group = set.gid.is_none_or(|gid| gid == metadata.gid || self.in_group(gid));
            let changes = set.uid.is_some() || set.gid.is_some();
            if changes && !self.capable(CAP_CHOWN) && !(same_owner && own_group) {
                return Err(FsError::NotPermitted);
            }
            if Mode(metadata.mode).file_type() != Mode::IFDIR {
                set.mode = Some(self.without_privileges(&metadata, false) & 0o7777);
            }
        } else if let Some(mode) = set.mode {
            if !self.owns(&metadata) {
                return Err(FsError::NotPermitted);
            }
            if !self.keeps_set_gid(metadata.gid) {
                set.mode = Some(mode & !SET_GID);
            }
        }
        self.check_times(node, &metadata, &set)?;
        Ok(set)
    }

    fn check_times(&self, node: &NodeRef, metadata: &Metadata, set: &SetAttributes) -> Result<(), FsError> {
        match (set.atime, set.mtime) {
            (None, None) => Ok(()),
            _ if self.owns(metadata) => Ok(()),
            (Some(SetTime::Now), Some(SetTime::Now)) => self.check(node, Want::WRITE),
            _ => Err(FsError::NotPermitted),
        }
    }

    /// The mode of a file after its content (`written`) or its owner changed: it no longer runs with its owner's rights.
    fn without_privileges(&self, metadata: &Metadata, written: bool) -> u32 {
        let mode = metadata.mode;
        if written && self.capable(CAP_FSETID) {
            return mode;
        }
        let group = mode & GROUP_EXEC != 0 || !self.keeps_set_gid(metadata.gid);
        mode & !SET_UID & if group { !SET_GID } else { !0 }
    }

    /// Takes from a file that is written what would run it with its owner's rights.
    pub fn strip_privileges(&self, node: &NodeRef) -> Result<(), FsError> {
        if self.capable(CAP_FSETID) || node.kind()? != NodeKind::Regular {
            return Ok(());
        }
        let metadata = node.metadata()?;
        let mode = self.without_privileges(&metadata, true);
        if mode == metadata.mode {
            return Ok(());
        }
        node.fs
            .set_attributes(node.id, &SetAttributes { mode: Some(mode & 0o7777), ..SetAttributes::default() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn user(uid: u32, gid: u32, groups: &[u32], capabilities: &[u32]) -> Subject {
        let capabilities = capabilities.iter().fold(0, |all, capability| all | 1 << capability);
        Subject { uid, gid, groups: Some(Arc::new(groups.to_vec())), capabilities }
    }

    fn file(mode: u32) -> Metadata {
        Metadata { mode, uid: 1, gid: 10, ..Metadata::default() }
    }

    #[test]
    fn the_first_third_that_applies_decides() {
        let want = Want::READ | Want::WRITE;
        let allowed = |who: &Subject, mode| who.check_mode(&file(mode), want).is_ok();
        let (owner, member, other) = (user(1, 2, &[], &[]), user(5, 2, &[3, 10], &[]), user(5, 2, &[3], &[]));
        assert!(allowed(&owner, 0o100600) && !allowed(&owner, 0o100066));
        assert!(allowed(&member, 0o100060) && !allowed(&member, 0o100606));
        assert!(allowed(&other, 0o100006) && !allowed(&other, 0o100660));
    }

    #[test]
    fn capabilities() {
        let check =
            |capability, mode, want| user(5, 5, &[], &[capability]).check_mode(&file(mode), want).is_ok();
        assert!(check(CAP_DAC_OVERRIDE, 0o100000, Want::READ | Want::WRITE));
        assert!(!check(CAP_DAC_OVERRIDE, 0o100600, Want::EXEC));
        assert!(
            check(CAP_DAC_OVERRIDE, 0o100100, Want::EXEC) && check(CAP_DAC_OVERRIDE, 0o40000, Want::EXEC)
        );
        assert!(check(CAP_DAC_READ_SEARCH, 0o100000, Want::READ));
        assert!(!check(CAP_DAC_READ_SEARCH, 0o100111, Want::READ | Want::WRITE));
        assert!(check(CAP_DAC_READ_SEARCH, 0o40000, Want::READ | Want::EXEC));
        assert!(!check(CAP_DAC_READ_SEARCH, 0o40000, Want::WRITE));
        assert!(!check(CAP_FOWNER, 0o100700, Want::READ));
    }

    #[test]
    fn bits_that_grant_rights_go() {
        let (owner, root) = (user(1, 10, &[], &[]), Subject::ROOT);
        assert_eq!(owner.without_privileges(&file(0o106755), true), 0o100755);
        assert_eq!(
            owner.without_privileges(&file(0o106745), true),
            0o102745,
            "mandatory locking, not execution"
        );
        assert_eq!(user(1, 2, &[], &[]).without_privileges(&file(0o106745), true), 0o100745);
        assert_eq!(root.without_privileges(&file(0o106755), true), 0o106755);
        assert_eq!(root.without_privileges(&file(0o106755), false), 0o100755);
        let shared = Metadata { mode: 0o42777, gid: 7, ..Metadata::default() };
        assert_eq!(owner.new_mode(0o102755, &shared), 0o100755);
        assert_eq!(user(1, 2, &[7], &[]).new_mode(0o102755, &shared), 0o102755);
    }
}
