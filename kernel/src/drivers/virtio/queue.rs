//! [`Queue`]: a virtqueue of a device, in memory of its own.
//!
//! Used by the drivers. Wraps `kerncore::virtq` with the memory and the doorbell. The rings stay for good: a device that was given
//! up may still write to them.
#![allow(unsafe_code)] // the rings as slices of atomics

use core::sync::atomic::{AtomicU16, AtomicU32, AtomicU64};

use kerncore::virtq::{Broken, Buffer, Rings, SplitQueue, layout};

use super::{Device, DeviceError, Doorbell, QueueAddresses};
use crate::arch::paging::{phys_to_virt, virt_to_phys};
use crate::mem::frames;

/// A piece of a buffer.
#[derive(Clone, Copy, Debug)]
pub struct Piece {
    /// Where it begins, in the direct map.
    pub at: *const u8,
    /// Bytes.
    pub len: usize,
    /// The device writes it; otherwise it reads.
    pub device_writes: bool,
}

/// A virtqueue; `T` owns the memory of a buffer.
pub struct Queue<T> {
    ring: SplitQueue<'static, T>,
    doorbell: Doorbell,
}

impl<T> Queue<T> {
    /// Makes queue `index` of the device, with up to `size` entries.
    ///
    /// # Errors
    /// `Queue`, `NoMemory`.
    pub fn new(device: &Device, index: u16, size: u16, event_index: bool) -> Result<Self, DeviceError> {
        let offered = device.queue_size(index);
        // A power of two: the largest that the device can do, if that is less than was wished.
        let size = if offered == 0 { 0 } else { size.min(1 << offered.ilog2()) };
        if size < 2 {
            return Err(DeviceError::Queue(index));
        }
        let [descriptors, available, used] = layout(size);
        let used_at = (descriptors + available).next_multiple_of(4);
        let pages = (used_at + used).div_ceil(4096).next_power_of_two();
        let block = frames::alloc_block(pages.ilog2() as u8).ok_or(DeviceError::NoMemory)?;
        let at = phys_to_virt(block);
        // SAFETY: the block is ours for good, `pages` frames long in the direct map, and zeros are valid atomics. The three parts
        // lie apart inside it and are aligned to 16, 2 and 4. The device writes them too: that is what atomics are for.
        let rings = unsafe {
            at.write_bytes(0, pages * 4096);
            Rings {
                descriptors: core::slice::from_raw_parts(at.cast::<[AtomicU64; 2]>(), size.into()),
                available: core::slice::from_raw_parts(
                    at.add(descriptors).cast::<AtomicU16>(),
                    available / 2,
                ),
                used: core::slice::from_raw_parts(at.add(used_at).cast::<AtomicU32>(), used / 4),
            }
        };
        let ring = SplitQueue::new(rings, event_index).ok_or(DeviceError::NoMemory)?;
        let at = QueueAddresses {
            descriptors: block,
            available: block + descriptors as u64,
            used: block + used_at as u64,
        };
        Ok(Queue { ring, doorbell: device.set_queue(index, size, at) })
    }

    /// Adds a buffer of `pieces` in memory that `keep` owns; gives it back if there is no room.
    ///
    /// # Safety
    /// The memory stays where it is, and nobody accesses it, until `keep` comes out of [`pop`](Self::pop). It lies in the direct
    /// map.
    pub unsafe fn add<const N: usize>(&mut self, pieces: &[Piece; N], keep: T) -> Result<(), T> {
        let buffers = pieces.map(|piece| Buffer {
            addr: virt_to_phys(piece.at),
            len: u32::try_from(piece.len).unwrap_or(0),
            device_writes: piece.device_writes,
        });
        self.ring.add_chain(&buffers, keep)
    }

    /// Shows the device what was added, and rings if it wants that.
    pub fn publish(&mut self) {
        if self.ring.publish() {
            self.doorbell.ring();
        }
    }

    /// What the device is done with, and how many bytes it wrote.
    pub fn pop(&mut self) -> Option<Result<(T, u32), Broken>> {
        self.ring.pop()
    }

    /// The rest of what the ring can do.
    pub fn ring(&mut self) -> &mut SplitQueue<'static, T> {
        &mut self.ring
    }
}
