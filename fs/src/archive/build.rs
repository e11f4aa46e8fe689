//! Building the tree from the archive's entries, one by one.

use super::{ArchiveError, Content, Node, ROOT};
use crate::device::DeviceNumber;
use crate::node::NodeKind;
use abi::{Mode, NAME_MAX, PATH_MAX};
use alloc::{collections::BTreeMap, vec::Vec};
use hashbrown::HashMap;
use image_format::newc::Entry;

/// The tree under construction: directories still as maps.
pub(super) struct Builder {
    nodes: Vec<Node>,
    children: HashMap<u32, BTreeMap<&'static [u8], u32>>,
    /// Nodes with several names, by the archive's device and inode.
    linked: HashMap<((u32, u32), u32), u32>,
    /// The last parent looked up: entries of one directory usually follow each other.
    recent: (&'static [u8], u32),
}

impl Builder {
    pub(super) fn new() -> Self {
        let root = Node {
            parent: ROOT,
            mode: Mode::IFDIR | 0o755,
            uid: 0,
            gid: 0,
            nlink: 2,
            mtime: 0,
            rdev: 0,
            content: Content::Special,
        };
        let mut children = HashMap::new();
        children.insert(ROOT, BTreeMap::new());
        Builder { nodes: alloc::vec![root], children, linked: HashMap::new(), recent: (b"", ROOT) }
    }

    pub(super) fn add(&mut self, entry: &Entry<'static>) -> Result<(), ArchiveError> {
        let at = entry.data_offset;
        let path = entry.name.strip_suffix(b"/").unwrap_or(entry.name);
        if path.is_empty() || path == b"." {
            if NodeKind::of_mode(entry.mode) != NodeKind::Directory {
                return Err(ArchiveError::BadType(at));
            }
            return self.update_directory(ROOT, entry);
        }
        let (dir, name) = match path.iter().rposition(|&byte| byte == b'/') {
            Some(slash) => (path.get(..slash).unwrap_or_default(), path.get(slash + 1..).unwrap_or_default()),
            None => (&b""[..], path),
        };
        if name.is_empty() || name == b"." || name == b".." || name.len() > NAME_MAX || name.contains(&0) {
            return Err(ArchiveError::BadName(at));
        }
        let parent = self.find_directory(dir).ok_or(ArchiveError::NoParent(at))?;
        let existing = self.children.get(&parent).and_then(|map| map.get(name).copied());
        if let Some(node) = existing {
            if self.children.contains_key(&node) && NodeKind::of_mode(entry.mode) == NodeKind::Directory {
                return self.update_directory(node, entry);
            }
            return Err(ArchiveError::Duplicate(at));
        }
        let node = self.node_for(entry, parent)?;
        self.children.entry(parent).or_default().insert(name, node);
        Ok(())
    }

    fn update_directory(&mut self, node: u32, entry: &Entry<'static>) -> Result<(), ArchiveError> {
        if let Some(dir) = self.nodes.get_mut(node as usize) {
            (dir.mode, dir.uid, dir.gid, dir.nlink, dir.mtime) =
                (entry.mode, entry.uid, entry.gid, entry.nlink, entry.mtime);
        }
        Ok(())
    }

    fn find_directory(&mut self, path: &'static [u8]) -> Option<u32> {
        if self.recent.0 == path {
            return Some(self.recent.1);
        }
        let mut node = ROOT;
        for name in path.split(|&byte| byte == b'/').filter(|_| !path.is_empty()) {
            node = *self.children.get(&node)?.get(name)?;
        }
        self.children.contains_key(&node).then(|| {
            self.recent = (path, node);
            node
        })
    }

    /// The node of an entry: a new one, or the one that it is a further name of.
    fn node_for(&mut self, entry: &Entry<'static>, parent: u32) -> Result<u32, ArchiveError> {
        let at = entry.data_offset;
        let index = u32::try_from(self.nodes.len()).map_err(|_| ArchiveError::BadType(at))?;
        let file = Content::File { offset: at, len: entry.data.len() };
        let content = match Mode(entry.mode).file_type() {
            Mode::IFREG if entry.nlink > 1 => {
                let first = *self.linked.entry((entry.dev, entry.ino)).or_insert(index);
                if first != index {
                    // Contents stand with one of the names only.
                    if let (false, Some(node)) = (entry.data.is_empty(), self.nodes.get_mut(first as usize)) {
                        node.content = file;
                    }
                    return Ok(first);
                }
                file
            }
            Mode::IFREG => file,
            Mode::IFDIR => {
                self.children.insert(index, BTreeMap::new());
                Content::Special
            }
            Mode::IFLNK
                if entry.data.is_empty() || entry.data.len() >= PATH_MAX || entry.data.contains(&0) =>
            {
                return Err(ArchiveError::BadLink(at));
            }
            Mode::IFLNK => Content::Link(entry.data),
            Mode::IFCHR | Mode::IFBLK | Mode::IFIFO | Mode::IFSOCK => Content::Special,
            _ => return Err(ArchiveError::BadType(at)),
        };
        let rdev = DeviceNumber::new(entry.rdev.0, entry.rdev.1).0;
        let &Entry { mode, uid, gid, nlink, mtime, .. } = entry;
        self.nodes.push(Node { parent, mode, uid, gid, nlink, mtime, rdev, content });
        Ok(index)
    }

    pub(super) fn finish(mut self) -> Vec<Node> {
        for (index, map) in self.children {
            if let Some(node) = self.nodes.get_mut(index as usize) {
                node.content = Content::Directory(map.into_iter().collect());
            }
        }
        self.nodes
    }
}
