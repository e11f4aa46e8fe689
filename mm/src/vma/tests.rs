//! The area map against a page-by-page model, and the cases a model does not explain.

use std::sync::Arc;
use std::vec::Vec;

use proptest::prelude::*;

use super::*;
use crate::addr::USER_END;
use crate::fake::FakeStore;

const RW: Prot = Prot::READ.union(Prot::WRITE);

fn anon(start: u64, end: u64, prot: Prot) -> Vma {
    let (start, end) = (start * PAGE_SIZE, end * PAGE_SIZE);
    Vma { start, end, prot, flags: VmaFlags::empty(), backing: Backing::Anonymous, name: None, given: None }
}

fn ranges(map: &VmaMap) -> Vec<(u64, u64)> {
    map.iter().map(|v| (v.start / PAGE_SIZE, v.end / PAGE_SIZE)).collect()
}

#[test]
fn anonymous_neighbours_join_and_split() {
    let mut map = VmaMap::new();
    map.insert(anon(10, 20, RW)).unwrap();
    map.insert(anon(30, 40, RW)).unwrap();
    map.insert(anon(20, 30, RW)).unwrap();
    assert_eq!(ranges(&map), [(10, 40)]);
    map.protect(15 * PAGE_SIZE, 25 * PAGE_SIZE, Prot::READ);
    assert_eq!(ranges(&map), [(10, 15), (15, 25), (25, 40)]);
    assert_eq!((map.total_bytes(), map.data_bytes()), (30 * PAGE_SIZE, 20 * PAGE_SIZE));
    map.protect(15 * PAGE_SIZE, 25 * PAGE_SIZE, RW);
    assert_eq!(ranges(&map), [(10, 40)]);
    map.remove(12 * PAGE_SIZE, 13 * PAGE_SIZE);
    assert_eq!(ranges(&map), [(10, 12), (13, 40)]);
    for (start, end) in [(10, 11), (0, 50), (39, 41), (20, 20), (9, 11)] {
        assert_eq!(map.insert(anon(start, end, RW)), Err(Overlap), "{start}..{end}");
    }
    let beyond = USER_END / PAGE_SIZE;
    assert_eq!(map.insert(anon(beyond, beyond + 1, RW)), Err(Overlap));
    let named = Vma { name: Some("[heap]"), ..anon(40, 41, RW) };
    map.insert(named).unwrap();
    assert_eq!(map.count(), 3, "another name is another area");
}

#[test]
fn a_split_file_area_keeps_its_offsets() {
    let store = FakeStore::copied("/bin/x", &[0; 100]);
    let backing = Backing::File(FileBacking { store, offset: 5 * PAGE_SIZE, file_len: 2 * PAGE_SIZE + 100 });
    let mut map = VmaMap::new();
    map.insert(Vma { backing, ..anon(10, 16, Prot::READ) }).unwrap();
    map.protect(11 * PAGE_SIZE, 14 * PAGE_SIZE, RW);
    let parts: Vec<_> = map
        .iter()
        .map(|v| match &v.backing {
            Backing::File(f) => (v.start / PAGE_SIZE, f.offset / PAGE_SIZE, f.file_len),
            Backing::Anonymous => panic!("file backing lost"),
        })
        .collect();
    assert_eq!(parts, [(10, 5, PAGE_SIZE), (11, 6, PAGE_SIZE + 100), (14, 9, 0)]);
    assert_eq!(map.iter().next().unwrap().label(), b"/bin/x");
    map.protect(11 * PAGE_SIZE, 14 * PAGE_SIZE, Prot::READ);
    assert_eq!(ranges(&map), [(10, 16)], "the parts fit together again");
}

#[test]
fn files_join_only_where_the_content_continues() {
    let store: Arc<dyn BackingStore> = FakeStore::copied("/a", &[0; 100]);
    let other: Arc<dyn BackingStore> = FakeStore::copied("/a", &[0; 100]);
    let file = |store: &Arc<dyn BackingStore>, offset, file_len| {
        Backing::File(FileBacking { store: Arc::clone(store), offset: offset * PAGE_SIZE, file_len })
    };
    for (next, joins) in [
        (file(&store, 1, PAGE_SIZE), true),
        (file(&store, 2, PAGE_SIZE), false),
        (file(&other, 1, PAGE_SIZE), false),
        (Backing::Anonymous, false),
    ] {
        let mut map = VmaMap::new();
        map.insert(Vma { backing: file(&store, 0, PAGE_SIZE), ..anon(1, 2, RW) }).unwrap();
        map.insert(Vma { backing: next, ..anon(2, 3, RW) }).unwrap();
        assert_eq!(map.count() == 1, joins);
    }
    let mut map = VmaMap::new();
    map.insert(Vma { backing: file(&store, 0, 100), ..anon(1, 2, RW) }).unwrap();
    map.insert(Vma { backing: file(&store, 1, PAGE_SIZE), ..anon(2, 3, RW) }).unwrap();
    assert_eq!(map.count(), 2, "zeros lie between the two parts");
}

#[test]
fn lookups() {
    let mut map = VmaMap::new();
    map.insert(anon(10, 20, RW)).unwrap();
    map.insert(anon(30, 40, RW)).unwrap();
    let at = |page: u64| VirtAddr(page * PAGE_SIZE);
    let start = |vma: Option<&Vma>| vma.map(|v| v.start / PAGE_SIZE);
    for (page, find, next, below, above) in [
        (5, None, Some(10), None, Some(10)),
        (10, Some(10), Some(10), None, Some(30)),
        (19, Some(10), Some(10), None, Some(30)),
        (20, None, Some(30), Some(10), Some(30)),
        (30, Some(30), Some(30), Some(10), None),
        (40, None, None, Some(30), None),
    ] {
        assert_eq!(start(map.find(at(page))), find);
        assert_eq!(start(map.find_or_next(at(page))), next);
        let (low, high) = map.neighbours(at(page));
        assert_eq!((start(low), start(high)), (below, above), "{page}");
    }
    assert_eq!(start(map.neighbours(VirtAddr(u64::MAX)).0), Some(30));
}

#[test]
fn gaps_are_found_from_the_top_and_keep_away_from_stacks() {
    let page = |n: u64| n * PAGE_SIZE;
    let mut map = VmaMap::new();
    assert_eq!(map.find_gap(page(1), page(16), page(1000)), Some(page(999)));
    assert_eq!(map.find_gap(page(985), page(16), page(1000)), None);
    assert_eq!(map.find_gap(page(984), page(16), page(1000)), Some(page(16)));
    map.insert(Vma { flags: VmaFlags::GROWSDOWN, ..anon(900, 910, RW) }).unwrap();
    map.insert(anon(990, 1010, RW)).unwrap();
    assert_eq!(map.find_gap(page(80), page(16), page(1000)), Some(page(910)));
    assert_eq!(map.find_gap(page(81), page(16), page(1000)), Some(page(900 - 256 - 81)));
    assert!(map.is_free(page(910), page(80)) && !map.is_free(page(910), page(81)));
    assert!(map.is_free(page(600), page(44)) && !map.is_free(page(600), page(45)));
    assert!(!map.is_free(u64::MAX - 1, page(1)));
    // A stack above the ceiling keeps its gap, too.
    assert_eq!(map.find_gap(page(1), page(16), page(800)), Some(page(643)));
    assert_eq!(map.find_gap(page(700), page(16), page(800)), None);
}

#[test]
fn a_stack_grows_until_it_meets_another_area() {
    let mut map = VmaMap::new();
    map.insert(Vma { flags: VmaFlags::GROWSDOWN, ..anon(100, 110, RW) }).unwrap();
    map.insert(anon(50, 60, RW)).unwrap();
    map.grow_down(100 * PAGE_SIZE, 60 * PAGE_SIZE).unwrap();
    assert_eq!(ranges(&map), [(50, 60), (60, 110)]);
    assert_eq!(map.grow_down(60 * PAGE_SIZE, 59 * PAGE_SIZE), Err(Overlap));
    assert_eq!(map.grow_down(70 * PAGE_SIZE, 69 * PAGE_SIZE), Err(Overlap));
    assert_eq!((map.total_bytes(), map.data_bytes()), (60 * PAGE_SIZE, 10 * PAGE_SIZE));
}

/// A page of the model: protection, flags, page offset in the file if there is one.
type Page = (Prot, VmaFlags, Option<u64>);

#[derive(Clone, Debug)]
enum Op {
    Insert(u64, u64, Prot, bool, Option<u64>),
    Remove(u64, u64),
    Protect(u64, u64, Prot),
}

const PAGES: u64 = 48;

fn op() -> impl Strategy<Value = Op> {
    let range = (0..PAGES, 1..12_u64).prop_map(|(start, len)| (start, (start + len).min(PAGES)));
    let prot = prop_oneof![Just(Prot::empty()), Just(Prot::READ), Just(RW)];
    prop_oneof![
        (range.clone(), prot.clone(), any::<bool>(), prop::option::of(0..3_u64))
            .prop_map(|((s, e), p, down, file)| Op::Insert(s, e, p, down, file.map(|f| f * 8 + s))),
        range.clone().prop_map(|(s, e)| Op::Remove(s, e)),
        (range, prot).prop_map(|((s, e), p)| Op::Protect(s, e, p)),
    ]
}

/// The page at `index` as the map has it.
fn page_of(map: &VmaMap, index: u64) -> Option<Page> {
    let addr = index * PAGE_SIZE;
    map.find(VirtAddr(addr)).map(|vma| {
        let file = match &vma.backing {
            Backing::File(f) => Some((f.offset + addr - vma.start) / PAGE_SIZE),
            Backing::Anonymous => None,
        };
        (vma.prot, vma.flags, file)
    })
}

fn check(map: &VmaMap, model: &[Option<Page>]) {
    for (i, page) in model.iter().enumerate() {
        assert_eq!(page_of(map, i as u64), *page, "page {i}");
    }
    map.areas.check();
    let areas: Vec<_> = map.iter().collect();
    for pair in areas.windows(2) {
        assert!(pair[0].end <= pair[1].start && !pair[0].can_join(pair[1]), "{pair:?}");
    }
    let pages = |filter: &dyn Fn(&Page) -> bool| model.iter().flatten().filter(|p| filter(p)).count() as u64;
    assert_eq!(map.total_bytes(), pages(&|_| true) * PAGE_SIZE);
    assert_eq!(map.data_bytes(), pages(&|p| is_data(p.0, p.1)) * PAGE_SIZE);
    for (start, end) in [(0, PAGES), (3, 9), (20, 21), (40, PAGES)] {
        let taken = model[start as usize..end as usize].iter().any(Option::is_some);
        assert_eq!(map.overlaps(start * PAGE_SIZE, end * PAGE_SIZE), taken);
    }
    for len in [1, 5, 20] {
        let free = |at: &u64| (*at..at + len).all(|p| model[p as usize].is_none());
        let guarded = model.iter().flatten().any(|p| p.1.contains(VmaFlags::GROWSDOWN));
        if !guarded {
            let expected = (0..=PAGES - len).rev().find(free).map(|p| p * PAGE_SIZE);
            assert_eq!(map.find_gap(len * PAGE_SIZE, 0, PAGES * PAGE_SIZE), expected);
        }
    }
}

proptest! {
    #[test]
    fn matches_a_page_by_page_model(ops in prop::collection::vec(op(), 1..60)) {
        let store = FakeStore::copied("/f", &[]);
        let (mut map, mut model) = (VmaMap::new(), std::vec![None; PAGES as usize]);
        for op in ops {
            let before = map.count();
            match op {
                Op::Insert(s, e, prot, down, file) => {
                    let backing = file.map_or(Backing::Anonymous, |page| Backing::File(FileBacking {
                        store: store.clone(), offset: page * PAGE_SIZE, file_len: (e - s) * PAGE_SIZE,
                    }));
                    let flags = if down { VmaFlags::GROWSDOWN } else { VmaFlags::empty() };
                    let free = model[s as usize..e as usize].iter().all(Option::is_none);
                    prop_assert_eq!(map.insert(Vma { flags, backing, ..anon(s, e, prot) }).is_ok(), free);
                    if free {
                        for p in s..e {
                            model[p as usize] = Some((prot, flags, file.map(|f| f + p - s)));
                        }
                    }
                }
                Op::Remove(s, e) => {
                    let hole = map.punches_hole(s * PAGE_SIZE, e * PAGE_SIZE);
                    map.remove(s * PAGE_SIZE, e * PAGE_SIZE);
                    prop_assert!(map.count() <= before + usize::from(hole));
                    model[s as usize..e as usize].fill(None);
                }
                Op::Protect(s, e, prot) => {
                    let splits = map.splits(s * PAGE_SIZE, e * PAGE_SIZE);
                    map.protect(s * PAGE_SIZE, e * PAGE_SIZE, prot);
                    prop_assert!(map.count() <= before + splits);
                    model[s as usize..e as usize].iter_mut().flatten().for_each(|p| p.0 = prot);
                }
            }
            check(&map, &model);
        }
    }
}

/// The highest gap, by looking at each area.
fn gap_by_hand(map: &VmaMap, len: u64, floor: u64, ceiling: u64) -> Option<u64> {
    let mut limit = ceiling;
    for area in map.iter().rev() {
        let bottom = area.end.max(floor);
        if limit.checked_sub(bottom).is_some_and(|room| room >= len) {
            return Some(limit - len);
        }
        limit = limit.min(area.guarded_start());
    }
    limit.checked_sub(floor).filter(|room| *room >= len).map(|_| limit - len)
}

proptest! {
    #[test]
    fn gaps_are_those_found_by_hand(
        areas in prop::collection::vec((0..3000_u64, 1..40_u64, 0..8_u32), 1..120),
        gone in prop::collection::vec((0..3000_u64, 1..300_u64), 0..6),
        asked in prop::collection::vec((1..400_u64, 0..3000_u64, 0..3000_u64), 1..20),
    ) {
        let mut map = VmaMap::new();
        for (start, len, kind) in areas {
            let flags = if kind == 0 { VmaFlags::GROWSDOWN } else { VmaFlags::empty() };
            let _ = map.insert(Vma { flags, ..anon(start, start + len, RW) });
        }
        for (start, len) in gone {
            map.remove(start * PAGE_SIZE, (start + len) * PAGE_SIZE);
        }
        for (len, floor, room) in asked {
            let (len, floor, ceiling) = (len * PAGE_SIZE, floor * PAGE_SIZE, (floor + room) * PAGE_SIZE);
            prop_assert_eq!(map.find_gap(len, floor, ceiling), gap_by_hand(&map, len, floor, ceiling));
        }
    }
}

#[test]
fn many_areas_cost_little_each() {
    let mut map = VmaMap::new();
    let base = 1 << 30;
    for i in 0..60_000_u64 {
        let prot = if i % 2 == 0 { RW } else { Prot::READ };
        let at = map.find_gap(PAGE_SIZE, 0, base).expect("room");
        assert_eq!(at, base - (i + 1) * PAGE_SIZE);
        map.insert(anon(at / PAGE_SIZE, at / PAGE_SIZE + 1, prot)).unwrap();
    }
    assert_eq!(map.count(), 60_000);
    // Holes of one page near the bottom are not looked at for two.
    for i in (40_000..60_000).step_by(2) {
        let at = base - (i + 1) * PAGE_SIZE;
        map.remove(at, at + PAGE_SIZE);
    }
    let highest = base - 40_001 * PAGE_SIZE;
    assert_eq!(map.find_gap(PAGE_SIZE, 0, base), Some(highest));
    assert_eq!(map.find_gap(2 * PAGE_SIZE, 0, base), Some(base - 60_002 * PAGE_SIZE));
    assert_eq!((map.iter().count(), map.iter().rev().count()), (50_000, 50_000));
    map.areas.check();
    map.remove(0, base);
    map.areas.check();
    assert!(map.areas.blocks() <= 5, "memory is given back");
    assert_eq!((map.count(), map.total_bytes()), (0, 0));
}
