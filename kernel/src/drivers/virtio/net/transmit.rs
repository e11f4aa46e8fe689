//! A transmit queue: frames that the device reads.
//!
//! Frames that have gone are freed at the next send; an interrupt is asked for only while the queue is full and somebody has more, or
//! when the machine is about to end.
#![allow(unsafe_code)] // buffers in the device's hands

use net::frame::{Frame, Frames};

use super::super::{Device, DeviceError, Piece, Queue};
use super::{GSO_NONE, GSO_TCP4, HEADER, NEEDS_CHECKSUM, TRANSMIT_SIZE};

/// Ethernet, IPv4 and TCP headers of a segmented frame, as long as they can get; the device reads them from here.
const ETHERNET: usize = 14;
const IPV4_MIN: usize = 20;

/// A transmit queue.
pub(super) struct Transmit {
    queue: Queue<Frame>,
    index: u16,
}

/// Writes the header of `frame` in front of it. `None` if it has no room there.
fn push_header(frame: &mut Frame) -> Option<()> {
    let mut header = [0; HEADER];
    let mut put = |at: usize, value: u16| {
        if let Some(half) = header.get_mut(at..at + 2) {
            half.copy_from_slice(&value.to_le_bytes());
        }
    };
    if let Some((start, offset)) = frame.offload.partial_checksum {
        put(0, u16::from(NEEDS_CHECKSUM) | u16::from(GSO_NONE) << 8);
        put(6, start);
        put(8, offset);
    }
    if let Some(size) = frame.offload.segment_size
        && let Some(len) = segment_headers(frame)
    {
        put(0, u16::from(NEEDS_CHECKSUM) | u16::from(GSO_TCP4) << 8);
        put(2, len);
        put(4, size);
    }
    frame.push_front(HEADER)?.copy_from_slice(&header);
    Some(())
}

/// Length of the headers in front of the TCP payload.
fn segment_headers(frame: &Frame) -> Option<u16> {
    let data = frame.data();
    let ip = usize::from(data.get(ETHERNET)? & 0xf) * 4;
    let tcp = usize::from(data.get(ETHERNET + ip.max(IPV4_MIN) + 12)? >> 4) * 4;
    u16::try_from(ETHERNET + ip + tcp).ok()
}

impl Transmit {
    pub fn new(device: &Device, pair: u16, event_index: bool) -> Result<Self, DeviceError> {
        let index = 2 * pair + 1;
        let mut queue = Queue::new(device, index, TRANSMIT_SIZE, event_index)?;
        queue.ring().disable_interrupts();
        Ok(Transmit { queue, index })
    }

    /// Hands over frames from the front, as many as fit.
    pub fn send(&mut self, frames: &mut Frames) {
        self.reclaim();
        while !frames.is_empty() {
            if self.queue.ring().room() == 0 && !self.wait_for_room() {
                break;
            }
            let Some(mut frame) = frames.pop_front() else { break };
            if push_header(&mut frame).is_none() {
                log::error!("a frame without room for its header is dropped");
                continue;
            }
            let piece = Piece { at: frame.data().as_ptr(), len: frame.len(), device_writes: false };
            // SAFETY: the queue owns the frame, whose buffer does not move, until the device gives it back; the heap lies in the
            // direct map.
            if let Err(mut frame) = unsafe { self.queue.add(&[piece], frame) } {
                frame.pop_front(HEADER);
                frames.push_front(frame);
                break;
            }
        }
        self.queue.publish();
    }

    /// Asks for an interrupt when half of the queue is free; true if something is free already.
    fn wait_for_room(&mut self) -> bool {
        // The device must know of all frames, or it will never be done.
        self.queue.publish();
        let half = TRANSMIT_SIZE / 2;
        if self.queue.ring().interrupt_after(half) || self.queue.ring().can_pop() {
            self.reclaim();
        }
        self.queue.ring().room() > 0
    }

    /// Whether the device has taken all frames; if not, an interrupt tells when it has.
    pub fn sent_all(&mut self) -> bool {
        self.reclaim();
        let left = self.queue.ring().in_flight();
        if left == 0 {
            return true;
        }
        // It may have taken them just now, which no interrupt tells.
        if self.queue.ring().interrupt_after(left.saturating_sub(1) as u16) {
            self.reclaim();
        }
        self.queue.ring().in_flight() == 0
    }

    fn reclaim(&mut self) {
        let mut any = false;
        while let Some(answer) = self.queue.pop() {
            any = true;
            if let Err(error) = answer {
                log::error!("network queue {} is dead: the device {error}", self.index);
            }
        }
        if any {
            self.queue.ring().disable_interrupts();
        }
    }
}
