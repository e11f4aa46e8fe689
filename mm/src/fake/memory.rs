//! Program memory: sparse pages, or a whole address space.

use std::boxed::Box;
use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::vec;
use std::vec::Vec;

use crate::addr::{PAGE_SIZE, VirtAddr, page_floor};
use crate::space::AddressSpace;
use crate::user::{Paging, RawUserMemory};

const SIZE: usize = PAGE_SIZE as usize;

struct Page {
    bytes: Box<[u8; SIZE]>,
    writable: bool,
}

/// Program memory for tests of system calls: some pages are mapped, some of them read-only, all else faults.
#[derive(Default)]
pub struct FakeUserMemory {
    pages: Mutex<BTreeMap<u64, Page>>,
}

impl FakeUserMemory {
    /// Memory with nothing mapped.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Maps zeroed writable pages so that `addr..addr + len` is covered. Pages that exist keep their content.
    pub fn map(&self, addr: u64, len: usize) {
        self.each(addr, len, |pages, at| {
            pages.entry(at).or_insert_with(|| Page { bytes: Box::new([0; SIZE]), writable: true });
        });
    }

    /// Unmaps the pages that `addr..addr + len` touches.
    pub fn unmap(&self, addr: u64, len: usize) {
        self.each(addr, len, |pages, at| drop(pages.remove(&at)));
    }

    /// Makes the mapped pages that `addr..addr + len` touches read-only.
    pub fn protect(&self, addr: u64, len: usize) {
        self.each(addr, len, |pages, at| {
            pages.entry(at).and_modify(|page| page.writable = false);
        });
    }

    /// Maps what is needed and stores `bytes` at `addr`.
    pub fn put(&self, addr: u64, bytes: &[u8]) {
        self.map(addr, bytes.len());
        assert_eq!(
            self.walk_write(addr, bytes.len(), true, |at, piece| piece
                .copy_from_slice(&bytes[at..][..piece.len()])),
            bytes.len()
        );
    }

    /// The `len` bytes at `addr`.
    ///
    /// # Panics
    /// If one of them is not mapped.
    #[must_use]
    pub fn get(&self, addr: u64, len: usize) -> Vec<u8> {
        let mut bytes = vec![0; len];
        assert_eq!(self.raw_read(addr, &mut bytes), len, "{addr:#x} is not mapped");
        bytes
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<u64, Page>> {
        self.pages.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn each(&self, addr: u64, len: usize, mut apply: impl FnMut(&mut BTreeMap<u64, Page>, u64)) {
        let mut pages = self.lock();
        (page_floor(addr)..addr + len as u64).step_by(SIZE).for_each(|at| apply(&mut pages, at));
    }

    /// Applies `store` to each piece of the range inside one page, with the offset from `addr`, up to a fault.
    fn walk_write(
        &self,
        addr: u64,
        len: usize,
        force: bool,
        mut store: impl FnMut(usize, &mut [u8]),
    ) -> usize {
        let mut pages = self.lock();
        for (done, va, piece) in pieces(addr, len) {
            match pages.get_mut(&page_floor(va)) {
                Some(page) if page.writable || force => {
                    store(done, &mut page.bytes[VirtAddr(va).page_offset()..][..piece]);
                }
                _ => return done,
            }
        }
        len
    }
}

/// The range cut at page boundaries: offset from the start, address, length.
fn pieces(addr: u64, len: usize) -> impl Iterator<Item = (usize, u64, usize)> {
    let mut done = 0;
    core::iter::from_fn(move || {
        let va = addr + done as u64;
        let piece = (SIZE - VirtAddr(va).page_offset()).min(len - done);
        let at = done;
        done += piece;
        (piece > 0).then_some((at, va, piece))
    })
}

impl RawUserMemory for FakeUserMemory {
    fn raw_read(&self, addr: u64, dst: &mut [u8]) -> usize {
        let pages = self.lock();
        for (done, va, piece) in pieces(addr, dst.len()) {
            let Some(page) = pages.get(&page_floor(va)) else { return done };
            dst[done..done + piece].copy_from_slice(&page.bytes[VirtAddr(va).page_offset()..][..piece]);
        }
        dst.len()
    }

    fn raw_write(&self, addr: u64, src: &[u8]) -> usize {
        self.walk_write(addr, src.len(), false, |at, piece| piece.copy_from_slice(&src[at..][..piece.len()]))
    }

    fn raw_zero(&self, addr: u64, len: usize) -> usize {
        self.walk_write(addr, len, false, |_, piece| piece.fill(0))
    }

    fn raw_load(&self, addr: u64, _: Paging) -> Option<u32> {
        let mut word = [0; 4];
        (self.raw_read(addr, &mut word) == 4).then(|| u32::from_ne_bytes(word))
    }

    fn raw_compare_exchange(&self, addr: u64, old: u32, new: u32, _: Paging) -> Option<u32> {
        let mut was = 0;
        let done = self.walk_write(addr, 4, false, |_, piece| {
            let word: &mut [u8; 4] = piece.try_into().expect("an aligned word lies in one page");
            was = u32::from_ne_bytes(*word);
            if was == old {
                *word = new.to_ne_bytes();
            }
        });
        (done == 4).then_some(was)
    }
}

/// Program memory through an [`AddressSpace`]: page faults, protections and backing stores as in the kernel.
pub struct SpaceMemory(pub Mutex<AddressSpace>);

impl SpaceMemory {
    /// Wraps an address space.
    #[must_use]
    pub fn new(space: AddressSpace) -> Self {
        Self(Mutex::new(space))
    }

    /// The address space.
    pub fn space(&self) -> MutexGuard<'_, AddressSpace> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl RawUserMemory for SpaceMemory {
    fn raw_read(&self, addr: u64, dst: &mut [u8]) -> usize {
        match self.space().read(VirtAddr(addr), dst) {
            Ok(()) => dst.len(),
            Err(fault) => fault.done,
        }
    }

    fn raw_write(&self, addr: u64, src: &[u8]) -> usize {
        match self.space().write(VirtAddr(addr), src) {
            Ok(()) => src.len(),
            Err(fault) => fault.done,
        }
    }

    fn raw_zero(&self, addr: u64, len: usize) -> usize {
        self.raw_write(addr, &vec![0; len])
    }

    fn raw_load(&self, addr: u64, paging: Paging) -> Option<u32> {
        load_word(&mut self.space(), addr, paging)
    }

    fn raw_compare_exchange(&self, addr: u64, old: u32, new: u32, paging: Paging) -> Option<u32> {
        exchange_word(&mut self.space(), addr, old, new, paging)
    }
}

/// [`RawUserMemory::raw_load`] on an address space.
pub fn load_word(space: &mut AddressSpace, addr: u64, paging: Paging) -> Option<u32> {
    if paging == Paging::Forbidden && !present(space, addr) {
        return None;
    }
    let mut word = [0; 4];
    space.read(VirtAddr(addr), &mut word).ok().map(|()| u32::from_ne_bytes(word))
}

/// [`RawUserMemory::raw_compare_exchange`] on an address space.
pub fn exchange_word(space: &mut AddressSpace, addr: u64, old: u32, new: u32, paging: Paging) -> Option<u32> {
    let was = load_word(space, addr, paging)?;
    let store = if was == old { new } else { was };
    space.write(VirtAddr(addr), &store.to_ne_bytes()).ok().map(|()| was)
}

/// Whether the page of `addr` is there.
fn present(space: &AddressSpace, addr: u64) -> bool {
    let mut pages = [0];
    space.residency(VirtAddr(page_floor(addr)), &mut pages).is_ok() && pages[0] & 1 != 0
}
