//! [`Watches`]: who watches which node. Told by [`Vfs`](crate::Vfs) and [`OpenFile`](crate::OpenFile) what happens; both give a
//! [`Subject`], which is a node and the name it was reached by.
//!
//! Invariant: `count` is the number of marks. A watch does not keep its node: what is gone says so, once, through
//! [`gone`](Watches::gone).

use super::{Event, Inotify, Limits};
use crate::{FsError, NodeId, NodeRef, Place};
use abi::{Mode, OpenFlags, general as raw};
use alloc::sync::{Arc, Weak};
use alloc::vec::Vec;
use core::sync::atomic::{AtomicU32, AtomicUsize, Ordering};
use hashbrown::HashMap;
use sync::Mutex;

/// A node, by its file system's number and its own.
type Key = (u64, NodeId);

/// Options of a watch that it keeps.
const KEPT: u32 = raw::IN_EXCL_UNLINK | raw::IN_ONESHOT;
/// What happens to a node itself that whoever watches its directory is told too.
const FOR_PARENT: u32 = raw::IN_ACCESS
    | raw::IN_MODIFY
    | raw::IN_ATTRIB
    | raw::IN_CLOSE_WRITE
    | raw::IN_CLOSE_NOWRITE
    | raw::IN_OPEN;

/// One instance's watch on a node.
struct Mark {
    inotify: Weak<Inotify>,
    watch: i32,
    mask: u32,
}

#[derive(Default)]
struct State {
    nodes: HashMap<Key, Vec<Mark>>,
    /// The last watch descriptor of each instance, by its address.
    last: HashMap<usize, i32>,
}

/// All watches.
#[derive(Default)]
pub struct Watches {
    state: Mutex<State>,
    count: AtomicUsize,
    cookies: AtomicU32,
    limits: Limits,
}

/// What something happened to.
#[derive(Clone, Copy, Debug)]
pub struct Subject<'a> {
    /// The node.
    pub node: &'a NodeRef,
    /// The directory and the name in it, if it was reached by one.
    pub entry: Option<(&'a NodeRef, &'a [u8])>,
}

impl<'a> From<&'a Place> for Subject<'a> {
    fn from(place: &'a Place) -> Self {
        Subject { node: &place.node, entry: place.entry.as_ref().map(|(dir, name)| (dir, name.as_slice())) }
    }
}

fn key(node: &NodeRef) -> Key {
    (node.fs.device(), node.id)
}

/// Of the instance with this address.
fn is_of(mark: &Mark, inotify: *const Inotify) -> bool {
    core::ptr::eq(mark.inotify.as_ptr(), inotify)
}

impl State {
    /// Puts an event into the queues of those who want it, who are added to `told`. A one-shot watch is used up.
    fn push(&mut self, key: Key, event: &Event, unlinked: bool, told: &mut Vec<Arc<Inotify>>) -> usize {
        let Some(marks) = self.nodes.get_mut(&key) else { return 0 };
        let before = marks.len();
        let wanted = event.mask & raw::IN_ALL_EVENTS;
        marks.retain(|mark| {
            if mark.mask & wanted == 0 || unlinked && mark.mask & raw::IN_EXCL_UNLINK != 0 {
                return true;
            }
            let Some(inotify) = mark.inotify.upgrade() else { return true };
            inotify.push(Event { watch: mark.watch, ..event.clone() });
            let stays = mark.mask & raw::IN_ONESHOT == 0;
            if !stays {
                inotify.push(ignored(mark.watch));
            }
            told.push(inotify);
            stays
        });
        let lost = before - marks.len();
        if marks.is_empty() {
            self.nodes.remove(&key);
        }
        lost
    }
}

fn ignored(watch: i32) -> Event {
    Event { watch, mask: raw::IN_IGNORED, cookie: 0, name: Vec::new() }
}

impl Watches {
    /// The limits.
    pub fn limits(&self) -> &Limits {
        &self.limits
    }

    /// Whether anybody watches anything.
    #[inline]
    pub fn any(&self) -> bool {
        self.count.load(Ordering::Relaxed) > 0
    }

    /// A number that ties the two events of a rename together.
    pub fn cookie(&self) -> u32 {
        self.cookies.fetch_add(1, Ordering::Relaxed).wrapping_add(1)
    }

    pub(super) fn add(&self, inotify: &Arc<Inotify>, node: &NodeRef, mask: u32) -> Result<i32, FsError> {
        let state = &mut *self.state.lock();
        let kept = mask & (raw::IN_ALL_EVENTS | KEPT);
        let marks = state.nodes.get_mut(&key(node));
        let known = marks.and_then(|marks| marks.iter_mut().find(|mark| is_of(mark, Arc::as_ptr(inotify))));
        if let Some(mark) = known {
            if mask & raw::IN_MASK_CREATE != 0 {
                return Err(FsError::Exists);
            }
            mark.mask = if mask & raw::IN_MASK_ADD != 0 { mark.mask | kept } else { kept };
            return Ok(mark.watch);
        }
        if self.count.load(Ordering::Relaxed) >= self.limits.watches.load(Ordering::Relaxed) as usize {
            return Err(FsError::NoSpace);
        }
        state.nodes.try_reserve(1).map_err(|_| FsError::NoMemory)?;
        state.last.try_reserve(1).map_err(|_| FsError::NoMemory)?;
        let marks = state.nodes.entry(key(node)).or_default();
        marks.try_reserve(1).map_err(|_| FsError::NoMemory)?;
        let last = state.last.entry(Arc::as_ptr(inotify).addr()).or_default();
        *last = last.checked_add(1).ok_or(FsError::NoSpace)?;
        marks.push(Mark { inotify: Arc::downgrade(inotify), watch: *last, mask: kept });
        self.count.fetch_add(1, Ordering::Relaxed);
        Ok(*last)
    }

    pub(super) fn remove(&self, inotify: &Arc<Inotify>, watch: i32) -> Result<(), FsError> {
        {
            let state = &mut *self.state.lock();
            let mine = |mark: &Mark| is_of(mark, Arc::as_ptr(inotify)) && mark.watch == watch;
            let found = state.nodes.iter().find(|(_, marks)| marks.iter().any(mine)).map(|(&key, _)| key);
            let key = found.ok_or(FsError::Invalid)?;
            if let Some(marks) = state.nodes.get_mut(&key) {
                marks.retain(|mark| !mine(mark));
                if marks.is_empty() {
                    state.nodes.remove(&key);
                }
            }
            self.count.fetch_sub(1, Ordering::Relaxed);
            inotify.push(ignored(watch));
        }
        inotify.tell();
        Ok(())
    }

    /// Removes all watches of an instance that goes.
    pub(super) fn forget(&self, inotify: &Inotify) {
        let mut state = self.state.lock();
        let mut lost = 0;
        state.nodes.retain(|_, marks| {
            let before = marks.len();
            marks.retain(|mark| !is_of(mark, inotify));
            lost += before - marks.len();
            !marks.is_empty()
        });
        state.last.remove(&core::ptr::from_ref(inotify).addr());
        self.count.fetch_sub(lost, Ordering::Relaxed);
    }

    /// The watches of an instance: descriptor, node, mask.
    pub(super) fn for_each(&self, inotify: &Inotify, mut emit: impl FnMut(i32, Key, u32)) {
        for (&key, marks) in &self.state.lock().nodes {
            for mark in marks.iter().filter(|mark| is_of(mark, inotify)) {
                emit(mark.watch, key, mark.mask);
            }
        }
    }

    fn push(&self, key: Key, event: &Event, unlinked: bool, told: &mut Vec<Arc<Inotify>>) {
        let lost = self.state.lock().push(key, event, unlinked, told);
        self.count.fetch_sub(lost, Ordering::Relaxed);
    }

    /// `mask` happened to a node: told to those who watch it, and its directory.
    pub fn happened(&self, subject: Subject<'_>, mask: u32) {
        if !self.any() {
            return;
        }
        let directory = subject.node.metadata().is_ok_and(|it| Mode(it.mode).file_type() == Mode::IFDIR);
        self.happened_to(subject, mask, directory);
    }

    fn happened_to(&self, subject: Subject<'_>, mask: u32, directory: bool) {
        let mut told = Vec::new();
        let mask = if directory { mask | raw::IN_ISDIR } else { mask };
        if let Some((dir, name)) = subject.entry
            && mask & FOR_PARENT != 0
        {
            let unlinked = dir.fs.lookup(dir.id, name) != Ok(subject.node.id);
            let event = Event { watch: 0, mask, cookie: 0, name: name.to_vec() };
            self.push(key(dir), &event, unlinked, &mut told);
        }
        let event = Event { watch: 0, mask, cookie: 0, name: Vec::new() };
        self.push(key(subject.node), &event, false, &mut told);
        told.iter().for_each(|inotify| inotify.tell());
    }

    /// `mask` happened to the entry `name` of a directory.
    pub fn entry(&self, dir: &NodeRef, name: &[u8], mask: u32, cookie: u32, directory: bool) {
        if !self.any() {
            return;
        }
        let mask = if directory { mask | raw::IN_ISDIR } else { mask };
        let mut told = Vec::new();
        self.push(key(dir), &Event { watch: 0, mask, cookie, name: name.to_vec() }, false, &mut told);
        told.iter().for_each(|inotify| inotify.tell());
    }

    /// `mask` happened to a node as such, whatever its name, and says nothing about its type: IN_MOVE_SELF.
    pub fn itself(&self, node: &NodeRef, mask: u32) {
        if !self.any() {
            return;
        }
        let mut told = Vec::new();
        self.push(key(node), &Event { watch: 0, mask, cookie: 0, name: Vec::new() }, false, &mut told);
        told.iter().for_each(|inotify| inotify.tell());
    }

    /// After a node lost a name or a user: if it has neither any more, its watches end.
    pub fn gone(&self, node: &NodeRef) {
        if !self.any() || node.fs.is_used(node.id) {
            return;
        }
        let mut told = Vec::new();
        {
            let mut state = self.state.lock();
            let event = Event { watch: 0, mask: raw::IN_DELETE_SELF, cookie: 0, name: Vec::new() };
            let used_up = state.push(key(node), &event, false, &mut told);
            let rest = state.nodes.remove(&key(node)).unwrap_or_default();
            self.count.fetch_sub(used_up + rest.len(), Ordering::Relaxed);
            for mark in rest {
                if let Some(inotify) = mark.inotify.upgrade() {
                    inotify.push(ignored(mark.watch));
                    told.push(inotify);
                }
            }
        }
        told.iter().for_each(|inotify| inotify.tell());
    }
}

/// What an [`OpenFile`] tells when it is closed. Dropped after the file, so that the file no longer counts as a user.
pub struct Notice {
    watches: Arc<Watches>,
    place: Place,
    directory: bool,
    writable: bool,
}

impl Notice {
    /// For a file that was opened at a place.
    pub fn new(watches: &Arc<Watches>, place: &Place, flags: OpenFlags) -> Self {
        let kind = place.node.metadata().map_or(0, |metadata| Mode(metadata.mode).file_type());
        let directory = kind == Mode::IFDIR;
        Notice { watches: watches.clone(), place: place.clone(), directory, writable: flags.writable() }
    }

    /// Tells that something was done with the file.
    #[inline]
    pub fn tell(&self, mask: u32) {
        if self.watches.any() {
            self.watches.happened_to((&self.place).into(), mask, self.directory);
        }
    }
}

impl Drop for Notice {
    fn drop(&mut self) {
        if self.watches.any() {
            self.tell(if self.writable { raw::IN_CLOSE_WRITE } else { raw::IN_CLOSE_NOWRITE });
            self.watches.gone(&self.place.node);
        }
    }
}
