//! A receive queue: buffers that the device fills, and the frames in them.
//!
//! With mergeable buffers a large frame comes in several, which are put together; a frame that fits one buffer goes up in it, without
//! copying. The device gets it again when the frame has been handled, or another one if it was kept. Without memory for another one a
//! frame is dropped before it goes up: a device that has no buffers left tells nobody when frames come, so it would never get any again.
#![allow(unsafe_code)] // buffers in the device's hands

use alloc::boxed::Box;
use alloc::vec::Vec;

use net::device::Lost;
use net::frame::{Frame, Offload};

use super::super::{Device, DeviceError, F_EVENT_INDEX, Piece, Queue};
use super::{
    DATA_VALID, F_GUEST_TSO4, F_GUEST_TSO6, F_MERGEABLE, GSO_NONE, GSO_TCP4, GSO_TCP6, HEADER,
    NEEDS_CHECKSUM, RECEIVE_SIZE,
};

/// Bytes of a buffer: a frame of the usual MTU and its header.
const BUFFER: usize = 2048;
/// Bytes of a buffer of a device that cannot spread a large frame over several.
const LARGE_BUFFER: usize = HEADER + 14 + 65536;
/// Most buffers of one frame: 64 KiB of data in buffers of [`BUFFER`].
const MAX_PARTS: u16 = 40;
/// Frames that are lost before the next line about it.
const REPORT_EVERY: u64 = 1 << 16;

/// A receive queue.
pub(super) struct Receive {
    queue: Queue<Box<[u8]>>,
    index: u16,
    buffer: usize,
    /// Buffers that are ready to be given to the device.
    spare: Vec<Box<[u8]>>,
    /// Takes the place of a buffer that is kept.
    reserve: Option<Box<[u8]>>,
    /// The frame that is being handled lies in a buffer of the queue.
    lent: bool,
    /// Parts of the frame that is coming, and how many are missing.
    parts: Vec<(Box<[u8]>, usize)>,
    missing: u16,
    lost: Lost,
}

/// The header, as far as the receiver looks at it.
struct Header {
    flags: u8,
    segmentation: u8,
    segment_size: u16,
    checksum_start: u16,
    checksum_offset: u16,
    buffers: u16,
}

impl Header {
    fn parse(bytes: &[u8]) -> Option<Self> {
        let bytes: &[u8; HEADER] = bytes.first_chunk()?;
        let half = |at: usize| u16::from_le_bytes([bytes[at], bytes[at + 1]]);
        Some(Header {
            flags: bytes[0],
            segmentation: bytes[1],
            segment_size: half(4),
            checksum_start: half(6),
            checksum_offset: half(8),
            buffers: half(10),
        })
    }

    fn offload(&self) -> Offload {
        let segmented = matches!(self.segmentation & 0x7f, GSO_TCP4 | GSO_TCP6);
        Offload {
            partial_checksum: (self.flags & NEEDS_CHECKSUM != 0)
                .then_some((self.checksum_start, self.checksum_offset)),
            checksum_valid: self.flags & DATA_VALID != 0,
            segment_size: (segmented && self.segmentation != GSO_NONE).then_some(self.segment_size),
        }
    }
}

impl Receive {
    pub fn new(device: &Device, pair: u16, features: u64) -> Result<Self, DeviceError> {
        let large = features & (F_GUEST_TSO4 | F_GUEST_TSO6) != 0 && features & F_MERGEABLE == 0;
        Ok(Receive {
            queue: Queue::new(device, 2 * pair, RECEIVE_SIZE, features & F_EVENT_INDEX != 0)?,
            index: 2 * pair,
            buffer: if large { LARGE_BUFFER } else { BUFFER },
            spare: Vec::new(),
            reserve: None,
            lent: false,
            parts: Vec::new(),
            missing: 0,
            lost: Lost::default(),
        })
    }

    /// Gives the device as many buffers as it takes and memory allows.
    pub fn refill(&mut self) {
        while self.queue.ring().room() > 0 {
            let Some(buffer) = self.spare.pop().or_else(|| new_buffer(self.buffer)) else {
                if self.queue.ring().in_flight() == 0 {
                    log::error!("network queue {}: no memory for receive buffers", self.index);
                }
                break;
            };
            let piece = Piece { at: buffer.as_ptr(), len: buffer.len(), device_writes: true };
            // SAFETY: the queue owns the box, whose bytes do not move, until the device gives it back; the heap lies in the direct
            // map.
            if let Err(buffer) = unsafe { self.queue.add(&[piece], buffer) } {
                self.spare.push(buffer);
                break;
            }
        }
        self.queue.publish();
    }

    /// Takes up to `budget` frames.
    pub fn take(&mut self, budget: usize, frame: &mut dyn FnMut(&mut Frame)) -> usize {
        let mut taken = 0;
        while taken < budget
            && let Some(answer) = self.queue.pop()
        {
            match answer {
                Ok((buffer, len)) => {
                    if let Some(mut whole) = self.arrived(buffer, len as usize) {
                        taken += 1;
                        frame(&mut whole);
                        self.take_back(whole);
                    }
                }
                Err(error) => log::error!("network queue {} is dead: the device {error}", self.index),
            }
        }
        if self.queue.ring().room() > 0 {
            self.refill();
        }
        taken
    }

    /// A buffer with `len` bytes has come; gives the frame if it is complete.
    fn arrived(&mut self, buffer: Box<[u8]>, len: usize) -> Option<Frame> {
        if self.missing > 0 {
            self.parts.push((buffer, len));
            self.missing -= 1;
            return if self.missing == 0 { self.assemble() } else { None };
        }
        let header = buffer.get(..len).and_then(Header::parse);
        match header {
            Some(header) if header.buffers <= 1 && len > HEADER => self.single(buffer, len, header.offload()),
            Some(header) if (2..=MAX_PARTS).contains(&header.buffers) => {
                self.missing = header.buffers - 1;
                self.parts.push((buffer, len));
                None
            }
            _ => {
                self.spare.push(buffer);
                self.report();
                self.lost.malformed += 1;
                None
            }
        }
    }

    /// A frame in one buffer, with another one at hand.
    fn single(&mut self, buffer: Box<[u8]>, len: usize, offload: Offload) -> Option<Frame> {
        if self.reserve.is_none() {
            self.reserve = new_buffer(self.buffer);
        }
        if self.reserve.is_none() {
            self.spare.push(buffer);
            self.report();
            self.lost.no_memory += 1;
            return None;
        }
        self.lent = true;
        Frame::from_parts(buffer, HEADER, len, offload)
    }

    /// Uses the buffer of a frame again, or the one in reserve if it was kept.
    fn take_back(&mut self, frame: Frame) {
        if !core::mem::take(&mut self.lent) {
            return;
        }
        let (buffer, ..) = frame.into_parts();
        let kept = buffer.len() != self.buffer;
        self.spare.extend(if kept { self.reserve.take() } else { Some(buffer) });
    }

    /// Puts the parts together.
    fn assemble(&mut self) -> Option<Frame> {
        let total = self.parts.iter().map(|(_, len)| len).sum::<usize>();
        let offload = self.parts.first().and_then(|(first, _)| Header::parse(first)).map(|h| h.offload());
        let mut frame = total.checked_sub(HEADER).and_then(|len| {
            let mut frame = Frame::with_room(0, len)?;
            frame.set_len(len).then_some(frame)
        });
        let mut done = 0;
        for (number, (buffer, len)) in self.parts.drain(..).enumerate() {
            let part = buffer.get(if number == 0 { HEADER } else { 0 }..len).unwrap_or_default();
            let room = frame.as_mut().and_then(|frame| frame.data_mut().get_mut(done..done + part.len()));
            if let Some(room) = room {
                room.copy_from_slice(part);
            }
            done += part.len();
            self.spare.push(buffer);
        }
        match (&mut frame, offload) {
            (Some(frame), Some(offload)) => frame.offload = offload,
            _ => {
                self.report();
                self.lost.no_memory += 1;
            }
        }
        frame
    }

    /// One more frame is about to be lost.
    fn report(&self) {
        let lost = self.lost.malformed + self.lost.no_memory;
        if lost.is_multiple_of(REPORT_EVERY) {
            log::warn!("network queue {}: {} frames dropped", self.index, lost + 1);
        }
    }

    /// See [`net::device::NetworkCard::lost`].
    pub fn lost(&self) -> Lost {
        self.lost
    }

    /// See [`net::device::NetworkCard::set_interrupts`].
    pub fn set_interrupts(&mut self, on: bool) -> bool {
        if on {
            return self.queue.ring().enable_interrupts();
        }
        self.queue.ring().disable_interrupts();
        false
    }
}

fn new_buffer(len: usize) -> Option<Box<[u8]>> {
    let mut bytes = Vec::new();
    bytes.try_reserve_exact(len).ok()?;
    bytes.resize(len, 0);
    Some(bytes.into_boxed_slice())
}
