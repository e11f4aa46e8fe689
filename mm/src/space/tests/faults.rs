//! Demand paging, file pages, copy on write, stack growth, running out of memory.

use super::*;
use crate::addr::{Frame, USER_END};
use crate::fake::{FakeStore, SpaceMemory};
use crate::paging::PageFlags;
use crate::user::{Fault, UserMemory};
use crate::vma::{Backing, STACK_GUARD_GAP};

/// Bytes that differ from page to page and inside a page.
fn pattern(len: usize) -> Vec<u8> {
    (0..len).map(|i| (i % 251) as u8 ^ (i / 4096) as u8).collect()
}

fn flags(space: &AddressSpace, page: u64) -> Option<PageFlags> {
    space.tables.query(at(page)).map(|(_, flags)| flags)
}

#[test]
fn the_first_access_allocates_a_zeroed_page() {
    let (frames, mut space) = setup();
    map_anon(&mut space, 0, 500, RW);
    assert_eq!((frames.allocated(), space.resident_pages()), (0, 0));
    space.fault(VirtAddr(at(7).0 + 123), Access::Write).unwrap();
    assert_eq!((frames.allocated(), space.resident_pages()), (2, 1), "the page and a table");
    assert_eq!(flags(&space, 7), Some(PageFlags::READ | PageFlags::WRITE));
    assert_eq!(bytes(&mut space, at(7), 4096), [0; 4096]);
    space.fault(at(7), Access::Read).unwrap();
    assert_eq!(frames.allocated(), 2, "a second fault changes nothing");
    drop(space);
    assert_eq!(frames.allocated(), 0);
}

#[test]
fn rights_are_those_of_the_area() {
    let (frames, mut space) = setup();
    map_anon(&mut space, 0, 1, Prot::READ);
    map_anon(&mut space, 1, 1, Prot::empty());
    map_anon(&mut space, 2, 1, Prot::WRITE);
    map_anon(&mut space, 3, 1, Prot::EXEC);
    let expected =
        [(0, [true, false, false]), (1, [false; 3]), (2, [true, true, false]), (3, [true, false, true])];
    for (page, allowed) in expected {
        for (access, ok) in [Access::Read, Access::Write, Access::Exec].into_iter().zip(allowed) {
            let expected = if ok { Ok(()) } else { Err(FaultError::Protection) };
            assert_eq!(space.fault(at(page), access), expected, "{page} {access:?}");
        }
    }
    assert_eq!(frames.allocated(), 2, "one page was written");
    for addr in [0, at(4).0, USER_END, u64::MAX, 0xffff_8000_0000_0000] {
        assert_eq!(space.fault(VirtAddr(addr), Access::Read), Err(FaultError::NotMapped), "{addr:#x}");
    }
}

#[test]
fn what_may_only_be_stored_to_is_readable_whatever_its_frame() {
    let (frames, mut space) = setup();
    let store: Arc<dyn BackingStore> = FakeStore::direct("/file", &pattern(4096), frames);
    map_anon(&mut space, 0, 1, Prot::WRITE);
    map_file(&mut space, 1, 4096, Prot::WRITE, &store);
    map_file(&mut space, 2, 4096, Prot::READ, &store);
    space.fault(at(2), Access::Read).unwrap();
    space.protect(at(2), 4096, Prot::WRITE).unwrap();
    for page in 0..3 {
        space.fault(at(page), Access::Read).unwrap();
        let access = PageFlags::READ | PageFlags::WRITE | PageFlags::EXEC;
        assert!(flags(&space, page).unwrap().intersects(access), "page {page} would fault for ever");
    }
}

#[test]
fn mprotect_reaches_pages_that_are_present() {
    let (_, mut space) = setup();
    map_anon(&mut space, 0, 3, RW);
    space.write(at(1), b"kept").unwrap();
    space.protect(at(0), 3 * PAGE_SIZE, Prot::empty()).unwrap();
    assert_eq!(flags(&space, 1), Some(PageFlags::empty()));
    assert_eq!(space.read(at(1), &mut [0]), Err(Fault { addr: at(1).0, done: 0 }));
    space.protect(at(1), PAGE_SIZE, RX).unwrap();
    assert_eq!(bytes(&mut space, at(1), 4), b"kept");
    assert_eq!(space.write(at(1), b"x"), Err(Fault { addr: at(1).0, done: 0 }));
}

#[test]
fn whole_read_only_file_pages_are_mapped_without_a_copy() {
    let (frames, mut space) = setup();
    let data = pattern(2 * 4096 + 100);
    let store: Arc<dyn BackingStore> = FakeStore::direct("/bin/x", &data, frames);
    map_file(&mut space, 0, 3 * PAGE_SIZE, RX, &store);
    assert_eq!(bytes(&mut space, at(0), data.len()), data);
    assert_eq!(bytes(&mut space, VirtAddr(at(2).0 + 100), 3996), [0; 3996], "after the end: zeros");
    assert_eq!(flags(&space, 0), Some(PageFlags::READ | PageFlags::EXEC | PageFlags::FOREIGN));
    assert_eq!(flags(&space, 2), Some(PageFlags::READ | PageFlags::EXEC));
    assert_eq!((frames.allocated(), space.resident_pages()), (2, 3), "a table and the last page");

    // Made writable: the store's frames stay as they are until the first store, which copies.
    space.protect(at(0), 3 * PAGE_SIZE, RW).unwrap();
    assert_eq!(flags(&space, 1), Some(PageFlags::READ | PageFlags::FOREIGN));
    space.write(VirtAddr(at(1).0 + 4), b"changed").unwrap();
    assert_eq!(flags(&space, 1), Some(PageFlags::READ | PageFlags::WRITE));
    let mut expected = data.clone();
    expected[4100..4107].copy_from_slice(b"changed");
    assert_eq!(bytes(&mut space, at(0), data.len()), expected);
    let mut other = new_space(frames, limits());
    map_file(&mut other, 0, 3 * PAGE_SIZE, RX, &store);
    assert_eq!(bytes(&mut other, at(0), data.len()), data, "the store is unchanged");
    other.clear();
    space.clear();
    assert_eq!(frames.allocated(), 0);
}

#[test]
fn a_store_to_a_shared_frame_copies_it_and_drops_the_reference() {
    let (frames, mut space) = setup();
    map_anon(&mut space, 0, 1, RW);
    space.write(at(0), b"shared").unwrap();
    let (old, flags) = space.tables.query(at(0)).unwrap();
    let shared = (flags - PageFlags::WRITE) | PageFlags::COW;
    assert!(space.tables.protect(at(0), shared));
    let before = frames.allocated();
    assert_eq!(bytes(&mut space, at(0), 6), b"shared");
    assert_eq!(space.tables.query(at(0)), Some((old, shared)), "a load leaves it shared");
    frames.set_budget(Some(0));
    assert_eq!(space.fault(at(0), Access::Write), Err(FaultError::OutOfMemory));
    frames.set_budget(None);
    space.write(at(0), b"S").unwrap();
    let (new, flags) = space.tables.query(at(0)).unwrap();
    assert!(new != old && flags == RW.into());
    assert_eq!(bytes(&mut space, at(0), 6), b"Shared");
    assert_eq!(frames.allocated(), before);
}

#[test]
fn unaligned_file_pages_are_copied_and_others_when_they_are_stored_to() {
    let (frames, mut space) = setup();
    let data = pattern(3 * 4096);
    let direct: Arc<dyn BackingStore> = FakeStore::direct("/d", &data, frames);
    let copied: Arc<dyn BackingStore> = FakeStore::copied("/c", &data);
    for (page, prot, store) in [(0, RW, &direct), (10, RW, &copied), (20, RX, &copied)] {
        map_file(&mut space, page, 3 * PAGE_SIZE, prot, store);
        assert_eq!(bytes(&mut space, at(page), data.len()), data);
        let shown = if page == 0 { PageFlags::FOREIGN.with_prot(prot) } else { prot.into() };
        assert_eq!(flags(&space, page), Some(shown));
    }
    assert_eq!(frames.allocated(), 7);
    space.write(at(1), b"stored").unwrap();
    assert_eq!((flags(&space, 1), frames.allocated()), (Some(RW.into()), 8));
}

#[test]
fn a_segment_ends_in_zeros() {
    let (frames, mut space) = setup();
    let data = pattern(4 * 4096);
    let store = FakeStore::direct("/bin/x", &data, frames);
    // 100 bytes of the second page belong to the segment, the rest of it and two more pages are bss.
    let file = FileBacking { store, offset: PAGE_SIZE, file_len: PAGE_SIZE + 100 };
    space.map(MapRequest::file(fixed(0), 4 * PAGE_SIZE, Prot::READ, file)).unwrap();
    let mut expected = data[4096..2 * 4096 + 100].to_vec();
    expected.resize(4 * 4096, 0);
    assert_eq!(bytes(&mut space, at(0), 4 * 4096), expected);
}

#[test]
fn past_the_file_and_failing_files() {
    let (frames, mut space) = setup();
    let file = FakeStore::copied("/f", &pattern(5000));
    let store: Arc<dyn BackingStore> = file.clone();
    map_file(&mut space, 0, 4 * PAGE_SIZE, RW, &store);
    space.fault(at(1), Access::Read).unwrap();
    assert_eq!(space.fault(at(2), Access::Read), Err(FaultError::BeyondFile));
    assert_eq!(space.fault(at(3), Access::Write), Err(FaultError::BeyondFile));
    let before = frames.allocated();
    file.set_failing(true);
    assert_eq!(space.fault(at(0), Access::Read), Err(FaultError::Io));
    assert_eq!(frames.allocated(), before);
    file.set_failing(false);
    space.fault(at(0), Access::Read).unwrap();
}

#[test]
fn the_stack_grows_within_its_limit() {
    let (_, mut space) = setup();
    let top = VirtAddr(space.layout().stack_top);
    stack(&mut space, top, 4);
    let below = |pages: u64| VirtAddr(top.0 - pages * PAGE_SIZE);
    space.fault(below(10), Access::Write).unwrap();
    assert_eq!(space.find(below(7)).unwrap().label(), b"[stack]");
    assert_eq!(space.mapped_bytes(), 10 * PAGE_SIZE);
    space.fault(below(64), Access::Write).unwrap();
    assert_eq!(space.fault(below(65), Access::Write), Err(FaultError::StackLimit));
    space.set_limits(Limits { address_space: 70 * PAGE_SIZE, ..Limits::UNLIMITED });
    assert_eq!(space.fault(below(71), Access::Write), Err(FaultError::StackLimit));
    space.fault(below(70), Access::Read).unwrap();
    space.set_limits(Limits::UNLIMITED);
    assert_eq!(space.fault(VirtAddr(0), Access::Write), Err(FaultError::StackLimit), "never down to NULL");
}

#[test]
fn the_stack_keeps_its_distance() {
    let (_, mut space) = setup();
    space.set_limits(Limits::UNLIMITED);
    stack(&mut space, at(1000), 4);
    let gap = STACK_GUARD_GAP / PAGE_SIZE;
    map_anon(&mut space, 500, 1, RW);
    space.fault(at(501 + gap), Access::Write).unwrap();
    assert_eq!(space.fault(at(500 + gap), Access::Write), Err(FaultError::StackLimit));
    space.protect(at(500), PAGE_SIZE, Prot::empty()).unwrap();
    space.fault(at(501), Access::Write).unwrap();
    assert_eq!(space.fault(at(499), Access::Write), Err(FaultError::NotMapped));
    // New mappings keep away from the stack.
    let got = space.map(MapRequest::anonymous(Placement::Hint(at(300)), PAGE_SIZE, RW)).unwrap();
    assert_eq!(got, at(300));
    space.unmap(at(500), PAGE_SIZE).unwrap();
    let got = space.map(MapRequest::anonymous(Placement::Hint(at(400)), PAGE_SIZE, RW)).unwrap();
    assert_ne!(got, at(400));
}

#[test]
fn populate_fills_what_can_be_filled() {
    let (frames, mut space) = setup();
    map_anon(&mut space, 0, 4, RW);
    map_anon(&mut space, 4, 4, Prot::empty());
    map_anon(&mut space, 10, 4, Prot::READ);
    space.populate(at(2), 9 * PAGE_SIZE).unwrap();
    assert_eq!(space.resident_pages(), 3);
    space.populate(VirtAddr(0), u64::MAX).unwrap();
    assert_eq!((space.resident_pages(), frames.allocated()), (8, 5), "reading needs no frame");
}

#[test]
fn exec_writes_where_the_program_may_not() {
    let (frames, mut space) = setup();
    let store: Arc<dyn BackingStore> = FakeStore::direct("/x", &pattern(8192), frames);
    map_file(&mut space, 0, 2 * PAGE_SIZE, RX, &store);
    space.fault(at(0), Access::Exec).unwrap();
    space.write_initial(VirtAddr(at(1).0 - 3), b"abcdef").unwrap();
    assert_eq!(bytes(&mut space, VirtAddr(at(1).0 - 3), 6), b"abcdef");
    assert_eq!(bytes(&mut space, VirtAddr(at(1).0 + 3), 100), pattern(8192)[4099..4199]);
    assert_eq!(flags(&space, 0), Some(RX.into()));
    assert_eq!(space.write_initial(VirtAddr(at(2).0 - 1), b"xy"), Err(FaultError::NotMapped));
    assert_eq!(space.write_initial(VirtAddr(u64::MAX), b"xy"), Err(FaultError::NotMapped));
    stack(&mut space, at(3000), 1);
    space.write_initial(at(2990), b"below the stack").unwrap();
}

#[test]
fn running_out_of_memory_leaks_nothing() {
    let frames = FakeFrames::leak(256);
    let store: Arc<dyn BackingStore> = FakeStore::direct("/d", &pattern(3 * 4096), frames);
    let copied: Arc<dyn BackingStore> = FakeStore::copied("/c", &pattern(5000));
    let mut successes = 0;
    for budget in 0..20 {
        let mut space = new_space(frames, limits());
        map_anon(&mut space, 0, 1, RW);
        map_file(&mut space, 600, 3 * PAGE_SIZE, RX, &store);
        map_file(&mut space, 1200, 2 * PAGE_SIZE, RW, &copied);
        frames.set_budget(Some(budget));
        let results = [
            space.fault(at(0), Access::Write),
            space.fault(at(600), Access::Exec),
            space.write_initial(at(600), b"x"),
            space.fault(at(1200), Access::Read),
            space.fault(at(1201), Access::Write),
        ];
        for result in results {
            assert!(matches!(result, Ok(()) | Err(FaultError::OutOfMemory)), "{result:?}");
        }
        successes += results.iter().filter(|r| r.is_ok()).count();
        frames.set_budget(None);
        space.clear();
        assert_eq!(frames.allocated(), 0, "budget {budget}");
    }
    assert!((40..100).contains(&successes), "both outcomes were seen: {successes}");
}

#[test]
fn user_memory_over_an_address_space() {
    let (_, mut space) = setup();
    map_anon(&mut space, 0, 2, RW);
    map_anon(&mut space, 2, 1, Prot::READ);
    let memory = SpaceMemory::new(space);
    memory.write(at(0).0, &[7; 8192]).unwrap();
    assert_eq!(memory.zero(at(2).0 - 2, 4), Err(Fault { addr: at(2).0, done: 2 }));
    let mut buf = [1; 6];
    assert_eq!(memory.read(at(3).0 - 3, &mut buf), Err(Fault { addr: at(3).0, done: 3 }));
    assert_eq!(buf, [0, 0, 0, 1, 1, 1]);
    memory.read(at(2).0 - 4, &mut buf).unwrap();
    assert_eq!(buf, [7, 7, 0, 0, 0, 0]);
}

#[test]
fn shared_pages_are_one_frame_and_private_ones_copies_of_it() {
    let (frames, mut space) = setup();
    let store: Arc<dyn BackingStore> = crate::cache::SharedMemory::new(frames, 3 * PAGE_SIZE);
    let map = |space: &mut AddressSpace, page: u64, flags: VmaFlags| {
        let file = FileBacking { store: Arc::clone(&store), offset: 0, file_len: 4 * PAGE_SIZE };
        let request = MapRequest::file(fixed(page), 4 * PAGE_SIZE, RW, file);
        space.map(MapRequest { flags, ..request }).unwrap();
    };
    map(&mut space, 0, VmaFlags::SHARED);
    map(&mut space, 10, VmaFlags::SHARED);
    map(&mut space, 20, VmaFlags::empty());
    assert!(space.shares_writable(&*store));
    space.write(at(1), b"one").unwrap();
    assert_eq!((bytes(&mut space, at(11), 3), bytes(&mut space, at(21), 3)), (b"one".into(), b"one".into()));
    assert_eq!(flags(&space, 21), Some(PageFlags::READ | PageFlags::COW));
    space.write(at(11), b"two").unwrap();
    assert_eq!(bytes(&mut space, at(21), 3), b"two", "until the first store");
    space.write(at(21), b"own").unwrap();
    assert_eq!((bytes(&mut space, at(1), 3), bytes(&mut space, at(21), 3)), (b"two".into(), b"own".into()));
    assert_eq!(space.fault(at(3), Access::Read), Err(FaultError::BeyondFile));
    assert_eq!(
        space.remap(RemapRequest {
            old: at(0),
            old_len: 0,
            new_len: PAGE_SIZE,
            may_move: true,
            fixed: Some(at(40)),
            keep_old: false,
        }),
        Ok(at(40)),
        "shared pages can be mapped once more"
    );
    // A hole: the file's pages go everywhere, changed copies stay.
    bytes(&mut space, at(22), 1);
    let mut hole = None;
    space
        .visit(at(1).0, at(3).0, |_, part| {
            hole = Some(part);
            Ok::<(), MmError>(())
        })
        .unwrap();
    space.punch(hole.unwrap()).unwrap();
    assert_eq!(
        [1, 2, 11, 12, 21, 22].map(|page| flags(&space, page).is_some()),
        [false, false, false, false, true, false]
    );
    assert_eq!((bytes(&mut space, at(1), 3), bytes(&mut space, at(21), 3)), (vec![0; 3], b"own".into()));
    // After truncation nothing stays.
    space.forget_file(&*store, PAGE_SIZE..u64::MAX, false);
    assert_eq!([1, 11, 21].map(|page| flags(&space, page)), [None; 3]);
    space.clear();
    drop(store);
    assert_eq!(frames.allocated(), 0);
}

#[test]
fn reading_before_writing_maps_the_frame_of_zeros() {
    let (frames, mut space) = setup();
    map_anon(&mut space, 0, 4, RW);
    assert_eq!(bytes(&mut space, at(0), 4 * 4096), [0; 4 * 4096]);
    let zero = frames.zero_frame().unwrap();
    let rights = PageFlags::READ | PageFlags::FOREIGN;
    assert_eq!((space.tables.query(at(3)), frames.allocated()), (Some((zero, rights)), 1), "a table");
    space.write(at(2), b"own").unwrap();
    assert_eq!((bytes(&mut space, at(2), 5), frames.allocated()), (b"own\0\0".into(), 2));
    space.protect(at(0), 4 * PAGE_SIZE, Prot::READ).unwrap();
    space.protect(at(0), 4 * PAGE_SIZE, RW).unwrap();
    assert_eq!(flags(&space, 1), Some(rights), "never writable");
}

#[test]
fn pages_of_a_file_come_together() {
    let (frames, mut space) = setup();
    let data = pattern(40 * 4096 + 7);
    let store: Arc<dyn BackingStore> = FakeStore::direct("/bin/x", &data, frames);
    // The area starts in the middle of a window of 16 pages.
    map_file(&mut space, 3, 41 * PAGE_SIZE, RX, &store);
    let mapped = |space: &AddressSpace| (0..48).filter(|&page| flags(space, page).is_some()).count();
    space.fault(at(5), Access::Exec).unwrap();
    assert_eq!((mapped(&space), space.resident_pages(), space.fault_count()), (13, 13, 1));
    space.fault(at(40), Access::Read).unwrap();
    assert_eq!(mapped(&space), 13 + 11, "the last page is not the file's alone");
    assert_eq!(bytes(&mut space, at(3), data.len()), data);
    // Copies come one by one.
    let mut other = new_space(frames, limits());
    map_file(&mut other, 0, 16 * PAGE_SIZE, RW, &store);
    other.fault(at(2), Access::Write).unwrap();
    assert_eq!(mapped(&other), 1);
    other.fault(at(3), Access::Read).unwrap();
    assert_eq!(mapped(&other), 16);
}

/// A file of an image, whose pages can be mapped as they are until it is changed.
struct Changing {
    before: Arc<crate::fake::FakeStore>,
    after: Arc<crate::cache::SharedMemory>,
    changes: core::sync::atomic::AtomicU64,
    refreshed: core::sync::atomic::AtomicU64,
}

impl Changing {
    fn changes(&self) -> u64 {
        self.changes.load(core::sync::atomic::Ordering::Relaxed)
    }

    fn change(&self) {
        self.changes.fetch_add(1, core::sync::atomic::Ordering::Relaxed);
    }
}

impl BackingStore for Changing {
    fn name(&self) -> &[u8] {
        b"changing"
    }

    fn len(&self) -> u64 {
        self.before.len()
    }

    fn read_at(&self, offset: u64, buf: &mut [u8]) -> Result<usize, crate::store::StoreError> {
        self.before.read_at(offset, buf)
    }

    fn frame_at(&self, index: u64) -> Option<Frame> {
        if self.changes() == 0 { self.before.frame_at(index) } else { None }
    }

    fn shared_page(&self, index: u64) -> Option<Result<Frame, crate::store::SharedPageError>> {
        if self.changes() == 0 {
            self.change();
        }
        self.after.shared_page(index)
    }

    fn private_page(&self, index: u64) -> Option<Result<Frame, crate::store::SharedPageError>> {
        if self.changes() == 0 { None } else { self.after.shared_page(index) }
    }

    fn outdated(&self) -> Option<u64> {
        Some(self.changes()).filter(|&n| n != self.refreshed.load(core::sync::atomic::Ordering::Relaxed))
    }

    fn refreshed(&self, changes: u64) {
        self.refreshed.store(changes, core::sync::atomic::Ordering::Relaxed);
    }
}

#[test]
fn private_mappings_see_what_becomes_of_an_image_page_until_they_store_to_it() {
    for by_mapping in [false, true] {
        let (frames, mut space) = setup();
        let file = Arc::new(Changing {
            before: crate::fake::FakeStore::direct("before", &[7; 3 * 4096], frames),
            after: crate::cache::SharedMemory::new(frames, 3 * PAGE_SIZE),
            changes: 0.into(),
            refreshed: 0.into(),
        });
        let store: Arc<dyn BackingStore> = file.clone();
        map_file(&mut space, 0, 3 * PAGE_SIZE, Prot::READ, &store);
        map_file(&mut space, 10, 3 * PAGE_SIZE, RW, &store);
        assert_eq!((bytes(&mut space, at(1), 1), bytes(&mut space, at(11), 1)), (vec![7], vec![7]));
        assert_eq!(flags(&space, 11), Some(PageFlags::READ | PageFlags::FOREIGN), "not copied for a load");
        space.write(at(12), &[1]).unwrap();
        if by_mapping {
            let backing = Backing::File(FileBacking { store, offset: 0, file_len: 3 * PAGE_SIZE });
            let request = MapRequest::anonymous(fixed(20), 3 * PAGE_SIZE, RW);
            space.map(MapRequest { flags: VmaFlags::SHARED, backing, ..request }).unwrap();
            space.write(at(20), &[0]).unwrap();
        } else {
            file.change();
            space.refresh_file(&*file);
        }
        assert_eq!(file.outdated(), None);
        assert_eq!(
            [0, 1, 2, 10, 11].map(|page| bytes(&mut space, at(page), 1)[0]),
            [0; 5],
            "the new content"
        );
        assert_eq!(bytes(&mut space, at(12), 2), [1, 7], "its own page");
    }
}
