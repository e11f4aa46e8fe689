//! [`AreaTree`]: areas by start address, in a balanced tree (AVL) that also knows where the gaps between them are.
//!
//! Used by [`VmaMap`](super::VmaMap) only. Each node has the largest gap within its subtree, so that a gap of any size is
//! found in O(log n), as is everything else. Nodes lie in blocks that are allocated one by one, so that growing moves
//! nothing; they are linked by number, and removed ones are used again. When three quarters are free, the rest moves together.
//!
//! Invariants: areas do not overlap; left of a node is what starts below it; heights of siblings differ by one at most, so
//! that recursion is at most 1.44 log2(n) deep; `height` and `extent` of a node follow from its area and its children.

use alloc::vec::Vec;
use core::sync::atomic::{AtomicU32, Ordering};

use super::Vma;
use crate::addr::PAGE_SIZE;

/// No node.
const NONE: u32 = u32::MAX;
/// Blocks that are kept even if nearly all of their nodes are free.
const KEPT_BLOCKS: usize = 4;
/// What stays set aside when blocks are freed.
const KEPT_NODES: usize = super::VmaMap::MOST_ADDED;
/// Nodes in a block: most of a page, and a power of two, as a node is found by division.
const BLOCK: usize = 1 << (PAGE_SIZE as usize / core::mem::size_of::<Node>()).ilog2();

/// Where the areas of a subtree lie.
#[derive(Clone, Copy, Debug)]
struct Extent {
    /// Lowest address that what lies below may reach up to.
    low: u64,
    /// End of the last area.
    high: u64,
    /// The largest gap between two neighbours.
    gap: u64,
}

impl Extent {
    /// That of two subtrees next to each other.
    fn and(self, above: Extent) -> Extent {
        let between = above.low.saturating_sub(self.high);
        Extent { low: self.low.min(above.low), high: above.high, gap: self.gap.max(above.gap).max(between) }
    }
}

#[derive(Debug)]
struct Node {
    /// `None` in nodes that are not in use.
    area: Option<Vma>,
    extent: Extent,
    left: u32,
    /// In nodes that are not in use, the next of these.
    right: u32,
    height: u32,
}

/// There was no memory for a node.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct OutOfNodes;

/// Areas by start address. See the module's documentation.
#[derive(Debug)]
pub struct AreaTree {
    blocks: Vec<Vec<Node>>,
    root: u32,
    /// Where the last look-up ended: the next one mostly is for the same area. May be of any node, in use or not.
    recent: AtomicU32,
    /// First of the nodes that are not in use.
    free: u32,
    /// Nodes made, in use or not.
    made: usize,
    len: usize,
}

impl AreaTree {
    /// Without areas.
    pub const fn new() -> Self {
        Self { blocks: Vec::new(), root: NONE, recent: AtomicU32::new(NONE), free: NONE, made: 0, len: 0 }
    }

    /// Number of areas.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Makes sure that `more` areas can be added without allocation.
    pub fn reserve(&mut self, more: usize) -> Result<(), OutOfNodes> {
        while self.made - self.len < more {
            self.blocks.try_reserve(1).map_err(|_| OutOfNodes)?;
            let mut block = Vec::new();
            block.try_reserve_exact(BLOCK).map_err(|_| OutOfNodes)?;
            for _ in 0..BLOCK {
                let extent = Extent { low: 0, high: 0, gap: 0 };
                block.push(Node { area: None, extent, left: NONE, right: self.free, height: 0 });
                // The number of areas is limited far below this.
                self.free = u32::try_from(self.made).map_err(|_| OutOfNodes)?;
                self.made += 1;
            }
            self.blocks.push(block);
        }
        Ok(())
    }

    fn node(&self, at: u32) -> Option<&Node> {
        self.blocks.get(at as usize / BLOCK)?.get(at as usize % BLOCK)
    }

    fn node_mut(&mut self, at: u32) -> Option<&mut Node> {
        self.blocks.get_mut(at as usize / BLOCK)?.get_mut(at as usize % BLOCK)
    }

    fn area(&self, at: u32) -> Option<&Vma> {
        self.node(at)?.area.as_ref()
    }

    fn height(&self, at: u32) -> u32 {
        self.node(at).map_or(0, |node| node.height)
    }

    fn children(&self, at: u32) -> (u32, u32) {
        self.node(at).map_or((NONE, NONE), |node| (node.left, node.right))
    }

    /// The area that starts highest of those not above `addr`.
    #[inline]
    pub fn last_from(&self, addr: u64) -> Option<&Vma> {
        // Areas do not overlap: the one that contains the address is the one.
        match self.area(self.recent.load(Ordering::Relaxed)) {
            Some(area) if area.start <= addr && addr < area.end => Some(area),
            _ => self.search_last_from(addr),
        }
    }

    fn search_last_from(&self, addr: u64) -> Option<&Vma> {
        let (mut at, mut best) = (self.root, NONE);
        while let Some(node) = self.node(at) {
            at = if node.area.as_ref()?.start <= addr {
                best = at;
                node.right
            } else {
                node.left
            };
        }
        self.recent.store(best, Ordering::Relaxed);
        self.area(best)
    }

    /// The area that starts lowest of those not below `addr`.
    pub fn first_from(&self, addr: u64) -> Option<&Vma> {
        let (mut at, mut best) = (self.root, None);
        while let Some(node) = self.node(at) {
            let area = node.area.as_ref()?;
            at = if area.start >= addr {
                best = Some(area);
                node.left
            } else {
                node.right
            };
        }
        best
    }

    /// The area that starts at `start`.
    pub fn get(&self, start: u64) -> Option<&Vma> {
        self.last_from(start).filter(|area| area.start == start)
    }

    /// Changes the area that starts at `start`, but neither where it lies nor whether it grows down.
    pub fn change(&mut self, start: u64, change: impl FnOnce(&mut Vma)) {
        let mut at = self.root;
        while let Some(node) = self.node_mut(at) {
            let Some(area) = &mut node.area else { return };
            if area.start == start {
                let extent = (area.end, area.guarded_start());
                change(area);
                debug_assert!(area.start == start && extent == (area.end, area.guarded_start()));
                return;
            }
            at = if start < area.start { node.left } else { node.right };
        }
    }

    /// The areas that start from `start` on, ascending.
    pub fn iter_from(&self, start: u64) -> impl Iterator<Item = &Vma> {
        let mut next = self.first_from(start);
        core::iter::from_fn(move || {
            let area = next?;
            next = area.start.checked_add(1).and_then(|after| self.first_from(after));
            Some(area)
        })
    }

    /// All areas, ascending or descending.
    pub fn iter(&self) -> Iter<'_> {
        Iter { tree: self, next: 0, end: u64::MAX }
    }

    /// Adds an area where none is. Allocates unless [`reserve`](Self::reserve) has made sure that there is a node.
    pub fn insert(&mut self, area: Vma) -> Result<(), OutOfNodes> {
        self.reserve(1)?;
        let new = self.free;
        let low = area.guarded_start();
        let Some(node) = self.node_mut(new) else { return Err(OutOfNodes) };
        let free = node.right;
        let extent = Extent { low, high: area.end, gap: 0 };
        let start = area.start;
        *node = Node { area: Some(area), extent, left: NONE, right: NONE, height: 1 };
        self.free = free;
        self.root = self.insert_at(self.root, new, start);
        self.len += 1;
        Ok(())
    }

    /// Puts the node `new` into the subtree `at`; returns its new root.
    fn insert_at(&mut self, at: u32, new: u32, start: u64) -> u32 {
        let Some(here) = self.area(at).map(|area| area.start) else { return new };
        let (left, right) = self.children(at);
        if start < here {
            let left = self.insert_at(left, new, start);
            self.set_children(at, left, right);
        } else {
            let right = self.insert_at(right, new, start);
            self.set_children(at, left, right);
        }
        self.balance(at)
    }

    /// Takes the area at `start` out. Memory that is no longer needed is freed in time.
    pub fn remove(&mut self, start: u64) -> Option<Vma> {
        let area = self.take(start);
        if self.blocks.len() > KEPT_BLOCKS && self.len < self.made / 4 {
            self.shrink();
        }
        area
    }

    /// Moves all areas to blocks of their own, half as many at most, if there is memory for these.
    fn shrink(&mut self) {
        let mut smaller = Self::new();
        if smaller.reserve(self.len + KEPT_NODES).is_err() {
            return;
        }
        while let Some(start) = self.first_from(0).map(|area| area.start) {
            let moved = self.take(start).map(|area| smaller.insert(area));
            debug_assert_eq!(moved, Some(Ok(())));
        }
        *self = smaller;
    }

    fn take(&mut self, start: u64) -> Option<Vma> {
        let (root, removed) = self.remove_at(self.root, start);
        self.root = root;
        let free = self.free;
        let node = self.node_mut(removed)?;
        let area = node.area.take();
        (node.left, node.right) = (NONE, free);
        self.free = removed;
        self.len -= 1;
        area
    }

    /// Takes the node of `start` out of the subtree `at`: its new root, and the node or none.
    fn remove_at(&mut self, at: u32, start: u64) -> (u32, u32) {
        let Some(here) = self.area(at).map(|area| area.start) else { return (NONE, NONE) };
        let (left, right) = self.children(at);
        if start < here {
            let (left, removed) = self.remove_at(left, start);
            self.set_children(at, left, right);
            return (self.balance(at), removed);
        }
        if start > here {
            let (right, removed) = self.remove_at(right, start);
            self.set_children(at, left, right);
            return (self.balance(at), removed);
        }
        if right == NONE {
            return (left, at);
        }
        let (right, next) = self.take_first(right);
        self.set_children(next, left, right);
        (self.balance(next), at)
    }

    /// Takes the lowest node out of a subtree: its new root, and the node.
    fn take_first(&mut self, at: u32) -> (u32, u32) {
        let (left, right) = self.children(at);
        if left == NONE {
            return (right, at);
        }
        let (left, first) = self.take_first(left);
        self.set_children(at, left, right);
        (self.balance(at), first)
    }

    /// Gives a node its children, and what follows from them.
    fn set_children(&mut self, at: u32, left: u32, right: u32) {
        let height = 1 + self.height(left).max(self.height(right));
        let (below, above) =
            (self.node(left).map(|node| node.extent), self.node(right).map(|node| node.extent));
        let Some(node) = self.node_mut(at) else { return };
        (node.left, node.right, node.height) = (left, right, height);
        let Some(area) = &node.area else { return };
        let mut extent = Extent { low: area.guarded_start(), high: area.end, gap: 0 };
        if let Some(below) = below {
            extent = below.and(extent);
        }
        if let Some(above) = above {
            extent = extent.and(above);
        }
        node.extent = extent;
    }

    /// Balances a subtree whose children are balanced and differ by two at most in height; returns its new root.
    fn balance(&mut self, at: u32) -> u32 {
        let (left, right) = self.children(at);
        let (low, high) = (self.height(left), self.height(right));
        if low > high + 1 {
            let (outer, inner) = self.children(left);
            if self.height(inner) > self.height(outer) {
                let left = self.rotate_left(left);
                self.set_children(at, left, right);
            }
            return self.rotate_right(at);
        }
        if high > low + 1 {
            let (inner, outer) = self.children(right);
            if self.height(inner) > self.height(outer) {
                let right = self.rotate_right(right);
                self.set_children(at, left, right);
            }
            return self.rotate_left(at);
        }
        at
    }

    /// Makes the left child the root of the subtree.
    fn rotate_right(&mut self, at: u32) -> u32 {
        let (left, right) = self.children(at);
        let (outer, inner) = self.children(left);
        self.set_children(at, inner, right);
        self.set_children(left, outer, at);
        left
    }

    /// Makes the right child the root of the subtree.
    fn rotate_left(&mut self, at: u32) -> u32 {
        let (left, right) = self.children(at);
        let (inner, outer) = self.children(right);
        self.set_children(at, left, inner);
        self.set_children(right, at, outer);
        right
    }

    /// Start of the highest gap of `len` bytes inside `floor..ceiling`, clear of the guard gaps below stacks. O(log n); each
    /// area that lies within such a guard gap can cost as much again.
    pub fn find_gap(&self, len: u64, floor: u64, ceiling: u64) -> Option<u64> {
        let mut search = Search { tree: self, len, floor, limit: ceiling };
        search.visit(self.root).or_else(|| search.fits(floor))
    }
}

/// A search for a gap, from the top.
struct Search<'a> {
    tree: &'a AreaTree,
    len: u64,
    floor: u64,
    /// Everything from here on has been looked at, or is out of bounds.
    limit: u64,
}

impl Search<'_> {
    /// The gap right below the limit, if it reaches down to `bottom` and is large enough.
    fn fits(&self, bottom: u64) -> Option<u64> {
        let room = self.limit.checked_sub(bottom.max(self.floor))?;
        (room >= self.len).then(|| self.limit - self.len)
    }

    /// Looks above, into and between the areas of a subtree.
    fn visit(&mut self, at: u32) -> Option<u64> {
        let node = self.tree.node(at)?;
        let Extent { low, high, gap } = node.extent;
        if let Some(found) = self.fits(high) {
            return Some(found);
        }
        if gap < self.len || high <= self.floor || low >= self.limit {
            self.limit = self.limit.min(low);
            return None;
        }
        let area = node.area.as_ref()?;
        if let Some(found) = self.visit(node.right).or_else(|| self.fits(area.end)) {
            return Some(found);
        }
        self.limit = self.limit.min(area.guarded_start());
        self.visit(node.left)
    }
}

/// See [`AreaTree::iter`].
pub struct Iter<'a> {
    tree: &'a AreaTree,
    /// Areas from here on are still to come ...
    next: u64,
    /// ... up to here.
    end: u64,
}

impl<'a> Iterator for Iter<'a> {
    type Item = &'a Vma;

    fn next(&mut self) -> Option<&'a Vma> {
        let area = self.tree.first_from(self.next).filter(|area| area.start < self.end)?;
        self.next = area.end;
        Some(area)
    }
}

impl DoubleEndedIterator for Iter<'_> {
    fn next_back(&mut self) -> Option<Self::Item> {
        let last = self.end.checked_sub(1)?;
        let area = self.tree.last_from(last).filter(|area| area.start >= self.next)?;
        self.end = area.start;
        Some(area)
    }
}

#[cfg(test)]
impl AreaTree {
    /// Blocks of memory in use.
    pub fn blocks(&self) -> usize {
        self.blocks.len()
    }

    /// Checks the invariants of a subtree; returns its height.
    fn check_at(&self, at: u32) -> u32 {
        let Some(node) = self.node(at) else { return 0 };
        let area = node.area.as_ref().expect("a linked node has an area");
        let (left, right) = (self.check_at(node.left), self.check_at(node.right));
        assert!(left.abs_diff(right) <= 1, "unbalanced at {:#x}", area.start);
        assert_eq!(node.height, 1 + left.max(right));
        assert!(self.area(node.left).is_none_or(|below| below.end <= area.start));
        assert!(self.area(node.right).is_none_or(|above| above.start >= area.end));
        node.height
    }

    /// Checks the invariants.
    pub fn check(&self) {
        self.check_at(self.root);
        assert_eq!(self.iter().count(), self.len);
        assert!(self.made >= self.len);
    }
}
