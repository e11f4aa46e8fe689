//! [`Notifier`]: tells those who watch a file that its readiness may have changed.
//!
//! Files that other program code makes ready (pipes, eventfds, epoll instances) have one and call [`notify`](Notifier::notify)
//! after each change, with none of their locks held. Files that become ready by themselves (timers, the console) have none:
//! whoever waits for them looks at them.

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
    watchers: Mutex<Vec<Weak<dyn Watcher>>>,
}

impl Notifier {
    /// Without watchers.
    pub const fn new() -> Self {
        Notifier { watchers: Mutex::new(Vec::new()) }
    }

    /// Adds a watcher; it goes when it is dropped.
    pub fn watch(&self, watcher: Weak<dyn Watcher>) {
        let mut watchers = self.watchers.lock();
        watchers.retain(|watcher| watcher.strong_count() > 0);
        watchers.push(watcher);
    }

    /// Tells all watchers.
    pub fn notify(&self) {
        let watchers: Vec<_> = {
            let watchers = self.watchers.lock();
            if watchers.is_empty() {
                return;
            }
            watchers.iter().filter_map(Weak::upgrade).collect()
        };
        // The last to come is told first, as on Linux.
        for watcher in watchers.into_iter().rev() {
            watcher.changed();
        }
    }
}
