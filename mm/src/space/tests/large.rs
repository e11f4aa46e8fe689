//! Large pages: when they are given, and that nobody can tell them from small ones.

use proptest::prelude::*;

use super::*;
use crate::addr::LARGE_PAGES;
use crate::fake::FakeTables;

/// Pages of the arena: three large ones, which begin and end inside it.
const ARENA: u64 = 4 * LARGE_PAGES;
const START: u64 = LARGE_PAGES / 2;

fn write(space: &mut AddressSpace, page: u64, byte: u8) {
    space.write(at(page), &[byte]).unwrap();
}

#[test]
fn one_fault_for_512_pages() {
    let (frames, mut space) = setup();
    map_anon(&mut space, START, ARENA, RW);
    write(&mut space, 2 * LARGE_PAGES + 7, 1);
    assert_eq!((space.resident_pages(), space.fault_count()), (LARGE_PAGES, 1));
    write(&mut space, START, 1);
    assert_eq!(space.resident_pages(), LARGE_PAGES + 1, "the area covers only half of this one");
    let used = frames.allocated();
    space.unmap(at(2 * LARGE_PAGES), LARGE_PAGES * PAGE_SIZE).unwrap();
    assert_eq!((frames.allocated(), space.resident_pages()), (used - LARGE_PAGES, 1), "freed as a whole");
    // Read first: zeros, which give way to a large page.
    assert_eq!(bytes(&mut space, at(LARGE_PAGES + 5), 2 * 4096), [0; 2 * 4096]);
    assert_eq!(space.resident_pages(), 3);
    write(&mut space, LARGE_PAGES + 6, 9);
    assert_eq!(space.resident_pages(), LARGE_PAGES + 1);
    assert_eq!(bytes(&mut space, at(LARGE_PAGES + 6), 2), [9, 0]);
    space.clear();
    assert_eq!(frames.allocated(), 0);
}

#[test]
fn not_where_they_are_not_wanted_or_memory_is_short() {
    let (frames, mut space) = setup();
    map_anon(&mut space, LARGE_PAGES, 2 * LARGE_PAGES, RW);
    let whole = |flags| Part {
        start: at(LARGE_PAGES).0,
        end: at(3 * LARGE_PAGES).0,
        prot: RW,
        flags,
        is_file: false,
    };
    let (refuse, none) = (VmaFlags::NO_HUGE_PAGES, VmaFlags::empty());
    space.set_flags(whole(none), refuse, none).unwrap();
    write(&mut space, LARGE_PAGES, 1);
    assert_eq!(space.resident_pages(), 1);
    space.set_flags(whole(refuse), none, refuse).unwrap();
    write(&mut space, LARGE_PAGES + 1, 1);
    assert_eq!(space.resident_pages(), 2, "there are small pages already");
    // Of 4096 frames more than an eighth must be free.
    map_anon(&mut space, 10 * LARGE_PAGES, 8 * LARGE_PAGES, RW);
    for page in 0..8 {
        write(&mut space, (10 + page) * LARGE_PAGES, 1);
    }
    assert!(frames.allocated() < 4096, "the last ones are small");
    assert!(space.resident_pages() > 6 * LARGE_PAGES);
}

#[test]
fn aligned_large_pages_move_whole() {
    let (frames, mut space) = setup();
    map_anon(&mut space, 0, 3 * LARGE_PAGES, RW);
    for page in [0, LARGE_PAGES, 2 * LARGE_PAGES + 9] {
        write(&mut space, page, 1 + page as u8);
    }
    let used = frames.allocated();
    let go = |from: u64, to: u64, pages: u64| RemapRequest {
        old: at(from),
        old_len: pages * PAGE_SIZE,
        new_len: pages * PAGE_SIZE,
        may_move: true,
        fixed: Some(at(to)),
        keep_old: false,
    };
    space.remap(go(0, 8 * LARGE_PAGES, 3 * LARGE_PAGES)).unwrap();
    assert_eq!((frames.splits(), frames.allocated(), space.resident_pages()), (0, used, 3 * LARGE_PAGES));
    assert_eq!(bytes(&mut space, at(10 * LARGE_PAGES + 9), 1), [10]);
    // Half of the last stays behind.
    space.remap(go(8 * LARGE_PAGES, 0, 2 * LARGE_PAGES + 256)).unwrap();
    assert_eq!(frames.splits(), 1);
    assert_eq!(
        [0, LARGE_PAGES, 2 * LARGE_PAGES + 9].map(|page| bytes(&mut space, at(page), 1)[0]),
        [1, 1, 10]
    );
    // Not aligned to each other.
    space.remap(go(0, 8 * LARGE_PAGES + 1, LARGE_PAGES)).unwrap();
    assert_eq!(frames.splits(), 2);
    assert_eq!(bytes(&mut space, at(8 * LARGE_PAGES + 1), 1), [1]);
    space.clear();
    assert_eq!(frames.allocated(), 0);
}

#[derive(Clone, Debug)]
enum Op {
    Write(u64, u8),
    Read(u64),
    Forget(u64, u64),
    Protect(u64, u64, bool),
    Move(u64, u64),
}

fn op() -> impl Strategy<Value = Op> {
    let page = || START..START + ARENA;
    let range = || {
        let some = (page(), 1..LARGE_PAGES * 2).prop_map(|(s, l)| (s, l.min(START + ARENA - s)));
        // Borders of large pages, too.
        prop_oneof![some, (1..4_u64).prop_map(|n| (n * LARGE_PAGES, LARGE_PAGES))]
    };
    prop_oneof![
        4 => (page(), 1..255_u8).prop_map(|(p, b)| Op::Write(p, b)),
        3 => page().prop_map(Op::Read),
        2 => range().prop_map(|(s, l)| Op::Forget(s, l)),
        2 => (range(), any::<bool>()).prop_map(|((s, l), w)| Op::Protect(s, l, w)),
        1 => range().prop_map(|(s, l)| Op::Move(s, l)),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 20, ..ProptestConfig::default() })]
    #[test]
    fn large_pages_read_and_write_as_small_ones(ops in prop::collection::vec(op(), 1..24)) {
        let frames = FakeFrames::leak(6 * 4096);
        let layout = Layout::linux(limits(), 0, 0);
        let mut space = AddressSpace::new(Box::new(FakeTables::new(frames)), frames, layout);
        map_anon(&mut space, START, ARENA, RW);
        let mut model = vec![(0_u8, true); (START + ARENA) as usize];
        for op in ops {
            match op {
                Op::Write(page, byte) => {
                    let writable = model[page as usize].1;
                    prop_assert_eq!(space.write(at(page), &[byte]).is_ok(), writable);
                    if writable {
                        model[page as usize].0 = byte;
                    }
                }
                Op::Read(page) => prop_assert_eq!(bytes(&mut space, at(page), 1)[0], model[page as usize].0),
                Op::Forget(s, l) => {
                    space.forget(at(s).0, at(s + l).0);
                    model[s as usize..(s + l) as usize].iter_mut().for_each(|page| page.0 = 0);
                }
                Op::Protect(s, l, writable) => {
                    let prot = if writable { RW } else { Prot::READ };
                    space.protect(at(s), l * PAGE_SIZE, prot).unwrap();
                    model[s as usize..(s + l) as usize].iter_mut().for_each(|page| page.1 = writable);
                }
                Op::Move(s, l) => {
                    // There and back again, if it is one area.
                    let there = at(20 * LARGE_PAGES + 3);
                    let go = RemapRequest {
                        old: at(s),
                        old_len: l * PAGE_SIZE,
                        new_len: l * PAGE_SIZE,
                        may_move: true,
                        fixed: Some(there),
                        keep_old: false,
                    };
                    if space.remap(go).is_ok() {
                        prop_assert_eq!(space.remap(RemapRequest { old: there, fixed: Some(at(s)), ..go }), Ok(at(s)));
                    }
                }
            }
        }
        for page in START..START + ARENA {
            prop_assert_eq!(bytes(&mut space, at(page), 1)[0], model[page as usize].0);
        }
        space.clear();
        prop_assert_eq!(frames.allocated(), 0);
    }
}
