//! Page tables as a map. Tables cost frames, one for each 2 MiB in use, so that running out of them can be tested.

use std::collections::BTreeMap;

use super::cpus::narrows;
use super::{FakeCpu, FakeFrames};
use crate::addr::{Frame, LARGE_PAGES, LARGE_SIZE, PAGE_SIZE, PhysAddr, USER_END, VirtAddr};
use crate::flush::{OneCpu, Shootdown, Stale};
use crate::paging::{FrameBatch, FrameSource, OutOfFrames, PageFlags, PageTables};

const TABLE_SHIFT: u32 = 21;

/// [`PageTables`] over a map. Checks its callers: alignment, range, writable pages of frames that are not owned.
pub struct FakeTables {
    frames: &'static FakeFrames,
    pages: BTreeMap<VirtAddr, (Frame, PageFlags)>,
    tables: BTreeMap<u64, Frame>,
    /// Large pages by table number; `pages` has their parts, too.
    large: BTreeMap<u64, (Frame, PageFlags)>,
    cpu: Option<&'static FakeCpu>,
    stale: Stale,
}

impl FakeTables {
    /// Empty tables that take their frames from `frames`.
    #[must_use]
    pub fn new(frames: &'static FakeFrames) -> Self {
        let (pages, tables, large) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
        Self { frames, pages, tables, large, cpu: None, stale: Stale::NONE }
    }

    /// Empty tables that `cpu` uses, too.
    #[must_use]
    pub fn with_cpu(frames: &'static FakeFrames, cpu: &'static FakeCpu) -> Self {
        frames.watch(cpu);
        Self { cpu: Some(cpu), ..Self::new(frames) }
    }
}

impl FakeTables {
    /// Changes the entry of `va`; returns the old one.
    fn set(&mut self, va: VirtAddr, new: Option<(Frame, PageFlags)>) -> Option<(Frame, PageFlags)> {
        let old = match new {
            Some(new) => self.pages.insert(va, new),
            None => self.pages.remove(&va),
        };
        if let Some(cpu) = self.cpu {
            cpu.table_changes(va.0, new);
            if old.is_some_and(|old| narrows(old, new)) {
                self.stale.add(va.0, PAGE_SIZE);
            }
        }
        old
    }

    /// Makes the large page that contains `va`, if there is one, small pages.
    fn split(&mut self, va: VirtAddr) {
        if let Some((frame, _)) = self.large.remove(&(va.0 >> TABLE_SHIFT)) {
            self.frames.split(frame);
        }
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

    fn take_stale(&mut self) -> Stale {
        core::mem::take(&mut self.stale)
    }

    fn cpus(&self) -> &'static dyn Shootdown {
        self.cpu.map_or(&OneCpu, |cpu| cpu)
    }

    fn one_cpu(&self) -> bool {
        self.cpu.is_none()
    }

    fn map(&mut self, va: VirtAddr, frame: Frame, flags: PageFlags) -> Result<(), OutOfFrames> {
        check(va, flags);
        self.split(va);
        let table = va.0 >> TABLE_SHIFT;
        if !self.tables.contains_key(&table) {
            self.tables.insert(table, self.frames.alloc_zeroed().ok_or(OutOfFrames)?);
        }
        self.set(va, Some((frame, flags)));
        Ok(())
    }

    fn map_large(&mut self, va: VirtAddr, frame: Frame, flags: PageFlags) -> Result<(), OutOfFrames> {
        check(va, flags);
        assert!(va.0.is_multiple_of(LARGE_SIZE) && frame.number().is_multiple_of(LARGE_PAGES), "unaligned");
        assert!(self.next_mapped(va, VirtAddr(va.0 + LARGE_SIZE)).is_none(), "a large page over others");
        let table = va.0 >> TABLE_SHIFT;
        if !self.tables.contains_key(&table) {
            self.tables.insert(table, self.frames.alloc_zeroed().ok_or(OutOfFrames)?);
        }
        for page in 0..LARGE_PAGES {
            let part = Frame::new(frame.number() + page).ok_or(OutOfFrames)?;
            self.set(VirtAddr(va.0 + page * PAGE_SIZE), Some((part, flags)));
        }
        self.large.insert(table, (frame, flags));
        Ok(())
    }

    fn move_large(&mut self, from: VirtAddr, to: VirtAddr) -> Result<bool, OutOfFrames> {
        assert!(self.next_mapped(to, VirtAddr(to.0 + LARGE_SIZE)).is_none(), "a large page over others");
        let (old, new) = (from.0 >> TABLE_SHIFT, to.0 >> TABLE_SHIFT);
        let Some(page) = self.large.remove(&old) else { return Ok(false) };
        // The tables change places.
        let (table, other) = (self.tables.remove(&old), self.tables.remove(&new));
        self.tables.extend(table.map(|table| (new, table)));
        self.tables.extend(other.map(|table| (old, table)));
        self.large.insert(new, page);
        for offset in (0..LARGE_PAGES).map(|page| page * PAGE_SIZE) {
            let entry = self.set(VirtAddr(from.0 + offset), None);
            self.set(VirtAddr(to.0 + offset), entry);
        }
        Ok(true)
    }

    fn unmap_range(&mut self, from: VirtAddr, end: VirtAddr, batch: &mut FrameBatch) -> VirtAddr {
        let mut at = from;
        while let Some(va) = self.next_mapped(at, end) {
            if batch.is_full() {
                return va;
            }
            let whole = va.0.is_multiple_of(LARGE_SIZE) && va.0 + LARGE_SIZE <= end.0;
            let large = if whole { self.large.remove(&(va.0 >> TABLE_SHIFT)) } else { None };
            if let Some((frame, flags)) = large {
                batch.push_large(frame, flags);
                at = VirtAddr(va.0 + LARGE_SIZE);
                for page in 0..LARGE_PAGES {
                    self.set(VirtAddr(va.0 + page * PAGE_SIZE), None);
                }
                continue;
            }
            if let Some((frame, flags)) = self.unmap(va) {
                batch.push(frame, flags);
            }
            at = VirtAddr(va.0 + PAGE_SIZE);
        }
        end
    }

    fn unmap(&mut self, va: VirtAddr) -> Option<(Frame, PageFlags)> {
        check(va, PageFlags::empty());
        self.split(va);
        self.set(va, None)
    }

    fn protect(&mut self, va: VirtAddr, flags: PageFlags) -> bool {
        check(va, flags);
        self.split(va);
        let frame = self.pages.get(&va).map(|entry| entry.0);
        frame.and_then(|frame| self.set(va, Some((frame, flags)))).is_some()
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
