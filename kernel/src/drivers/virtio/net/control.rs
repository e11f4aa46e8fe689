//! The control queue, which has one use: asking for more pairs of queues (virtio 1.2, section 5.1.6.5.5).
//!
//! Nobody waits for the answer: until it is there, one pair is used.
#![allow(unsafe_code)] // a buffer in the device's hands

use alloc::boxed::Box;

use super::super::{Device, DeviceError, Piece, Queue};

const CLASS_MULTIQUEUE: u8 = 4;
const COMMAND_SET_PAIRS: u8 = 0;
const SIZE: u16 = 16;
const SUCCESS: u8 = 0;
/// What stands for the answer before the device has written it.
const NO_ANSWER: u8 = 0xff;

/// A command: class, number, pairs; and the answer behind it.
type Command = Box<[u8; 5]>;

/// The control queue.
pub(super) struct Control {
    queue: Queue<Command>,
}

impl Control {
    /// `index` is the queue's number: it is behind all pairs that the device has.
    pub fn new(device: &Device, index: u16, event_index: bool) -> Result<Self, DeviceError> {
        let mut queue = Queue::new(device, index, SIZE, event_index)?;
        queue.ring().disable_interrupts();
        Ok(Control { queue })
    }

    /// Asks the device to use `pairs` pairs of queues.
    pub fn set_pairs(&mut self, pairs: u16) {
        let [low, high] = pairs.to_le_bytes();
        let command: Command = Box::new([CLASS_MULTIQUEUE, COMMAND_SET_PAIRS, low, high, NO_ANSWER]);
        let at = command.as_ptr();
        let pieces = [
            Piece { at, len: 2, device_writes: false },
            Piece { at: at.wrapping_add(2), len: 2, device_writes: false },
            Piece { at: at.wrapping_add(4), len: 1, device_writes: true },
        ];
        // SAFETY: the queue owns the box until the device gives it back; the heap lies in the direct map.
        if unsafe { self.queue.add(&pieces, command) }.is_err() {
            log::error!("the network card takes no commands: one pair of queues is used");
        }
        self.queue.publish();
    }

    /// Whether the device has agreed; `None` while it has not answered.
    pub fn agreed(&mut self) -> Option<bool> {
        match self.queue.pop()? {
            Ok((command, _)) => Some(command.last() == Some(&SUCCESS)),
            Err(error) => {
                log::error!("network control queue is dead: the device {error}");
                Some(false)
            }
        }
    }
}
