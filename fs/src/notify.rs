//! [`Notifier`]: tells those who watch a file, and threads that wait for it, that its readiness may have changed.
//!
//! Files have one and call [`notify`](Notifier::notify) after each change, with none of their locks held. Files that also become
//! ready by themselves (timers) notify when the time of that changes.
//!
//! A thread that waits enters itself, *then* looks at the file, then sleeps ([`Sleeping`]), so no change is lost. Of those who
//! entered as exclusive only one is woken by a change; if it leaves without having looked since, the wake goes to the next.
//!
//! Invariants: the lists are a leaf among locks; nobody is told or woken while they are locked.
//!
//! Ordering: whoever enters publishes `entries`, full fence, looks at the file; whoever notifies has changed the file, full
//! fence, reads `entries`. One of the two fences is first: either the change is seen, or the entry is. `entries` is stored under the
//! lock, so it never lags behind the lists. `sync/tests/notifier.rs` models it; it is compiled from this file.

use crate::FsError;
use alloc::{
    collections::VecDeque,
    sync::{Arc, Weak},
    vec::Vec,
};
#[cfg(not(loom))]
use core::sync::atomic::{AtomicBool, AtomicUsize, Ordering, fence};
#[cfg(loom)]
use loom::sync::atomic::{AtomicBool, AtomicUsize, Ordering, fence};
use sync::{Handle, Mutex};

#[cfg(loom)]
use crate::leave_out;

/// Which step of the protocol the model leaves out, to see that it notices.
#[cfg(not(loom))]
#[inline(always)]
const fn leave_out(_: &str) -> bool {
    false
}

/// Somebody who wants to know.
pub trait Watcher: Send + Sync {
    /// The file may have become ready. Must not wait, nor call the notifier.
    fn changed(self: Arc<Self>);
}

/// A thread's part in waits for files. It waits for one set of files at a time.
pub struct Sleeper {
    thread: Handle,
    /// A file that it waits for has changed since it last took this.
    told: AtomicBool,
}

impl Sleeper {
    /// For the waits of a thread.
    pub fn new(thread: Handle) -> Arc<Self> {
        Arc::new(Sleeper { thread, told: AtomicBool::new(false) })
    }

    /// Under the lock of the list that it is taken out of, so that whoever finds itself gone there finds itself told.
    fn mark(&self) {
        self.told.store(true, Ordering::SeqCst);
    }

    /// Whether a file has changed since the last call.
    pub fn take_told(&self) -> bool {
        self.told.swap(false, Ordering::SeqCst)
    }

    /// Whether a file has changed since [`take_told`](Self::take_told).
    pub fn is_told(&self) -> bool {
        self.told.load(Ordering::SeqCst)
    }
}

struct Entry {
    at: u64,
    sleeper: Arc<Sleeper>,
    exclusive: bool,
}

#[derive(Default)]
struct Watchers {
    /// Dropped ones are among them until there are `tidy_at`.
    list: Vec<Weak<dyn Watcher>>,
    tidy_at: usize,
}

struct Lists {
    watchers: Watchers,
    /// In the order of their coming, by which they are numbered.
    sleepers: VecDeque<Entry>,
    last: u64,
}

impl Lists {
    const fn new() -> Self {
        let watchers = Watchers { list: Vec::new(), tidy_at: 0 };
        Lists { watchers, sleepers: VecDeque::new(), last: 0 }
    }
}

/// Those who want to know about a file.
pub struct Notifier {
    /// How many watchers and sleepers are in the lists.
    entries: AtomicUsize,
    lists: Mutex<Lists>,
}

impl Default for Notifier {
    fn default() -> Self {
        Self::new()
    }
}

impl Notifier {
    /// Without anybody.
    #[cfg(not(loom))]
    pub const fn new() -> Self {
        Notifier { entries: AtomicUsize::new(0), lists: Mutex::new(Lists::new()) }
    }

    /// Without anybody.
    #[cfg(loom)]
    pub fn new() -> Self {
        Notifier { entries: AtomicUsize::new(0), lists: Mutex::new(Lists::new()) }
    }

    /// Under the lock: says how many there are.
    fn publish(&self, lists: &Lists) {
        self.entries.store(lists.watchers.list.len() + lists.sleepers.len(), Ordering::Release);
    }

    /// After a change of the file: whether somebody may have entered before looking at it.
    fn is_wanted(&self) -> bool {
        if !leave_out("fence of notify") {
            fence(Ordering::SeqCst);
        }
        self.entries.load(Ordering::Relaxed) != 0
    }

    /// Adds a watcher; it goes when it is dropped. The cost does not grow with their number, on average.
    ///
    /// # Errors
    /// [`FsError::NoMemory`].
    pub fn watch(&self, watcher: Weak<dyn Watcher>) -> Result<(), FsError> {
        {
            let mut lists = self.lists.lock();
            let watchers = &mut lists.watchers;
            if watchers.list.len() >= watchers.tidy_at {
                watchers.list.retain(|watcher| watcher.strong_count() > 0);
                watchers.tidy_at = watchers.list.len().saturating_mul(2).max(8);
            }
            watchers.list.try_reserve(1).map_err(|_| FsError::NoMemory)?;
            watchers.list.push(watcher);
            self.publish(&lists);
        }
        fence(Ordering::SeqCst);
        Ok(())
    }

    /// Tells all watchers, all sleepers that share, and the first that is exclusive. Costs a fence and a load if there is nobody.
    #[inline]
    pub fn notify(&self) {
        if self.is_wanted() {
            self.notify_those_there();
        }
    }

    #[inline(never)]
    fn notify_those_there(&self) {
        let (mut left, sleepers, mut watcher) = {
            let mut lists = self.lists.lock();
            if lists.watchers.list.is_empty()
                && lists.sleepers.len() == 1
                && let Some(entry) = lists.sleepers.pop_front_if(|entry| entry.exclusive)
            {
                // Mostly somebody waits alone, and is woken with this one lock.
                entry.sleeper.mark();
                self.publish(&lists);
                drop(lists);
                entry.sleeper.thread.unpark();
                return;
            }
            let last = lists.watchers.list.last().and_then(Weak::upgrade);
            (lists.watchers.list.len(), !lists.sleepers.is_empty(), last)
        };
        // The last to come is told first, as on Linux, and none with the lock held. When dropped ones are removed meanwhile, the
        // others move down: nobody is left out.
        while let Some(next) = left.checked_sub(1) {
            left = next;
            if let Some(watcher) = watcher.take() {
                watcher.changed();
            }
            if next > 0 {
                watcher = self.lists.lock().watchers.list.get(next - 1).and_then(Weak::upgrade);
            }
        }
        if sleepers {
            self.wake(1, true);
        }
    }

    /// As [`notify`](Self::notify), for a change that concerns every sleeper: an end that has been closed.
    pub fn notify_all(&self) {
        self.notify();
        if self.is_wanted() {
            self.wake(usize::MAX, true);
        }
    }

    /// Wakes the next sleeper that is exclusive, if there is `more` than the last one took.
    pub fn pass_on_if(&self, more: impl FnOnce() -> bool) {
        if self.is_wanted() && more() {
            self.wake(1, false);
        }
    }

    /// Wakes `left` of the sleepers that are exclusive, and all that share if they are `shared`. Not those who enter meanwhile:
    /// they look afterwards.
    fn wake(&self, mut left: usize, shared: bool) {
        let mut from = 0;
        let mut until = None;
        while left > 0 || shared {
            let sleeper = {
                let mut lists = self.lists.lock();
                let until = *until.get_or_insert(lists.last);
                let mut place = lists.sleepers.partition_point(|entry| entry.at < from);
                loop {
                    let Some(entry) = lists.sleepers.get(place).filter(|entry| entry.at <= until) else {
                        return;
                    };
                    from = entry.at + 1;
                    if entry.exclusive && left > 0 {
                        left -= 1;
                        entry.sleeper.mark();
                        let entry = lists.sleepers.remove(place);
                        self.publish(&lists);
                        break entry.map(|entry| entry.sleeper);
                    }
                    if !entry.exclusive && shared {
                        entry.sleeper.mark();
                        break Some(entry.sleeper.clone());
                    }
                    place += 1;
                }
            };
            if let Some(sleeper) = sleeper {
                sleeper.thread.unpark();
            }
        }
    }

    fn enter(&self, sleeper: &Arc<Sleeper>, exclusive: bool) -> Result<u64, NoMemory> {
        let at = {
            let mut lists = self.lists.lock();
            lists.sleepers.try_reserve(1).map_err(|_| NoMemory)?;
            lists.last += 1;
            let at = lists.last;
            lists.sleepers.push_back(Entry { at, sleeper: sleeper.clone(), exclusive });
            self.publish(&lists);
            at
        };
        if !leave_out("fence of enter") {
            fence(Ordering::SeqCst);
        }
        Ok(at)
    }

    fn leave(&self, at: u64) {
        // Who has removed the entry has marked the sleeper and then said so.
        if self.entries.load(Ordering::Acquire) == 0 {
            return;
        }
        let mut lists = self.lists.lock();
        let found = lists.sleepers.binary_search_by_key(&at, |entry| entry.at);
        let gone = found.ok().map(|place| lists.sleepers.remove(place));
        self.publish(&lists);
        drop(lists);
        drop(gone);
    }
}

/// A sleeper that has entered itself with files; dropping it takes it out.
pub struct Sleeping<'a> {
    sleeper: Arc<Sleeper>,
    /// The first place is no memory from the heap: most waits are for one file.
    first: Option<(&'a Notifier, u64)>,
    more: Vec<(&'a Notifier, u64)>,
    exclusive: bool,
}

/// No memory for the entries of a wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoMemory;

impl<'a> Sleeping<'a> {
    /// Enters `sleeper` with all `notifiers`. `exclusive`: a change wakes one of those who wait like this.
    ///
    /// # Errors
    /// [`NoMemory`].
    pub fn enter(
        sleeper: Arc<Sleeper>,
        notifiers: impl Iterator<Item = &'a Notifier>,
        exclusive: bool,
    ) -> Result<Self, NoMemory> {
        sleeper.take_told();
        let mut sleeping = Sleeping { sleeper, first: None, more: Vec::new(), exclusive };
        for notifier in notifiers {
            if sleeping.first.is_some() {
                sleeping.more.try_reserve(1).map_err(|_| NoMemory)?;
            }
            let entered = (notifier, notifier.enter(&sleeping.sleeper, exclusive)?);
            match sleeping.first {
                None => sleeping.first = Some(entered),
                Some(_) => sleeping.more.push(entered),
            }
        }
        Ok(sleeping)
    }

    fn entered(&self) -> impl Iterator<Item = &(&'a Notifier, u64)> {
        self.first.iter().chain(&self.more)
    }

    /// The sleeper.
    pub fn sleeper(&self) -> &Sleeper {
        &self.sleeper
    }
}

impl Drop for Sleeping<'_> {
    fn drop(&mut self) {
        for (notifier, at) in self.entered() {
            notifier.leave(*at);
        }
        if self.exclusive && self.sleeper.take_told() && !leave_out("pass on") {
            // Told after it looked for the last time: the change is another's.
            for (notifier, _) in self.entered() {
                notifier.pass_on_if(|| true);
            }
        }
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use core::sync::atomic::AtomicUsize;

    fn sleeper() -> Arc<Sleeper> {
        Sleeper::new(sync::thread::current())
    }

    #[test]
    fn one_exclusive_and_all_others() {
        let notifier = Notifier::new();
        let all: Vec<_> = (0..40).map(|_| sleeper()).collect();
        let sleeping: Vec<_> = (0..)
            .zip(&all)
            .map(|(i, s)| Sleeping::enter(s.clone(), [&notifier].into_iter(), i % 2 == 0).unwrap())
            .collect();
        let told = || all.iter().map(|s| usize::from(s.take_told())).sum::<usize>();
        notifier.notify();
        assert_eq!(told(), 21, "20 that share, and one");
        notifier.notify_all();
        assert_eq!(told(), 39, "the one has not come back");
        drop(sleeping);
        notifier.notify();
        assert_eq!(told(), 0);
    }

    #[test]
    fn an_unused_wake_is_passed_on() {
        let notifier = Notifier::new();
        let (a, b) = (sleeper(), sleeper());
        let first = Sleeping::enter(a.clone(), [&notifier].into_iter(), true).unwrap();
        let _second = Sleeping::enter(b.clone(), [&notifier].into_iter(), true).unwrap();
        notifier.notify();
        assert!(a.is_told() && !b.is_told());
        drop(first);
        assert!(b.is_told());
    }

    /// Readers that take one unit each from a counter that a writer fills: nobody sleeps while there is something.
    #[test]
    fn no_wake_is_lost() {
        use core::sync::atomic::AtomicU32;
        let (notifier, units) = (Notifier::new(), AtomicU32::new(0));
        let take = || units.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |n| n.checked_sub(1)).is_ok();
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..2000 {
                        let mut sleeping: Option<Sleeping<'_>> = None;
                        let own = sleeper();
                        loop {
                            own.take_told();
                            if take() {
                                break;
                            }
                            if sleeping.is_none() {
                                sleeping = Sleeping::enter(own.clone(), [&notifier].into_iter(), true).ok();
                                continue;
                            }
                            if own.is_told() {
                                sleeping = None;
                                continue;
                            }
                            sync::thread::park(&mut sync::MaySleep::claim(), None);
                            if own.is_told() {
                                // The entry is gone.
                                own.take_told();
                                sleeping = None;
                            }
                        }
                    }
                });
            }
            for _ in 0..8000 {
                units.fetch_add(1, Ordering::SeqCst);
                notifier.notify();
            }
        });
        assert_eq!(units.load(Ordering::SeqCst), 0);
    }

    #[derive(Default)]
    struct Counter(AtomicUsize);

    impl Watcher for Counter {
        fn changed(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    #[test]
    fn dropped_watchers_are_removed_in_time() {
        let notifier = Notifier::new();
        let counter = Arc::new(Counter::default());
        let weak = |counter: &Arc<Counter>| {
            let watcher: Arc<dyn Watcher> = counter.clone();
            Arc::downgrade(&watcher)
        };
        for _ in 0..100 {
            notifier.watch(weak(&Arc::new(Counter::default()))).unwrap();
        }
        assert!(notifier.lists.lock().watchers.list.len() <= 8);
        for _ in 0..100 {
            notifier.watch(weak(&counter)).unwrap();
        }
        notifier.notify();
        assert_eq!(counter.0.load(Ordering::Relaxed), 100);
    }
}
