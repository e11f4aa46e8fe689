//! Starting the other processors, and their first code.
//!
//! The boot processor prepares an area and stacks for each processor that the MADT lists, sends INIT and the startup IPI, and
//! goes on without waiting: a processor that comes up finds its own entry by its APIC id (ap.S) and joins. One that never comes
//! is missed by nobody.

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::sync::atomic::{AtomicPtr, AtomicU64, AtomicUsize, Ordering};

use kerncore::memmap::MemoryMap;

use super::paging::{self, OutOfTables, phys_to_virt};
use super::percpu::{self, PerCpu};
use super::{apic, cpu, gdt, idt, syscall_entry};
use crate::mem::stacks::{self, ThreadStack};
use crate::threads;

/// Where the trampoline may lie: pages of RAM below 640 KiB, but not the BIOS's own first one.
const LOW_PAGES: core::ops::Range<u64> = 1..0x9f;
/// The page that is tried first.
const USUAL_PAGE: u64 = 8;

/// What ap.S looks up; the layout is known there.
#[repr(C)]
struct ApStart {
    apic_id: u32,
    reserved: u32,
    stack_end: u64,
    area: &'static PerCpu,
    stack: ThreadStack,
}

/// As ap.S has it.
const _: () = assert!(size_of::<ApStart>() == 56 && core::mem::offset_of!(ApStart, stack_end) == 8);

#[unsafe(no_mangle)]
static ap_root: AtomicU64 = AtomicU64::new(0);
#[unsafe(no_mangle)]
static ap_list: AtomicPtr<ApStart> = AtomicPtr::new(core::ptr::null_mut());
#[unsafe(no_mangle)]
static ap_list_len: AtomicUsize = AtomicUsize::new(0);

unsafe extern "C" {
    static ap_trampoline: u8;
    static ap_trampoline_end: u8;
}

/// Starts every processor of `apic_ids` but the running one. Returns without waiting for them. Processors for which there is
/// no memory stay off.
pub fn start(apic_ids: &[u32], map: &MemoryMap) {
    let boot = percpu::boot_cpu();
    boot.set_apic_id(apic::id());
    if apic_ids.iter().all(|&id| id == boot.apic_id()) {
        return;
    }
    let Some(page) = trampoline_page(map) else {
        log::warn!("no memory below 640 KiB: the other CPUs are not used");
        return;
    };
    let mut cpus = Vec::from([boot]);
    let mut starts: Vec<ApStart> = Vec::new();
    for &apic_id in apic_ids {
        if cpus.iter().any(|cpu| cpu.apic_id() == apic_id) || !apic::can_reach(apic_id) {
            continue;
        }
        match prepare(cpus.len() as u32, apic_id) {
            Ok(start) => {
                cpus.push(start.area);
                starts.push(start);
            }
            Err(OutOfTables) => {
                log::warn!("not enough memory: {} of {} CPUs are used", cpus.len(), apic_ids.len());
                break;
            }
        }
    }
    percpu::set_all(cpus);
    let starts: &'static [ApStart] = Box::leak(starts.into_boxed_slice());
    ap_root.store(paging::kernel_root(), Ordering::Relaxed);
    ap_list.store(starts.as_ptr().cast_mut(), Ordering::Relaxed);
    ap_list_len.store(starts.len(), Ordering::Relaxed);
    install(page);
    for start in starts {
        apic::send_init(start.apic_id);
    }
    // The pause that old processors want here is left out, as no hypervisor needs it. The second startup IPI of Intel's
    // algorithm changes nothing for a processor that took the first.
    for _ in 0..2 {
        for start in starts {
            apic::send_startup(start.apic_id, page as u8);
        }
    }
}

/// The page, counted in pages from 0, that takes the trampoline. The firmware's data there is not needed any more.
fn trampoline_page(map: &MemoryMap) -> Option<u64> {
    core::iter::once(USUAL_PAGE).chain(LOW_PAGES).find(|page| map.covers(page * 4096, 4096))
}

/// Copies the trampoline to `page`.
fn install(page: u64) {
    let from = &raw const ap_trampoline;
    let len = (&raw const ap_trampoline_end).addr() - from.addr();
    // SAFETY: the page is RAM below 1 MiB, which the direct map covers and the kernel never gives out; the trampoline is
    // smaller than a page.
    unsafe { core::ptr::copy_nonoverlapping(from, phys_to_virt(page * 4096), len) };
}

/// Area and stacks of CPU `index`.
fn prepare(index: u32, apic_id: u32) -> Result<ApStart, OutOfTables> {
    let area: &'static PerCpu = Box::leak(Box::new(PerCpu::new(index, apic_id)));
    let stack = stacks::map_thread_stack()?;
    use_stack(area, &stack);
    threads::make_idle(area, stack);
    for index in [gdt::IST_NMI, gdt::IST_DOUBLE_FAULT, gdt::IST_MACHINE_CHECK] {
        area.set_trap_stack(index, stacks::map_cpu_stack()?);
    }
    Ok(ApStart { apic_id, reserved: 0, stack_end: stack.end, area, stack })
}

/// Makes `stack` the one of the thread that runs on `area`'s CPU: by that CPU with interrupts masked, or before it runs.
pub fn use_stack(area: &PerCpu, stack: &ThreadStack) {
    area.set_kernel_stack(stack.bottom, stack.end);
    area.set_trap_stack(gdt::IST_IRQ, stack.irq_end);
    area.set_trap_stack(gdt::IST_FAULT, stack.fault_end);
}

/// The first Rust code of another processor than the boot processor: on its own stack, interrupts masked.
#[unsafe(no_mangle)]
extern "C" fn ap_entry(start: &'static ApStart) -> ! {
    let (area, stack) = (start.area, start.stack);
    area.enter(stack.bottom, stack.end);
    cpu::init();
    area.tables().load();
    idt::load();
    syscall_entry::init();
    apic::init_other();
    area.root.store(paging::kernel_root(), Ordering::Relaxed);
    threads::run_idle()
}
