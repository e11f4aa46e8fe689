//! [`List`]: waiters in the order of their arrival, under a mutex of the primitive they wait for.
//!
//! Used by the wait queue, condition variable, semaphore and readers-writer lock. A [`Node`] lies on the stack of its waiter.
//! Its fields but `state` belong to the lock of the list it is in; who wakes it takes it out (POPPED) under that lock and
//! delivers (DONE) after unlocking, through [`Popped`]. DONE is the last access to a node by anybody but its owner, and no
//! primitive is touched by a waker between its unlock and DONE, so a woken thread may free both.
//!
//! Orderings: DONE is released and acquired ("list done"): what the waker did, and the tag, are before the waiter goes on. All
//! other transitions happen under the lock of the list.
#![allow(unsafe_code)] // waiters on the stacks of their threads, linked by pointers

use crate::atomic::{AtomicU8, AtomicUsize, Ordering, UnsafeCell, order};
use crate::thread::{self, Handle, Limit, MaySleep, WaitError};
use core::ptr;

/// Not in a list.
const IDLE: u8 = 0;
/// In a list.
const QUEUED: u8 = 1;
/// Taken out by a waker, which will deliver.
const POPPED: u8 = 2;
/// Delivered.
const DONE: u8 = 3;

/// What a waiter and its wakers tell each other.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Note {
    /// What is waited for, as its owner counts it.
    pub(crate) key: [u64; 2],
    /// Kind of the waiter, or a set of bits.
    pub(crate) flags: u32,
    /// What the waker left.
    pub(crate) tag: u64,
}

/// A waiter.
pub(crate) struct Node {
    links: UnsafeCell<Links>,
    state: AtomicU8,
    handle: UnsafeCell<Option<Handle>>,
    note: UnsafeCell<Note>,
    /// Which list of a table it is (or was last) in; changed under the lock of the list it leaves.
    pub(crate) list: AtomicUsize,
}

#[derive(Clone, Copy)]
struct Links {
    before: *const Node,
    after: *const Node,
}

const UNLINKED: Links = Links { before: ptr::null(), after: ptr::null() };

impl Node {
    pub(crate) fn new(note: Note) -> Node {
        Node {
            links: UnsafeCell::new(UNLINKED),
            state: AtomicU8::new(IDLE),
            handle: UnsafeCell::new(None),
            note: UnsafeCell::new(note),
            list: AtomicUsize::new(0),
        }
    }

    /// Whether a waker has delivered.
    pub(crate) fn is_done(&self) -> bool {
        self.state.load(order("list done", Ordering::Acquire)) == DONE
    }

    /// Whether it is in a list or about to be delivered; the owner's view.
    pub(crate) fn is_idle(&self) -> bool {
        self.state.load(Ordering::Relaxed) == IDLE
    }

    /// Owner, after DONE or before queueing: the note.
    pub(crate) fn note(&self) -> Note {
        // SAFETY: the node is in no list: only its owner uses it.
        self.note.with(|note| unsafe { *note })
    }

    /// Owner: sleeps until delivery or the limit. After an error the node may still be queued: [`List::cancel`] decides.
    pub(crate) fn wait(&self, sleep: &mut MaySleep, limit: &Limit<'_>) -> Result<(), WaitError> {
        limit.sleep_until(sleep, || self.is_done())
    }

    /// Owner: after DONE, or after cancelling.
    pub(crate) fn reset(&self) {
        self.state.store(IDLE, Ordering::Relaxed);
    }
}

/// Waiters, oldest first. Lies in a mutex.
pub(crate) struct List {
    first: *const Node,
    last: *const Node,
}

// SAFETY: the nodes are used as the module says, whichever thread holds the mutex.
unsafe impl Send for List {}

impl List {
    pub(crate) const fn new() -> List {
        List { first: ptr::null(), last: ptr::null() }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.first.is_null()
    }

    /// The note of the oldest waiter.
    pub(crate) fn first(&self) -> Option<Note> {
        // SAFETY: a queued node lives, and its note belongs to the lock that the caller holds.
        (!self.first.is_null()).then(|| unsafe { (*self.first).note.with(|note| *note) })
    }

    /// Appends the running thread.
    ///
    /// # Safety
    /// `node` is idle and does not move or end until it is DONE or cancelled; all calls for one list hold its mutex.
    pub(crate) unsafe fn push(&mut self, node: &Node) {
        // SAFETY: an idle node is its owner's.
        node.handle.with_mut(|handle| unsafe { *handle = Some(thread::current()) });
        node.state.store(QUEUED, Ordering::Relaxed);
        self.append(node);
    }

    fn append(&mut self, node: *const Node) {
        // SAFETY: the caller has the node to itself, and the last one is queued here.
        unsafe {
            (*node).links.with_mut(|links| *links = Links { before: self.last, after: ptr::null() });
            match self.last.is_null() {
                true => self.first = node,
                false => (*self.last).links.with_mut(|links| (*links).after = node),
            }
        }
        self.last = node;
    }

    /// Takes out a node of this list.
    fn unlink(&mut self, node: *const Node) {
        // SAFETY: nodes in the list live, and their links belong to its lock.
        unsafe {
            let Links { before, after } = (*node).links.with(|links| *links);
            match before.is_null() {
                true => self.first = after,
                false => (*before).links.with_mut(|links| (*links).after = after),
            }
            match after.is_null() {
                true => self.last = before,
                false => (*after).links.with_mut(|links| (*links).before = before),
            }
        }
    }

    /// Takes out up to `most` waiters that `wanted` accepts, oldest first, and leaves them `tag`.
    pub(crate) fn pop(&mut self, most: usize, tag: u64, mut wanted: impl FnMut(&Note) -> bool) -> Popped {
        let mut popped = Popped { list: List::new(), count: 0 };
        let mut at = self.first;
        while !at.is_null() && popped.count < most {
            // SAFETY: as in `unlink`.
            unsafe {
                let after = (*at).links.with(|links| (*links).after);
                if (*at).note.with(|note| wanted(&*note)) {
                    self.unlink(at);
                    (*at).note.with_mut(|note| (*note).tag = tag);
                    (*at).state.store(POPPED, Ordering::Relaxed);
                    popped.list.append(at);
                    popped.count += 1;
                }
                at = after;
            }
        }
        popped
    }

    /// Moves up to `most` waiters that `wanted` accepts to the end of `to`, which is list number `list`, with a new key.
    pub(crate) fn requeue(
        &mut self,
        to: Option<&mut List>,
        list: usize,
        most: usize,
        key: [u64; 2],
        mut wanted: impl FnMut(&Note) -> bool,
    ) -> usize {
        let (mut moving, mut count, mut at) = (List::new(), 0, self.first);
        while !at.is_null() && count < most {
            // SAFETY: as in `unlink`; the caller holds both locks.
            unsafe {
                let after = (*at).links.with(|links| (*links).after);
                if (*at).note.with(|note| wanted(&*note)) {
                    self.unlink(at);
                    (*at).note.with_mut(|note| (*note).key = key);
                    (*at).list.store(list, Ordering::Relaxed);
                    moving.append(at);
                    count += 1;
                }
                at = after;
            }
        }
        to.unwrap_or(self).splice(moving);
        count
    }

    fn splice(&mut self, other: List) {
        let mut at = other.first;
        while !at.is_null() {
            // SAFETY: the nodes are queued, and belong to the lock that the caller holds.
            let after = unsafe { (*at).links.with(|links| (*links).after) };
            self.append(at);
            at = after;
        }
    }

    /// Owner: takes out its own node; false if a waker was faster and will deliver.
    ///
    /// # Safety
    /// `node` is QUEUED in this list, or was taken out of it.
    pub(crate) unsafe fn cancel(&mut self, node: &Node) -> bool {
        if node.state.load(Ordering::Relaxed) != QUEUED {
            return false;
        }
        self.unlink(node);
        // SAFETY: as above; the node is its owner's again.
        node.handle.with_mut(|handle| unsafe { *handle = None });
        node.reset();
        true
    }
}

/// Waiters that were taken out and are to be delivered to, after the mutex of their list is unlocked.
#[must_use = "the waiters are still asleep"]
pub(crate) struct Popped {
    list: List,
    pub(crate) count: usize,
}

impl Popped {
    /// Sets all DONE and wakes them; returns how many.
    pub(crate) fn deliver(self) -> usize {
        self.each(|node| {
            // SAFETY: `each` gives nodes that are POPPED and this caller's.
            let handle = unsafe { (*node).handle.with_mut(|handle| (*handle).take()) };
            // SAFETY: as above. The last access: the waiter may return as soon as it sees DONE.
            unsafe { (*node).state.store(DONE, order("list deliver", Ordering::Release)) };
            if let Some(handle) = handle {
                handle.unpark();
            }
        })
    }

    /// Calls `give` with each node, oldest first; the node is not touched afterwards.
    pub(crate) fn each(self, mut give: impl FnMut(*const Node)) -> usize {
        let mut at = self.list.first;
        while !at.is_null() {
            // SAFETY: POPPED nodes live until they are DONE.
            let after = unsafe { (*at).links.with(|links| (*links).after) };
            give(at);
            at = after;
        }
        self.count
    }
}
