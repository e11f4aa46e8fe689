//! Page tables as a map. Tables cost frames, one for each 2 MiB in use, so that running out of them can be tested.

use std::collections::BTreeMap;

use super::FakeFrames;
use crate::addr::{Frame, PhysAddr, USER_END, VirtAddr};
use crate::paging::{FrameSource, OutOfFrames, PageFlags, PageTables};

const TABLE_SHIFT: u32 = 21;

/// [`PageTables`] over a map. Checks its callers: alignment, range, writable pages of frames that are not owned.
pub struct FakeTables {
    frames: &'static FakeFrames,
    pages: BTreeMap<VirtAddr, (Frame, PageFlags)>,
    tables: BTreeMap<u64, Frame>,
}

impl FakeTables {
    /// Empty tables that take their frames from `frames`.
    #[must_use]
    pub fn new(frames: &'static FakeFrames) -> Self {
        Self { frames, pages: BTreeMap::new(), tables: BTreeMap::new() }
    }
}

fn check(va: VirtAddr, flags: PageFlags) {
    assert!(va.is_page_aligned() && va.0 < USER_END, "bad page address {va}");
    let copied = PageFlags::COW | PageFlags::FOREIGN;
    assert!(!(flags.contains(PageFlags::WRITE) && flags.intersects(copied)), "shared frame writable at {va}");
}

impl PageTables for FakeTables {
    fn root(&self) -> PhysAddr {
        PhysAddr(0)
    }

    fn map(&mut self, va: VirtAddr, frame: Frame, flags: PageFlags) -> Result<(), OutOfFrames> {
        check(va, flags);
        let table = va.0 >> TABLE_SHIFT;
        if !self.tables.contains_key(&table) {
            self.tables.insert(table, self.frames.alloc_zeroed().ok_or(OutOfFrames)?);
        }
        self.pages.insert(va, (frame, flags));
        Ok(())
    }

    fn unmap(&mut self, va: VirtAddr) -> Option<(Frame, PageFlags)> {
        check(va, PageFlags::empty());
        self.pages.remove(&va)
    }

    fn protect(&mut self, va: VirtAddr, flags: PageFlags) -> bool {
        check(va, flags);
        self.pages.get_mut(&va).map(|entry| entry.1 = flags).is_some()
    }

    fn query(&self, va: VirtAddr) -> Option<(Frame, PageFlags)> {
        check(va, PageFlags::empty());
        self.pages.get(&va).copied()
    }

    fn next_mapped(&self, from: VirtAddr, end: VirtAddr) -> Option<VirtAddr> {
        if from >= end {
            return None;
        }
        self.pages.range(from..end).next().map(|(va, _)| *va)
    }

    fn clear(&mut self) {
        assert!(self.pages.is_empty(), "tables cleared with pages mapped");
        core::mem::take(&mut self.tables).into_values().for_each(|table| self.frames.free(table));
    }
}
