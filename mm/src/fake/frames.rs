//! Physical memory as a map, with the real allocator in front.

use std::boxed::Box;
use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::vec;
use std::vec::Vec;

use super::FakeCpu;
use crate::addr::{Frame, LARGE_PAGES, PAGE_SIZE};
use crate::frames::{FrameAllocator, FrameMeta};
use crate::paging::FrameSource;

const SIZE: usize = PAGE_SIZE as usize;
/// The shared frame of zeros, below the allocator's.
const ZERO_FRAME: u64 = 0x10;
/// Frames of stores are numbered from here on, far from the allocator's.
const FOREIGN_BASE: u64 = 1 << 30;

/// A [`FrameSource`] over host memory. Allocations can be made to fail; what is still allocated can be counted.
pub struct FakeFrames {
    state: Mutex<State>,
    /// A CPU that must not reach what is freed.
    cpu: OnceLock<&'static FakeCpu>,
}

struct State {
    allocator: FrameAllocator,
    content: BTreeMap<Frame, Box<[u8; SIZE]>>,
    foreign: u64,
    /// Allocations that still succeed; `None` is no limit but memory.
    budget: Option<u64>,
    /// Large blocks that were made single frames.
    splits: u64,
}

impl State {
    fn is_plenty(&self) -> bool {
        let stats = self.allocator.stats();
        self.budget.is_none() && stats.free > stats.total / 8
    }
}

impl FakeFrames {
    /// A machine with `count` frames. Leaked, because address spaces want a `'static` source.
    ///
    /// # Panics
    /// If `count` is more than the allocator can hold.
    #[must_use]
    pub fn leak(count: usize) -> &'static Self {
        let mut allocator = FrameAllocator::new();
        let metas = Box::leak(vec![FrameMeta::INNER; count].into_boxed_slice());
        let first = Frame::new(0x100).expect("small frame number");
        allocator.add_region(first, metas).expect("one region");
        let state = State { allocator, content: BTreeMap::new(), foreign: 0, budget: None, splits: 0 };
        Box::leak(Box::new(Self { state: Mutex::new(state), cpu: OnceLock::new() }))
    }

    /// Lets `count` more allocations succeed and then none; `None` lifts the limit.
    pub fn set_budget(&self, count: Option<u64>) {
        self.lock().budget = count;
    }

    /// Frames allocated and not freed.
    #[must_use]
    pub fn allocated(&self) -> u64 {
        let stats = self.lock().allocator.stats();
        stats.total - stats.free
    }

    /// Makes frames that belong to a store and hold `data`, the last one padded with zeros; returns the first.
    /// They are consecutive.
    ///
    /// # Panics
    /// If there are more frames than numbers.
    pub fn add_foreign(&self, data: &[u8]) -> Frame {
        let mut state = self.lock();
        let first = FOREIGN_BASE + state.foreign;
        for piece in data.chunks(SIZE) {
            let mut page = Box::new([0; SIZE]);
            page[..piece.len()].copy_from_slice(piece);
            let frame = Frame::new(FOREIGN_BASE + state.foreign).expect("frame number");
            state.content.insert(frame, page);
            state.foreign += 1;
        }
        Frame::new(first).expect("frame number")
    }

    /// From now on `cpu` must not reach a frame that is freed.
    pub(super) fn watch(&self, cpu: &'static FakeCpu) {
        let _ = self.cpu.set(cpu);
    }

    /// Makes a large block single frames, for tables that split a large page.
    pub(super) fn split(&self, frame: Frame) {
        let mut state = self.lock();
        state.allocator.split(frame).expect("splitting a block that is shared or free");
        state.splits += 1;
    }

    /// How many large blocks have become single frames.
    #[must_use]
    pub fn splits(&self) -> u64 {
        self.lock().splits
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn alloc(&self, fill: u8) -> Option<Frame> {
        let mut state = self.lock();
        match &mut state.budget {
            Some(0) => return None,
            Some(left) => *left -= 1,
            None => {}
        }
        let frame = state.allocator.alloc(0)?;
        state.content.insert(frame, Box::new([fill; SIZE]));
        Some(frame)
    }
}

impl FrameSource for FakeFrames {
    fn alloc_zeroed(&self) -> Option<Frame> {
        self.alloc(0)
    }

    fn alloc_zeroed_if_plenty(&self) -> Option<Frame> {
        let plenty = self.lock().is_plenty();
        plenty.then(|| self.alloc(0)).flatten()
    }

    fn alloc_uninit(&self) -> Option<Frame> {
        self.alloc(0xa5)
    }

    fn zero_frame(&self) -> Option<Frame> {
        let mut state = self.lock();
        let zero = Frame::new(ZERO_FRAME)?;
        state.content.entry(zero).or_insert_with(|| Box::new([0; SIZE]));
        Some(zero)
    }

    fn alloc_large_zeroed(&self) -> Option<Frame> {
        let mut state = self.lock();
        if !state.is_plenty() {
            return None;
        }
        let first = state.allocator.alloc(9)?;
        for number in first.number()..first.number() + LARGE_PAGES {
            state.content.insert(Frame::new(number)?, Box::new([0; SIZE]));
        }
        Some(first)
    }

    fn share(&self, frame: Frame) -> bool {
        self.lock().allocator.get(frame).is_ok()
    }

    fn free(&self, frame: Frame) {
        let mut state = self.lock();
        let before = state.allocator.stats().free;
        if state.allocator.put(frame).expect("freeing a frame that is not allocated") {
            let freed = state.allocator.stats().free - before;
            if let Some(cpu) = self.cpu.get() {
                cpu.frames_freed(frame, freed);
            }
            for number in frame.number()..frame.number() + freed {
                state.content.remove(&Frame::new(number).expect("frame number"));
            }
        }
    }

    fn read(&self, frame: Frame, offset: usize, dst: &mut [u8]) {
        let state = self.lock();
        let page = state.content.get(&frame).expect("reading a frame that is not allocated");
        dst.copy_from_slice(&page[offset..offset + dst.len()]);
    }

    fn write(&self, frame: Frame, offset: usize, src: &[u8]) {
        assert!(frame.number() < FOREIGN_BASE, "writing to a frame of a store");
        assert!(frame.number() != ZERO_FRAME, "writing to the frame of zeros");
        let mut state = self.lock();
        let page = state.content.get_mut(&frame).expect("writing a frame that is not allocated");
        page[offset..offset + src.len()].copy_from_slice(src);
    }

    fn copy(&self, from: Frame, to: Frame) {
        let mut page: Vec<u8> = vec![0; SIZE];
        self.read(from, 0, &mut page);
        self.write(to, 0, &page);
    }
}
