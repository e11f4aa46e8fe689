//! Random sequences of calls against a page-by-page model of memory.

use std::collections::HashMap;

use proptest::prelude::*;

use super::*;
use crate::fake::FakeStore;
use crate::user::Fault;

const PAGES: u64 = 40;
const SIZE: usize = PAGE_SIZE as usize;
/// The heap begins here and may reach the end of the arena.
const HEAP: u64 = 24;
const FILE_PAGES: u64 = 6;
/// The file ends in the middle of its last page but one.
const FILE_LEN: usize = 4 * SIZE + 1000;

#[derive(Clone, Debug)]
enum Op {
    Anon(u64, u64, Prot, bool),
    File(u64, u64, u64, Prot),
    Anywhere(u64, Prot),
    Unmap(u64, u64),
    Protect(u64, u64, Prot),
    Brk(u64),
    Fault(u64, Access),
    Write(u64, usize, u8),
    Read(u64, usize),
    Populate(u64, u64),
}

fn op() -> impl Strategy<Value = Op> {
    let prot = || prop_oneof![1 => Just(Prot::empty()), 1 => Just(Prot::READ), 3 => Just(RW), 1 => Just(RX)];
    let range = || (0..PAGES, 1..8_u64).prop_map(|(s, l)| (s, l.min(PAGES - s)));
    let access = prop_oneof![Just(Access::Read), Just(Access::Write), Just(Access::Exec)];
    let span = || (0..PAGES * PAGE_SIZE, 0..2 * SIZE);
    prop_oneof![
        3 => (range(), prot(), any::<bool>()).prop_map(|((s, l), p, r)| Op::Anon(s, l, p, r)),
        3 => (range(), 0..FILE_PAGES, prot()).prop_map(|((s, l), o, p)| Op::File(s, l, o, p)),
        1 => (1..4_u64, prot()).prop_map(|(l, p)| Op::Anywhere(l, p)),
        2 => range().prop_map(|(s, l)| Op::Unmap(s, l)),
        3 => (range(), prot()).prop_map(|((s, l), p)| Op::Protect(s, l, p)),
        2 => (HEAP * PAGE_SIZE..(PAGES + 2) * PAGE_SIZE).prop_map(Op::Brk),
        3 => (0..PAGES, access).prop_map(|(p, a)| Op::Fault(p, a)),
        6 => (span(), any::<u8>()).prop_map(|((a, l), b)| Op::Write(a, l, b)),
        6 => span().prop_map(|(a, l)| Op::Read(a, l)),
        1 => range().prop_map(|(s, l)| Op::Populate(s, l)),
    ]
}

struct Page {
    prot: Prot,
    /// What the program reads there; `None` past the end of the file.
    content: Option<Vec<u8>>,
}

/// Pages by number; those of the arena count from 0, others are where the space put them.
struct Model {
    pages: HashMap<u64, Page>,
    brk: u64,
    file: Vec<u8>,
}

impl Model {
    fn anon(&mut self, start: u64, len: u64, prot: Prot) {
        for page in start..start + len {
            self.pages.insert(page, Page { prot, content: Some(vec![0; SIZE]) });
        }
    }

    fn map_file(&mut self, start: u64, len: u64, offset: u64, prot: Prot) {
        for i in 0..len {
            let data = self.file.get((offset + i) as usize * SIZE..).filter(|d| !d.is_empty());
            let content = data.map(|d| {
                let mut page = d[..d.len().min(SIZE)].to_vec();
                page.resize(SIZE, 0);
                page
            });
            self.pages.insert(start + i, Page { prot, content });
        }
    }

    fn fault(&self, page: u64, access: Access) -> Result<(), FaultError> {
        let page = self.pages.get(&page).ok_or(FaultError::NotMapped)?;
        let allowed = match access {
            Access::Read => !page.prot.is_empty(),
            Access::Write => page.prot.contains(Prot::WRITE),
            Access::Exec => page.prot.contains(Prot::EXEC),
        };
        if !allowed {
            return Err(FaultError::Protection);
        }
        page.content.as_ref().map(|_| ()).ok_or(FaultError::BeyondFile)
    }

    /// How many of `len` bytes at `offset` can be accessed.
    fn reach(&self, offset: u64, len: usize, access: Access) -> usize {
        let ok = |&i: &usize| self.fault((offset + i as u64) / PAGE_SIZE, access).is_ok();
        (0..len).take_while(ok).count()
    }

    fn byte(&mut self, offset: u64) -> &mut u8 {
        let page = self.pages.get_mut(&(offset / PAGE_SIZE)).expect("checked by reach");
        &mut page.content.as_mut().expect("checked by reach")[(offset % PAGE_SIZE) as usize]
    }

    /// brk(2) to an offset in the arena.
    fn move_brk(&mut self, new: u64) {
        let (old_end, new_end) = (self.brk.div_ceil(PAGE_SIZE), new.div_ceil(PAGE_SIZE));
        if new_end > old_end {
            // The page after the new end must be free as well.
            if (old_end..=new_end).any(|p| self.pages.contains_key(&p)) {
                return;
            }
            self.anon(old_end, new_end - old_end, RW);
        }
        for page in new_end..old_end {
            self.pages.remove(&page);
        }
        self.brk = new;
    }
}

fn expect(done: usize, offset: u64, len: usize) -> Result<(), Fault> {
    if done == len { Ok(()) } else { Err(Fault { addr: BASE + offset + done as u64, done }) }
}

fn apply(space: &mut AddressSpace, model: &mut Model, store: &Arc<dyn BackingStore>, op: Op) {
    let bytes_of = |pages: u64| pages * PAGE_SIZE;
    match op {
        Op::Anon(s, l, prot, replace) => {
            let taken = (s..s + l).any(|p| model.pages.contains_key(&p));
            let place = if replace { fixed(s) } else { Placement::FixedNoReplace(at(s)) };
            let expected = if taken && !replace { Err(MmError::Exists) } else { Ok(at(s)) };
            assert_eq!(space.map(MapRequest::anonymous(place, bytes_of(l) - 1, prot)), expected);
            if expected.is_ok() {
                model.anon(s, l, prot);
            }
        }
        Op::File(s, l, offset, prot) => {
            let file = FileBacking { store: store.clone(), offset: bytes_of(offset), file_len: bytes_of(l) };
            space.map(MapRequest::file(fixed(s), bytes_of(l), prot, file)).unwrap();
            model.map_file(s, l, offset, prot);
        }
        Op::Anywhere(l, prot) => {
            let got = space.map(MapRequest::anonymous(Placement::Anywhere, bytes_of(l), prot)).unwrap();
            let start = (got.0 - BASE) / PAGE_SIZE;
            assert!((start..start + l).all(|p| !model.pages.contains_key(&p)));
            model.anon(start, l, prot);
        }
        Op::Unmap(s, l) => {
            space.unmap(at(s), bytes_of(l)).unwrap();
            (s..s + l).for_each(|p| drop(model.pages.remove(&p)));
        }
        Op::Protect(s, l, prot) => {
            let covered = (s..s + l).take_while(|p| model.pages.contains_key(p)).count() as u64;
            let expected = if covered == l { Ok(()) } else { Err(MmError::NoMemory) };
            assert_eq!(space.protect(at(s), bytes_of(l), prot), expected);
            (s..s + covered).for_each(|p| model.pages.get_mut(&p).expect("covered").prot = prot);
        }
        Op::Brk(offset) => {
            model.move_brk(offset);
            assert_eq!(space.brk(Some(VirtAddr(BASE + offset))).0, BASE + model.brk);
        }
        Op::Fault(page, access) => assert_eq!(space.fault(at(page), access), model.fault(page, access)),
        Op::Write(offset, len, byte) => {
            let done = model.reach(offset, len, Access::Write);
            let data: Vec<u8> = (0..len).map(|i| byte.wrapping_add(i as u8)).collect();
            assert_eq!(space.write(VirtAddr(BASE + offset), &data), expect(done, offset, len));
            (0..done).for_each(|i| *model.byte(offset + i as u64) = data[i]);
        }
        Op::Read(offset, len) => {
            let done = model.reach(offset, len, Access::Read);
            let mut data = vec![0xee; len];
            assert_eq!(space.read(VirtAddr(BASE + offset), &mut data), expect(done, offset, len));
            (0..done).for_each(|i| assert_eq!(data[i], *model.byte(offset + i as u64)));
            assert!(data[done..].iter().all(|&b| b == 0xee));
        }
        Op::Populate(s, l) => {
            let beyond = (s..s + l)
                .filter_map(|p| model.pages.get(&p))
                .any(|p| !p.prot.is_empty() && p.content.is_none());
            let expected = if beyond { Err(FaultError::BeyondFile) } else { Ok(()) };
            assert_eq!(space.populate(at(s), bytes_of(l)), expected);
        }
    }
}

/// The areas cover exactly the pages of the model, with their rights.
fn check(space: &AddressSpace, model: &Model) {
    let mut count = 0;
    for vma in space.vmas() {
        for addr in (vma.start..vma.end).step_by(SIZE) {
            let page = model.pages.get(&((addr - BASE) / PAGE_SIZE)).expect("area without page in the model");
            assert_eq!(page.prot, vma.prot);
            count += 1;
        }
    }
    assert_eq!((count, space.mapped_bytes()), (model.pages.len(), count as u64 * PAGE_SIZE));
    assert!(space.resident_pages() <= count as u64);
}

proptest! {
    #[test]
    fn matches_a_page_by_page_model(ops in prop::collection::vec(op(), 1..60), direct in any::<bool>()) {
        let (frames, mut space) = setup();
        let file: Vec<u8> = (0..FILE_LEN).map(|i| (i * 7 / 3) as u8).collect();
        let store: Arc<dyn BackingStore> =
            if direct { FakeStore::direct("/f", &file, frames) } else { FakeStore::copied("/f", &file) };
        space.set_brk_start(at(HEAP));
        let mut model = Model { pages: HashMap::new(), brk: HEAP * PAGE_SIZE, file };
        for op in ops {
            apply(&mut space, &mut model, &store, op);
            check(&space, &model);
        }
        space.clear();
        prop_assert_eq!((frames.allocated(), space.resident_pages()), (0, 0));
        let request = MapRequest::anonymous(fixed(0), PAGE_SIZE, RW);
        prop_assert_eq!(space.map(request), Ok(at(0)));
        space.write(at(0), b"usable again").unwrap();
        drop(space);
        prop_assert_eq!(frames.allocated(), 0);
    }
}
