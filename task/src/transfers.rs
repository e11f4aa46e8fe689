//! [`Transfers`]: how much a thread has read and written (`/proc/PID/io`). Counted by the calls that read and write; only the
//! thread itself writes its numbers, so no two ever change one at the same time.

use core::sync::atomic::{AtomicU64, Ordering};

/// The counters of a thread.
#[derive(Debug, Default)]
pub struct Transfers {
    read: AtomicU64,
    written: AtomicU64,
    reads: AtomicU64,
    writes: AtomicU64,
}

/// The numbers of a thread or of a process.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Transferred {
    /// Bytes that calls have read.
    pub read: u64,
    /// Bytes that calls have written.
    pub written: u64,
    /// Calls that read.
    pub reads: u64,
    /// Calls that write.
    pub writes: u64,
}

fn add(counter: &AtomicU64, more: u64) {
    counter.store(counter.load(Ordering::Relaxed).wrapping_add(more), Ordering::Relaxed);
}

impl Transfers {
    /// A call has read so many bytes, none if it failed. In the thread itself.
    #[inline]
    pub fn has_read(&self, bytes: u64) {
        add(&self.read, bytes);
        add(&self.reads, 1);
    }

    /// A call has written so many bytes.
    #[inline]
    pub fn has_written(&self, bytes: u64) {
        add(&self.written, bytes);
        add(&self.writes, 1);
    }

    /// The numbers so far.
    pub fn get(&self) -> Transferred {
        let [read, written, reads, writes] = [&self.read, &self.written, &self.reads, &self.writes]
            .map(|counter| counter.load(Ordering::Relaxed));
        Transferred { read, written, reads, writes }
    }
}

impl Transferred {
    /// Both together.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        Transferred {
            read: self.read.wrapping_add(other.read),
            written: self.written.wrapping_add(other.written),
            reads: self.reads.wrapping_add(other.reads),
            writes: self.writes.wrapping_add(other.writes),
        }
    }
}
