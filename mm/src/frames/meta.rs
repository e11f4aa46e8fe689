//! What the allocator remembers about one frame, and the rules for cutting a range into blocks.

use super::MAX_ORDER;

/// No frame: end of a list.
pub(super) const NONE: u32 = u32::MAX;

/// Inside a block, not its first frame.
pub(super) const TAIL: u8 = 0;
/// First frame of a free block; `next` and `prev` link it into the list of its order.
pub(super) const FREE: u8 = 1;
/// First frame of an allocated block; `refs` counts its users.
pub(super) const USED: u8 = 2;
/// A free frame that is kept apart for the next request of one frame; `next` links it.
pub(super) const HOT: u8 = 3;

/// Book-keeping for one frame. Plain old data of 16 bytes: any bit pattern is a valid value, so the memory handed to
/// [`FrameAllocator::add_region`](super::FrameAllocator::add_region) needs no initialisation.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct FrameMeta {
    /// Next free block of the same order, a frame number.
    pub(super) next: u32,
    /// Previous free block of the same order, a frame number.
    pub(super) prev: u32,
    /// Users of an allocated block.
    pub(super) refs: u32,
    /// log2 of the block's frames, in its first frame.
    pub(super) order: u8,
    /// `TAIL`, `FREE`, `USED` or `HOT`.
    pub(super) state: u8,
    pub(super) spare: u16,
}

const _: () = assert!(size_of::<FrameMeta>() == 16);

impl FrameMeta {
    /// A frame inside a block.
    pub const INNER: Self = Self { next: NONE, prev: NONE, refs: 0, order: 0, state: TAIL, spare: 0 };
}

/// The frames `first..end` as the fewest naturally aligned blocks, ascending: `(first frame, order)`.
pub(super) struct Blocks {
    first: u32,
    end: u32,
}

impl Blocks {
    pub(super) fn new(first: u32, end: u32) -> Self {
        Self { first, end }
    }
}

impl Iterator for Blocks {
    type Item = (u32, u8);

    fn next(&mut self) -> Option<(u32, u8)> {
        let left = self.end.checked_sub(self.first).filter(|&left| left > 0)?;
        let order = self.first.trailing_zeros().min(left.ilog2()).min(u32::from(MAX_ORDER));
        let block = (self.first, order as u8);
        self.first += 1 << order;
        Some(block)
    }
}
