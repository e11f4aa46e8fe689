//! What other CPUs must forget before a change of the mappings counts as made.
//!
//! A change collects stale translations and the frames behind them in [`Open`]. When it is done, the owner of the lock takes
//! them as a [`Flush`], unlocks, and waits for the CPUs; until that is reported with [`AddressSpace::flushed`] the ranges are
//! *in flight*. So a CPU that stands still holds up who changed a mapping, and nobody else.
//!
//! Invariants: no translation is made in a range that is stale or in flight (or a CPU could see the new page while another sees
//! the old one); who takes something away in a range that is in flight waits for the CPUs as well, on its own; a frame that
//! mremap(2) has moved may be known to CPUs by its old address, so that who frees frames while a move is in flight makes them
//! forget that, too.

use alloc::vec::Vec;

use super::AddressSpace;
use crate::addr::{Frame, PAGE_SIZE, VirtAddr};
use crate::flush::{Flush, Flushed, Stale};

/// Frames, or large pages, that one flush carries at most.
const MAX_HELD: usize = 1 << 16;

/// What the changes since the last flush have left behind.
#[derive(Default)]
pub(super) struct Open {
    pub stale: Stale,
    /// Frames that may be in it. Empty when nothing is stale.
    pub held: Vec<Frame>,
    /// Whether it has addresses whose frames are in the tables at others.
    pub moved: bool,
}

/// A flush that has been taken and not been reported as completed.
pub(super) struct InFlight {
    number: u64,
    stale: Stale,
    moved: bool,
}

impl AddressSpace {
    /// What is to be forgotten since the last call, if anything: to be completed as soon as the address space is unlocked, and
    /// reported to [`flushed`](Self::flushed) then.
    pub fn take_flush(&mut self) -> Option<Flush> {
        if self.open.stale.is_empty() {
            return None;
        }
        if self.in_flight.try_reserve(1).is_err() {
            self.settle();
            return None;
        }
        let number = self.next_flush;
        self.next_flush = number.wrapping_add(1);
        let moved = self.open.moved;
        let flush = self.close(number);
        self.in_flight.push(InFlight { number, stale: flush.stale, moved });
        Some(flush)
    }

    /// A flush has been completed.
    pub fn flushed(&mut self, done: Flushed) {
        self.in_flight.retain(|flush| flush.number != done.0);
    }

    /// Whether the page at `addr` must wait for a flush that is under way.
    #[must_use]
    pub fn is_in_flight(&self, addr: VirtAddr) -> bool {
        let page = addr.page().0;
        self.in_flight.iter().any(|flush| flush.stale.overlaps(page, page.saturating_add(PAGE_SIZE)))
    }

    /// Whether there is something to flush.
    #[must_use]
    pub fn has_stale(&self) -> bool {
        !self.open.stale.is_empty()
    }

    fn close(&mut self, number: u64) -> Flush {
        let Open { stale, held, moved: _ } = core::mem::take(&mut self.open);
        let (root, cpus) = (self.tables.root(), self.tables.cpus());
        Flush { number, root, stale, held, cpus, frames: self.frames }
    }

    /// Takes over from the tables what has become stale in them.
    pub(super) fn note_stale(&mut self) {
        let stale = self.tables.take_stale();
        self.open.stale.merge(&stale);
    }

    /// Frees a frame that was taken out of the tables, when that can be done. After [`note_stale`](Self::note_stale).
    pub(super) fn retire(&mut self, frame: Frame) {
        for flush in self.in_flight.iter().filter(|flush| flush.moved) {
            self.open.stale.merge(&flush.stale);
        }
        if self.open.stale.is_empty() {
            return self.frames.free(frame);
        }
        if self.open.held.len() < MAX_HELD && self.open.held.try_reserve(1).is_ok() {
            return self.open.held.push(frame);
        }
        self.settle();
        self.frames.free(frame);
    }

    /// Makes what others are waiting for in `start..end` part of this change: it counts on it, too.
    pub(super) fn join_in_flight(&mut self, start: u64, end: u64) {
        for flush in self.in_flight.iter().filter(|flush| flush.stale.overlaps(start, end)) {
            self.open.stale.merge(&flush.stale);
        }
    }

    /// Waits for the CPUs at once, with the address space locked: before a page is mapped where one has just been.
    pub(super) fn settle(&mut self) {
        if !self.open.stale.is_empty() {
            drop(self.close(0));
        }
    }

    /// Waits, as [`settle`](Self::settle) does, until nothing of `start..end` is stale or in flight.
    pub(super) fn settle_range(&mut self, start: u64, end: u64) {
        if self.is_unsettled(start, end) {
            self.join_in_flight(start, end);
            self.settle();
        }
    }

    /// Whether something of `start..end` is stale or in flight.
    pub(super) fn is_unsettled(&self, start: u64, end: u64) -> bool {
        self.open.stale.overlaps(start, end)
            || self.in_flight.iter().any(|flush| flush.stale.overlaps(start, end))
    }
}
