//! [`Limits`]: `/proc/sys/fs/inotify`, and what is counted against them.

use crate::FsError;
use core::sync::atomic::{AtomicU32, Ordering};

/// The limits, which a program may change, and the instances there are.
#[derive(Debug)]
pub struct Limits {
    /// Events that a queue holds.
    pub queue: AtomicU32,
    /// Instances that there can be.
    pub instances: AtomicU32,
    /// Watches that there can be.
    pub watches: AtomicU32,
    used: AtomicU32,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            queue: AtomicU32::new(16384),
            instances: AtomicU32::new(128),
            watches: AtomicU32::new(8192),
            used: AtomicU32::new(0),
        }
    }
}

impl Limits {
    pub(super) fn enter(&self) -> Result<(), FsError> {
        let limit = self.instances.load(Ordering::Relaxed);
        let more = |used: u32| (used < limit).then_some(used.saturating_add(1));
        let entered = self.used.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more);
        entered.map(|_| ()).map_err(|_| FsError::TooManyOpen)
    }

    pub(super) fn leave(&self) {
        self.used.fetch_sub(1, Ordering::Relaxed);
    }
}
