//! [`Ranges`]: the record locks of one file (fcntl(2), "Advisory record locking"). Called by [`FileLocks`](super::FileLocks).
//!
//! Invariants: the locks of one holder stand together, ordered by their start; they are disjoint, and two that touch differ in
//! their kind. An exclusive lock overlaps no other holder's.

use crate::FsError;
use alloc::vec::Vec;

/// Who holds a record lock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Holder {
    /// The process with this number: F_SETLK.
    Process(u32),
    /// An open file description, by a number that no other one has at the time: F_OFD_SETLK.
    Description(usize),
}

/// Bytes of a file, the last one included; `i64::MAX` as the last one means "to the end, wherever it is".
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Range {
    /// The first byte.
    pub start: u64,
    /// The last byte, at or after the first.
    pub last: u64,
}

/// A record lock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RecordLock {
    /// Whose it is.
    pub holder: Holder,
    /// Whether it is a write lock.
    pub exclusive: bool,
    /// What it covers.
    pub range: Range,
}

impl RecordLock {
    /// Whether the two cannot be held at the same time.
    pub(super) fn conflicts(&self, other: &RecordLock) -> bool {
        self.holder != other.holder
            && (self.exclusive || other.exclusive)
            && self.range.start <= other.range.last
            && other.range.start <= self.range.last
    }
}

/// The record locks of a file.
#[derive(Default)]
pub(super) struct Ranges(Vec<RecordLock>);

impl Ranges {
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &RecordLock> {
        self.0.iter()
    }

    /// The first lock that stands in the way of `wanted`.
    pub(super) fn conflict(&self, wanted: &RecordLock) -> Option<&RecordLock> {
        self.0.iter().find(|lock| lock.conflicts(wanted))
    }

    /// Gives the range to its holder as the kind of lock that `exclusive` says, or with `None` takes it away, whatever locks the
    /// holder had there. Conflicts are the caller's business. Fails, changing nothing, if there is no memory.
    pub(super) fn set(
        &mut self,
        holder: Holder,
        range: Range,
        exclusive: Option<bool>,
    ) -> Result<(), FsError> {
        let mut out = Vec::new();
        out.try_reserve_exact(self.0.len().saturating_add(2)).map_err(|_| FsError::NoLocks)?;
        let mut new = exclusive.map(|exclusive| RecordLock { holder, exclusive, range });
        let mut own = false;
        for &lock in &self.0 {
            if lock.holder != holder {
                if own {
                    out.extend(new.take());
                }
                out.push(lock);
                continue;
            }
            own = true;
            let touches = lock.range.start <= range.last.saturating_add(1)
                && range.start <= lock.range.last.saturating_add(1);
            match &mut new {
                Some(new) if touches && new.exclusive == lock.exclusive => {
                    new.range.start = new.range.start.min(lock.range.start);
                    new.range.last = new.range.last.max(lock.range.last);
                    continue;
                }
                _ => {}
            }
            if lock.range.start < range.start {
                let last = lock.range.last.min(range.start.saturating_sub(1));
                out.push(RecordLock { range: Range { last, ..lock.range }, ..lock });
            }
            if lock.range.last > range.last {
                out.extend(new.take());
                let start = lock.range.start.max(range.last.saturating_add(1));
                out.push(RecordLock { range: Range { start, ..lock.range }, ..lock });
            }
        }
        out.extend(new);
        self.0 = out;
        Ok(())
    }

    /// Takes away all locks of a holder. Needs no memory.
    pub(super) fn forget(&mut self, holder: Holder) {
        self.0.retain(|lock| lock.holder != holder);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Bytes of the model; the last one stands for all that come after.
    const BYTES: u64 = 24;
    const TO_END: u64 = i64::MAX as u64;

    fn holder(n: u32) -> Holder {
        if n == 0 { Holder::Description(7) } else { Holder::Process(n) }
    }

    fn held(ranges: &Ranges, holder: Holder, byte: u64) -> Option<bool> {
        let covers = |lock: &&RecordLock| {
            lock.holder == holder && (lock.range.start..=lock.range.last).contains(&byte)
        };
        let found: Vec<_> = ranges.iter().filter(covers).collect();
        assert!(found.len() <= 1, "a byte is locked twice by one holder");
        found.first().map(|lock| lock.exclusive)
    }

    fn check_order(ranges: &Ranges) {
        let mut gone = Vec::new();
        for pair in ranges.0.windows(2) {
            if pair[0].holder != pair[1].holder {
                gone.push(pair[0].holder);
                assert!(!gone.contains(&pair[1].holder), "the locks of a holder stand together");
                continue;
            }
            assert!(pair[0].range.last < pair[1].range.start);
            let touch = pair[0].range.last + 1 == pair[1].range.start;
            assert!(!touch || pair[0].exclusive != pair[1].exclusive, "locks that touch are one");
        }
    }

    proptest! {
        #[test]
        fn as_an_array_of_bytes(
            ops in prop::collection::vec((0u32..4, 0..BYTES, 0..BYTES, prop::option::of(any::<bool>())), 1..80)
        ) {
            let mut ranges = Ranges::default();
            let mut model = [[None; BYTES as usize]; 4];
            for (n, a, b, kind) in ops {
                let (start, end) = (a.min(b), a.max(b));
                let last = if end == BYTES - 1 { TO_END } else { end };
                let range = Range { start, last };
                let bytes = start as usize..=end as usize;
                let mut free = true;
                if let Some(exclusive) = kind {
                    for (other, row) in model.iter().enumerate() {
                        let row = &row[bytes.clone()];
                        free &= other == n as usize
                            || row.iter().all(|&held| held.is_none() || held == Some(false) && !exclusive);
                    }
                    let wanted = RecordLock { holder: holder(n), exclusive, range };
                    prop_assert_eq!(ranges.conflict(&wanted).is_none(), free);
                }
                if free {
                    ranges.set(holder(n), range, kind).expect("memory");
                    model[n as usize][bytes].fill(kind);
                }
                check_order(&ranges);
                for (n, row) in (0..).zip(&model) {
                    for (byte, &want) in (0..).zip(row) {
                        prop_assert_eq!(held(&ranges, holder(n), byte), want);
                    }
                    prop_assert_eq!(held(&ranges, holder(n), TO_END), row[BYTES as usize - 1]);
                }
            }
            for n in 0..4 {
                ranges.forget(holder(n));
            }
            prop_assert!(ranges.is_empty());
        }
    }
}
