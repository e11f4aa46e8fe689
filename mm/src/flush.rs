//! Translations that were taken away or narrowed, and the frames that must not be used again before all CPUs have forgotten
//! them.
//!
//! [`PageTables`](crate::paging::PageTables) collect [`Stale`] ranges, [`AddressSpace`](crate::space::AddressSpace) makes a
//! [`Flush`] of them and of the frames that were behind them; who holds the address space unlocks it and lets the flush
//! [`complete`](Flush::complete), which sleeps until every CPU has answered. `kernel` implements [`Shootdown`].
//!
//! Invariant: the frames of a flush go back to the allocator after [`Shootdown::shootdown`] has returned, and not before.

use alloc::vec::Vec;
use core::fmt;

use crate::addr::{Frame, PAGE_SIZE, PhysAddr};
use crate::paging::FrameSource;

/// How other CPUs are made to forget.
pub trait Shootdown: Sync {
    /// Returns when no CPU can use a translation in `stale` that the tables at `root` had before the call. Sleeps.
    fn shootdown(&self, root: PhysAddr, stale: &Stale);
}

/// For page tables that one CPU uses.
pub struct OneCpu;

impl Shootdown for OneCpu {
    fn shootdown(&self, _root: PhysAddr, _stale: &Stale) {}
}

/// Ranges of addresses whose translations CPUs may still have: a few, wider than needed where there would be more.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Stale {
    ranges: [Range; Self::RANGES],
    len: usize,
}

/// From the first address to the one behind the last.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
struct Range {
    start: u64,
    end: u64,
}

impl Range {
    fn union(self, other: Range) -> Range {
        Range { start: self.start.min(other.start), end: self.end.max(other.end) }
    }

    /// What a union costs: addresses that belong to neither.
    fn waste(self, other: Range) -> u64 {
        let both = (self.end - self.start).saturating_add(other.end - other.start);
        let union = self.union(other);
        (union.end - union.start).saturating_sub(both)
    }
}

impl Stale {
    /// Ranges that are told apart.
    const RANGES: usize = 4;

    /// Nothing.
    pub const NONE: Stale = Stale { ranges: [Range { start: 0, end: 0 }; Self::RANGES], len: 0 };

    fn held(&self) -> &[Range] {
        self.ranges.get(..self.len).unwrap_or(&[])
    }

    /// Adds `len` bytes at `va`.
    pub fn add(&mut self, va: u64, len: u64) {
        let new = Range { start: va, end: va.saturating_add(len) };
        if len == 0 {
            return;
        }
        let held = self.ranges.get_mut(..self.len).unwrap_or(&mut []);
        let near = held.iter_mut().map(|range| (range.waste(new), range)).min_by_key(|(waste, _)| *waste);
        match near {
            Some((waste, range)) if waste == 0 || self.len == Self::RANGES => *range = range.union(new),
            _ => {
                if let Some(slot) = self.ranges.get_mut(self.len) {
                    *slot = new;
                    self.len += 1;
                }
            }
        }
    }

    /// Adds what `other` has.
    pub fn merge(&mut self, other: &Stale) {
        other.held().iter().for_each(|range| self.add(range.start, range.end - range.start));
    }

    /// Whether there is nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Whether an address of `start..end` is in it.
    #[must_use]
    pub fn overlaps(&self, start: u64, end: u64) -> bool {
        self.held().iter().any(|range| range.start < end && start < range.end)
    }

    /// Pages in it, at most: ranges may overlap.
    #[must_use]
    pub fn pages(&self) -> u64 {
        self.held().iter().map(|range| (range.end - range.start) / PAGE_SIZE).fold(0, u64::saturating_add)
    }

    /// The addresses of its pages.
    pub fn iter(&self) -> impl Iterator<Item = u64> {
        self.held().iter().flat_map(|range| (range.start..range.end).step_by(PAGE_SIZE as usize))
    }
}

/// Names a flush that has been completed, for
/// [`AddressSpace::flushed`](crate::space::AddressSpace::flushed).
#[must_use]
#[derive(Debug)]
pub struct Flushed(pub(crate) u64);

/// A request to forget, with the frames that wait for it. Dropping it completes it, too.
#[must_use]
pub struct Flush {
    pub(crate) number: u64,
    pub(crate) root: PhysAddr,
    pub(crate) stale: Stale,
    pub(crate) held: Vec<Frame>,
    pub(crate) cpus: &'static dyn Shootdown,
    pub(crate) frames: &'static dyn FrameSource,
}

impl fmt::Debug for Flush {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Flush")
            .field("stale", &self.stale)
            .field("held", &self.held.len())
            .finish_non_exhaustive()
    }
}

impl Flush {
    /// Sleeps until all CPUs have forgotten, then frees the frames. The address space must not be locked.
    pub fn complete(self) -> Flushed {
        Flushed(self.number)
    }
}

impl Drop for Flush {
    fn drop(&mut self) {
        self.cpus.shootdown(self.root, &self.stale);
        self.held.drain(..).for_each(|frame| self.frames.free(frame));
    }
}
