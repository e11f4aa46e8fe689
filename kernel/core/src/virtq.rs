//! The driver's side of a split virtqueue (virtio 1.2, section 2.7), as safe code over atomics.
//!
//! Used by the virtio drivers of the kernel, which bring the memory ([`Rings`]) and the device's notification. Written anew instead of
//! taking a library's queue because that one cannot say when it wants to be interrupted while event indices are in use, compares
//! the index for notifications without regard to its wrapping, and publishes every buffer singly.
//!
//! The device is not trusted: all that the driver relies on (what is free, what is in flight) it keeps for itself; an answer that
//! makes no sense is [`Broken`], once, and ends the use of the queue.
//!
//! A buffer is one descriptor or a chain of a few. Indirect tables are not used: a frame is one contiguous piece of memory, and a table
//! would only add a read.

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::fmt;
use core::sync::atomic::{AtomicU16, AtomicU32, AtomicU64, Ordering, fence};

const DESC_NEXT: u64 = 1;
const DESC_WRITE: u64 = 2;
const AVAIL_NO_INTERRUPT: u16 = 1;
const USED_NO_NOTIFY: u32 = 1;

/// Bytes of the three parts of a queue of `size` entries: descriptors, available ring, used ring. To be placed at multiples of 16,
/// 2 and 4.
pub const fn layout(size: u16) -> [usize; 3] {
    let size = size as usize;
    [16 * size, 2 * (3 + size), 4 * (2 + 2 * size)]
}

/// The memory that driver and device share, zeroed.
#[derive(Clone, Copy, Debug)]
pub struct Rings<'a> {
    /// Descriptors: address; length, flags and next.
    pub descriptors: &'a [[AtomicU64; 2]],
    /// Available ring: flags, index, entries, used_event.
    pub available: &'a [AtomicU16],
    /// Used ring: flags and index, entries of two words, avail_event.
    pub used: &'a [AtomicU32],
}

/// A buffer for the device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Buffer {
    /// Physical address.
    pub addr: u64,
    /// Bytes.
    pub len: u32,
    /// The device writes it; otherwise it reads.
    pub device_writes: bool,
}

/// The device broke the protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Broken {
    /// It gave back a buffer that it did not have.
    BadId(u32),
    /// It wrote more than the buffer holds.
    BadLength(u32),
    /// It gave back more buffers than it had.
    BadIndex(u16),
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Broken::BadId(id) => write!(f, "gave back buffer {id}, which it did not have"),
            Broken::BadLength(len) => write!(f, "claims to have written {len} bytes into a smaller buffer"),
            Broken::BadIndex(index) => write!(f, "moved its index to {index}, beyond what it had"),
        }
    }
}

impl core::error::Error for Broken {}

struct Flight<T> {
    keep: T,
    /// Bytes that the device may write.
    writable: u32,
}

/// A queue; `T` is what the driver keeps with each buffer, usually the buffer itself.
pub struct SplitQueue<'a, T> {
    rings: Rings<'a>,
    mask: u16,
    event_index: bool,
    /// What is in flight, by first descriptor.
    flight: Box<[Option<Flight<T>>]>,
    /// The descriptor behind each in its chain; its own number at the end.
    next: Box<[u16]>,
    /// Descriptors that are not in flight.
    free: Vec<u16>,
    /// Available index: all added, and all that the device has been shown.
    added: u16,
    published: u16,
    /// Available index at the last decision about a notification.
    notified: u16,
    /// Used entries taken.
    taken: u16,
    broken: bool,
}

impl<'a, T> SplitQueue<'a, T> {
    /// A queue over `rings`, whose size is a power of two. `None` if they do not fit each other, or without memory.
    pub fn new(rings: Rings<'a>, event_index: bool) -> Option<Self> {
        let len = rings.descriptors.len();
        let size = u16::try_from(len).ok().filter(|size| size.is_power_of_two() && *size <= 1 << 15)?;
        let [_, available, used] = layout(size);
        if rings.available.len() * 2 < available || rings.used.len() * 4 < used {
            return None;
        }
        let mut flight = Vec::new();
        flight.try_reserve_exact(len).ok()?;
        flight.resize_with(len, || None);
        let mut free = Vec::new();
        free.try_reserve_exact(len).ok()?;
        free.extend((0..size).rev());
        let mut next = Vec::new();
        next.try_reserve_exact(len).ok()?;
        next.extend(0..size);
        Some(SplitQueue {
            rings,
            mask: size - 1,
            event_index,
            flight: flight.into_boxed_slice(),
            next: next.into_boxed_slice(),
            free,
            added: 0,
            published: 0,
            notified: 0,
            taken: 0,
            broken: false,
        })
    }

    /// Descriptors that are free.
    pub fn room(&self) -> usize {
        if self.broken { 0 } else { self.free.len() }
    }

    /// Descriptors that the device has.
    pub fn in_flight(&self) -> usize {
        self.flight.len() - self.free.len()
    }

    /// Adds a buffer in one piece; as [`add_chain`](Self::add_chain).
    pub fn add(&mut self, buffer: Buffer, keep: T) -> Result<(), T> {
        self.add_chain(&[buffer], keep)
    }

    /// Adds a buffer in pieces, those that the device writes last; gives `keep` back if there is no room. The device sees it after
    /// [`publish`](Self::publish).
    ///
    /// The memory stays the device's until `keep` comes out of [`pop`](Self::pop).
    pub fn add_chain(&mut self, pieces: &[Buffer], keep: T) -> Result<(), T> {
        if self.broken || pieces.is_empty() || self.free.len() < pieces.len() {
            return Err(keep);
        }
        let (mut writable, mut behind) = (0u32, None);
        for piece in pieces.iter().rev() {
            let Some(id) = self.free.pop() else { return Err(keep) };
            let (Some(descriptor), Some(next)) =
                (self.rings.descriptors.get(usize::from(id)), self.next.get_mut(usize::from(id)))
            else {
                return Err(keep);
            };
            let mut flags = 0;
            if piece.device_writes {
                flags |= DESC_WRITE;
                writable = writable.saturating_add(piece.len);
            }
            *next = behind.unwrap_or(id);
            if behind.is_some() {
                flags |= DESC_NEXT;
            }
            descriptor[0].store(piece.addr, Ordering::Relaxed);
            let link = u64::from(*next) << 48;
            descriptor[1].store(u64::from(piece.len) | flags << 32 | link, Ordering::Relaxed);
            behind = Some(id);
        }
        let head = behind.unwrap_or(0);
        let (Some(slot), Some(entry)) = (
            self.flight.get_mut(usize::from(head)),
            self.rings.available.get(2 + usize::from(self.added & self.mask)),
        ) else {
            return Err(keep);
        };
        entry.store(head, Ordering::Relaxed);
        *slot = Some(Flight { keep, writable });
        self.added = self.added.wrapping_add(1);
        Ok(())
    }

    /// Shows the device what has been added; returns whether it wants to be notified.
    #[must_use]
    pub fn publish(&mut self) -> bool {
        if self.published == self.added {
            return false;
        }
        if let Some(index) = self.rings.available.get(1) {
            // Release: descriptors and entries are there when the device sees the index.
            index.store(self.added, Ordering::Release);
        }
        self.published = self.added;
        // The device publishes "do not notify" and looks at the index again; here it is the other way round. Both need the
        // store before the load.
        fence(Ordering::SeqCst);
        let old = core::mem::replace(&mut self.notified, self.added);
        if self.event_index {
            let event = self.used_word(1 + 2 * (usize::from(self.mask) + 1)) as u16;
            crossed(event, self.added, old)
        } else {
            self.used_word(0) & USED_NO_NOTIFY == 0
        }
    }

    fn used_word(&self, at: usize) -> u32 {
        self.rings.used.get(at).map_or(0, |word| word.load(Ordering::Acquire))
    }

    /// Takes a buffer that the device is done with, and how many bytes it wrote. `None` if there is none.
    ///
    /// # Errors
    /// [`Broken`]; from then on the queue is dead, and what is in flight stays the device's.
    pub fn pop(&mut self) -> Option<Result<(T, u32), Broken>> {
        if self.broken {
            return None;
        }
        // Acquire: the entry and the buffer's content were written before the index.
        let index = (self.used_word(0) >> 16) as u16;
        let waiting = index.wrapping_sub(self.taken);
        if waiting == 0 {
            return None;
        }
        if usize::from(waiting) > self.in_flight() {
            return Some(Err(self.give_up(Broken::BadIndex(index))));
        }
        let at = 1 + 2 * usize::from(self.taken & self.mask);
        let (id, len) = (self.used_word(at), self.used_word(at + 1));
        let slot = usize::try_from(id).ok().and_then(|id| self.flight.get_mut(id));
        let Some(Flight { keep, writable }) = slot.and_then(Option::take) else {
            return Some(Err(self.give_up(Broken::BadId(id))));
        };
        if len > writable && writable > 0 {
            // Its memory is not used again: the device may still be writing.
            core::mem::forget(keep);
            return Some(Err(self.give_up(Broken::BadLength(len))));
        }
        self.taken = self.taken.wrapping_add(1);
        self.release(id as u16);
        Some(Ok((keep, len)))
    }

    /// Makes the chain that begins at `id` free. `free` has room for all there are.
    fn release(&mut self, mut id: u16) {
        for _ in 0..self.next.len() {
            let next = self.next.get(usize::from(id)).copied().unwrap_or(id);
            self.free.push(id);
            if next == id {
                break;
            }
            id = next;
        }
    }

    fn give_up(&mut self, why: Broken) -> Broken {
        self.broken = true;
        why
    }

    /// Whether the device has given something back.
    pub fn can_pop(&self) -> bool {
        !self.broken && (self.used_word(0) >> 16) as u16 != self.taken
    }

    /// Asks for an interrupt at the next buffer that the device gives back. Returns true if it has given some back already, of which
    /// no interrupt will tell.
    #[must_use]
    pub fn enable_interrupts(&mut self) -> bool {
        self.interrupt_after(0)
    }

    /// Asks for an interrupt once the device has given back `more` buffers beyond the next one. Without event indices that is the
    /// next one. Returns as [`enable_interrupts`](Self::enable_interrupts).
    #[must_use]
    pub fn interrupt_after(&mut self, more: u16) -> bool {
        self.set_available(0, 0);
        if self.event_index {
            self.set_available(self.event_at(), self.taken.wrapping_add(more));
        }
        // The wish must be visible before the last look.
        fence(Ordering::SeqCst);
        let index = (self.used_word(0) >> 16) as u16;
        !self.broken && index.wrapping_sub(self.taken) > more
    }

    /// Asks for no interrupts. One may still come.
    pub fn disable_interrupts(&mut self) {
        if self.event_index {
            // An index that the device has just passed, so it does not pass it again soon.
            self.set_available(self.event_at(), self.taken.wrapping_sub(1));
        } else {
            self.set_available(0, AVAIL_NO_INTERRUPT);
        }
    }

    fn event_at(&self) -> usize {
        2 + usize::from(self.mask) + 1
    }

    fn set_available(&self, at: usize, value: u16) {
        if let Some(word) = self.rings.available.get(at) {
            word.store(value, Ordering::Relaxed);
        }
    }
}

/// Whether the index, going from `old` to `new`, passed `event` (virtio 1.2, section 2.7.10).
fn crossed(event: u16, new: u16, old: u16) -> bool {
    new.wrapping_sub(event).wrapping_sub(1) < new.wrapping_sub(old)
}

#[cfg(test)]
mod tests;
