//! [`View`]: path lookup (path_resolution(7)) on behalf of somebody, and by the restrictions of openat2(2).
//!
//! Invariants: a lookup ends on every tree and every path (at most 40 links are followed, each step uses up input); `..` at the
//! root stays there; each directory on the way is one that the subject may search.

use super::{Follow, Place, Vfs};
use crate::access::{Subject, Want};
use crate::{FsError, NodeId, NodeKind, NodeRef};
use crate::{append_to, copy_of};
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

/// As [`Walked`], in a path that has no link on the way.
struct Reached {
    parent: NodeRef,
    /// Where in the path the last component is.
    name: Range<usize>,
    slash: bool,
    node: Option<NodeRef>,
    /// A link at `name`, which is to be followed, rather than a node.
    link: Option<NodeRef>,
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
        let reached = self.reach(base, path, follow)?;
        let node = match reached.link {
            None => reached.node,
            Some(_) => self.walk_on(base, reached, path, follow)?.node,
        };
        node.ok_or(FsError::NotFound)
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
        let reached = self.reach(base, path, follow)?;
        if reached.link.is_some() {
            return self.walk_on(base, reached, path, follow);
        }
        let Reached { parent, name, slash, node, .. } = reached;
        Ok(Walked { parent, name: Cow::Borrowed(path.get(name).unwrap_or_default()), slash, node })
    }

    /// Follows `path` to its last component or to the first link.
    #[inline]
    fn reach(&self, base: &NodeRef, path: &[u8], follow: Follow) -> Result<Reached, FsError> {
        if path.is_empty() {
            return Err(FsError::NotFound);
        }
        if path.len() >= PATH_MAX {
            return Err(FsError::NameTooLong);
        }
        let absolute = path.starts_with(b"/");
        let here = if absolute { self.top(base)? } else { base.clone() };
        let top = absolute && !self.resolve.contains(Resolve::IN_ROOT);
        let kind = if top { NodeKind::Directory } else { here.kind()? };
        self.advance(base, (here, kind), path, follow)
    }

    /// Goes on where a walk along `path` met a link.
    #[cold]
    fn walk_on(
        &self,
        base: &NodeRef,
        mut reached: Reached,
        path: &[u8],
        follow: Follow,
    ) -> Result<Walked<'static>, FsError> {
        let mut path = copy_of(path)?;
        let mut links = 0;
        loop {
            let Reached { parent, name, slash, node, link } = reached;
            let behind = path.get(name.end..).unwrap_or_default();
            let walked = |parent, node| {
                let name = path.get(name).unwrap_or_default().to_vec();
                Ok(Walked { parent, name: Cow::Owned(name), slash, node })
            };
            let Some(link) = link else { return walked(parent, node) };
            links += 1;
            if links > MAX_LINKS || self.resolve.contains(Resolve::NO_SYMLINKS) {
                return Err(FsError::Loop);
            }
            let (here, kind);
            if let Some(target) = link.fs.jump(link.id)? {
                self.check_jump(&parent, &target)?;
                if skip_slashes(behind).is_empty() {
                    let target = if slash { self.require_directory(target)? } else { target };
                    return walked(parent, Some(target));
                }
                kind = target.kind()?;
                (here, path) = (target, copy_of(behind)?);
            } else {
                path = expand(&link, behind)?;
                kind = NodeKind::Directory;
                let absolute = path.starts_with(b"/");
                here = if absolute { self.stays_on(&parent, self.top(base)?)? } else { parent };
            }
            reached = self.advance(base, (here, kind), &path, follow)?;
        }
    }

    /// Follows `path` from `here` and its type to its last component or to a link, without following that.
    fn advance(
        &self,
        base: &NodeRef,
        (mut here, mut kind): (NodeRef, NodeKind),
        path: &[u8],
        follow: Follow,
    ) -> Result<Reached, FsError> {
        let mut rest = skip_slashes(path);
        if rest.is_empty() {
            let node = Some(self.require_directory(here.clone())?);
            let name = path.len()..path.len();
            return Ok(Reached { parent: here, name, slash: true, node, link: None });
        }
        loop {
            let (name, behind) = split_component(rest);
            let start = path.len() - rest.len();
            let end = start + name.len();
            rest = skip_slashes(behind);
            let (last, slash) = (rest.is_empty(), !behind.is_empty());
            let (next, next_kind) = match self.step(base, (&here, kind), name) {
                Ok(next) => next,
                Err(FsError::NotFound) if last => {
                    return Ok(Reached { parent: here, name: start..end, slash, node: None, link: None });
                }
                Err(error) => return Err(error),
            };
            let stays = last && (follow == Follow::Never || follow == Follow::No && !slash);
            if next_kind == NodeKind::Symlink && !stays {
                let link = Some(next.from(here.clone()));
                return Ok(Reached { parent: here, name: start..end, slash, node: None, link });
            }
            if last {
                if slash && next_kind != NodeKind::Directory && follow != Follow::Never {
                    return Err(FsError::NotDirectory);
                }
                let node = Some(next.from(here.clone()));
                return Ok(Reached { parent: here, name: start..end, slash, node, link: None });
            }
            match next {
                Next::Same(id) => here.id = id,
                Next::Other(node) => here = node,
            }
            kind = next_kind;
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

/// The component that a path begins with, and what comes behind it.
fn split_component(path: &[u8]) -> (&[u8], &[u8]) {
    let len = path.iter().position(|&byte| byte == b'/').unwrap_or(path.len());
    path.split_at_checked(len).unwrap_or((path, b""))
}

/// A path behind the slashes that it begins with.
fn skip_slashes(path: &[u8]) -> &[u8] {
    let slashes = path.iter().position(|&byte| byte != b'/').unwrap_or(path.len());
    path.get(slashes..).unwrap_or_default()
}

/// The target of `link` followed by `rest`, which is empty or begins with a slash.
fn expand(link: &NodeRef, rest: &[u8]) -> Result<Vec<u8>, FsError> {
    let mut target = Vec::new();
    link.fs.read_link(link.id, &mut target)?;
    if target.is_empty() {
        return Err(FsError::NotFound);
    }
    append_to(&mut target, rest)?;
    Ok(target)
}
