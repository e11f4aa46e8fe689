//! The signal sets that `stat` and `status` show.

use crate::signal::{SIG_DFL, SIG_IGN};
use crate::{Process, Thread};
use abi::Signal;

/// The sets as masks, bit n - 1 for signal n.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sets {
    /// Pending for the process.
    pub pending: u64,
    /// Blocked by the thread.
    pub blocked: u64,
    /// Ignored.
    pub ignored: u64,
    /// With a handler.
    pub caught: u64,
}

/// The sets of a thread of a process.
pub fn sets(process: &Process, thread: &Thread) -> Sets {
    let mut sets = Sets { pending: process.signals.pending().0, blocked: thread.mask().0, ..Sets::default() };
    for signal in (1..=u64::from(Signal::MAX)).filter_map(Signal::new) {
        let bit = 1 << signal.index();
        match process.signals.action(signal).handler {
            SIG_DFL => {}
            SIG_IGN => sets.ignored |= bit,
            _ => sets.caught |= bit,
        }
    }
    sets
}
