//! [`Frame`]: the bytes of a packet, with room in front for the headers that layers below put there.
//!
//! Made by network cards (receive) and by the layers that send. A frame is one contiguous heap buffer, so a card can hand it to its
//! device without copying: the kernel's heap lies in the direct map. Invariant: `start <= end <= bytes.len()`.

use alloc::boxed::Box;
use alloc::vec::Vec;

/// Room that every frame made by the stack has in front of its IP header: Ethernet header and virtio-net header, aligned.
pub const HEADROOM: usize = 32;

/// A frame of up to so many bytes is copied by who keeps it.
const SMALL: usize = 256;

/// What the device is to do with a frame that leaves, or did with one that came.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Offload {
    /// Leaving: the checksum from `start` to the end is to be stored at `start + offset`, which holds the sum of the
    /// pseudo-header; both relative to the frame's first byte. On arrival: the same, not yet done by the sender.
    pub partial_checksum: Option<(u16, u16)>,
    /// On arrival: the checksum has been found right (or does not matter, as the frame never left the host).
    pub checksum_valid: bool,
    /// The frame is a TCP segment larger than the MTU, to be cut into payloads of so many bytes.
    pub segment_size: Option<u16>,
}

/// A packet.
#[derive(Clone, Debug, Default)]
pub struct Frame {
    bytes: Box<[u8]>,
    start: usize,
    end: usize,
    /// What the device does or did.
    pub offload: Offload,
}

impl Frame {
    /// An empty frame with `headroom` bytes in front and space for `len`; `None` without memory.
    pub fn with_room(headroom: usize, len: usize) -> Option<Self> {
        let size = headroom.checked_add(len)?;
        let mut bytes = Vec::new();
        bytes.try_reserve_exact(size).ok()?;
        bytes.resize(size, 0);
        Some(Frame {
            bytes: bytes.into_boxed_slice(),
            start: headroom,
            end: headroom,
            offload: Offload::default(),
        })
    }

    /// The frame in `bytes[start..end]`; `None` if that is out of bounds.
    pub fn from_parts(bytes: Box<[u8]>, start: usize, end: usize, offload: Offload) -> Option<Self> {
        (start <= end && end <= bytes.len()).then_some(Frame { bytes, start, end, offload })
    }

    /// The frame for good, which leaves an empty one behind; `None` without memory. A small one is copied, so that it does not hold a
    /// large buffer, which stays with who lent it.
    pub fn keep(&mut self) -> Option<Frame> {
        if self.len() > SMALL {
            return Some(core::mem::take(self));
        }
        let mut copy = Frame::with_room(0, self.len())?;
        copy.set_len(self.len());
        copy.data_mut().copy_from_slice(self.data());
        copy.offload = self.offload;
        *self = Frame { bytes: core::mem::take(&mut self.bytes), ..Frame::default() };
        Some(copy)
    }

    /// The buffer, and where the frame lies in it; for cards, which use it again.
    pub fn into_parts(self) -> (Box<[u8]>, usize, usize) {
        (self.bytes, self.start, self.end)
    }

    /// The bytes.
    #[inline]
    pub fn data(&self) -> &[u8] {
        self.bytes.get(self.start..self.end).unwrap_or_default()
    }

    /// The bytes, to change.
    #[inline]
    pub fn data_mut(&mut self) -> &mut [u8] {
        self.bytes.get_mut(self.start..self.end).unwrap_or_default()
    }

    /// Number of bytes.
    #[inline]
    pub fn len(&self) -> usize {
        self.end - self.start
    }

    /// Whether there are none.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Bytes of the whole buffer.
    #[inline]
    pub fn capacity(&self) -> usize {
        self.bytes.len()
    }

    /// Bytes free in front.
    #[inline]
    pub fn headroom(&self) -> usize {
        self.start
    }

    /// Grows to the front by `len` bytes and gives them; `None` without room. Offsets in [`Offload`] stay relative to the first
    /// byte, so they move along.
    pub fn push_front(&mut self, len: usize) -> Option<&mut [u8]> {
        let start = self.start.checked_sub(len)?;
        if let Some((at, _)) = &mut self.offload.partial_checksum {
            *at = at.checked_add(u16::try_from(len).ok()?)?;
        }
        self.start = start;
        self.bytes.get_mut(start..start + len)
    }

    /// Drops `len` bytes from the front; false if there are fewer.
    pub fn pop_front(&mut self, len: usize) -> bool {
        let fits = len <= self.len();
        if fits {
            self.start += len;
            if let Some((at, _)) = &mut self.offload.partial_checksum {
                *at = at.saturating_sub(len.min(usize::from(u16::MAX)) as u16);
            }
        }
        fits
    }

    /// Makes the frame `len` bytes long, within the buffer; false if it does not fit.
    pub fn set_len(&mut self, len: usize) -> bool {
        let fits = self.start.checked_add(len).is_some_and(|end| end <= self.bytes.len());
        if fits {
            self.end = self.start + len;
        }
        fits
    }
}

/// Frames in order. The first lies in the list itself: most bursts are one frame, which takes no memory.
#[derive(Debug, Default)]
pub struct Frames {
    /// `None` only if there are no others.
    first: Option<Frame>,
    /// Those behind it, after `gone` empty ones that have been taken out.
    others: Vec<Frame>,
    gone: usize,
}

impl Frames {
    /// None.
    pub const fn new() -> Self {
        Frames { first: None, others: Vec::new(), gone: 0 }
    }

    /// How many there are.
    #[inline]
    pub fn len(&self) -> usize {
        usize::from(self.first.is_some()) + self.others.len() - self.gone
    }

    /// Whether there are none.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.first.is_none()
    }

    /// The sum of their lengths.
    #[inline]
    pub fn bytes(&self) -> u64 {
        let first = self.first.as_ref().map_or(0, |frame| frame.len() as u64);
        match self.others.is_empty() {
            true => first,
            false => self.iter().map(|frame| frame.len() as u64).sum(),
        }
    }

    /// The first.
    #[inline]
    pub fn front(&self) -> Option<&Frame> {
        self.first.as_ref()
    }

    /// All of them.
    #[inline]
    pub fn iter(&self) -> impl Iterator<Item = &Frame> {
        self.first.iter().chain(self.others.get(self.gone..).unwrap_or_default())
    }

    /// All of them, to change.
    #[inline]
    pub fn iter_mut(&mut self) -> impl Iterator<Item = &mut Frame> {
        self.first.iter_mut().chain(self.others.get_mut(self.gone..).unwrap_or_default())
    }

    /// Makes sure of room for one more; false without memory.
    #[inline]
    pub fn reserve_one(&mut self) -> bool {
        self.first.is_none() || self.others.try_reserve(1).is_ok()
    }

    /// Adds one at the end.
    #[inline]
    pub fn push_back(&mut self, frame: Frame) {
        if self.first.is_none() {
            self.first = Some(frame);
        } else {
            self.others.push(frame);
        }
    }

    /// Adds one in front.
    pub fn push_front(&mut self, frame: Frame) {
        let Some(first) = self.first.replace(frame) else { return };
        match self.gone.checked_sub(1).and_then(|gone| Some((gone, self.others.get_mut(gone)?))) {
            Some((gone, place)) => (self.gone, *place) = (gone, first),
            None => self.others.insert(0, first),
        }
    }

    /// Takes the first.
    #[inline]
    pub fn pop_front(&mut self) -> Option<Frame> {
        let first = self.first.take();
        if !self.others.is_empty() {
            self.advance();
        }
        first
    }

    /// The first of the others becomes the first.
    fn advance(&mut self) {
        self.first = self.others.get_mut(self.gone).map(core::mem::take);
        self.gone += 1;
        if self.gone == self.others.len() {
            (self.others, self.gone) = (Vec::new(), 0);
        } else if self.gone > self.others.len() / 2 {
            // Each is moved once on average.
            self.others.drain(..self.gone);
            self.gone = 0;
        }
    }

    /// Takes up to `most` from the front, one by one.
    pub fn drain(&mut self, most: usize) -> impl Iterator<Item = Frame> {
        (0..most.min(self.len())).map_while(|_| self.pop_front())
    }

    /// Moves all of `others` behind these.
    pub fn append(&mut self, others: &mut Frames) {
        while let Some(frame) = others.pop_front() {
            self.push_back(frame);
        }
    }

    /// Drops all.
    pub fn clear(&mut self) {
        *self = Frames::new();
    }
}

impl From<Frame> for Frames {
    #[inline]
    fn from(frame: Frame) -> Self {
        Frames { first: Some(frame), others: Vec::new(), gone: 0 }
    }
}

impl Extend<Frame> for Frames {
    fn extend<I: IntoIterator<Item = Frame>>(&mut self, frames: I) {
        frames.into_iter().for_each(|frame| self.push_back(frame));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::collections::VecDeque;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn frames_are_a_queue(steps in prop::collection::vec(0u8..6, 0..60)) {
            let (mut frames, mut model) = (Frames::new(), VecDeque::new());
            for (number, step) in steps.into_iter().enumerate() {
                let made = Frame::with_room(number, 0).expect("memory");
                match step {
                    0 | 1 => {
                        prop_assert!(frames.reserve_one());
                        frames.push_back(made);
                        model.push_back(number);
                    }
                    2 => {
                        frames.push_front(made);
                        model.push_front(number);
                    }
                    3 => prop_assert_eq!(frames.drain(2).count(), model.drain(..model.len().min(2)).count()),
                    4 => {
                        let mut others = Frames::from(made);
                        others.append(&mut frames);
                        frames = others;
                        model.push_front(number);
                    }
                    _ => prop_assert_eq!(frames.pop_front().map(|f| f.headroom()), model.pop_front()),
                }
                let numbers: Vec<_> = frames.iter().map(Frame::headroom).collect();
                prop_assert_eq!(&numbers, &model.iter().copied().collect::<Vec<_>>());
                prop_assert_eq!((frames.len(), frames.is_empty()), (numbers.len(), numbers.is_empty()));
                prop_assert_eq!(frames.iter_mut().count(), numbers.len());
                prop_assert_eq!(frames.front().map(Frame::headroom), numbers.first().copied());
            }
        }
    }

    #[test]
    fn small_frames_leave_their_buffer_when_they_are_kept() {
        for (len, left) in [(SMALL, 4096), (SMALL + 1, 0)] {
            let mut frame =
                Frame::from_parts(alloc::vec![7; 4096].into(), 12, 12 + len, Offload::default()).unwrap();
            frame.offload.checksum_valid = true;
            let kept = frame.keep().expect("memory");
            assert_eq!((kept.data(), kept.offload.checksum_valid), (&[7; 4096][..len], true));
            assert_eq!((frame.is_empty(), frame.capacity()), (true, left));
        }
    }

    #[test]
    fn grows_and_shrinks_within_its_buffer() {
        let mut frame = Frame::with_room(HEADROOM, 4).expect("memory");
        assert!(frame.is_empty() && frame.set_len(4) && !frame.set_len(5));
        frame.data_mut().copy_from_slice(b"data");
        frame.offload.partial_checksum = Some((0, 2));
        frame.push_front(2).expect("room").copy_from_slice(b"hd");
        assert_eq!((frame.data(), frame.offload.partial_checksum), (&b"hddata"[..], Some((2, 2))));
        assert!(frame.push_front(HEADROOM).is_none());
        assert!(frame.pop_front(3) && !frame.pop_front(4));
        assert_eq!(frame.data(), b"ata");
    }
}
