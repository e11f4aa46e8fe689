//! The kernel's own half of the page tables, built once at boot.
//!
//! The direct map covers physical memory (never executable; the kernel's text and constants are
//! read-only there too), the kernel image is mapped page by page with the permissions of its
//! segments, and one slot takes kernel stacks and device memory. Program halves are in usertables.rs.

use core::sync::atomic::{AtomicU64, Ordering};

use sync::{Mutex, MutexGuard};

use super::layout::{DIRECT_MAP, KERNEL_BASE, VMAP, VMAP_END};
use super::percpu::{self, PerCpu};
use super::{cpu, symbols};
use crate::panic;

/// Present.
pub const PTE_PRESENT: u64 = 1 << 0;
/// Writable.
pub const PTE_WRITE: u64 = 1 << 1;
/// Write-through and cache-disable: device memory.
pub const PTE_UNCACHED: u64 = 1 << 3 | 1 << 4;
/// A leaf above the last level.
pub const PTE_LARGE: u64 = 1 << 7;
/// Kept in the TLB when CR3 changes: the kernel's half only.
pub const PTE_GLOBAL: u64 = 1 << 8;
/// Not executable.
pub const PTE_NX: u64 = 1 << 63;
/// The physical address in an entry.
pub const PTE_ADDR: u64 = 0x000f_ffff_ffff_f000;

/// Flags of the kernel's data.
const DATA: u64 = PTE_PRESENT | PTE_WRITE | PTE_GLOBAL | PTE_NX;
/// Flags of the kernel's constants.
const CONST: u64 = PTE_PRESENT | PTE_GLOBAL | PTE_NX;
/// Flags of the kernel's text.
const TEXT: u64 = PTE_PRESENT | PTE_GLOBAL;

/// No frame was left for a page table.
#[derive(Debug)]
pub struct OutOfTables;

static ROOT: AtomicU64 = AtomicU64::new(0);

/// Where physical address `pa` is seen in the direct map.
pub fn phys_to_virt(pa: u64) -> *mut u8 {
    core::ptr::with_exposed_provenance_mut((DIRECT_MAP + pa) as usize)
}

/// The physical address of something in the direct map, where the heap is too.
pub fn virt_to_phys(at: *const u8) -> u64 {
    debug_assert!(at.addr() as u64 >= DIRECT_MAP);
    (at.addr() as u64).wrapping_sub(DIRECT_MAP)
}

/// Reads entry `index` of the table at physical address `table`.
pub fn read_entry(table: u64, index: usize) -> u64 {
    // SAFETY: `table` is a page table that the kernel allocated, seen through the direct map, and
    // the index is below 512 by construction of the callers.
    unsafe { (*phys_to_virt(table).cast::<AtomicU64>().add(index & 511)).load(Ordering::Relaxed) }
}

/// Writes entry `index` of the table at physical address `table`.
pub fn write_entry(table: u64, index: usize, value: u64) {
    // SAFETY: as for `read_entry`; what the entry maps is the caller's business.
    unsafe { (*phys_to_virt(table).cast::<AtomicU64>().add(index & 511)).store(value, Ordering::Relaxed) }
}

/// Index of `va` in a table of `level` (4 = PML4 .. 1 = page table).
pub fn index_at(va: u64, level: u32) -> usize {
    (va >> (12 + 9 * (level - 1))) as usize & 511
}

/// Builds kernel mappings in the table tree at `root`; `alloc` gives zeroed frames for tables.
struct Mapper<'a> {
    root: u64,
    alloc: &'a mut dyn FnMut() -> Option<u64>,
    max_leaf_level: u32,
}

impl Mapper<'_> {
    /// Maps `len` bytes at `va` to `pa` (all page-aligned) with the largest pages that fit.
    fn map(&mut self, va: u64, pa: u64, len: u64, flags: u64) -> Result<(), OutOfTables> {
        self.map_level(self.root, 4, va, pa, len, flags)
    }

    fn map_level(
        &mut self,
        table: u64,
        level: u32,
        mut va: u64,
        mut pa: u64,
        len: u64,
        flags: u64,
    ) -> Result<(), OutOfTables> {
        if level == 1 {
            // Most entries: the kernel's own pages.
            for page in 0..len / 4096 {
                write_entry(table, index_at(va, 1) + page as usize, (pa + page * 4096) | flags);
            }
            return Ok(());
        }
        let size = 1u64 << (12 + 9 * (level - 1));
        let end = va + (len - 1);
        loop {
            let index = index_at(va, level);
            let last = va | (size - 1);
            let chunk = last.min(end) - va + 1;
            if level <= self.max_leaf_level && chunk == size && pa.is_multiple_of(size) {
                write_entry(table, index, pa | flags | PTE_LARGE);
            } else {
                let next = self.next_table(table, index)?;
                self.map_level(next, level - 1, va, pa, chunk, flags)?;
            }
            if last >= end {
                return Ok(());
            }
            va = last + 1;
            pa += chunk;
        }
    }

    fn next_table(&mut self, table: u64, index: usize) -> Result<u64, OutOfTables> {
        let entry = read_entry(table, index);
        if entry & PTE_PRESENT != 0 {
            return Ok(entry & PTE_ADDR);
        }
        let next = (self.alloc)().ok_or(OutOfTables)?;
        write_entry(table, index, next | PTE_PRESENT | PTE_WRITE);
        Ok(next)
    }
}

/// Builds the kernel's half and switches to it. `ram` lists the physical ranges (page-aligned) that the
/// direct map covers; `alloc` gives zeroed frames below 4 GiB.
pub fn init(
    ram: impl Iterator<Item = (u64, u64)>,
    alloc: &mut dyn FnMut() -> Option<u64>,
) -> Result<(), OutOfTables> {
    let root = alloc().ok_or(OutOfTables)?;
    let max_leaf_level = if cpu::has_giant_pages() { 3 } else { 2 };
    let mut mapper = Mapper { root, alloc, max_leaf_level };
    let seg = symbols::segments();
    let (text_lo, text_hi) = (seg.start - KERNEL_BASE, seg.data - KERNEL_BASE);
    for (start, end) in ram {
        // Three pieces: below, inside and above what must not be written.
        for (lo, hi, flags) in [(0, text_lo, DATA), (text_lo, text_hi, CONST), (text_hi, u64::MAX, DATA)] {
            let (lo, hi) = (start.max(lo), end.min(hi));
            if lo < hi {
                mapper.map(DIRECT_MAP + lo, lo, hi - lo, flags)?;
            }
        }
    }
    mapper.max_leaf_level = 1;
    for (start, end, flags) in
        [(seg.start, seg.text, CONST), (seg.text, seg.data, TEXT), (seg.data, seg.end, DATA)]
    {
        mapper.map(start, start - KERNEL_BASE, end - start, flags)?;
    }
    mapper.next_table(root, index_at(VMAP, 4))?;
    // The page below the boot stack is its guard.
    let (boot_stack, _) = symbols::boot_stack();
    set_leaf(root, boot_stack - 4096, 0);
    ROOT.store(root, Ordering::Relaxed);
    load_root(root);
    Ok(())
}

/// Physical address of the kernel's own PML4, the template of every program's.
pub fn kernel_root() -> u64 {
    ROOT.load(Ordering::Relaxed)
}

/// Switches to the page tables at physical address `root`.
pub fn load_root(root: u64) {
    // SAFETY: every root has the kernel's half, so the code, the stack and all data stay mapped.
    unsafe { core::arch::asm!("mov cr3, {}", in(reg) root, options(nostack, preserves_flags)) };
}

/// Makes `cpu`, the running one, use the page tables at physical address `root`, if it does not already or if what it has of
/// them may be old. Interrupts are masked.
pub fn switch_root(cpu: &PerCpu, root: u64, old: bool) {
    if old || cpu.root.load(Ordering::Relaxed) != root {
        // Published first: whoever changes the tables afterwards knows that this CPU may have them in its TLB.
        cpu.root.store(root, Ordering::SeqCst);
        load_root(root);
    }
}

/// Drops the translation of one page from this CPU's TLB.
pub fn flush_page(va: u64) {
    // SAFETY: invlpg changes no memory.
    unsafe { core::arch::asm!("invlpg [{}]", in(reg) va, options(nostack, preserves_flags)) };
}

/// Overwrites the 4 KiB leaf of `va`, whose tables exist.
fn set_leaf(root: u64, va: u64, value: u64) {
    let mut table = root;
    for level in (2..=4).rev() {
        let entry = read_entry(table, index_at(va, level));
        if entry & PTE_PRESENT == 0 || entry & PTE_LARGE != 0 {
            return;
        }
        table = entry & PTE_ADDR;
    }
    write_entry(table, index_at(va, 1), value);
}

/// Whether the page of `va` (in the VMAP area) is mapped as ordinary memory.
pub fn is_kernel_data(va: u64) -> bool {
    let mut table = kernel_root();
    for level in (1..=4).rev() {
        let entry = read_entry(table, index_at(va, level));
        if entry & PTE_PRESENT == 0 || (level == 1 && entry & (PTE_WRITE | PTE_UNCACHED) != PTE_WRITE) {
            return false;
        }
        table = entry & PTE_ADDR;
    }
    true
}

/// Held while the kernel's half gets new mappings.
static MAPPING: Mutex<()> = Mutex::new(());

/// The lock on the kernel's half. A report of a failure goes without it: everybody else is stopped, perhaps with the lock.
fn lock_mappings() -> Option<MutexGuard<'static, ()>> {
    (!panic::is_reporting()).then(|| MAPPING.lock())
}

static NEXT_VMAP: AtomicU64 = AtomicU64::new(VMAP);

/// Reserves `pages` pages of the VMAP area with an unmapped page on each side.
fn reserve(pages: u64) -> Result<u64, OutOfTables> {
    let len = (pages + 1) * 4096;
    let start = NEXT_VMAP.fetch_add(len, Ordering::Relaxed);
    if start + len >= VMAP_END {
        return Err(OutOfTables);
    }
    Ok(start + 4096)
}

/// Maps the frames that `frame` gives, one a page, as kernel memory with guards around it. Returns the
/// address of the first page.
pub fn map_pages(
    pages: u64,
    frame: &mut dyn FnMut() -> Option<u64>,
    table: &mut dyn FnMut() -> Option<u64>,
) -> Result<u64, OutOfTables> {
    let start = reserve(pages)?;
    let _lock = lock_mappings();
    let mut mapper = Mapper { root: kernel_root(), alloc: table, max_leaf_level: 1 };
    for page in 0..pages {
        let pa = frame().ok_or(OutOfTables)?;
        mapper.map(start + page * 4096, pa, 4096, DATA)?;
    }
    Ok(start)
}

/// Maps `len` bytes of device memory at `pa`, uncached. Returns where `pa` is seen.
pub fn map_device(pa: u64, len: u64, table: &mut dyn FnMut() -> Option<u64>) -> Result<*mut u8, OutOfTables> {
    map_window(pa, len, DATA | PTE_UNCACHED, table)
}

/// Maps `len` bytes of firmware tables at `pa`, read-only. Returns where `pa` is seen.
pub fn map_firmware(
    pa: u64,
    len: u64,
    table: &mut dyn FnMut() -> Option<u64>,
) -> Result<*mut u8, OutOfTables> {
    map_window(pa, len, CONST, table)
}

fn map_window(
    pa: u64,
    len: u64,
    flags: u64,
    table: &mut dyn FnMut() -> Option<u64>,
) -> Result<*mut u8, OutOfTables> {
    let first = pa & !4095;
    let last = pa.checked_add(len).and_then(|end| end.checked_next_multiple_of(4096)).ok_or(OutOfTables)?;
    let start = reserve((last - first) / 4096)?;
    let _lock = lock_mappings();
    let mut mapper = Mapper { root: kernel_root(), alloc: table, max_leaf_level: 1 };
    mapper.map(start, first, last - first, flags)?;
    Ok(core::ptr::with_exposed_provenance_mut((start + (pa - first)) as usize))
}

/// Writes one byte of device memory that [`map_device`] mapped.
pub fn write_device(at: *mut u8, value: u8) {
    // SAFETY: the window was mapped for this register, and device registers are no kernel memory.
    unsafe { at.write_volatile(value) };
}

/// Drops the translations of the program's half from this CPU's TLB.
pub fn flush_all() {
    load_root(current_root());
}

/// Physical address of the PML4 that this CPU uses.
fn current_root() -> u64 {
    let cr3: u64;
    // SAFETY: reads a register only.
    unsafe { core::arch::asm!("mov {}, cr3", out(reg) cr3, options(nomem, nostack, preserves_flags)) };
    cr3 & PTE_ADDR
}

/// Goes back to the kernel's own tables if this CPU uses `root`, which is about to be freed.
pub fn leave_root(root: u64) {
    cpu::without_interrupts(|| {
        if current_root() == root {
            switch_root(percpu::current(), kernel_root(), true);
        }
    });
}
