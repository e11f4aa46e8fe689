//! The guest's root directory, before it is written as an archive.
//!
//! A [`Tree`] maps paths to nodes. Paths are absolute in the guest, stored without the leading slash, with
//! neither `.` nor `..` nor repeated slashes. Invariants: the parent of each node is a directory node, and no
//! path leads through a symbolic link; insertion follows links that are in the tree. Filled by
//! [`make`](crate::make) with the helpers in [`host`], written by [`archive`](crate::archive).

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::path::PathBuf;

pub mod host;

/// As many symbolic links as Linux follows on one path (path_resolution(7)).
const LINKS_MAX: usize = 40;
/// Permissions of directories that nobody described.
const DIR_MODE: u32 = 0o755;

/// Where the contents of a file come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// A file of this host.
    Host(PathBuf),
    /// Made by `mkimage`.
    Bytes(Vec<u8>),
}

/// A file or anything else that has a path. Modes are permission bits without the type; times are seconds
/// since the epoch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Node {
    /// A directory.
    Dir {
        /// Permissions.
        mode: u32,
        /// Modification time.
        mtime: u32,
    },
    /// A regular file.
    File {
        /// Contents.
        source: Source,
        /// Length of the contents in bytes.
        size: u64,
        /// Permissions.
        mode: u32,
        /// Modification time.
        mtime: u32,
        /// Device and inode on this host if the file has several links there: files with equal ones stay links
        /// to each other.
        link: Option<(u64, u64)>,
    },
    /// A symbolic link.
    Symlink {
        /// Where it points to.
        target: Vec<u8>,
        /// Modification time.
        mtime: u32,
    },
    /// A FIFO or device node.
    Special {
        /// Type and permissions.
        mode: u32,
        /// Modification time.
        mtime: u32,
        /// Device number (major, minor).
        rdev: (u32, u32),
    },
}

/// Why something could not be put into the tree.
#[derive(Debug)]
pub enum TreeError {
    /// A file of this host could not be read.
    Read(PathBuf, io::Error),
    /// The path is used for something else: (path in the guest, what is there, what should be there).
    Conflict(String, &'static str, &'static str),
    /// Symbolic links that lead in a circle.
    Loop(String),
    /// A path for the guest that is not absolute, climbs with `..`, or cannot be stored.
    BadPath(String),
}

impl fmt::Display for TreeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Read(path, error) => write!(f, "{}: {}", path.display(), crate::make::reason(error)),
            Self::Conflict(path, is, wanted) => {
                write!(f, "/{path} is {is} in the image already and cannot become {wanted}")
            }
            Self::Loop(path) => write!(f, "/{path}: too many symbolic links"),
            Self::BadPath(path) => {
                write!(f, "{path}: not a path for the guest (it must be absolute, without ..)")
            }
        }
    }
}

impl std::error::Error for TreeError {}

/// The files of the guest.
#[derive(Clone, Debug, Default)]
pub struct Tree {
    nodes: BTreeMap<Vec<u8>, Node>,
}

fn text(path: &[u8]) -> String {
    String::from_utf8_lossy(path).into_owned()
}

/// `dir` and `name` as one path.
fn join(dir: &[u8], name: &[u8]) -> Vec<u8> {
    if dir.is_empty() { name.to_vec() } else { [dir, b"/", name].concat() }
}

/// The components of a path that mean something.
fn components(path: &[u8]) -> impl DoubleEndedIterator<Item = &[u8]> {
    path.split(|&byte| byte == b'/').filter(|part| !part.is_empty() && *part != b".")
}

/// A path as the user names it for the guest, in the form that the tree uses.
///
/// # Errors
/// Not absolute, or with `..`, which could leave the image, or too long.
pub fn guest_path(path: &[u8]) -> Result<Vec<u8>, TreeError> {
    let bad = || TreeError::BadPath(text(path));
    if !path.starts_with(b"/") || path.contains(&0) || path.len() >= image_format::newc::NAME_FIELD_MAX {
        return Err(bad());
    }
    let mut out = Vec::new();
    for part in components(path) {
        if part == b".." || part.len() > 255 {
            return Err(bad());
        }
        out = join(&out, part);
    }
    Ok(out)
}

impl Node {
    const fn name(&self) -> &'static str {
        match self {
            Self::Dir { .. } => "a directory",
            Self::File { .. } => "a file",
            Self::Symlink { .. } => "a symbolic link",
            Self::Special { .. } => "a device or FIFO",
        }
    }
}

impl Tree {
    /// All nodes by path; parents come before what they contain.
    pub fn iter(&self) -> impl Iterator<Item = (&[u8], &Node)> {
        self.nodes.iter().map(|(path, node)| (path.as_slice(), node))
    }

    /// The node at a path in the form of the tree; the root directory has no node.
    #[must_use]
    pub fn get(&self, path: &[u8]) -> Option<&Node> {
        self.nodes.get(path)
    }

    /// The path that `path` leads to if all links on the way to its last component are followed, the last
    /// component included if `follow`. What does not exist is taken to be made of directories.
    fn resolve(&self, path: &[u8], follow: bool) -> Result<Vec<u8>, TreeError> {
        let mut done: Vec<u8> = Vec::new();
        let mut rest: Vec<Vec<u8>> = components(path).rev().map(<[u8]>::to_vec).collect();
        let mut links = 0;
        while let Some(part) = rest.pop() {
            if part == b".." {
                let cut = done.iter().rposition(|&byte| byte == b'/').unwrap_or(0);
                done.truncate(cut);
                continue;
            }
            let next = join(&done, &part);
            match self.nodes.get(&next) {
                Some(Node::Symlink { target, .. }) if follow || !rest.is_empty() => {
                    links += 1;
                    if links > LINKS_MAX {
                        return Err(TreeError::Loop(text(path)));
                    }
                    if target.starts_with(b"/") {
                        done.clear();
                    }
                    rest.extend(components(target).rev().map(<[u8]>::to_vec));
                }
                Some(node @ (Node::File { .. } | Node::Special { .. })) if !rest.is_empty() => {
                    return Err(TreeError::Conflict(text(&next), node.name(), "a directory"));
                }
                _ => done = next,
            }
        }
        Ok(done)
    }

    /// Makes the directory `path` and those above it, as far as they do not exist. With `described` (mode, time), an
    /// existing directory takes these. Returns the path without links.
    ///
    /// # Errors
    /// Something else is there.
    pub fn mkdir(&mut self, path: &[u8], described: Option<(u32, u32)>) -> Result<Vec<u8>, TreeError> {
        let path = self.resolve(path, true)?;
        let mut at = Vec::new();
        for part in components(&path) {
            at = join(&at, part);
            match self.nodes.get(&at) {
                None => {
                    self.nodes.insert(at.clone(), Node::Dir { mode: DIR_MODE, mtime: 0 });
                }
                Some(Node::Dir { .. }) => (),
                Some(node) => return Err(TreeError::Conflict(text(&at), node.name(), "a directory")),
            }
        }
        if let (Some((mode, mtime)), false) = (described, path.is_empty()) {
            self.nodes.insert(path.clone(), Node::Dir { mode, mtime });
        }
        Ok(path)
    }

    /// Puts `node` at `path`, in place of a file or link that is there. Returns the path without links in its
    /// directories.
    ///
    /// # Errors
    /// A directory is there, or the way to it leads through a file.
    pub fn insert(&mut self, path: &[u8], node: Node) -> Result<Vec<u8>, TreeError> {
        if let Node::Dir { mode, mtime } = node {
            return self.mkdir(path, Some((mode, mtime)));
        }
        let path = self.resolve(path, false)?;
        let parent = path.iter().rposition(|&byte| byte == b'/').map_or(&[][..], |cut| &path[..cut]);
        self.mkdir(parent, None)?;
        match self.nodes.get(&path) {
            Some(there @ Node::Dir { .. }) => {
                Err(TreeError::Conflict(text(&path), there.name(), node.name()))
            }
            _ if path.is_empty() => Err(TreeError::Conflict(String::new(), "a directory", node.name())),
            _ => {
                self.nodes.insert(path.clone(), node);
                Ok(path)
            }
        }
    }
}

#[cfg(test)]
mod tests;
