//! [`Ring`]: the content of a pipe, in slots of up to a page, as Linux keeps it: how much a pipe takes depends on how the bytes were
//! written. Called by [`PipeEnd`](super::PipeEnd) only.
//!
//! Invariants: at most `max` slots (more only after the limit was lowered, which is refused); no slot is empty; none has more
//! bytes than a page.

use crate::FsError;
use alloc::collections::VecDeque;
use alloc::vec::Vec;

/// Bytes of a slot.
pub(super) const PAGE: usize = 4096;

/// What may happen to the bytes of a slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// A later write may put more behind them.
    Open,
    /// They stay as they are: pages that were moved from elsewhere.
    Closed,
    /// A packet: one read takes it, and what does not fit is lost.
    Packet,
}

/// A piece of content.
#[derive(Debug)]
struct Slot {
    bytes: Vec<u8>,
    /// Bytes that were read already.
    start: usize,
    kind: Kind,
}

impl Slot {
    fn rest(&self) -> &[u8] {
        self.bytes.get(self.start..).unwrap_or_default()
    }
}

/// The content of a pipe.
#[derive(Debug)]
pub(super) struct Ring {
    slots: VecDeque<Slot>,
    max: usize,
    /// A buffer that was read out, for the next write.
    spare: Option<Vec<u8>>,
}

impl Ring {
    pub(super) const fn new(max: usize) -> Self {
        Ring { slots: VecDeque::new(), max, spare: None }
    }

    /// Slots there can be.
    pub(super) fn max(&self) -> usize {
        self.max
    }

    /// Changes the number of slots; fails if more are in use.
    pub(super) fn set_max(&mut self, max: usize) -> Result<(), FsError> {
        if max < self.slots.len() {
            return Err(FsError::Busy);
        }
        self.max = max;
        Ok(())
    }

    pub(super) fn is_empty(&self) -> bool {
        self.slots.is_empty()
    }

    /// Slots that are free.
    pub(super) fn free(&self) -> usize {
        self.max.saturating_sub(self.slots.len())
    }

    /// Bytes in it.
    pub(super) fn len(&self) -> usize {
        self.slots.iter().map(|slot| slot.rest().len()).sum()
    }

    /// Whether `len` bytes would go into the last slot.
    pub(super) fn merges(&self, len: usize) -> bool {
        let fits = |slot: &Slot| slot.kind == Kind::Open && slot.bytes.len().saturating_add(len) <= PAGE;
        self.slots.back().is_some_and(fits)
    }

    /// A buffer of `len` bytes, at most a page, to be filled and [`put`](Self::put).
    pub(super) fn buffer(spare: Option<Vec<u8>>, len: usize) -> Result<Vec<u8>, FsError> {
        let mut buffer = spare.unwrap_or_default();
        buffer.clear();
        buffer.try_reserve_exact(PAGE).map_err(|_| FsError::NoMemory)?;
        buffer.resize(len.min(PAGE), 0);
        Ok(buffer)
    }

    /// The spare buffer.
    pub(super) fn take_spare(&mut self) -> Option<Vec<u8>> {
        self.spare.take()
    }

    /// Adds bytes: with `merge` to the last slot if they fit there, otherwise as a new slot.
    pub(super) fn put(&mut self, bytes: Vec<u8>, kind: Kind, merge: bool) -> Result<(), FsError> {
        if bytes.is_empty() {
            self.spare = Some(bytes);
            return Ok(());
        }
        if merge
            && self.merges(bytes.len())
            && let Some(last) = self.slots.back_mut()
        {
            last.bytes.try_reserve(bytes.len()).map_err(|_| FsError::NoMemory)?;
            last.bytes.extend_from_slice(&bytes);
            self.spare = Some(bytes);
            return Ok(());
        }
        self.slots.try_reserve(1).map_err(|_| FsError::NoMemory)?;
        self.slots.push_back(Slot { bytes, start: 0, kind });
        Ok(())
    }

    /// The unread bytes of a slot, counted from the oldest, and its kind.
    pub(super) fn slot(&self, index: usize) -> Option<(&[u8], Kind)> {
        self.slots.get(index).map(|slot| (slot.rest(), slot.kind))
    }

    /// Drops the first `n` bytes of the oldest slot, and the slot with its last byte.
    pub(super) fn consume(&mut self, n: usize) {
        if let Some(slot) = self.slots.front_mut() {
            slot.start = slot.start.saturating_add(n);
            if slot.rest().is_empty() {
                self.drop_slot();
            }
        }
    }

    /// Drops the oldest slot, read or not.
    pub(super) fn drop_slot(&mut self) {
        if let Some(slot) = self.slots.pop_front() {
            self.spare = Some(slot.bytes);
        }
    }

    /// Takes up to `len` bytes of the oldest slot out of it, as they are.
    pub(super) fn take(&mut self, len: usize) -> Result<Option<(Vec<u8>, Kind)>, FsError> {
        let Some(slot) = self.slots.front() else { return Ok(None) };
        if slot.start == 0 && slot.rest().len() <= len {
            return Ok(self.slots.pop_front().map(|slot| (slot.bytes, slot.kind)));
        }
        let whole = slot.rest().len() <= len;
        let taken = self.copy(0, len)?;
        let n = taken.as_ref().map_or(0, |(bytes, _)| bytes.len());
        self.consume(n);
        // A part takes no more bytes.
        let closed = |(bytes, kind)| (bytes, if kind == Kind::Open && !whole { Kind::Closed } else { kind });
        Ok(taken.map(closed))
    }

    /// A copy of up to `len` bytes of a slot.
    pub(super) fn copy(&self, index: usize, len: usize) -> Result<Option<(Vec<u8>, Kind)>, FsError> {
        let Some((bytes, kind)) = self.slot(index) else { return Ok(None) };
        let mut copy = Vec::new();
        copy.try_reserve_exact(PAGE).map_err(|_| FsError::NoMemory)?;
        copy.extend(bytes.iter().take(len));
        Ok(Some((copy, kind)))
    }
}
