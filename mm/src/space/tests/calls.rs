//! mmap, munmap, mprotect, brk: results and errors as the man pages give them.

use super::*;
use crate::addr::USER_END;
use crate::fake::FakeStore;

fn try_map(space: &mut AddressSpace, at: Placement, len: u64) -> Result<VirtAddr, MmError> {
    space.map(MapRequest::anonymous(at, len, RW))
}

#[test]
fn mappings_go_top_down_from_the_base() {
    let (_, mut space) = setup();
    let base = space.layout().mmap_base;
    assert_eq!(try_map(&mut space, Placement::Anywhere, 1), Ok(VirtAddr(base - PAGE_SIZE)));
    assert_eq!(try_map(&mut space, Placement::Anywhere, 3 * PAGE_SIZE), Ok(VirtAddr(base - 4 * PAGE_SIZE)));
    assert_eq!(space.vmas().count(), 1, "joined");
    space.unmap(VirtAddr(base - 2 * PAGE_SIZE), PAGE_SIZE).unwrap();
    assert_eq!(try_map(&mut space, Placement::Anywhere, PAGE_SIZE), Ok(VirtAddr(base - 2 * PAGE_SIZE)));
    // No room below the base: what is left above it is used.
    let all = base - MMAP_MIN_ADDR;
    try_map(&mut space, Placement::Fixed(VirtAddr(MMAP_MIN_ADDR)), all).unwrap();
    assert_eq!(try_map(&mut space, Placement::Anywhere, PAGE_SIZE), Ok(VirtAddr(USER_END - PAGE_SIZE)));
    assert_eq!(try_map(&mut space, Placement::Anywhere, USER_END - base), Err(MmError::NoMemory));
}

#[test]
fn hints_are_taken_when_free() {
    let (_, mut space) = setup();
    let hint = |page: u64, off: u64| Placement::Hint(VirtAddr(at(page).0 + off));
    assert_eq!(try_map(&mut space, hint(5, 7), PAGE_SIZE), Ok(at(5)));
    let elsewhere = VirtAddr(space.layout().mmap_base - 2 * PAGE_SIZE);
    assert_eq!(try_map(&mut space, hint(4, 0), 2 * PAGE_SIZE), Ok(elsewhere));
    assert_eq!(try_map(&mut space, Placement::Hint(VirtAddr(5)), PAGE_SIZE), Ok(VirtAddr(MMAP_MIN_ADDR)));
    for wild in [0, USER_END, u64::MAX, USER_END - PAGE_SIZE + 1] {
        let got = try_map(&mut space, Placement::Hint(VirtAddr(wild)), 2 * PAGE_SIZE).unwrap();
        assert!(got.0 < space.layout().mmap_base, "{wild:#x}");
    }
}

#[test]
fn mmap_errors() {
    let (_, mut space) = setup();
    let fix = |addr: u64| Placement::Fixed(VirtAddr(addr));
    assert_eq!(try_map(&mut space, Placement::Anywhere, 0), Err(MmError::Invalid));
    for len in [u64::MAX, u64::MAX - 4095, USER_END + 1, 1 << 63] {
        assert_eq!(try_map(&mut space, Placement::Anywhere, len), Err(MmError::NoMemory), "{len:#x}");
        assert_eq!(try_map(&mut space, fix(BASE), len), Err(MmError::NoMemory), "{len:#x}");
    }
    assert_eq!(try_map(&mut space, fix(BASE + 1), PAGE_SIZE), Err(MmError::Invalid));
    assert_eq!(try_map(&mut space, fix(USER_END), PAGE_SIZE), Err(MmError::NoMemory));
    assert_eq!(try_map(&mut space, fix(!4095), PAGE_SIZE), Err(MmError::NoMemory));
    assert_eq!(try_map(&mut space, fix(0), PAGE_SIZE), Err(MmError::Denied));
    assert_eq!(try_map(&mut space, fix(USER_END - PAGE_SIZE), PAGE_SIZE), Ok(VirtAddr(USER_END - PAGE_SIZE)));
    map_anon(&mut space, 10, 5, RW);
    assert_eq!(try_map(&mut space, Placement::FixedNoReplace(at(14)), 2 * PAGE_SIZE), Err(MmError::Exists));
    assert_eq!(try_map(&mut space, Placement::FixedNoReplace(at(15)), PAGE_SIZE), Ok(at(15)));

    let store = FakeStore::copied("/f", &[1; 10]);
    for (offset, error) in [(1, MmError::Invalid), (u64::MAX - 4095, MmError::Overflow)] {
        let file = FileBacking { store: store.clone(), offset, file_len: 10 };
        assert_eq!(space.map(MapRequest::file(Placement::Anywhere, 4096, RW, file)), Err(error));
    }
}

#[test]
fn a_fixed_mapping_replaces_and_forgets() {
    let (frames, mut space) = setup();
    map_anon(&mut space, 0, 10, RW);
    space.write(at(4), b"old").unwrap();
    let before = frames.allocated();
    map_anon(&mut space, 3, 3, RW);
    assert_eq!(frames.allocated(), before - 1);
    assert_eq!(bytes(&mut space, at(4), 3), [0; 3]);
    assert_eq!(ranges(&space), [(0, 10)]);
    map_anon(&mut space, 3, 3, Prot::READ);
    assert_eq!(ranges(&space), [(0, 3), (3, 6), (6, 10)]);
}

#[test]
fn munmap_errors_and_holes() {
    let (frames, mut space) = setup();
    map_anon(&mut space, 0, 10, RW);
    space.populate(at(0), 10 * PAGE_SIZE).unwrap();
    let before = frames.allocated();
    for (addr, len) in [
        (BASE + 1, PAGE_SIZE),
        (BASE, 0),
        (BASE, u64::MAX),
        (USER_END, PAGE_SIZE),
        (!4095, 1),
        (BASE, USER_END),
    ] {
        assert_eq!(space.unmap(VirtAddr(addr), len), Err(MmError::Invalid), "{addr:#x} {len:#x}");
    }
    space.unmap(at(3), 2 * PAGE_SIZE - 1).unwrap();
    space.unmap(at(20), 100 * PAGE_SIZE).unwrap();
    assert_eq!(ranges(&space), [(0, 3), (5, 10)]);
    assert_eq!((frames.allocated(), space.resident_pages()), (before - 2, 8));
    space.unmap(VirtAddr(0), USER_END).unwrap();
    assert_eq!((space.vmas().count(), space.resident_pages()), (0, 0));
}

#[test]
fn mprotect_changes_what_precedes_a_hole() {
    let (_, mut space) = setup();
    map_anon(&mut space, 0, 4, RW);
    map_anon(&mut space, 6, 4, RW);
    assert_eq!(space.protect(at(2), 6 * PAGE_SIZE, Prot::READ), Err(MmError::NoMemory));
    assert_eq!(ranges(&space), [(0, 2), (2, 4), (6, 10)]);
    assert_eq!(space.protect(at(5), PAGE_SIZE, RW), Err(MmError::NoMemory));
    assert_eq!(space.protect(VirtAddr(BASE + 5), PAGE_SIZE, RW), Err(MmError::Invalid));
    assert_eq!(space.protect(at(0), 0, RW), Ok(()));
    assert_eq!(space.protect(at(0), u64::MAX, RW), Err(MmError::NoMemory));
    assert_eq!(space.protect(at(0), u64::MAX - 4095, RW), Err(MmError::NoMemory));
    assert_eq!(space.protect(VirtAddr(!4095), PAGE_SIZE, RW), Err(MmError::NoMemory));
    space.protect(at(2), 1, RW).unwrap();
    assert_eq!(ranges(&space), [(0, 3), (3, 4), (6, 10)]);
}

#[test]
fn limits_are_kept() {
    let (_, mut space) = setup();
    map_anon(&mut space, 0, 10, RW);
    let page = PAGE_SIZE;
    space.set_limits(Limits { address_space: 12 * page + 5, ..limits() });
    assert_eq!(try_map(&mut space, Placement::Anywhere, 3 * page), Err(MmError::NoMemory));
    assert_eq!(
        try_map(&mut space, Placement::Anywhere, 2 * page),
        Ok(VirtAddr(space.layout().mmap_base - 2 * page))
    );
    map_anon(&mut space, 0, 10, RW);
    space.set_limits(Limits { data: 13 * page, ..limits() });
    assert_eq!(try_map(&mut space, Placement::Anywhere, 2 * page), Err(MmError::NoMemory));
    map_anon(&mut space, 20, 50, Prot::READ);
    assert_eq!(space.protect(at(20), 2 * page, RW), Err(MmError::NoMemory));
    assert_eq!(space.protect(at(20), page, RW), Ok(()));
    space.set_limits(Limits { commit: 4 * page, ..limits() });
    assert_eq!(try_map(&mut space, Placement::Anywhere, 5 * page), Err(MmError::NoMemory));
    assert_eq!(space.protect(at(30), 5 * page, RW), Err(MmError::NoMemory));
    let request = MapRequest::anonymous(Placement::Anywhere, 5 * page, RW);
    assert!(space.map(MapRequest { flags: VmaFlags::NORESERVE, ..request }).is_ok());
    assert!(space.map(MapRequest::anonymous(Placement::Anywhere, 5 * page, Prot::empty())).is_ok());
}

#[test]
fn the_number_of_areas_is_bounded() {
    let frames = FakeFrames::leak(64);
    let layout = Layout { max_map_count: 3, ..Layout::linux(limits(), 0, 0) };
    let mut space = AddressSpace::new(Box::new(FakeTables::new(frames)), frames, layout);
    map_anon(&mut space, 0, 10, RW);
    map_anon(&mut space, 20, 1, RW);
    assert_eq!(space.protect(at(4), PAGE_SIZE, Prot::READ), Err(MmError::NoMemory));
    assert_eq!(try_map(&mut space, fixed(5), PAGE_SIZE), Err(MmError::NoMemory), "cuts one and adds one");
    map_anon(&mut space, 30, 1, RW);
    assert_eq!(try_map(&mut space, fixed(40), PAGE_SIZE), Err(MmError::NoMemory));
    assert_eq!(space.unmap(at(4), PAGE_SIZE), Err(MmError::NoMemory));
    assert_eq!(space.unmap(at(8), 2 * PAGE_SIZE), Ok(()));
    assert_eq!(ranges(&space), [(0, 8), (20, 21), (30, 31)]);
}

#[test]
fn brk_moves_by_bytes_and_maps_by_pages() {
    let (frames, mut space) = setup();
    assert_eq!(space.brk(Some(at(0))), VirtAddr(0), "no heap before the loader says where");
    let start = VirtAddr(BASE + 100);
    space.set_brk_start(start);
    let brk = |space: &mut AddressSpace, addr: u64| space.brk(Some(VirtAddr(addr))).0;
    assert_eq!(space.brk(None), start);
    assert_eq!(brk(&mut space, BASE + 200), BASE + 200);
    assert_eq!(space.vmas().count(), 0, "still in the page of the start");
    assert_eq!(brk(&mut space, BASE + 3 * PAGE_SIZE + 1), BASE + 3 * PAGE_SIZE + 1);
    assert_eq!(ranges(&space), [(1, 4)]);
    assert_eq!(space.find(at(1)).unwrap().label(), b"[heap]");
    space.write(at(3), b"x").unwrap();
    let used = frames.allocated();
    assert_eq!(brk(&mut space, BASE + 3 * PAGE_SIZE), BASE + 3 * PAGE_SIZE);
    assert_eq!((ranges(&space), frames.allocated()), (vec![(1, 3)], used - 1));
    assert_eq!(brk(&mut space, BASE), BASE + 3 * PAGE_SIZE, "below the start");
    assert_eq!(brk(&mut space, u64::MAX), BASE + 3 * PAGE_SIZE);
    assert_eq!(brk(&mut space, USER_END + 1), BASE + 3 * PAGE_SIZE);
    map_anon(&mut space, 10, 1, Prot::READ);
    assert_eq!(brk(&mut space, at(10).0), BASE + 3 * PAGE_SIZE, "one page must stay free");
    assert_eq!(brk(&mut space, at(9).0), at(9).0);
    assert_eq!(ranges(&space), [(1, 9), (10, 11)]);
    assert_eq!(brk(&mut space, start.0), start.0);
    assert_eq!(ranges(&space), [(10, 11)]);
    space.set_limits(Limits { data: 2 * PAGE_SIZE, ..limits() });
    assert_eq!(brk(&mut space, start.0 + 2 * PAGE_SIZE + 1), start.0);
    assert_eq!(brk(&mut space, start.0 + 2 * PAGE_SIZE), start.0 + 2 * PAGE_SIZE);
    space.clear();
    assert_eq!((space.brk(None), frames.allocated()), (VirtAddr(0), 0));
}

fn remap(page: u64, old: u64, new: u64) -> RemapRequest {
    RemapRequest {
        old: at(page),
        old_len: old * PAGE_SIZE,
        new_len: new * PAGE_SIZE,
        may_move: true,
        fixed: None,
        keep_old: false,
    }
}

#[test]
fn mremap_moves_entries_and_not_content() {
    let (frames, mut space) = setup();
    map_anon(&mut space, 0, 4, RW);
    map_anon(&mut space, 4, 1, Prot::READ);
    space.write(at(3), b"moves").unwrap();
    let used = frames.allocated();
    let before = space.tables.query(at(3)).unwrap();
    let request = remap(0, 4, 6);
    let new = space.remap(request).unwrap();
    assert_eq!(space.tables.query(VirtAddr(new.0 + 3 * PAGE_SIZE)), Some(before));
    assert_eq!((frames.allocated(), space.resident_pages()), (used + 1, 1), "one table more");
    assert_eq!(ranges(&space)[0], (4, 5));
    // Back to where it was, shorter.
    let back = RemapRequest { fixed: Some(at(0)), old: new, ..remap(0, 6, 4) };
    assert_eq!(space.remap(back), Ok(at(0)));
    assert_eq!(bytes(&mut space, at(3), 5), b"moves");
    assert_eq!(ranges(&space), [(0, 4), (4, 5)]);
    // The old area can stay: empty.
    let keep = RemapRequest { keep_old: true, fixed: Some(at(100)), ..remap(0, 4, 4) };
    assert_eq!(space.remap(keep), Ok(at(100)));
    assert_eq!((bytes(&mut space, at(103), 5), bytes(&mut space, at(3), 5)), (b"moves".into(), vec![0; 5]));
}

#[test]
fn mremap_without_memory_for_tables_changes_nothing() {
    let (frames, mut space) = setup();
    map_anon(&mut space, 0, 512, RW);
    space.populate(at(0), 512 * PAGE_SIZE).unwrap();
    space.write(at(511), b"last").unwrap();
    let used = frames.allocated();
    for budget in 0..2 {
        frames.set_budget(Some(budget));
        // The new place spans two tables, so that the second may fail halfway.
        let request = RemapRequest { fixed: Some(at(5 * 512 + 100)), ..remap(0, 512, 512) };
        assert_eq!(space.remap(request), Err(MmError::NoMemory));
        frames.set_budget(None);
        assert_eq!(bytes(&mut space, at(511), 4), b"last");
        assert_eq!((space.resident_pages(), ranges(&space)), (512, vec![(0, 512)]));
        assert!(frames.allocated() <= used + 1, "no page was copied or lost");
    }
}

#[test]
fn mremap_errors_and_limits() {
    let (_, mut space) = setup();
    map_anon(&mut space, 0, 4, RW);
    map_anon(&mut space, 4, 1, Prot::READ);
    let r = remap(0, 4, 8);
    let stays = RemapRequest { may_move: false, ..r };
    let cases = [
        (RemapRequest { old: VirtAddr(BASE + 1), ..r }, MmError::Invalid),
        (RemapRequest { new_len: 0, ..r }, MmError::Invalid),
        (RemapRequest { new_len: u64::MAX, ..r }, MmError::Invalid),
        (RemapRequest { new_len: USER_END + PAGE_SIZE, ..r }, MmError::Invalid),
        (RemapRequest { old: at(9), ..r }, MmError::NotMapped),
        (RemapRequest { old_len: 0, ..r }, MmError::Invalid),
        (RemapRequest { old_len: 5 * PAGE_SIZE, ..r }, MmError::NotMapped),
        (stays, MmError::NoMemory),
        (RemapRequest { fixed: Some(at(20)), ..stays }, MmError::Invalid),
        (RemapRequest { fixed: Some(at(3)), ..r }, MmError::Invalid),
        (RemapRequest { fixed: Some(VirtAddr(at(20).0 + 1)), ..r }, MmError::Invalid),
        (RemapRequest { fixed: Some(VirtAddr(USER_END - PAGE_SIZE)), ..r }, MmError::Invalid),
        (RemapRequest { fixed: Some(VirtAddr(0)), ..r }, MmError::Denied),
        (RemapRequest { keep_old: true, ..r }, MmError::Invalid),
    ];
    for (request, error) in cases {
        assert_eq!(space.remap(request), Err(error), "{request:?}");
    }
    assert_eq!(ranges(&space), [(0, 4), (4, 5)]);
    space.set_limits(Limits { address_space: 8 * PAGE_SIZE, ..limits() });
    assert_eq!(space.remap(r), Err(MmError::NoMemory));
    assert_eq!(space.remap(remap_to(r, 7)).map(|_| ()), Ok(()));
}

fn remap_to(request: RemapRequest, pages: u64) -> RemapRequest {
    RemapRequest { new_len: pages * PAGE_SIZE, ..request }
}

#[test]
fn what_is_in_memory() {
    let (_, mut space) = setup();
    map_anon(&mut space, 0, 3, RW);
    space.write(at(1), b"x").unwrap();
    let mut pages = [9; 3];
    assert_eq!((space.residency(at(0), &mut pages), pages), (Ok(()), [0, 1, 0]));
    let store: Arc<dyn BackingStore> = FakeStore::copied("/f", &[1; 5000]);
    map_file(&mut space, 10, 3 * PAGE_SIZE, RW, &store);
    assert_eq!((space.residency(at(10), &mut pages), pages), (Ok(()), [1, 1, 0]), "the file's pages");
    assert_eq!(space.residency(at(2), &mut pages), Err(MmError::NoMemory));
}

#[test]
fn locked_areas_fetch_their_pages() {
    let (_, mut space) = setup();
    space.set_brk_start(at(200));
    space.set_future_flags(VmaFlags::LOCKED);
    assert_eq!(space.brk(Some(at(203))), at(203));
    assert_eq!(space.resident_pages(), 3);
    let grow = remap(200, 3, 5);
    assert_eq!(space.remap(grow), Ok(at(200)));
    assert_eq!(space.resident_pages(), 5);
    space.set_future_flags(VmaFlags::empty());
    map_anon(&mut space, 0, 1, RW);
    assert_eq!(space.find(at(0)).unwrap().flags, VmaFlags::empty());
}
