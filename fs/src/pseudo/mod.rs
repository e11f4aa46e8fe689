//! [`PseudoFs`]: a file system whose files are produced when they are read: `/proc` and `/sys`.
//!
//! The tree is built once with [`Builder`] from templates; what the files say comes from closures of the layers that know it
//! (`task`, the kernel). A template below a *numbered* directory stands for many nodes, one for each task or descriptor; the
//! [`Key`] tells the closures which.
//!
//! Invariants: a node's number holds its template and its key, so nothing has to be remembered about nodes; a numbered node
//! exists as long as its directory's `next` gives its number.

mod build;
mod file;
mod held;
mod output;
#[cfg(test)]
mod tests;

use crate::{
    DirEntry, File, FileSystem, FsError, Metadata, NewNode, NodeId, NodeKind, NodeRef, RenameMode,
    SetAttributes,
};
use abi::{Mode, OpenFlags};
use alloc::{boxed::Box, format, sync::Arc, vec::Vec};
pub use build::{Builder, Template};
use file::PseudoFile;
pub use held::held_node;
pub use output::Output;

/// Which of the nodes of a template.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Key {
    /// The task's number below a directory of tasks, otherwise 0.
    pub task: u32,
    /// The item's number (a descriptor) below a directory of items, otherwise 0.
    pub item: u32,
}

/// Where following a link leads that is more than its text.
pub enum Jump {
    /// To a node, wherever it is in the tree.
    Node(NodeRef),
    /// To a file that may have no place in the tree.
    File(Arc<dyn File>),
}

/// Appends what a file or link says.
pub type Text = Box<dyn Fn(Key, &mut Output) -> Result<(), FsError> + Send + Sync>;
/// Takes what is written into a file.
pub type Take = Box<dyn Fn(Key, &[u8]) -> Result<(), FsError> + Send + Sync>;
/// The destination of a link.
pub type Destination = Box<dyn Fn(Key) -> Result<Jump, FsError> + Send + Sync>;
/// The lowest number of a numbered directory at or above a number.
pub type Next = Box<dyn Fn(Key, u32) -> Option<u32> + Send + Sync>;
/// From a task's number to the key of the directory that lists it.
pub type Above = Box<dyn Fn(u32) -> u32 + Send + Sync>;

/// What the numbers of a directory count.
enum Counted {
    Tasks(Above),
    Items,
}

/// The numbered entries of a directory.
struct Numbered {
    next: Next,
    counted: Counted,
    child: u16,
}

enum Body {
    Directory { children: Vec<u16>, numbered: Option<Numbered> },
    File { text: Text, take: Option<Take> },
    Link { text: Text, jump: Option<Destination> },
}

struct Slot {
    name: &'static str,
    parent: u16,
    mode: u32,
    body: Body,
}

/// Widest number of a task or an item, bits (PID_MAX_LIMIT and `fs.nr_open` are below).
const KEY_BITS: u32 = 24;
const KEY_MASK: u64 = (1 << KEY_BITS) - 1;

/// A file system of templates.
pub struct PseudoFs {
    slots: Vec<Slot>,
    device: u64,
    type_name: &'static str,
    /// What stat(2) shows as size of a file.
    file_size: u64,
    time_ns: u64,
}

fn id_of(slot: u16, key: Key) -> NodeId {
    u64::from(slot) << (2 * KEY_BITS) | u64::from(key.task) << KEY_BITS | u64::from(key.item)
}

/// A decimal number as entries are named: no sign, no leading zeros.
fn number(name: &[u8]) -> Option<u32> {
    if name.is_empty() || (name.len() > 1 && name.first() == Some(&b'0')) {
        return None;
    }
    let value = name.iter().try_fold(0u32, |value, byte| {
        let digit = byte.is_ascii_digit().then(|| u32::from(byte - b'0'))?;
        value.checked_mul(10)?.checked_add(digit)
    })?;
    (u64::from(value) <= KEY_MASK).then_some(value)
}

impl PseudoFs {
    fn slot(&self, id: NodeId) -> Result<(&Slot, Key), FsError> {
        let part = |shift: u32| (id >> shift & KEY_MASK) as u32;
        let index = usize::try_from(id >> (2 * KEY_BITS)).map_err(|_| FsError::NotFound)?;
        let slot = self.slots.get(index).ok_or(FsError::NotFound)?;
        Ok((slot, Key { task: part(KEY_BITS), item: part(0) }))
    }

    fn mode_of(&self, index: u16) -> u32 {
        self.slots.get(usize::from(index)).map_or(0, |slot| slot.mode)
    }

    fn text(&self, id: NodeId, out: &mut Output) -> Result<(), FsError> {
        match self.slot(id)? {
            (Slot { body: Body::File { text, .. }, .. }, key) => text(key, out),
            _ => Err(FsError::Invalid),
        }
    }

    fn take(&self, id: NodeId, bytes: &[u8]) -> Result<(), FsError> {
        match self.slot(id)? {
            (Slot { body: Body::File { take: Some(take), .. }, .. }, key) => take(key, bytes),
            _ => Err(FsError::Invalid),
        }
    }
}

impl Numbered {
    fn key(&self, dir: Key, number: u32) -> Key {
        match self.counted {
            Counted::Tasks(_) => Key { task: number, item: 0 },
            Counted::Items => Key { task: dir.task, item: number },
        }
    }
}

impl FileSystem for PseudoFs {
    fn device(&self) -> u64 {
        self.device
    }

    fn type_name(&self) -> &'static str {
        self.type_name
    }

    fn root(&self) -> NodeId {
        0
    }

    fn metadata(&self, id: NodeId) -> Result<Metadata, FsError> {
        let (slot, _) = self.slot(id)?;
        let (nlink, size) = match slot.body {
            Body::Directory { .. } => (2, 0),
            Body::File { .. } => (1, self.file_size),
            Body::Link { .. } => (1, 0),
        };
        Ok(Metadata {
            dev: self.device,
            ino: id + 1,
            mode: slot.mode,
            nlink,
            size,
            block_size: 4096,
            mtime_ns: self.time_ns,
            ..Metadata::default()
        })
    }

    fn lookup(&self, dir: NodeId, name: &[u8]) -> Result<NodeId, FsError> {
        let (slot, key) = self.slot(dir)?;
        let Body::Directory { children, numbered } = &slot.body else { return Err(FsError::NotDirectory) };
        let named =
            |index: u16| self.slots.get(usize::from(index)).is_some_and(|s| s.name.as_bytes() == name);
        if let Some(&child) = children.iter().find(|&&child| named(child)) {
            return Ok(id_of(child, key));
        }
        let numbered = numbered.as_ref().ok_or(FsError::NotFound)?;
        let number = number(name).ok_or(FsError::NotFound)?;
        match (numbered.next)(key, number) {
            Some(found) if found == number => Ok(id_of(numbered.child, numbered.key(key, number))),
            _ => Err(FsError::NotFound),
        }
    }

    fn parent(&self, dir: NodeId) -> Result<NodeId, FsError> {
        let (slot, mut key) = self.slot(dir)?;
        if let Some(Slot { body: Body::Directory { numbered: Some(numbered), .. }, .. }) =
            self.slots.get(usize::from(slot.parent))
            && u64::from(numbered.child) == dir >> (2 * KEY_BITS)
        {
            match &numbered.counted {
                Counted::Tasks(above) => key = Key { task: above(key.task), item: 0 },
                Counted::Items => key.item = 0,
            }
        }
        Ok(id_of(slot.parent, key))
    }

    fn read_link(&self, node: NodeId, out: &mut Vec<u8>) -> Result<(), FsError> {
        match self.slot(node)? {
            (Slot { body: Body::Link { text, .. }, .. }, key) => {
                let mut made = Output::new();
                text(key, &mut made)?;
                let mut made = made.finish()?;
                out.try_reserve(made.len()).map_err(|_| FsError::NoMemory)?;
                out.append(&mut made);
                Ok(())
            }
            _ => Err(FsError::Invalid),
        }
    }

    fn jump(&self, node: NodeId) -> Result<Option<NodeRef>, FsError> {
        match self.slot(node)? {
            (Slot { body: Body::Link { jump: Some(jump), .. }, .. }, key) => Ok(Some(match jump(key)? {
                Jump::Node(node) => node,
                Jump::File(file) => held_node(file),
            })),
            _ => Ok(None),
        }
    }

    fn read_dir(
        &self,
        dir: NodeId,
        skip: u64,
        emit: &mut dyn FnMut(DirEntry<'_>) -> bool,
    ) -> Result<(), FsError> {
        let (slot, key) = self.slot(dir)?;
        let Body::Directory { children, numbered } = &slot.body else { return Err(FsError::NotDirectory) };
        let named = usize::try_from(skip).unwrap_or(usize::MAX);
        for (at, &child) in (1..).zip(children).skip(named) {
            let Some(slot) = self.slots.get(usize::from(child)) else { continue };
            let ino = id_of(child, key) + 1;
            if !emit(DirEntry { name: slot.name.as_bytes(), ino, mode: slot.mode, next: at }) {
                return Ok(());
            }
        }
        let Some(numbered) = numbered else { return Ok(()) };
        // Positions behind the named entries: the number, so that entries may come and go in between.
        let base = children.len() as u64;
        let mut from = u32::try_from(skip.saturating_sub(base)).ok();
        while let Some(found) = from.and_then(|from| (numbered.next)(key, from)) {
            let ino = id_of(numbered.child, numbered.key(key, found)) + 1;
            let name = format!("{found}");
            let next = base + u64::from(found) + 1;
            if !emit(DirEntry { name: name.as_bytes(), ino, mode: self.mode_of(numbered.child), next }) {
                break;
            }
            from = found.checked_add(1);
        }
        Ok(())
    }

    fn open(self: Arc<Self>, node: NodeId, _flags: OpenFlags) -> Result<Arc<dyn File>, FsError> {
        match self.slot(node)? {
            (Slot { body: Body::File { .. }, .. }, _) => Ok(Arc::new(PseudoFile::new(self, node))),
            _ => Err(FsError::Invalid),
        }
    }

    fn is_read_only(&self) -> bool {
        false
    }

    fn opens_directories(&self) -> bool {
        true
    }

    // Names are made by the kernel alone. What /proc has no name for does not exist, whatever one wants to do with it; /sys
    // has a directory that nothing can be made in.

    fn check_new_name(&self) -> Result<(), FsError> {
        if self.type_name == "proc" { Err(FsError::NotFound) } else { Ok(()) }
    }

    fn create(&self, _dir: NodeId, _name: &[u8], new: &NewNode<'_>) -> Result<NodeId, FsError> {
        self.check_new_name()?;
        let file = Mode(new.mode).file_type() == Mode::IFREG;
        Err(if file { FsError::Access } else { FsError::NotPermitted })
    }

    fn link(&self, _node: NodeId, _dir: NodeId, _name: &[u8]) -> Result<(), FsError> {
        self.check_new_name()?;
        Err(FsError::NotPermitted)
    }

    fn unlink(&self, _dir: NodeId, _name: &[u8]) -> Result<(), FsError> {
        Err(FsError::NotPermitted)
    }

    fn remove_dir(&self, dir: NodeId, name: &[u8]) -> Result<(), FsError> {
        let directory = self.kind(self.lookup(dir, name)?)? == NodeKind::Directory;
        Err(if directory { FsError::NotPermitted } else { FsError::NotDirectory })
    }

    fn rename(&self, _from: (NodeId, &[u8]), to: (NodeId, &[u8]), _mode: RenameMode) -> Result<(), FsError> {
        if self.lookup(to.0, to.1).is_err() {
            self.check_new_name()?;
        }
        Err(FsError::NotPermitted)
    }

    fn set_attributes(&self, _node: NodeId, _set: &SetAttributes) -> Result<(), FsError> {
        Err(FsError::NotPermitted)
    }
}

/// Mode of a directory, file or link with permissions.
const fn directory(permissions: u32) -> u32 {
    Mode::IFDIR | permissions
}
