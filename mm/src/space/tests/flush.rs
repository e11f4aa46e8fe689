//! Another CPU uses the same tables: it must never reach a frame that has been freed, nor miss what is new for long.

use proptest::prelude::*;

use super::model::{Model, Op, PAGES, apply, check, op};
use super::*;
use crate::addr::LARGE_PAGES;
use crate::fake::FakeCpu;
use crate::flush::{Flush, Stale};

fn setup_with_cpu() -> (&'static FakeFrames, &'static FakeCpu, AddressSpace) {
    let (frames, cpu) = (FakeFrames::leak(4096), FakeCpu::leak());
    let tables = Box::new(FakeTables::with_cpu(frames, cpu));
    (frames, cpu, AddressSpace::new(tables, frames, Layout::linux(limits(), 0, 0)))
}

/// What the owner of the lock does after each change.
fn complete(space: &mut AddressSpace) {
    if let Some(flush) = space.take_flush() {
        let done = flush.complete();
        space.flushed(done);
    }
}

fn touch(space: &mut AddressSpace, page: u64, access: Access) {
    space.fault(at(page), access).unwrap();
    if space.has_stale() {
        complete(space);
        space.fault(at(page), access).unwrap();
    }
    assert!(!space.has_stale());
}

#[test]
fn frames_are_freed_when_the_other_cpu_has_answered() {
    let (frames, cpu, mut space) = setup_with_cpu();
    map_anon(&mut space, 0, 8, RW);
    for page in 0..8 {
        touch(&mut space, page, Access::Write);
        assert!(cpu.access(at(page).0).is_some());
    }
    assert_eq!(cpu.calls(), 0, "nothing was taken away");
    let used = frames.allocated();
    space.unmap(at(0), 8 * PAGE_SIZE).unwrap();
    assert_eq!(frames.allocated(), used, "not before it knows");
    let flush = space.take_flush().unwrap();
    assert!(!space.has_stale() && space.take_flush().is_none());
    assert!(space.is_in_flight(at(3)) && !space.is_in_flight(at(8)));
    assert!(cpu.access(at(3).0).is_some(), "it has not been told");
    let done = flush.complete();
    assert!(space.is_in_flight(at(3)));
    space.flushed(done);
    assert!(!space.is_in_flight(at(3)) && cpu.access(at(3).0).is_none());
    assert_eq!((frames.allocated(), cpu.calls()), (used - 8, 1), "once for all");
}

#[test]
fn rights_are_taken_from_all_cpus_and_given_without_a_word() {
    let (_, cpu, mut space) = setup_with_cpu();
    map_anon(&mut space, 0, 2, RW);
    touch(&mut space, 0, Access::Write);
    assert!(cpu.access(at(0).0).unwrap().1.contains(crate::paging::PageFlags::WRITE));
    space.protect(at(0), PAGE_SIZE, Prot::READ).unwrap();
    assert!(space.has_stale() && !cpu.is_up_to_date());
    complete(&mut space);
    assert!(cpu.is_up_to_date());
    space.protect(at(0), PAGE_SIZE, RW).unwrap();
    assert!(!space.has_stale(), "who has less than it may faults");
}

#[test]
fn a_copied_page_shows_nowhere_before_the_original_is_forgotten_everywhere() {
    let (frames, cpu, mut space) = setup_with_cpu();
    // So few that what is only read gets none of its own.
    frames.set_budget(Some(16));
    map_anon(&mut space, 0, 1, RW);
    touch(&mut space, 0, Access::Read);
    let (zero, _) = cpu.access(at(0).0).unwrap();
    space.fault(at(0), Access::Write).unwrap();
    let flush = space.take_flush().unwrap();
    assert_eq!(cpu.access(at(0).0).unwrap().0, zero);
    cpu.forget(at(0).0);
    assert_eq!(cpu.access(at(0).0), None, "a third CPU waits for the second");
    let done = flush.complete();
    space.flushed(done);
    touch(&mut space, 0, Access::Write);
    assert_ne!(cpu.access(at(0).0).unwrap().0, zero);
}

#[test]
fn what_is_read_and_then_written_waits_for_nobody() {
    let (_, cpu, mut space) = setup_with_cpu();
    map_anon(&mut space, 0, 8, RW);
    for page in 0..8 {
        space.fault(at(page), Access::Read).unwrap();
        let (frame, flags) = cpu.access(at(page).0).unwrap();
        assert!(flags.contains(crate::paging::PageFlags::WRITE));
        space.fault(at(page), Access::Write).unwrap();
        assert!(!space.has_stale() && cpu.access(at(page).0).unwrap().0 == frame);
    }
    // What cannot be written shares its zeros, and so does what may become a large page.
    map_anon(&mut space, 16, 2, Prot::READ);
    map_anon(&mut space, 2 * LARGE_PAGES, LARGE_PAGES, RW);
    let mut read = |page| {
        space.fault(at(page), Access::Read).unwrap();
        cpu.access(at(page).0).unwrap().0
    };
    let zero = read(16);
    assert_eq!((read(17), read(2 * LARGE_PAGES)), (zero, zero));
}

#[test]
fn who_uses_pages_in_flight_waits_for_them_as_well() {
    let (frames, cpu, mut space) = setup_with_cpu();
    map_anon(&mut space, 0, 4, RW);
    for page in 0..4 {
        touch(&mut space, page, Access::Write);
        cpu.access(at(page).0);
    }
    space.unmap(at(0), 4 * PAGE_SIZE).unwrap();
    let first = space.take_flush().unwrap();
    // Somebody else: nothing is left to be done in the tables, but it is not done.
    space.unmap(at(1), PAGE_SIZE).unwrap();
    let second = space.take_flush().unwrap();
    let used = frames.allocated();
    let done = second.complete();
    space.flushed(done);
    assert_eq!(cpu.access(at(1).0), None);
    assert_eq!(frames.allocated(), used, "the first flush has the frames");
    // Filled while the first one is still under way.
    map_anon(&mut space, 0, 4, RW);
    cpu.access(at(0).0);
    space.populate(at(0), 4 * PAGE_SIZE).unwrap();
    let done = first.complete();
    space.flushed(done);
    assert!(cpu.is_up_to_date());
}

#[test]
fn large_pages_and_the_tables_they_replace() {
    let (frames, cpu, mut space) = setup_with_cpu();
    map_anon(&mut space, LARGE_PAGES, 2 * LARGE_PAGES, RW);
    touch(&mut space, LARGE_PAGES + 3, Access::Read);
    cpu.access(at(LARGE_PAGES + 3).0);
    touch(&mut space, LARGE_PAGES + 4, Access::Write);
    assert_eq!(space.resident_pages(), LARGE_PAGES);
    for page in LARGE_PAGES..2 * LARGE_PAGES {
        cpu.access(at(page).0);
    }
    let before = cpu.calls();
    space.unmap(at(LARGE_PAGES), 2 * LARGE_PAGES * PAGE_SIZE).unwrap();
    complete(&mut space);
    assert_eq!(cpu.calls(), before + 1);
    drop(space);
    assert_eq!(frames.allocated(), 0);
}

#[test]
fn a_flush_that_is_dropped_is_completed() {
    let (frames, cpu, mut space) = setup_with_cpu();
    map_anon(&mut space, 0, 1, RW);
    touch(&mut space, 0, Access::Write);
    cpu.access(at(0).0);
    space.unmap(at(0), PAGE_SIZE).unwrap();
    drop(space.take_flush());
    assert!(cpu.is_up_to_date());
    drop(space);
    assert_eq!(frames.allocated(), 0);
}

#[test]
fn few_ranges_stand_for_many() {
    let mut stale = Stale::NONE;
    for n in 0..100 {
        stale.add(n * 0x10_0000, PAGE_SIZE);
    }
    assert!((0..100).all(|n| stale.overlaps(n * 0x10_0000, n * 0x10_0000 + 1)));
    assert!(stale.pages() >= 100);
    let mut near = Stale::NONE;
    near.add(0x5000, PAGE_SIZE);
    near.add(0x4000, PAGE_SIZE);
    near.add(0x9000, PAGE_SIZE);
    assert_eq!(near.iter().collect::<Vec<_>>(), [0x4000, 0x5000, 0x9000]);
    assert!(!near.overlaps(0x6000, 0x9000) && near.overlaps(0x8000, 0x9001));
}

#[test]
fn a_page_is_filled_again_when_the_old_one_is_forgotten() {
    let (_, cpu, mut space) = setup_with_cpu();
    map_anon(&mut space, 0, 1, RW);
    touch(&mut space, 0, Access::Write);
    cpu.access(at(0).0);
    space.forget(at(0).0, at(1).0);
    let flush = space.take_flush().unwrap();
    space.write(at(0), &[1]).unwrap();
    space.flushed(flush.complete());
    touch(&mut space, 0, Access::Write);
    cpu.access(at(0).0);
    space.forget(at(0).0, at(1).0);
    space.write(at(0), &[1]).unwrap();
    complete(&mut space);
    // Rights that others have lost, but not on all CPUs yet.
    cpu.access(at(0).0);
    space.protect(at(0), PAGE_SIZE, Prot::READ).unwrap();
    let flush = space.take_flush().unwrap();
    space.protect(at(0), PAGE_SIZE, Prot::READ).unwrap();
    complete(&mut space);
    assert!(cpu.is_up_to_date());
    space.flushed(flush.complete());
    // The target of a move.
    map_anon(&mut space, 0, 8, RW);
    for page in 0..8 {
        touch(&mut space, page, Access::Write);
        cpu.access(at(page).0);
    }
    space.unmap(at(4), 4 * PAGE_SIZE).unwrap();
    let flush = space.take_flush().unwrap();
    let (old_len, new_len, fixed) = (4 * PAGE_SIZE, 4 * PAGE_SIZE, Some(at(4)));
    space
        .remap(RemapRequest { old: at(0), old_len, new_len, may_move: true, fixed, keep_old: false })
        .unwrap();
    space.flushed(flush.complete());
    complete(&mut space);
    assert!(cpu.is_up_to_date());
}

#[test]
fn a_moved_frame_is_not_freed_while_a_cpu_has_it_at_its_old_address() {
    let (frames, cpu, mut space) = setup_with_cpu();
    map_anon(&mut space, 0, 1, RW);
    touch(&mut space, 0, Access::Write);
    assert!(cpu.access(at(0).0).is_some());
    let fixed = Some(at(20));
    let (old, old_len, new_len) = (at(0), PAGE_SIZE, PAGE_SIZE);
    space.remap(RemapRequest { old, old_len, new_len, may_move: true, fixed, keep_old: false }).unwrap();
    let moving = space.take_flush().unwrap();
    let used = frames.allocated();
    space.unmap(at(20), PAGE_SIZE).unwrap();
    assert_eq!(frames.allocated(), used, "known at the old address");
    complete(&mut space);
    assert!(cpu.is_up_to_date());
    assert_eq!(frames.allocated(), used - 1);
    space.flushed(moving.complete());
}

/// Random changes with accesses of the other CPU in between and flushes that end in any order, later.
fn run(ops: Vec<(Op, u64, Option<usize>)>, direct: bool, deaf: bool) {
    let (frames, cpu, mut space) = setup_with_cpu();
    if deaf {
        cpu.set_deaf();
    }
    let mut model = Model::new();
    let store = model.prepare(&mut space, direct.then_some(frames));
    let mut under_way: Vec<Flush> = Vec::new();
    for (op, seen, completed) in ops {
        apply(&mut space, &mut model, &store, op);
        check(&space, &model);
        under_way.extend(space.take_flush());
        for page in (0..PAGES).filter(|page| seen >> page & 1 != 0) {
            cpu.access(at(page).0);
        }
        if let Some(n) = completed.filter(|_| !under_way.is_empty()) {
            let done = under_way.swap_remove(n % under_way.len()).complete();
            space.flushed(done);
        }
        assert!(
            !under_way.is_empty() || cpu.is_up_to_date(),
            "all flushes are done and a CPU has old rights"
        );
    }
    under_way.into_iter().for_each(|flush| space.flushed(flush.complete()));
    assert!(cpu.is_up_to_date());
    space.clear();
    drop(space);
    assert_eq!(frames.allocated(), 0);
}

fn steps() -> impl Strategy<Value = Vec<(Op, u64, Option<usize>)>> {
    prop::collection::vec((op(), any::<u64>(), prop::option::of(0..8_usize)), 1..60)
}

proptest! {
    #[test]
    fn no_cpu_reaches_what_is_gone(ops in steps(), direct in any::<bool>()) {
        run(ops, direct, false);
    }
}

/// The checks above are worth something: a CPU that does not listen is found out.
#[test]
#[should_panic(expected = "while a CPU")]
fn a_cpu_that_does_not_forget_is_noticed() {
    let rw = |page| {
        vec![
            (Op::Anon(page, 4, RW, true), 0, Some(0)),
            (Op::Write(page * PAGE_SIZE, 16, 1), u64::MAX, Some(0)),
        ]
    };
    let steps = [rw(0), vec![(Op::Unmap(0, 4), 0, Some(0))], rw(0)].concat();
    run(steps, false, true);
}
