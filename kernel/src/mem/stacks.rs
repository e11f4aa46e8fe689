//! Kernel stacks with guard pages: of threads and of CPUs. Mapped for good.
//!
//! A thread has three: the one its kernel code runs on, and one each for interrupts and exceptions to arrive on (IST 1 and 2).
//! A CPU has three more, for NMI, double fault and machine check.

use crate::arch::layout::{VMAP, VMAP_END};
use crate::arch::paging::{self, OutOfTables};
use crate::arch::{gdt, percpu, symbols};

use super::frames;

/// Pages of a thread's kernel stack: 32 KiB.
pub const THREAD_STACK_PAGES: u64 = 8;
/// Pages of a trap stack: 8 KiB, enough for a panic report.
const TRAP_STACK_PAGES: u64 = 2;

/// The stacks of one thread. Ends are exclusive and page-aligned.
#[derive(Clone, Copy, Debug)]
pub struct ThreadStack {
    /// Lowest byte of the kernel stack.
    pub bottom: u64,
    /// End of the kernel stack.
    pub end: u64,
    /// End of the stack that interrupts arrive on.
    pub irq_end: u64,
    /// End of the stack that exceptions arrive on.
    pub fault_end: u64,
}

/// Maps a stack of `pages` pages between two unmapped ones. Returns its bottom and its end.
fn map_stack(pages: u64) -> Result<(u64, u64), OutOfTables> {
    let bottom = paging::map_pages(pages, &mut frames::alloc_frame, &mut frames::table_frame)?;
    Ok((bottom, bottom + pages * 4096))
}

/// Maps new stacks for a thread.
pub fn map_thread_stack() -> Result<ThreadStack, OutOfTables> {
    let (bottom, end) = map_stack(THREAD_STACK_PAGES)?;
    let (_, irq_end) = map_stack(TRAP_STACK_PAGES)?;
    let (_, fault_end) = map_stack(TRAP_STACK_PAGES)?;
    Ok(ThreadStack { bottom, end, irq_end, fault_end })
}

/// Maps a stack for one of the traps that belong to a CPU. Returns its end.
pub fn map_cpu_stack() -> Result<u64, OutOfTables> {
    map_stack(TRAP_STACK_PAGES).map(|(_, end)| end)
}

/// The stack that `address` lies in, its end included. Reads page tables only, so it works in a panic.
pub fn containing(address: u64) -> Option<(u64, u64)> {
    let (low, high) = symbols::boot_stack();
    if (low..=high).contains(&address) {
        return Some((low, high));
    }
    let inside = address.checked_sub(1)?;
    if !(VMAP..VMAP_END).contains(&inside) {
        return None;
    }
    let page = inside & !4095;
    let mapped = |page: u64| paging::is_kernel_data(page);
    if !mapped(page) {
        return None;
    }
    let below = (0..=THREAD_STACK_PAGES).take_while(|n| mapped(page.wrapping_sub(n * 4096))).last()?;
    let above = (0..=THREAD_STACK_PAGES).take_while(|n| mapped(page + n * 4096)).last()?;
    Some((page - below * 4096, page + (above + 1) * 4096))
}

/// Gives the boot processor its guarded stacks for the traps that belong to a CPU.
pub fn init() -> Result<(), OutOfTables> {
    for index in [gdt::IST_NMI, gdt::IST_DOUBLE_FAULT, gdt::IST_MACHINE_CHECK] {
        percpu::boot_cpu().set_trap_stack(index, map_cpu_stack()?);
    }
    Ok(())
}
