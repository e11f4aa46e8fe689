//! A CPU stands still: who waits for it, and who does not.

use super::*;
use mm::addr::PAGE_SIZE;
use mm::fake::{FakeCpu, FakeFrames, FakeTables};
use mm::space::{Layout, Limits, MapRequest, Placement};
use mm::vma::Prot;
use std::boxed::Box;
use std::thread;

const BASE: u64 = 0x40_0000;

fn page(number: u64) -> VirtAddr {
    VirtAddr(BASE + number * PAGE_SIZE)
}

/// Eight pages that the other CPU has seen.
fn memory(frames: &'static FakeFrames, cpu: &'static FakeCpu) -> Memory {
    let tables = Box::new(FakeTables::with_cpu(frames, cpu));
    let memory = Memory::new(AddressSpace::new(tables, frames, Layout::linux(Limits::UNLIMITED, 0, 0)));
    let (all, rw) = (8 * PAGE_SIZE, Prot::READ | Prot::WRITE);
    memory.lock().map(MapRequest::anonymous(Placement::Fixed(page(0)), all, rw)).unwrap();
    for number in 0..8 {
        memory.fault(page(number), Access::Write).unwrap();
        cpu.access(page(number).0);
    }
    memory
}

#[test]
fn only_who_needs_the_memory_waits_for_a_cpu_that_stands_still() {
    let (frames, cpu) = (FakeFrames::leak(256), FakeCpu::leak());
    let memory = memory(frames, cpu);
    let used = frames.allocated();
    cpu.set_paused(true);
    thread::scope(|scope| {
        scope.spawn(|| {
            memory.lock().forget(page(0).0, page(4).0);
            assert!(!cpu.is_paused(), "it has not answered");
        });
        while !memory.lock().is_in_flight(page(0)) {
            thread::yield_now();
        }
        // The lock is free, other pages can be had, and other mappings made.
        memory.fault(page(5), Access::Write).unwrap();
        let wanted = MapRequest::anonymous(Placement::Fixed(page(20)), PAGE_SIZE, Prot::READ | Prot::WRITE);
        memory.lock().map(wanted).unwrap();
        memory.fault(page(20), Access::Write).unwrap();
        assert_eq!(frames.allocated(), used + 1, "nothing is freed yet");
        scope.spawn(|| {
            memory.fault(page(1), Access::Write).unwrap();
            assert!(!cpu.is_paused(), "a new page while a CPU has the old one");
        });
        thread::yield_now();
        cpu.set_paused(false);
    });
    assert!(cpu.is_up_to_date() && !memory.lock().is_in_flight(page(0)));
    assert_eq!(frames.allocated(), used + 1 - 3, "four freed, one of them in use again");
}

#[test]
fn a_fault_that_copies_ends_with_the_rights() {
    let (frames, cpu) = (FakeFrames::leak(256), FakeCpu::leak());
    let memory = memory(frames, cpu);
    memory.lock().forget(page(0).0, page(1).0);
    // Not plentiful: what is only read gets no frame of its own.
    frames.set_budget(Some(16));
    memory.fault(page(0), Access::Read).unwrap();
    let before = cpu.access(page(0).0).unwrap().0;
    memory.fault(page(0), Access::Write).unwrap();
    let (after, flags) = cpu.access(page(0).0).unwrap();
    assert!(after != before && flags.contains(mm::paging::PageFlags::WRITE));
}
