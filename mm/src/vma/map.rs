//! [`VmaMap`]: the areas of one address space.
//!
//! Invariants: areas are sorted, not empty, page-aligned and disjoint; neighbours that could be one area are one;
//! `total` and `data` are the sums over all areas.

use alloc::collections::BTreeMap;
use core::fmt;

use super::{Prot, Vma, VmaFlags};
use crate::addr::{USER_END, VirtAddr, is_page_aligned};

/// A range is taken, or is not a range.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Overlap;

impl fmt::Display for Overlap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("areas overlap")
    }
}

impl core::error::Error for Overlap {}

/// Sorted, disjoint areas. Lookups are O(log n).
#[derive(Default, Debug)]
pub struct VmaMap {
    /// By start address.
    pub(super) areas: BTreeMap<u64, Vma>,
    total: u64,
    data: u64,
    peak: u64,
}

impl VmaMap {
    /// A map without areas.
    #[must_use]
    pub const fn new() -> Self {
        Self { areas: BTreeMap::new(), total: 0, data: 0, peak: 0 }
    }

    /// Number of areas.
    #[must_use]
    pub fn count(&self) -> usize {
        self.areas.len()
    }

    /// Bytes in all areas.
    #[must_use]
    pub fn total_bytes(&self) -> u64 {
        self.total
    }

    /// The most bytes that were ever in all areas.
    #[must_use]
    pub fn peak_bytes(&self) -> u64 {
        self.peak
    }

    /// Bytes in areas that count as data, see [`Vma::is_data`].
    #[must_use]
    pub fn data_bytes(&self) -> u64 {
        self.data
    }

    /// The areas in ascending order.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = &Vma> {
        self.areas.values()
    }

    /// The area that contains `addr`.
    #[must_use]
    pub fn find(&self, addr: VirtAddr) -> Option<&Vma> {
        self.last_from(addr).filter(|vma| vma.contains(addr))
    }

    /// The lowest area that ends above `addr`: the one that contains it or the next one.
    #[must_use]
    pub fn find_or_next(&self, addr: VirtAddr) -> Option<&Vma> {
        self.find(addr).or_else(|| self.areas.range(addr.0..).next().map(|(_, vma)| vma))
    }

    /// The nearest areas wholly below and wholly above `addr`.
    #[must_use]
    pub fn neighbours(&self, addr: VirtAddr) -> (Option<&Vma>, Option<&Vma>) {
        let below = self.areas.range(..=addr.0).rev().map(|(_, vma)| vma).find(|vma| vma.end <= addr.0);
        let above = addr.checked_add(1).and_then(|next| self.areas.range(next.0..).next());
        (below, above.map(|(_, vma)| vma))
    }

    /// The areas that overlap `start..end`, ascending.
    pub fn overlapping(&self, start: u64, end: u64) -> impl Iterator<Item = &Vma> {
        let first = self.find(VirtAddr(start)).map_or(start, |vma| vma.start);
        let range = if start < end { first..end } else { end..end };
        self.areas.range(range).map(|(_, vma)| vma)
    }

    /// Whether any area overlaps `start..end`.
    #[must_use]
    pub fn overlaps(&self, start: u64, end: u64) -> bool {
        self.overlapping(start, end).next().is_some()
    }

    /// Borders that [`protect`](Self::protect) of `start..end` would add, each one area more: 0 to 2.
    #[must_use]
    pub fn splits(&self, start: u64, end: u64) -> usize {
        let cut = |at: u64| self.find(VirtAddr(at)).is_some_and(|vma| vma.start < at);
        usize::from(cut(start)) + usize::from(cut(end))
    }

    /// Whether [`remove`](Self::remove) of `start..end` leaves one area more: the range is the middle of an area.
    #[must_use]
    pub fn punches_hole(&self, start: u64, end: u64) -> bool {
        self.find(VirtAddr(start)).is_some_and(|vma| vma.start < start && end < vma.end)
    }

    /// Adds an area and joins it with its neighbours where they match.
    ///
    /// # Errors
    /// [`Overlap`] if the range is taken, empty, unaligned or beyond the program's half.
    pub fn insert(&mut self, vma: Vma) -> Result<(), Overlap> {
        let aligned = is_page_aligned(vma.start) && is_page_aligned(vma.end);
        if !aligned || vma.is_empty() || vma.end > USER_END || self.overlaps(vma.start, vma.end) {
            return Err(Overlap);
        }
        let (start, end) = (vma.start, vma.end);
        self.put(vma);
        self.join_around(start, end);
        Ok(())
    }

    /// Removes what lies in `start..end`, splitting areas at its borders. Both are page-aligned.
    pub fn remove(&mut self, start: u64, end: u64) {
        if start >= end {
            return;
        }
        self.split(start);
        self.split(end);
        while let Some(key) = self.areas.range(start..end).next().map(|(&key, _)| key) {
            self.take(key);
        }
    }

    /// Sets the protection of what lies in `start..end`, splitting and joining areas. Both are page-aligned.
    pub fn protect(&mut self, start: u64, end: u64, prot: Prot) {
        self.update(start, end, |vma| vma.prot = prot);
    }

    /// Sets and clears flags of what lies in `start..end`, splitting and joining areas. Both are page-aligned.
    pub fn set_flags(&mut self, start: u64, end: u64, set: VmaFlags, clear: VmaFlags) {
        self.update(start, end, |vma| vma.flags = (vma.flags - clear) | set);
    }

    /// Changes the protection or flags of what lies in `start..end`.
    fn update(&mut self, start: u64, end: u64, change: impl Fn(&mut Vma)) {
        if start >= end {
            return;
        }
        self.split(start);
        self.split(end);
        for (_, vma) in self.areas.range_mut(start..end) {
            self.data -= data_len(vma);
            change(vma);
            self.data += data_len(vma);
        }
        self.join_around(start, end);
    }

    /// Moves the start of the area at `start` down to `new_start`.
    ///
    /// # Errors
    /// [`Overlap`] if another area is in the way, or there is no area at `start`.
    pub fn grow_down(&mut self, start: u64, new_start: u64) -> Result<(), Overlap> {
        if new_start >= start || !is_page_aligned(new_start) || self.overlaps(new_start, start) {
            return Err(Overlap);
        }
        let mut vma = self.take(start).ok_or(Overlap)?;
        vma.start = new_start;
        self.put(vma);
        self.join_around(new_start, start);
        Ok(())
    }

    /// Removes everything.
    pub fn clear(&mut self) {
        *self = Self::new();
    }

    /// The area with the highest start that is not above `addr`.
    fn last_from(&self, addr: VirtAddr) -> Option<&Vma> {
        self.areas.range(..=addr.0).next_back().map(|(_, vma)| vma)
    }

    /// Makes `at` a border: an area that contains it becomes two.
    fn split(&mut self, at: u64) {
        let Some(vma) = self.find(VirtAddr(at)).filter(|vma| vma.start < at) else { return };
        let (low, high) = (vma.part(vma.start, at), vma.part(at, vma.end));
        self.take(low.start);
        self.put(low);
        self.put(high);
    }

    /// Joins all matching neighbours that meet in `start..=end`.
    fn join_around(&mut self, start: u64, end: u64) {
        let before = start.checked_sub(1).and_then(|addr| self.last_from(VirtAddr(addr)));
        let Some(mut at) = before.or_else(|| self.find_or_next(VirtAddr(start))).map(|vma| vma.start) else {
            return;
        };
        while let Some(next) =
            self.areas.range(at + 1..).next().map(|(&key, _)| key).filter(|&key| key <= end)
        {
            let joins = match (self.areas.get(&at), self.areas.get(&next)) {
                (Some(low), Some(high)) => low.can_join(high),
                _ => false,
            };
            if !joins {
                at = next;
                continue;
            }
            if let (Some(high), Some(mut low)) = (self.take(next), self.take(at)) {
                low.join(&high);
                self.put(low);
            }
        }
    }

    fn put(&mut self, vma: Vma) {
        self.total += vma.len();
        self.peak = self.peak.max(self.total);
        self.data += data_len(&vma);
        self.areas.insert(vma.start, vma);
    }

    fn take(&mut self, start: u64) -> Option<Vma> {
        let vma = self.areas.remove(&start)?;
        self.total -= vma.len();
        self.data -= data_len(&vma);
        Some(vma)
    }
}

/// What an area adds to `data`.
fn data_len(vma: &Vma) -> u64 {
    if vma.is_data() { vma.len() } else { 0 }
}
