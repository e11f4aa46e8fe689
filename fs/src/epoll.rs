//! [`Epoll`]: waiting for many files (epoll(7)).
//!
//! Files with a [`Notifier`](crate::notify::Notifier) put their item into the ready queue when something happens, so a wait costs what is ready, not what
//! is watched. The others (timers, the console) are looked at by each wait.
//!
//! Invariants: an item is in the queue at most once (`queued`), and the queue has room for all items; an item whose file is gone
//! does nothing and is removed when it is met, or when the number of items has doubled since the last look for such; instances
//! watch each other without cycles and at most [`MAX_NESTS`] deep, so that recursion is bounded. Locks are taken in the order turn,
//! items, queue; no file is called with the latter two held. Nobody who is told of a change takes a turn.

mod item;

use crate::notify::{Notifier, Watcher};
use crate::{File, FsError, Metadata, Offset, OpenFile, Sink, Source};
use abi::{OpenFlags, PollEvents, general as raw};
use alloc::collections::{BTreeMap, VecDeque};
use alloc::sync::{Arc, Weak};
use alloc::{format, vec::Vec};
use core::ops::Bound;
use core::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, AtomicUsize, Ordering};
use item::Item;
use sync::Mutex;

/// How deep epoll instances may watch each other.
const MAX_NESTS: usize = 4;

/// Bits of [`Interest::events`] that are no events.
const OPTIONS: u32 = raw::EPOLLET | raw::EPOLLONESHOT | raw::EPOLLEXCLUSIVE | raw::EPOLLWAKEUP;

/// What is wanted of a file, and what is told then.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Interest {
    /// `EPOLL*` events and options.
    pub events: u32,
    /// The program's own value.
    pub data: u64,
}

/// Items by [`Item::key`].
type Items = BTreeMap<Key, Arc<Item>>;
type Key = (u32, usize);

/// What an instance watches.
struct Watched {
    items: Items,
    /// At so many items those whose files are gone are removed.
    tidy_at: usize,
}

/// An epoll instance.
pub struct Epoll {
    own: Weak<Epoll>,
    /// Held by whoever changes what is watched or takes what has happened: an event of a one-shot watch is taken once, and none of
    /// a watch that has changed.
    turn: Mutex<()>,
    watched: Mutex<Watched>,
    ready: Mutex<VecDeque<Arc<Item>>>,
    /// Items of files without a notifier.
    looked_at: Mutex<Items>,
    /// How many they are.
    looked_at_count: AtomicUsize,
    /// The instances that watch this one.
    above: Mutex<Vec<Weak<Epoll>>>,
    /// Counts what has been told.
    generation: AtomicU64,
    /// Told when something has been queued, or a file that has to be looked at has changed.
    changed: Notifier,
}

impl Epoll {
    /// An instance that watches nothing.
    pub fn new() -> Arc<Self> {
        Arc::new_cyclic(|own| Epoll {
            own: own.clone(),
            turn: Mutex::new(()),
            watched: Mutex::new(Watched { items: BTreeMap::new(), tidy_at: 0 }),
            ready: Mutex::new(VecDeque::new()),
            looked_at: Mutex::new(BTreeMap::new()),
            looked_at_count: AtomicUsize::new(0),
            above: Mutex::new(Vec::new()),
            generation: AtomicU64::new(0),
            changed: Notifier::new(),
        })
    }

    fn find(&self, fd: u32, file: &Arc<OpenFile>) -> Option<Arc<Item>> {
        self.watched.lock().items.get(&(fd, Arc::as_ptr(file).addr())).cloned()
    }

    /// EPOLL_CTL_ADD.
    pub fn add(&self, fd: u32, file: &Arc<OpenFile>, interest: Interest) -> Result<(), FsError> {
        if !file.file().can_be_polled() {
            return Err(FsError::NotPermitted);
        }
        // Of two instances that begin to watch each other at the same time one has to see the other.
        static NESTING: Mutex<()> = Mutex::new(());
        let _nesting = file.file().as_epoll().is_some().then(|| NESTING.lock());
        let _turn = self.turn.lock();
        let Interest { events, data } = always(interest);
        let item = Arc::new(Item {
            epoll: self.own.clone(),
            file: Arc::downgrade(file),
            fd,
            events: AtomicU32::new(events),
            data: AtomicU64::new(data),
            seen: Mutex::new((0, PollEvents::empty())),
            queued: AtomicBool::new(false),
            gone: AtomicBool::new(false),
            looked_at: file.file().notifier().is_none(),
        });
        self.put(&item)?;
        let told = self.tell(&item, file);
        if told.is_err() {
            self.forget(&item);
        } else {
            self.queue_if_ready(item, file);
        }
        told
    }

    /// Notes an item, unless its descriptor is watched already.
    fn put(&self, item: &Arc<Item>) -> Result<(), FsError> {
        let mut watched = self.watched.lock();
        if watched.items.contains_key(&item.key()) {
            return Err(FsError::Exists);
        }
        if watched.items.len() >= watched.tidy_at {
            watched.items.retain(|_, item| item.file.strong_count() > 0);
            watched.tidy_at = watched.items.len().saturating_mul(2).max(16);
        }
        // Those in it may be others than the items: files that are gone.
        let more = watched.items.len() + 1;
        self.ready.lock().try_reserve(more).map_err(|_| FsError::NoMemory)?;
        watched.items.insert(item.key(), item.clone());
        Ok(())
    }

    /// Lets an item hear of its file.
    fn tell(&self, item: &Arc<Item>, file: &OpenFile) -> Result<(), FsError> {
        if let Some(other) = file.file().as_epoll() {
            self.check_nesting(other)?;
            let mut above = other.above.lock();
            above.retain(|epoll| epoll.strong_count() > 0);
            above.try_reserve(1).map_err(|_| FsError::NoMemory)?;
            above.push(self.own.clone());
        }
        if item.looked_at {
            let mut items = self.looked_at.lock();
            items.insert(item.key(), item.clone());
            self.looked_at_count.store(items.len(), Ordering::Release);
        }
        for notifier in file.file().changes().into_iter().flatten() {
            let watcher: Arc<dyn Watcher> = item.clone();
            notifier.watch(Arc::downgrade(&watcher))?;
        }
        Ok(())
    }

    fn queue_if_ready(&self, item: Arc<Item>, file: &OpenFile) {
        if item.happened(item.wanted(), file.file().as_ref()) != 0 {
            item.enqueue(self);
            self.generation.fetch_add(1, Ordering::Relaxed);
            self.changed.notify();
        }
    }

    /// EPOLL_CTL_MOD. An exclusive interest stays as it is, and none becomes one, not even of a file that is not watched.
    pub fn modify(&self, fd: u32, file: &Arc<OpenFile>, interest: Interest) -> Result<(), FsError> {
        let exclusive = |events: u32| events & raw::EPOLLEXCLUSIVE != 0;
        if exclusive(interest.events) {
            return Err(FsError::Invalid);
        }
        let _turn = self.turn.lock();
        let item = self.find(fd, file).ok_or(FsError::NotFound)?;
        if exclusive(item.wanted()) {
            return Err(FsError::Invalid);
        }
        let Interest { events, data } = always(interest);
        item.events.store(events, Ordering::Relaxed);
        item.data.store(data, Ordering::Relaxed);
        *item.seen.lock() = (0, PollEvents::empty());
        self.queue_if_ready(item, file);
        Ok(())
    }

    /// EPOLL_CTL_DEL.
    pub fn remove(&self, fd: u32, file: &Arc<OpenFile>) -> Result<(), FsError> {
        let _turn = self.turn.lock();
        let item = self.find(fd, file).ok_or(FsError::NotFound)?;
        self.forget(&item);
        if let Some(other) = file.file().as_epoll() {
            let mut above = other.above.lock();
            if let Some(at) = above.iter().position(|epoll| Weak::ptr_eq(epoll, &self.own)) {
                above.swap_remove(at);
            }
        }
        Ok(())
    }

    fn forget(&self, item: &Arc<Item>) {
        let remove = |items: &mut Items| {
            // Another may have its place by now.
            if items.get(&item.key()).is_some_and(|other| Arc::ptr_eq(other, item)) {
                items.remove(&item.key());
            }
        };
        remove(&mut self.watched.lock().items);
        if item.looked_at {
            let mut items = self.looked_at.lock();
            remove(&mut items);
            self.looked_at_count.store(items.len(), Ordering::Release);
        }
        let mut ready = self.ready.lock();
        item.gone.store(true, Ordering::Relaxed);
        if item.queued.load(Ordering::Relaxed) {
            ready.retain(|other| !Arc::ptr_eq(other, item));
        }
    }

    /// Whether this instance may watch `other`.
    fn check_nesting(&self, other: &Epoll) -> Result<(), FsError> {
        if core::ptr::eq(self, other) {
            return Err(FsError::Invalid);
        }
        let below = other.depth_below(self).ok_or(FsError::Loop)?;
        if self.depth_above() + 1 + below > MAX_NESTS { Err(FsError::Loop) } else { Ok(()) }
    }

    /// How deep instances are watched from here; `None` if `goal` is among them.
    fn depth_below(&self, goal: &Epoll) -> Option<usize> {
        if core::ptr::eq(self, goal) {
            return None;
        }
        let mut most = 0;
        for item in each(|after| after_key(&self.watched.lock().items, after)) {
            let Some(file) = item.file.upgrade() else { continue };
            if let Some(epoll) = file.file().as_epoll() {
                most = most.max(epoll.depth_below(goal)? + 1);
            }
        }
        Some(most)
    }

    fn depth_above(&self) -> usize {
        let mut most = 0;
        // One by one: there may be any number, and none is looked at under the lock.
        for index in 0.. {
            let above = match self.above.lock().get(index) {
                Some(above) => above.upgrade(),
                None => break,
            };
            most = most.max(above.map_or(0, |epoll| epoll.depth_above() + 1));
        }
        most
    }

    /// Queues the files without a notifier that have become ready.
    #[inline]
    fn look(&self) {
        if self.looked_at_count.load(Ordering::Acquire) != 0 {
            self.look_at_each();
        }
    }

    #[cold]
    fn look_at_each(&self) {
        for item in each(|after| after_key(&self.looked_at.lock(), after)) {
            let Some(file) = item.file.upgrade() else {
                self.forget(&item);
                continue;
            };
            let now = (file.file().generation(), file.file().readiness());
            let before = core::mem::replace(&mut *item.seen.lock(), now);
            let level = item.wanted() & raw::EPOLLET == 0;
            let edge = level || now.0 != before.0 || !before.1.contains(now.1);
            if edge && item.happened(item.wanted(), file.file().as_ref()) != 0 {
                item.enqueue(self);
            }
        }
    }

    /// The next thing that has happened, whose it is, and what is wanted there. Each item is met once in a round: `left` counts down
    /// from what is queued at its beginning.
    fn take(&self, left: &mut Option<usize>) -> Option<(Arc<Item>, Interest, u32)> {
        while *left != Some(0) {
            let item = {
                let mut ready = self.ready.lock();
                // It is not empty if there is one to take.
                *left = Some(left.unwrap_or(ready.len()).saturating_sub(1));
                ready.pop_front()?
            };
            // What happens from here on queues it again.
            item.queued.store(false, Ordering::Release);
            let Some(file) = item.file.upgrade() else {
                self.forget(&item);
                continue;
            };
            let wanted = item.interest();
            let events = item.happened(wanted.events, file.file().as_ref());
            if events != 0 {
                return Some((item, Interest { events, data: wanted.data }, wanted.events));
            }
        }
        None
    }

    /// After an event of `item`, of which `wanted` was wanted, has been passed on, or not. A level stays until somebody finds that it is
    /// gone. The turn is held, so nothing else is wanted meanwhile.
    fn passed_on(&self, item: Arc<Item>, wanted: u32, done: bool) {
        if done && wanted & raw::EPOLLONESHOT != 0 {
            item.events.store(wanted & OPTIONS, Ordering::Relaxed);
        }
        if !done || wanted & (raw::EPOLLET | raw::EPOLLONESHOT) == 0 {
            item.enqueue(self);
        }
    }

    /// Gives what has happened to `emit`, at most `max` of it, as long as that says true; what it does not take is kept. Only the
    /// turn is held meanwhile, so `emit` may touch program memory.
    pub fn each(&self, max: usize, mut emit: impl FnMut(Interest) -> bool) {
        let turn = self.turn.lock();
        self.look();
        let mut left = None;
        let mut found = false;
        for _ in 0..max {
            let Some((item, event, wanted)) = self.take(&mut left) else { break };
            found = true;
            let done = emit(event);
            self.passed_on(item, wanted, done);
            if !done {
                break;
            }
        }
        drop(turn);
        if found {
            // There may be more for the next who waits.
            self.changed.pass_on_if(|| !self.ready.lock().is_empty());
        }
    }

    /// What has happened, at most `max` of it.
    #[cfg(test)]
    fn collect(&self, max: usize) -> Vec<Interest> {
        let mut found = Vec::new();
        self.each(max, |event| {
            found.push(event);
            true
        });
        found
    }
}

/// The item that follows the key `after` (`None`: the first).
fn after_key(items: &Items, after: Option<Key>) -> Option<Arc<Item>> {
    let from = after.map_or(Bound::Unbounded, Bound::Excluded);
    items.range((from, Bound::Unbounded)).next().map(|(_, item)| item.clone())
}

/// Items one by one in the order of their keys, without a lock held between them: none that stays is left out.
fn each(next: impl Fn(Option<Key>) -> Option<Arc<Item>>) -> impl Iterator<Item = Arc<Item>> {
    let mut last = None;
    core::iter::from_fn(move || {
        let item = next(last)?;
        last = Some(item.key());
        Some(item)
    })
}

/// Errors and hang-ups are always wanted.
fn always(interest: Interest) -> Interest {
    Interest { events: interest.events | raw::EPOLLERR | raw::EPOLLHUP, ..interest }
}

impl File for Epoll {
    fn metadata(&self) -> Result<Metadata, FsError> {
        Ok(Metadata::anonymous())
    }

    fn read(&self, _at: Offset, _dst: &mut dyn Sink, _flags: OpenFlags) -> Result<usize, FsError> {
        Err(FsError::Invalid)
    }

    fn write(&self, _at: Offset, _src: &mut dyn Source, _flags: OpenFlags) -> Result<usize, FsError> {
        Err(FsError::Invalid)
    }

    fn seek(&self, _to: crate::SeekFrom, position: u64) -> Result<u64, FsError> {
        // Linux lets it pass without effect.
        Ok(position)
    }

    fn readiness(&self) -> PollEvents {
        self.look();
        let happened = |item: &Arc<Item>| {
            item.file.upgrade().is_some_and(|file| item.happened(item.wanted(), file.file().as_ref()) != 0)
        };
        // From the end: what is taken from the front meanwhile moves the others down, so that none is left out.
        let mut left = self.ready.lock().len();
        while let Some(next) = left.checked_sub(1) {
            left = next;
            let item = self.ready.lock().get(next).cloned();
            if item.is_some_and(|item| happened(&item)) {
                return PollEvents::IN | PollEvents::RDNORM;
            }
        }
        PollEvents::empty()
    }

    fn changes(&self) -> [Option<&Notifier>; 2] {
        [Some(&self.changed), None]
    }

    // Without a notifier: with files that nobody tells about, an instance has to be looked at as well.
    fn generation(&self) -> u64 {
        self.generation.load(Ordering::Relaxed)
    }

    fn ready_at(&self) -> Option<u64> {
        let files =
            each(|after| after_key(&self.looked_at.lock(), after)).filter_map(|item| item.file.upgrade());
        files.filter_map(|file| file.file().ready_at()).min()
    }

    fn as_epoll(&self) -> Option<&Epoll> {
        Some(self)
    }

    fn describe(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(b"anon_inode:[eventpoll]");
    }

    fn details(&self, out: &mut crate::pseudo::Output) {
        for item in each(|after| after_key(&self.watched.lock().items, after)) {
            if item.file.strong_count() == 0 {
                continue;
            }
            let Interest { events, data } = item.interest();
            out.extend_from_slice(
                format!("tfd: {:8} events: {events:8x} data: {data:16x}\n", item.fd).as_bytes(),
            );
        }
    }
}

#[cfg(test)]
mod tests;
