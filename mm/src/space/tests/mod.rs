//! Tests of address spaces over the fakes.

mod calls;
mod faults;
mod flush;
mod large;
mod model;

use std::boxed::Box;
use std::sync::Arc;
use std::vec;
use std::vec::Vec;

use super::*;
use crate::addr::PAGE_SIZE;
use crate::fake::{FakeFrames, FakeTables};
use crate::store::BackingStore;
use crate::vma::{FileBacking, Prot, VmaFlags};

const RW: Prot = Prot::READ.union(Prot::WRITE);
const RX: Prot = Prot::READ.union(Prot::EXEC);
/// Where fixed mappings of the tests go.
const BASE: u64 = 0x40_0000;

fn limits() -> Limits {
    Limits { stack: 64 * PAGE_SIZE, ..Limits::UNLIMITED }
}

fn new_space(frames: &'static FakeFrames, limits: Limits) -> AddressSpace {
    AddressSpace::new(Box::new(FakeTables::new(frames)), frames, Layout::linux(limits, 0, 0))
}

fn setup() -> (&'static FakeFrames, AddressSpace) {
    let frames = FakeFrames::leak(4096);
    (frames, new_space(frames, limits()))
}

fn fixed(page: u64) -> Placement {
    Placement::Fixed(at(page))
}

fn at(page: u64) -> VirtAddr {
    VirtAddr(BASE + page * PAGE_SIZE)
}

fn map_anon(space: &mut AddressSpace, page: u64, pages: u64, prot: Prot) {
    space.map(MapRequest::anonymous(fixed(page), pages * PAGE_SIZE, prot)).unwrap();
}

fn map_file(space: &mut AddressSpace, page: u64, len: u64, prot: Prot, store: &Arc<dyn BackingStore>) {
    let file = FileBacking { store: Arc::clone(store), offset: 0, file_len: len };
    space.map(MapRequest::file(fixed(page), len, prot, file)).unwrap();
}

fn stack(space: &mut AddressSpace, top: VirtAddr, pages: u64) {
    let start = VirtAddr(top.0 - pages * PAGE_SIZE);
    let request = MapRequest::anonymous(Placement::Fixed(start), pages * PAGE_SIZE, RW);
    space.map(MapRequest { flags: VmaFlags::GROWSDOWN, name: Some("[stack]"), ..request }).unwrap();
}

fn bytes(space: &mut AddressSpace, addr: VirtAddr, len: usize) -> Vec<u8> {
    let mut out = vec![0; len];
    space.read(addr, &mut out).unwrap();
    out
}

fn ranges(space: &AddressSpace) -> Vec<(u64, u64)> {
    space.vmas().map(|v| ((v.start - BASE) / PAGE_SIZE, (v.end - BASE) / PAGE_SIZE)).collect()
}

#[test]
fn an_address_space_can_move_between_threads() {
    fn send<T: Send>(_: &T) {}
    send(&setup().1);
}

#[test]
fn counts_what_is_present_and_remembers_the_most() {
    let (_, mut space) = setup();
    map_anon(&mut space, 0, 16, RW);
    for page in [0, 3, 15] {
        space.fault(at(page), Access::Write).unwrap();
    }
    let vma = space.find(at(0)).unwrap().clone();
    assert_eq!(space.usage(&vma), Usage { present: 3, file: 0 });
    space.unmap(at(0), 8 * PAGE_SIZE).unwrap();
    assert_eq!((space.resident_pages(), space.peak_resident_pages()), (1, 3));
    assert_eq!((space.mapped_bytes(), space.peak_mapped_bytes()), (8 * PAGE_SIZE, 16 * PAGE_SIZE));
}
