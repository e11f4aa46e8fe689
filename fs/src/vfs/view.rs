//! [`View`]: path lookup (path_resolution(7)) on behalf of somebody, and by the restrictions of openat2(2).
//!
//! Invariants: a lookup ends on every tree and every path (at most 40 links are followed, each step uses up input); `..` at the
//! root stays there; each directory on the way is one that the subject may search.

use super::{Follow, Place, Vfs};
use crate::access::{Subject, Want};
use crate::{FsError, NodeId, NodeKind, NodeRef};
use abi::{NAME_MAX, PATH_MAX};
use alloc::{borrow::Cow, vec::Vec};
use bitflags::bitflags;
use core::ops::Range;

/// Symbolic links that one lookup follows before it fails with ELOOP.
pub const MAX_LINKS: u32 = 40;

bitflags! {
    /// How a lookup is restricted (openat2(2)).
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct Resolve: u64 {
        /// It stays in the file system where it began.
        const NO_XDEV = 1;
        /// It follows no link of `/proc` to an open file.
        const NO_MAGICLINKS = 2;
        /// It follows no symbolic link at all.
        const NO_SYMLINKS = 4;
        /// It does not leave the directory where it begins.
        const BENEATH = 8;
        /// The directory where it begins is its root.
        const IN_ROOT = 16;
        /// It does not wait for a device.
        const CACHED = 32;
    }
}

/// The tree as somebody may use it.
pub struct View<'v> {
    pub(super) vfs: &'v Vfs,
    pub(super) who: Subject,
    resolve: Resolve,
}

/// Where a path leads.
pub(super) struct Walked<'p> {
    /// The directory of the last component.
    pub(super) parent: NodeRef,
    /// The last component; empty for the root, `.` or `..` possible.
    pub(super) name: Cow<'p, [u8]>,
    /// Whether slashes come after it.
    pub(super) slash: bool,
    /// What it names, if it is there.
    pub(super) node: Option<NodeRef>,
}

/// Where one component leads.
enum Next {
    /// To a node of the same file system.
    Same(NodeId),
    /// Anywhere.
    Other(NodeRef),
}

impl Next {
    /// The node, for a component of `here`.
    fn from(self, here: NodeRef) -> NodeRef {
        match self {
            Next::Same(id) => NodeRef { fs: here.fs, id },
            Next::Other(node) => node,
        }
    }
}

impl Vfs {
    /// The tree as `who` may use it.
    pub fn view(&self, who: Subject) -> View<'_> {
        View { vfs: self, who, resolve: Resolve::empty() }
    }

    /// As [`View::lookup`], for root.
    pub fn lookup(&self, base: &NodeRef, path: &[u8], follow: Follow) -> Result<NodeRef, FsError> {
        self.view(Subject::ROOT).lookup(base, path, follow)
    }

    /// As [`View::locate`], for root.
    pub fn locate(&self, base: &NodeRef, path: &[u8], follow: Follow) -> Result<Place, FsError> {
        self.view(Subject::ROOT).locate(base, path, follow)
    }
}

impl<'v> View<'v> {
    /// The same, with restricted lookups.
    pub fn restricted(self, resolve: Resolve) -> Self {
        View { resolve, ..self }
    }

    /// On whose behalf.
    pub fn who(&self) -> &Subject {
        &self.who
    }

    /// Finds `path`, relative to `base` unless it begins with a slash.
    pub fn lookup(&self, base: &NodeRef, path: &[u8], follow: Follow) -> Result<NodeRef, FsError> {
        self.walk(base, path, follow)?.node.ok_or(FsError::NotFound)
    }

    /// As [`lookup`](Self::lookup), and remembers the name under which the node was found.
    pub fn locate(&self, base: &NodeRef, path: &[u8], follow: Follow) -> Result<Place, FsError> {
        let walked = self.walk(base, path, follow)?;
        let node = walked.node.ok_or(FsError::NotFound)?;
        Ok(Place { node, entry: entry(walked.parent, &walked.name) })
    }

    /// Follows `path` to its last component, which need not be there.
    pub(super) fn walk<'p>(
        &self,
        base: &NodeRef,
        path: &'p [u8],
        follow: Follow,
    ) -> Result<Walked<'p>, FsError> {
        if path.is_empty() {
            return Err(FsError::NotFound);
        }
        if path.len() >= PATH_MAX {
            return Err(FsError::NameTooLong);
        }
        let mut here = if path.starts_with(b"/") { self.top(base)? } else { base.clone() };
        let mut here_kind = here.kind()?;
        let mut rest = Cow::Borrowed(path);
        let mut at = 0;
        let mut links = 0;
        loop {
            let (name, end) = next_component(&rest, at);
            if name.is_empty() {
                // Nothing but slashes was left: what was found must be a directory.
                let node = Some(self.require_directory(here.clone())?);
                return Ok(Walked { parent: here, name: Cow::Borrowed(b""), slash: true, node });
            }
            let behind = rest.get(end..).unwrap_or_default();
            let last = behind.iter().all(|&byte| byte == b'/');
            let slash = !behind.is_empty();
            let stays = last && (follow == Follow::Never || follow == Follow::No && !slash);
            let (next, kind) = match self.step(base, (&here, here_kind), name) {
                Ok(next) => next,
                Err(FsError::NotFound) if last => {
                    let name = part(&rest, end - name.len()..end);
                    return Ok(Walked { parent: here, name, slash, node: None });
                }
                Err(error) => return Err(error),
            };
            let is_link = kind == NodeKind::Symlink && !stays;
            if !is_link && !last {
                (here, here_kind) = (next.from(here), kind);
                at = end;
                continue;
            }
            let next = next.from(here.clone());
            if !is_link {
                if slash && kind != NodeKind::Directory && follow != Follow::Never {
                    return Err(FsError::NotDirectory);
                }
                let name = part(&rest, end - name.len()..end);
                return Ok(Walked { parent: here, name, slash, node: Some(next) });
            }
            links += 1;
            if links > MAX_LINKS || self.resolve.contains(Resolve::NO_SYMLINKS) {
                return Err(FsError::Loop);
            }
            if let Some(target) = next.fs.jump(next.id)? {
                self.check_jump(&here, &target)?;
                if !last {
                    here_kind = target.kind()?;
                    here = target;
                    at = end;
                    continue;
                }
                let target = if slash { self.require_directory(target)? } else { target };
                let name = part(&rest, end - name.len()..end);
                return Ok(Walked { parent: here, name, slash, node: Some(target) });
            }
            rest = Cow::Owned(expand(&next, behind)?);
            at = 0;
            if rest.starts_with(b"/") {
                here = self.stays_on(&here, self.top(base)?)?;
                here_kind = here.kind()?;
            }
        }
    }

    /// Where a path that begins with a slash goes on.
    fn top(&self, base: &NodeRef) -> Result<NodeRef, FsError> {
        if self.resolve.contains(Resolve::BENEATH) {
            return Err(FsError::CrossDevice);
        }
        let inside = self.resolve.contains(Resolve::IN_ROOT);
        Ok(if inside { base.clone() } else { self.vfs.root.clone() })
    }

    /// `to`, if a lookup may go there from `here`.
    fn stays_on(&self, here: &NodeRef, to: NodeRef) -> Result<NodeRef, FsError> {
        let leaves = self.resolve.contains(Resolve::NO_XDEV) && here.fs.device() != to.fs.device();
        if leaves { Err(FsError::CrossDevice) } else { Ok(to) }
    }

    /// Whether a link of `/proc` in `here` may lead to `target`.
    fn check_jump(&self, here: &NodeRef, target: &NodeRef) -> Result<(), FsError> {
        if self.resolve.contains(Resolve::NO_MAGICLINKS) {
            return Err(FsError::Loop);
        }
        if self.resolve.intersects(Resolve::BENEATH | Resolve::IN_ROOT) {
            return Err(FsError::CrossDevice);
        }
        self.stays_on(here, target.clone()).map(|_| ())
    }

    pub(super) fn require_directory(&self, node: NodeRef) -> Result<NodeRef, FsError> {
        if node.kind()? == NodeKind::Directory { Ok(node) } else { Err(FsError::NotDirectory) }
    }

    /// One component from `here` and its type, over mount points: where it leads, and the type of that.
    fn step(
        &self,
        base: &NodeRef,
        (here, kind): (&NodeRef, NodeKind),
        name: &[u8],
    ) -> Result<(Next, NodeKind), FsError> {
        if kind != NodeKind::Directory {
            return Err(FsError::NotDirectory);
        }
        if !self.who.searches_all() {
            self.who.check(here, Want::EXEC)?;
        }
        let other = |node| Ok((Next::Other(self.stays_on(here, node)?), NodeKind::Directory));
        match name {
            b"." => return Ok((Next::Same(here.id), kind)),
            b".." if self.resolve.intersects(Resolve::BENEATH | Resolve::IN_ROOT) && here == base => {
                let beneath = self.resolve.contains(Resolve::BENEATH);
                return if beneath { Err(FsError::CrossDevice) } else { Ok((Next::Same(here.id), kind)) };
            }
            b".." => return other(self.vfs.parent(here)?),
            _ if name.len() > NAME_MAX => return Err(FsError::NameTooLong),
            _ => {}
        }
        let (id, kind) = here.fs.find(here.id, name)?;
        match self.vfs.mounted_on(&*here.fs, id) {
            Some(root) => other(root.clone()),
            None => Ok((Next::Same(id), kind)),
        }
    }
}

/// The entry of a place: none where the path ended without a name.
pub(super) fn entry(dir: NodeRef, name: &[u8]) -> Option<(NodeRef, Vec<u8>)> {
    (!matches!(name, b"" | b"." | b"..")).then(|| (dir, name.to_vec()))
}

/// A part of a path.
fn part<'p>(path: &Cow<'p, [u8]>, range: Range<usize>) -> Cow<'p, [u8]> {
    match path {
        Cow::Borrowed(path) => Cow::Borrowed(path.get(range).unwrap_or_default()),
        Cow::Owned(path) => Cow::Owned(path.get(range).unwrap_or_default().to_vec()),
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
