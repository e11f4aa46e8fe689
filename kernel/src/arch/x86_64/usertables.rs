//! The program's half of the page tables: `mm::paging::PageTables` over the real ones.
//!
//! All pages are supervisor pages, for the program runs in ring 0. The upper half is copied from the
//! kernel's root, where it never changes. An entry that allows no access is kept as "not present" with
//! its frame; the exact flags are in bits that the CPU ignores.

use mm::addr::{Frame, PAGE_SIZE, PhysAddr, USER_END, VirtAddr};
use mm::paging::{OutOfFrames, PageFlags, PageTables};

use super::layout::UPPER_HALF_SLOT;
use super::paging::{
    PTE_ADDR, PTE_NX, PTE_PRESENT, PTE_WRITE, flush_page, index_at, kernel_root, read_entry, write_entry,
};
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

/// The tables of one address space.
pub struct UserTables {
    root: u64,
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
        Ok(Self { root })
    }

    /// The last-level table for `va`, if there is one.
    fn leaf_table(&self, va: u64) -> Option<u64> {
        let mut table = self.root;
        for level in (2..=4).rev() {
            let entry = read_entry(table, index_at(va, level));
            if entry & PTE_PRESENT == 0 {
                return None;
            }
            table = entry & PTE_ADDR;
        }
        Some(table)
    }

    /// The last-level table for `va`; missing ones are made.
    fn make_leaf_table(&mut self, va: u64) -> Result<u64, OutOfFrames> {
        let mut table = self.root;
        for level in (2..=4).rev() {
            let index = index_at(va, level);
            let entry = read_entry(table, index);
            table = if entry & PTE_PRESENT != 0 {
                entry & PTE_ADDR
            } else {
                let next = frames::table_frame().ok_or(OutOfFrames)?;
                write_entry(table, index, next | PTE_PRESENT | PTE_WRITE);
                next
            };
        }
        Ok(table)
    }

    /// Replaces the entry of `va` and forgets the old translation if the CPU may hold it.
    fn replace(table: u64, va: u64, entry: u64) -> u64 {
        let index = index_at(va, 1);
        let old = read_entry(table, index);
        write_entry(table, index, entry);
        if old & PTE_PRESENT != 0 {
            flush_page(va);
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

    fn map(&mut self, va: VirtAddr, frame: Frame, flags: PageFlags) -> Result<(), OutOfFrames> {
        let table = self.make_leaf_table(va.0)?;
        Self::replace(table, va.0, encode(frame, flags));
        Ok(())
    }

    fn unmap(&mut self, va: VirtAddr) -> Option<(Frame, PageFlags)> {
        let table = self.leaf_table(va.0)?;
        decode(Self::replace(table, va.0, 0))
    }

    fn protect(&mut self, va: VirtAddr, flags: PageFlags) -> bool {
        let Some(table) = self.leaf_table(va.0) else { return false };
        let Some((frame, _)) = decode(read_entry(table, index_at(va.0, 1))) else { return false };
        Self::replace(table, va.0, encode(frame, flags));
        true
    }

    fn query(&self, va: VirtAddr) -> Option<(Frame, PageFlags)> {
        decode(read_entry(self.leaf_table(va.0)?, index_at(va.0, 1)))
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
