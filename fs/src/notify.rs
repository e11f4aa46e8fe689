//! [`Notifier`]: tells those who watch a file that its readiness may have changed.
//!
//! Files that other program code makes ready (pipes, eventfds, epoll instances) have one and call [`notify`](Notifier::notify)
//! after each change, with none of their locks held. Files that become ready by themselves (timers, the console) have none:
//! whoever waits for them looks at them.

use crate::FsError;
use alloc::{
    sync::{Arc, Weak},
    vec::Vec,
};
use sync::Mutex;

/// Somebody who wants to know.
pub trait Watcher: Send + Sync {
    /// The file may have become ready. Must not wait, nor call the notifier.
    fn changed(self: Arc<Self>);
}

/// The watchers of a file.
#[derive(Default)]
pub struct Notifier {
    watchers: Mutex<Watchers>,
}

#[derive(Default)]
struct Watchers {
    /// Dropped ones are among them until there are `tidy_at`.
    list: Vec<Weak<dyn Watcher>>,
    tidy_at: usize,
}

impl Notifier {
    /// Without watchers.
    pub const fn new() -> Self {
        Notifier { watchers: Mutex::new(Watchers { list: Vec::new(), tidy_at: 0 }) }
    }

    /// Adds a watcher; it goes when it is dropped. The cost does not grow with their number, on average.
    ///
    /// # Errors
    /// [`FsError::NoMemory`].
    pub fn watch(&self, watcher: Weak<dyn Watcher>) -> Result<(), FsError> {
        let mut watchers = self.watchers.lock();
        if watchers.list.len() >= watchers.tidy_at {
            watchers.list.retain(|watcher| watcher.strong_count() > 0);
            watchers.tidy_at = watchers.list.len().saturating_mul(2).max(8);
        }
        watchers.list.try_reserve(1).map_err(|_| FsError::NoMemory)?;
        watchers.list.push(watcher);
        Ok(())
    }

    /// Tells all watchers, the last to come first, as on Linux.
    pub fn notify(&self) {
        // None is told with the lock held. When dropped ones are removed meanwhile, the others move down: nobody is left out.
        let mut left = self.watchers.lock().list.len();
        while let Some(next) = left.checked_sub(1) {
            left = next;
            let watcher = self.watchers.lock().list.get(next).and_then(Weak::upgrade);
            if let Some(watcher) = watcher {
                watcher.changed();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use core::sync::atomic::{AtomicUsize, Ordering};

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
        assert!(notifier.watchers.lock().list.len() <= 8);
        for _ in 0..100 {
            notifier.watch(weak(&counter)).unwrap();
        }
        notifier.notify();
        assert_eq!(counter.0.load(Ordering::Relaxed), 100);
    }
}
