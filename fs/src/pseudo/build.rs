//! [`Builder`]: how the tree of a [`PseudoFs`] is put together.

use super::{
    Above, Body, Counted, Destination, Next, Numbered, Output, PseudoFs, Slot, Take, Text, directory,
};
use crate::FsError;
use abi::Mode;
use alloc::{boxed::Box, sync::Arc, vec::Vec};

use super::Key;

/// A place in the tree under construction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Template(u16);

/// Builds a [`PseudoFs`].
pub struct Builder {
    slots: Vec<Slot>,
}

impl Default for Builder {
    fn default() -> Self {
        Self::new()
    }
}

impl Builder {
    /// The root directory.
    pub const ROOT: Template = Template(0);

    /// An empty tree.
    pub fn new() -> Self {
        let body = Body::Directory { children: Vec::new(), numbered: None };
        let root = Slot { name: "", parent: 0, mode: directory(0o555), body };
        Builder { slots: alloc::vec![root] }
    }

    fn push(&mut self, parent: Template, name: &'static str, mode: u32, body: Body) -> Template {
        // Trees are written in the source: there are some hundred templates.
        let index = self.slots.len() as u16;
        self.slots.push(Slot { name, parent: parent.0, mode, body });
        Template(index)
    }

    fn add(&mut self, parent: Template, name: &'static str, mode: u32, body: Body) -> Template {
        let child = self.push(parent, name, mode, body);
        if let Some(Slot { body: Body::Directory { children, .. }, .. }) =
            self.slots.get_mut(usize::from(parent.0))
        {
            children.push(child.0);
        }
        child
    }

    /// The directory `path` below `parent`, with those above it, made where it does not exist.
    pub fn dir(&mut self, parent: Template, path: &'static str) -> Template {
        let mut here = parent;
        for name in path.split('/') {
            let existing = match self.slots.get(usize::from(here.0)).map(|slot| &slot.body) {
                Some(Body::Directory { children, .. }) => children
                    .iter()
                    .copied()
                    .find(|&child| self.slots.get(usize::from(child)).is_some_and(|slot| slot.name == name)),
                _ => None,
            };
            here = match existing {
                Some(child) => Template(child),
                None => {
                    let body = Body::Directory { children: Vec::new(), numbered: None };
                    self.add(here, name, directory(0o555), body)
                }
            };
        }
        here
    }

    /// A file that can be read.
    pub fn file(
        &mut self,
        parent: Template,
        name: &'static str,
        permissions: u32,
        text: impl Fn(Key, &mut Output) -> Result<(), FsError> + Send + Sync + 'static,
    ) {
        let body = Body::File { text: Box::new(text), take: None };
        self.add(parent, name, Mode::IFREG | permissions, body);
    }

    /// A file that always says the same.
    pub fn constant(&mut self, parent: Template, name: &'static str, text: &'static str) {
        self.file(parent, name, 0o444, move |_, out| {
            out.extend_from_slice(text.as_bytes());
            Ok(())
        });
    }

    /// A file that can be read and written.
    pub fn writable(
        &mut self,
        parent: Template,
        name: &'static str,
        permissions: u32,
        text: Text,
        take: Take,
    ) {
        let body = Body::File { text, take: Some(take) };
        self.add(parent, name, Mode::IFREG | permissions, body);
    }

    /// A symbolic link; with `jump` following it leads there, whatever the text says.
    pub fn link(&mut self, parent: Template, name: &'static str, text: Text, jump: Option<Destination>) {
        self.add(parent, name, Mode::IFLNK | 0o777, Body::Link { text, jump });
    }

    fn set_numbered(&mut self, parent: Template, numbered: Numbered) {
        if let Some(Slot { body: Body::Directory { numbered: place, .. }, .. }) =
            self.slots.get_mut(usize::from(parent.0))
        {
            *place = Some(numbered);
        }
    }

    /// The directories of tasks in `parent`, named by their numbers; returns the template of all of them.
    pub fn tasks(&mut self, parent: Template, next: Next, above: Above) -> Template {
        let body = Body::Directory { children: Vec::new(), numbered: None };
        let child = self.push(parent, "", directory(0o555), body);
        self.set_numbered(parent, Numbered { next, counted: Counted::Tasks(above), child: child.0 });
        child
    }

    /// Links in `parent`, named by the numbers of items.
    pub fn item_links(&mut self, parent: Template, next: Next, text: Text, jump: Destination) {
        let child = self.push(parent, "", Mode::IFLNK | 0o700, Body::Link { text, jump: Some(jump) });
        self.set_numbered(parent, Numbered { next, counted: Counted::Items, child: child.0 });
    }

    /// Files in `parent`, named by the numbers of items.
    pub fn item_files(&mut self, parent: Template, next: Next, text: Text) {
        let child = self.push(parent, "", Mode::IFREG | 0o444, Body::File { text, take: None });
        self.set_numbered(parent, Numbered { next, counted: Counted::Items, child: child.0 });
    }

    /// The file system: its number, its type's name, the size that stat(2) shows of files, and its age (since 1970).
    pub fn finish(self, device: u64, type_name: &'static str, file_size: u64, time_ns: u64) -> Arc<PseudoFs> {
        Arc::new(PseudoFs { slots: self.slots, device, type_name, file_size, time_ns })
    }
}
