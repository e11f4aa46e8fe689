//! Random sequences of calls against a page-by-page model of memory.

use std::collections::HashMap;

use proptest::prelude::*;

use super::*;
use crate::fake::FakeStore;
use crate::user::Fault;

pub(super) const PAGES: u64 = 40;
const SIZE: usize = PAGE_SIZE as usize;
/// The heap begins here and may reach the end of the arena.
const HEAP: u64 = 24;
const FILE_PAGES: u64 = 6;
/// The file ends in the middle of its last page but one.
const FILE_LEN: usize = 4 * SIZE + 1000;

#[derive(Clone, Debug)]
pub(super) enum Op {
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
    /// Old start, old length, new length, where (fixed), may move, keep the old area.
    Remap(u64, u64, u64, Option<u64>, bool, bool),
    Forget(u64, u64),
    Flags(u64, u64, bool),
}

pub(super) fn op() -> impl Strategy<Value = Op> {
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
        4 => (range(), 1..8_u64, prop::option::of(0..PAGES - 8), any::<bool>(), any::<bool>())
            .prop_map(|((s, l), n, to, m, k)| Op::Remap(s, l, n, to, m || to.is_some(), k)),
        1 => range().prop_map(|(s, l)| Op::Forget(s, l)),
        1 => (range(), any::<bool>()).prop_map(|((s, l), on)| Op::Flags(s, l, on)),
    ]
}

#[derive(Clone)]
struct Page {
    prot: Prot,
    /// What the program reads there; `None` past the end of the file.
    content: Option<Vec<u8>>,
    /// The page of the file it was made from.
    file: Option<u64>,
}

/// Pages by number; those of the arena count from 0, others are where the space put them.
pub(super) struct Model {
    pages: HashMap<u64, Page>,
    brk: u64,
    file: Vec<u8>,
}

impl Model {
    /// Nothing is mapped.
    pub(super) fn new() -> Self {
        let file = (0..FILE_LEN).map(|i| (i * 7 / 3) as u8).collect();
        Model { pages: HashMap::new(), brk: HEAP * PAGE_SIZE, file }
    }

    /// The file that is mapped, and an address space with its heap.
    pub(super) fn prepare(
        &self,
        space: &mut AddressSpace,
        direct: Option<&FakeFrames>,
    ) -> Arc<dyn BackingStore> {
        space.set_brk_start(at(HEAP));
        match direct {
            Some(frames) => FakeStore::direct("/f", &self.file, frames),
            None => FakeStore::copied("/f", &self.file),
        }
    }

    fn anon(&mut self, start: u64, len: u64, prot: Prot) {
        for page in start..start + len {
            self.pages.insert(page, Page { prot, content: Some(vec![0; SIZE]), file: None });
        }
    }

    fn map_file(&mut self, start: u64, len: u64, offset: u64, prot: Prot) {
        for i in 0..len {
            self.pages.insert(start + i, self.file_page(offset + i, prot));
        }
    }

    fn file_page(&self, index: u64, prot: Prot) -> Page {
        let data = self.file.get(index as usize * SIZE..).filter(|d| !d.is_empty());
        let content = data.map(|d| {
            let mut page = d[..d.len().min(SIZE)].to_vec();
            page.resize(SIZE, 0);
            page
        });
        Page { prot, content, file: Some(index) }
    }

    /// The page as if nobody had written it.
    fn fresh(&self, page: &Page) -> Page {
        match page.file {
            Some(index) => self.file_page(index, page.prot),
            None => Page { prot: page.prot, content: Some(vec![0; SIZE]), file: None },
        }
    }

    /// What mremap(2) leaves behind when it has said where the pages are now.
    fn remap(&mut self, old: u64, old_len: u64, new: u64, new_len: u64, keep_old: bool) {
        let kept = old_len.min(new_len);
        let moved: Vec<Page> = (old..old + kept).map(|p| self.pages[&p].clone()).collect();
        for page in old..old + old_len {
            let fresh = self.fresh(&self.pages[&page]);
            self.pages.remove(&page);
            if keep_old {
                self.pages.insert(page, fresh);
            }
        }
        let last = moved.last().expect("not empty").clone();
        (new..new + new_len).for_each(|p| drop(self.pages.remove(&p)));
        for (page, content) in (new..).zip(moved) {
            self.pages.insert(page, content);
        }
        for (i, page) in (new + kept..new + new_len).enumerate() {
            let more = match last.file {
                Some(index) => self.file_page(index + i as u64 + 1, last.prot),
                None => self.fresh(&last),
            };
            self.pages.insert(page, more);
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

pub(super) fn apply(space: &mut AddressSpace, model: &mut Model, store: &Arc<dyn BackingStore>, op: Op) {
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
        Op::Remap(..) => apply_remap(space, model, &op),
        Op::Forget(s, l) => {
            space.forget(at(s).0, at(s + l).0);
            for page in s..s + l {
                if let Some(fresh) = model.pages.get(&page).map(|old| model.fresh(old)) {
                    model.pages.insert(page, fresh);
                }
            }
        }
        Op::Flags(s, l, on) => {
            let (flag, none) = (VmaFlags::DONT_FORK, VmaFlags::empty());
            let (set, clear) = if on { (flag, none) } else { (none, flag) };
            let whole = space.visit(at(s).0, at(s + l).0, |space, part| space.set_flags(part, set, clear));
            assert_eq!(whole, Ok((s..s + l).all(|p| model.pages.contains_key(&p))));
            for addr in (s..s + l).map(at) {
                assert!(space.find(addr).is_none_or(|vma| vma.flags.contains(flag) == on));
            }
        }
    }
}

/// mremap(2) of what one area holds: the space chooses the place, the model follows.
fn apply_remap(space: &mut AddressSpace, model: &mut Model, op: &Op) {
    let &Op::Remap(s, l, n, to, may_move, keep_old) = op else { return };
    let request = RemapRequest {
        old: at(s),
        old_len: l * PAGE_SIZE,
        new_len: n * PAGE_SIZE,
        may_move,
        fixed: to.map(at),
        keep_old,
    };
    let moves = to.is_some() || keep_old;
    let overlap = to.is_some_and(|to| to < s + l && s < to + n);
    if moves && !may_move || keep_old && l != n || overlap {
        assert_eq!(space.remap(request), Err(MmError::Invalid));
        return;
    }
    let Some(area) = space.find(at(s)) else {
        assert_eq!(space.remap(request), Err(MmError::NotMapped));
        return;
    };
    let room = (area.end - at(s).0) / PAGE_SIZE;
    if !moves && n <= l {
        assert_eq!(space.remap(request), Ok(at(s)));
        (s + n..s + l).for_each(|p| drop(model.pages.remove(&p)));
        return;
    }
    if l.min(n) > room {
        assert_eq!(space.remap(request), Err(MmError::NotMapped));
        return;
    }
    let free = l == room && (s + l..s + n).all(|p| !model.pages.contains_key(&p));
    match space.remap(request) {
        Err(error) => assert!(error == MmError::NoMemory && !may_move && !free, "{error} {op:?}"),
        Ok(new) => {
            let new = (new.0 - BASE) / PAGE_SIZE;
            let expected = if moves { to } else { free.then_some(s) };
            assert!(expected.is_none_or(|expected| new == expected), "{op:?}");
            // A fixed place takes the rest of a longer range that lies in several areas along.
            (s + room..s + l).for_each(|p| drop(model.pages.remove(&p)));
            model.remap(s, l.min(room), new, n, keep_old);
        }
    }
}

/// The areas cover exactly the pages of the model, with their rights.
pub(super) fn check(space: &AddressSpace, model: &Model) {
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
        let mut model = Model::new();
        let store = model.prepare(&mut space, direct.then_some(frames));
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
