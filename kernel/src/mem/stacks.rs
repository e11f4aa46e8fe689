//! Kernel stacks with guard pages: thread stacks, trap stacks. Mapped for good; the list of them tells
//! a backtrace how far it may walk.

use core::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use crate::arch::paging::{self, OutOfTables};
use crate::arch::{gdt, percpu, symbols};

use super::frames;

/// Pages of a thread's kernel stack: 32 KiB.
pub const THREAD_STACK_PAGES: u64 = 8;
/// Pages of a trap stack: 16 KiB, enough for a panic report.
const TRAP_STACK_PAGES: u64 = 4;
/// Stacks that a backtrace knows; more are possible, but not walked.
const KNOWN: usize = 16;

static STACKS: [(AtomicU64, AtomicU64); KNOWN] = [const { (AtomicU64::new(0), AtomicU64::new(0)) }; KNOWN];
static COUNT: AtomicUsize = AtomicUsize::new(0);

/// Maps a stack of `pages` pages between two unmapped ones. Returns its bottom and its end.
fn map_stack(pages: u64) -> Result<(u64, u64), OutOfTables> {
    let bottom = paging::map_pages(pages, &mut frames::alloc_frame, &mut frames::table_frame)?;
    let end = bottom + pages * 4096;
    if let Some((low, high)) = STACKS.get(COUNT.fetch_add(1, Ordering::Relaxed)) {
        low.store(bottom, Ordering::Relaxed);
        high.store(end, Ordering::Relaxed);
    }
    Ok((bottom, end))
}

/// The stack that `address` lies in, its end included.
pub fn containing(address: u64) -> Option<(u64, u64)> {
    let mapped = STACKS.iter().map(|(low, high)| (low.load(Ordering::Relaxed), high.load(Ordering::Relaxed)));
    mapped.chain([symbols::boot_stack()]).find(|&(low, high)| low <= address && address <= high)
}

/// Gives the boot processor its guarded stacks: one for each kind of trap, and the first thread's.
pub fn init() -> Result<(), OutOfTables> {
    let indices = [gdt::IST_IRQ, gdt::IST_FAULT, gdt::IST_NMI, gdt::IST_DOUBLE_FAULT, gdt::IST_MACHINE_CHECK];
    for index in indices {
        let (_, end) = map_stack(TRAP_STACK_PAGES)?;
        gdt::set_trap_stack(index, end);
    }
    Ok(())
}

/// Maps the kernel stack of the program's thread and makes it the running thread's.
pub fn init_thread() -> Result<(), OutOfTables> {
    let (bottom, end) = map_stack(THREAD_STACK_PAGES)?;
    percpu::current().set_kernel_stack(bottom, end);
    Ok(())
}
