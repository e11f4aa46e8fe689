//! [`Frame`]: the bytes of a packet, with room in front for the headers that layers below put there.
//!
//! Made by network cards (receive) and by the layers that send. A frame is one contiguous heap buffer, so a card can hand it to its
//! device without copying: the kernel's heap lies in the direct map. Invariant: `start <= end <= bytes.len()`.

use alloc::boxed::Box;
use alloc::vec::Vec;

/// Room that every frame made by the stack has in front of its IP header: Ethernet header and virtio-net header, aligned.
pub const HEADROOM: usize = 32;

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

#[cfg(test)]
mod tests {
    use super::*;

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
