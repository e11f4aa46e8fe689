//! The program's half of the page tables: `mm::paging::PageTables` over the real ones.
//!
//! All pages are supervisor pages, for the program runs in ring 0. The upper half is copied from the
//! kernel's root, where it never changes. An entry that allows no access is kept as "not present" with
//! its frame; the exact flags are in bits that the CPU ignores.

use mm::addr::{Frame, LARGE_SIZE, PAGE_SIZE, PhysAddr, USER_END, VirtAddr};
use mm::flush::{Shootdown, Stale};
use mm::paging::{FrameBatch, OutOfFrames, PageFlags, PageTables};
use mm::vma::Prot;

use super::layout::UPPER_HALF_SLOT;
use super::paging::{
    PTE_ADDR, PTE_LARGE, PTE_NX, PTE_PRESENT, PTE_WRITE, flush_page, index_at, kernel_root, read_entry,
    write_entry,
};
use super::percpu;
use super::shootdown::{self, OtherCpus};
use crate::mem::frames;

/// The entry maps a page, present or not.
const SOFT_USED: u64 = 1 << 9;
const SOFT_COW: u64 = 1 << 10;
const SOFT_FOREIGN: u64 = 1 << 11;
const SOFT_READ: u64 = 1 << 52;
const SOFT_WRITE: u64 = 1 << 53;
const SOFT_EXEC: u64 = 1 << 54;

const SOFT_FLAGS: [(PageFlags, u64); 5] = [
    (PageFlags::READ, SOFT_READ),
    (PageFlags::WRITE, SOFT_WRITE),
    (PageFlags::EXEC, SOFT_EXEC),
    (PageFlags::COW, SOFT_COW),
    (PageFlags::FOREIGN, SOFT_FOREIGN),
];

fn encode(frame: Frame, flags: PageFlags) -> u64 {
    let mut entry = frame.phys().0 | SOFT_USED;
    for (flag, bit) in SOFT_FLAGS {
        if flags.contains(flag) {
            entry |= bit;
        }
    }
    if flags.intersects(PageFlags::READ | PageFlags::WRITE | PageFlags::EXEC) {
        entry |= PTE_PRESENT;
    }
    if flags.contains(PageFlags::WRITE) {
        entry |= PTE_WRITE;
    }
    if !flags.contains(PageFlags::EXEC) {
        entry |= PTE_NX;
    }
    entry
}

fn decode(entry: u64) -> Option<(Frame, PageFlags)> {
    if entry & SOFT_USED == 0 {
        return None;
    }
    let mut flags = PageFlags::empty();
    for (flag, bit) in SOFT_FLAGS {
        flags.set(flag, entry & bit != 0);
    }
    Some((Frame::containing(PhysAddr(entry & PTE_ADDR)), flags))
}

/// Whether a CPU that still has `old` could do more, or elsewhere, than `new` allows.
fn narrows(old: u64, new: u64) -> bool {
    let lost = old & !new & (PTE_PRESENT | PTE_WRITE) != 0 || new & !old & PTE_NX != 0;
    old & PTE_PRESENT != 0 && (lost || (old ^ new) & PTE_ADDR != 0)
}

/// Whether an entry of a level-2 table maps a large page, present or not.
fn is_large(entry: u64) -> bool {
    entry & (SOFT_USED | PTE_LARGE) == SOFT_USED | PTE_LARGE
}

/// The tables of one address space.
pub struct UserTables {
    root: u64,
    /// One last-level table for each large page, linked by their first entries: splitting needs no memory. 0 is none.
    spare: u64,
    /// What other CPUs may still have in their TLBs, until the address space asks for it.
    stale: Stale,
}

impl UserTables {
    /// Empty tables with the kernel's upper half.
    pub fn new() -> Result<Self, OutOfFrames> {
        let root = frames::table_frame().ok_or(OutOfFrames)?;
        for slot in UPPER_HALF_SLOT..512 {
            let entry = read_entry(kernel_root(), slot);
            if entry != 0 {
                write_entry(root, slot, entry);
            }
        }
        Ok(Self { root, spare: 0, stale: Stale::NONE })
    }

    /// The level-2 table for `va`, if there is one.
    fn middle_table(&self, va: u64) -> Option<u64> {
        let mut table = self.root;
        for level in (3..=4).rev() {
            let entry = read_entry(table, index_at(va, level));
            if entry & PTE_PRESENT == 0 {
                return None;
            }
            table = entry & PTE_ADDR;
        }
        Some(table)
    }

    /// The last-level table for `va`, if there is one. A large page is split.
    fn leaf_table(&mut self, va: u64) -> Option<u64> {
        let table = self.middle_table(va)?;
        let entry = read_entry(table, index_at(va, 2));
        if is_large(entry) {
            return Some(self.split(table, va, entry));
        }
        (entry & PTE_PRESENT != 0).then_some(entry & PTE_ADDR)
    }

    /// The last-level table for `va`; missing ones are made, a large page is split.
    fn make_leaf_table(&mut self, va: u64) -> Result<u64, OutOfFrames> {
        let table = self.make_middle_table(va)?;
        let entry = read_entry(table, index_at(va, 2));
        if is_large(entry) {
            return Ok(self.split(table, va, entry));
        }
        Self::next_or_new(table, index_at(va, 2))
    }

    /// The level-2 table for `va`; missing ones are made.
    fn make_middle_table(&mut self, va: u64) -> Result<u64, OutOfFrames> {
        let table = Self::next_or_new(self.root, index_at(va, 4))?;
        Self::next_or_new(table, index_at(va, 3))
    }

    /// The table that an entry names; a new one if it names none.
    fn next_or_new(table: u64, index: usize) -> Result<u64, OutOfFrames> {
        let entry = read_entry(table, index);
        if entry & PTE_PRESENT != 0 {
            return Ok(entry & PTE_ADDR);
        }
        let next = frames::table_frame().ok_or(OutOfFrames)?;
        write_entry(table, index, next | PTE_PRESENT | PTE_WRITE);
        Ok(next)
    }

    /// Makes the large page `entry` of the level-2 `table` small pages; returns their table.
    fn split(&mut self, table: u64, va: u64, entry: u64) -> u64 {
        let leaf = self.take_spare();
        if let Some((frame, _)) = decode(entry) {
            for index in 0..512 {
                write_entry(leaf, index, (entry & !PTE_LARGE) + index as u64 * PAGE_SIZE);
            }
            frames::split_large(frame);
        }
        write_entry(table, index_at(va, 2), leaf | PTE_PRESENT | PTE_WRITE);
        self.flush_large(va);
        leaf
    }

    fn add_spare(&mut self, table: u64) {
        write_entry(table, 0, self.spare);
        self.spare = table;
    }

    /// The spare table of a large page. There is one for each.
    fn take_spare(&mut self) -> u64 {
        let table = self.spare;
        assert!(table != 0, "a large page without its spare table");
        self.spare = read_entry(table, 0);
        write_entry(table, 0, 0);
        table
    }

    /// The large page that begins at `va` and ends by `end`: its table and entry.
    fn whole_large(&self, va: u64, end: u64) -> Option<(u64, u64)> {
        if !va.is_multiple_of(LARGE_SIZE) || end.checked_sub(va).is_none_or(|len| len < LARGE_SIZE) {
            return None;
        }
        let table = self.middle_table(va)?;
        let entry = read_entry(table, index_at(va, 2));
        is_large(entry).then_some((table, entry))
    }

    /// Forgets the translation of the large page that `va` is in, or of the small pages that were there.
    fn flush_large(&mut self, va: u64) {
        flush_page(va);
        self.stale.add(va & !(LARGE_SIZE - 1), LARGE_SIZE);
    }

    /// Replaces the entry of `va` and forgets the old translation if a CPU may hold it.
    fn replace(&mut self, table: u64, va: u64, entry: u64) -> u64 {
        let index = index_at(va, 1);
        let old = read_entry(table, index);
        write_entry(table, index, entry);
        if old & PTE_PRESENT != 0 {
            flush_page(va);
        }
        if narrows(old, entry) {
            self.stale.add(va, PAGE_SIZE);
        }
        old
    }

    /// Frees the tables below `table` (of `level`), entries `0..limit`.
    fn free_below(table: u64, level: u32, limit: usize) {
        for index in 0..limit {
            let entry = read_entry(table, index);
            if entry & PTE_PRESENT == 0 {
                continue;
            }
            let next = entry & PTE_ADDR;
            if level > 2 {
                Self::free_below(next, level - 1, 512);
            }
            write_entry(table, index, 0);
            frames::free_frame(next);
        }
    }
}

impl PageTables for UserTables {
    fn root(&self) -> PhysAddr {
        PhysAddr(self.root)
    }

    fn take_stale(&mut self) -> Stale {
        let stale = core::mem::take(&mut self.stale);
        if stale.is_empty() || !shootdown::is_used_elsewhere(self.root) {
            return Stale::NONE;
        }
        stale
    }

    fn cpus(&self) -> &'static dyn Shootdown {
        &OtherCpus
    }

    fn one_cpu(&self) -> bool {
        percpu::all().len() == 1
    }

    fn map(&mut self, va: VirtAddr, frame: Frame, flags: PageFlags) -> Result<(), OutOfFrames> {
        let table = self.make_leaf_table(va.0)?;
        self.replace(table, va.0, encode(frame, flags));
        Ok(())
    }

    fn unmap(&mut self, va: VirtAddr) -> Option<(Frame, PageFlags)> {
        let table = self.leaf_table(va.0)?;
        decode(self.replace(table, va.0, 0))
    }

    fn protect(&mut self, va: VirtAddr, flags: PageFlags) -> bool {
        let Some(table) = self.leaf_table(va.0) else { return false };
        let Some((frame, _)) = decode(read_entry(table, index_at(va.0, 1))) else { return false };
        self.replace(table, va.0, encode(frame, flags));
        true
    }

    fn query(&self, va: VirtAddr) -> Option<(Frame, PageFlags)> {
        let entry = read_entry(self.middle_table(va.0)?, index_at(va.0, 2));
        if is_large(entry) {
            let (first, flags) = decode(entry)?;
            return Some((Frame::new(first.number() + index_at(va.0, 1) as u64)?, flags));
        }
        if entry & PTE_PRESENT == 0 {
            return None;
        }
        decode(read_entry(entry & PTE_ADDR, index_at(va.0, 1)))
    }

    fn map_large(&mut self, va: VirtAddr, frame: Frame, flags: PageFlags) -> Result<(), OutOfFrames> {
        let table = self.make_middle_table(va.0)?;
        let index = index_at(va.0, 2);
        // The table for small pages, which has none now, becomes the spare one. Until they have been told, CPUs may have it in mind.
        let spare = Self::next_or_new(table, index)?;
        self.add_spare(spare);
        write_entry(table, index, encode(frame, flags) | PTE_LARGE);
        self.flush_large(va.0);
        Ok(())
    }

    fn move_large(&mut self, from: VirtAddr, to: VirtAddr) -> Result<bool, OutOfFrames> {
        let Some((table, entry)) = self.whole_large(from.0, from.0.saturating_add(LARGE_SIZE)) else {
            return Ok(false);
        };
        let target = self.make_middle_table(to.0)?;
        // An empty table of small pages there goes the other way. CPUs may have it in mind for both places until they are told, and
        // nothing is mapped at either before.
        let other = read_entry(target, index_at(to.0, 2));
        write_entry(table, index_at(from.0, 2), other);
        write_entry(target, index_at(to.0, 2), entry);
        self.flush_large(from.0);
        self.flush_large(to.0);
        Ok(true)
    }

    fn unmap_range(&mut self, from: VirtAddr, end: VirtAddr, batch: &mut FrameBatch) -> VirtAddr {
        let mut at = from;
        while let Some(va) = self.next_mapped(at, end) {
            if batch.is_full() {
                return va;
            }
            let mut size = PAGE_SIZE;
            if let Some((table, entry)) = self.whole_large(va.0, end.0) {
                write_entry(table, index_at(va.0, 2), 0);
                self.flush_large(va.0);
                frames::free_frame(self.take_spare());
                if let Some((frame, flags)) = decode(entry) {
                    batch.push_large(frame, flags);
                }
                size = LARGE_SIZE;
            } else if let Some((frame, flags)) = self.unmap(va) {
                batch.push(frame, flags);
            }
            at = VirtAddr(va.0.saturating_add(size));
        }
        end
    }

    fn protect_range(&mut self, from: VirtAddr, end: VirtAddr, prot: Prot) {
        let mut at = from;
        while let Some(va) = self.next_mapped(at, end) {
            let mut size = PAGE_SIZE;
            if let Some((table, entry)) = self.whole_large(va.0, end.0) {
                if let Some((frame, flags)) = decode(entry) {
                    let entry = encode(frame, flags.with_prot(prot)) | PTE_LARGE;
                    write_entry(table, index_at(va.0, 2), entry);
                    self.flush_large(va.0);
                }
                size = LARGE_SIZE;
            } else if let Some((_, flags)) = self.query(va) {
                self.protect(va, flags.with_prot(prot));
            }
            at = VirtAddr(va.0.saturating_add(size));
        }
    }

    fn next_mapped(&self, from: VirtAddr, end: VirtAddr) -> Option<VirtAddr> {
        let end = end.0.min(USER_END);
        let mut va = from.0;
        while va < end {
            let mut table = self.root;
            let mut level = 4;
            // Down to the last level, or over what an absent table would cover.
            let skipped = loop {
                let entry = read_entry(table, index_at(va, level));
                if level == 1 {
                    if entry & SOFT_USED != 0 {
                        return Some(VirtAddr(va));
                    }
                    break PAGE_SIZE;
                }
                if level == 2 && is_large(entry) {
                    return Some(VirtAddr(va));
                }
                if entry & PTE_PRESENT == 0 {
                    break PAGE_SIZE << (9 * (level - 1));
                }
                table = entry & PTE_ADDR;
                level -= 1;
            };
            va = (va | (skipped - 1)) + 1;
        }
        None
    }

    fn count_mapped(&self, from: VirtAddr, end: VirtAddr) -> (u64, u64) {
        const FOREIGN: u64 = SOFT_USED | SOFT_FOREIGN;
        let end = end.0.min(USER_END);
        let (mut mapped, mut foreign, mut va) = (0, 0, from.0);
        while va < end {
            let (mut table, mut level) = (self.root, 4);
            let mut entry = read_entry(table, index_at(va, level));
            while level > 2 && entry & PTE_PRESENT != 0 {
                (table, level) = (entry & PTE_ADDR, level - 1);
                entry = read_entry(table, index_at(va, level));
            }
            // What the entry covers of the range.
            let stop = ((va | ((PAGE_SIZE << (9 * (level - 1))) - 1)) + 1).min(end);
            if level == 2 && is_large(entry) {
                let pages = (stop - va) / PAGE_SIZE;
                mapped += pages;
                foreign += if entry & FOREIGN == FOREIGN { pages } else { 0 };
            } else if entry & PTE_PRESENT != 0 {
                for index in index_at(va, 1)..=index_at(stop - 1, 1) {
                    let page = read_entry(entry & PTE_ADDR, index);
                    mapped += u64::from(page & SOFT_USED != 0);
                    foreign += u64::from(page & FOREIGN == FOREIGN);
                }
            }
            va = stop;
        }
        (mapped, foreign)
    }

    fn clear(&mut self) {
        Self::free_below(self.root, 4, UPPER_HALF_SLOT);
        super::paging::flush_all();
    }
}

impl Drop for UserTables {
    fn drop(&mut self) {
        self.clear();
        // The CPU must not go on using tables that are about to be freed.
        super::paging::leave_root(self.root);
        frames::free_frame(self.root);
    }
}
