//! [`VmaMap`]: the areas of one address space.
//!
//! Invariants: areas are sorted, not empty, page-aligned and disjoint; neighbours that could be one area are one;
//! `total` and `data` are the sums over all areas.

use alloc::sync::Arc;
use core::fmt;

use super::tree::AreaTree;
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
#[derive(Debug)]
pub struct VmaMap {
    /// By start address.
    pub(super) areas: AreaTree,
    total: u64,
    data: u64,
    peak: u64,
}

impl Default for VmaMap {
    fn default() -> Self {
        Self::new()
    }
}

impl VmaMap {
    /// Areas that a change may add at most, including parts it makes for a moment.
    pub const MOST_ADDED: usize = 4;

    /// A map without areas.
    #[must_use]
    pub const fn new() -> Self {
        Self { areas: AreaTree::new(), total: 0, data: 0, peak: 0 }
    }

    /// Sets memory aside for the next change of the map, which then needs no more. False if there is none. All changes want
    /// this first.
    pub fn reserve(&mut self) -> bool {
        self.areas.reserve(Self::MOST_ADDED).is_ok()
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
        self.areas.iter()
    }

    /// The area that contains `addr`.
    #[must_use]
    pub fn find(&self, addr: VirtAddr) -> Option<&Vma> {
        self.last_from(addr).filter(|vma| vma.contains(addr))
    }

    /// The lowest area that ends above `addr`: the one that contains it or the next one.
    #[must_use]
    pub fn find_or_next(&self, addr: VirtAddr) -> Option<&Vma> {
        self.find(addr).or_else(|| self.areas.first_from(addr.0))
    }

    /// The nearest areas wholly below and wholly above `addr`.
    #[must_use]
    pub fn neighbours(&self, addr: VirtAddr) -> (Option<&Vma>, Option<&Vma>) {
        let last = self.last_from(addr);
        let below = match last.filter(|vma| vma.end > addr.0) {
            Some(inside) => inside.start.checked_sub(1).and_then(|addr| self.last_from(VirtAddr(addr))),
            None => last,
        };
        let above = addr.checked_add(1).and_then(|next| self.areas.first_from(next.0));
        (below, above)
    }

    /// The areas that overlap `start..end`, ascending.
    pub fn overlapping(&self, start: u64, end: u64) -> impl Iterator<Item = &Vma> {
        let first = self.find(VirtAddr(start)).map_or(start, |vma| vma.start);
        self.areas.iter_from(first).take_while(move |vma| start < end && vma.start < end)
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
        while let Some(key) = self.areas.first_from(start).map(|vma| vma.start).filter(|&key| key < end) {
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

    /// Changes what the program calls the memory in `start..end`.
    pub fn set_given(&mut self, start: u64, end: u64, given: Option<&Arc<[u8]>>) {
        self.update(start, end, |vma| vma.given = given.cloned());
    }

    /// Changes the protection, flags or name of what lies in `start..end`.
    fn update(&mut self, start: u64, end: u64, change: impl Fn(&mut Vma)) {
        if start >= end {
            return;
        }
        self.split(start);
        self.split(end);
        let mut at = start;
        while let Some((key, next)) = self.areas.first_from(at).map(|vma| (vma.start, vma.end)) {
            if key >= end {
                break;
            }
            let data = &mut self.data;
            self.areas.change(key, |vma| {
                *data -= data_len(vma);
                change(vma);
                *data += data_len(vma);
            });
            at = next;
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
        self.areas.last_from(addr.0)
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
        while let Some(next) = self.areas.first_from(at + 1).map(|vma| vma.start).filter(|&key| key <= end) {
            let joins = match (self.areas.get(at), self.areas.get(next)) {
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
        let (len, data) = (vma.len(), data_len(&vma));
        let added = self.areas.insert(vma);
        debug_assert!(added.is_ok(), "a change of areas without reserve");
        if added.is_ok() {
            self.total += len;
            self.peak = self.peak.max(self.total);
            self.data += data;
        }
    }

    fn take(&mut self, start: u64) -> Option<Vma> {
        let vma = self.areas.remove(start)?;
        self.total -= vma.len();
        self.data -= data_len(&vma);
        Some(vma)
    }
}

/// What an area adds to `data`.
fn data_len(vma: &Vma) -> u64 {
    if vma.is_data() { vma.len() } else { 0 }
}
