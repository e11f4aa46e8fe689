//! The entropy device (virtio 1.2, section 5.4).
//!
//! Asked once at boot for a seed, before anybody waits for it: [`take`] gives what has come until then. The processor's own random
//! numbers are used besides, so a device that answers late or badly costs nothing.
#![allow(unsafe_code)] // a buffer in the device's hands

use alloc::boxed::Box;

use sync::Mutex;

use super::{Device, DeviceError, F_EVENT_INDEX, Piece, Queue};

/// Bytes asked for at a time.
const SEED: usize = 64;

type Seed = Box<[u8; SEED]>;

struct Entropy {
    /// Kept: a device that is dropped might still write.
    _device: Device,
    queue: Queue<Seed>,
}

static ENTROPY: Mutex<Option<Entropy>> = Mutex::new(None);

/// Takes a device into use.
pub(super) fn add(device: Device) -> Result<(), DeviceError> {
    let features = device.begin(F_EVENT_INDEX)?;
    let mut queue = match Queue::new(&device, 0, 8, features & F_EVENT_INDEX != 0) {
        Ok(queue) => queue,
        Err(error) => {
            device.fail();
            return Err(error);
        }
    };
    queue.ring().disable_interrupts();
    device.start();
    let mut entropy = Entropy { _device: device, queue };
    entropy.ask(Box::new([0; SEED]));
    *ENTROPY.lock() = Some(entropy);
    Ok(())
}

impl Entropy {
    fn ask(&mut self, seed: Seed) {
        let piece = Piece { at: seed.as_ptr(), len: SEED, device_writes: true };
        // SAFETY: the queue owns the box until the device gives it back; the heap lies in the direct map.
        if unsafe { self.queue.add(&[piece], seed) }.is_ok() {
            self.queue.publish();
        }
    }
}

/// Random bytes that the device has given since the last call, 8 at a time; asks for more. `None` if there is no device or it has not
/// answered yet.
pub fn take() -> Option<[u64; SEED / 8]> {
    let mut entropy = ENTROPY.try_lock()?;
    let entropy = entropy.as_mut()?;
    match entropy.queue.pop()? {
        Ok((mut seed, len)) => {
            let given = (len as usize == SEED).then(|| {
                core::array::from_fn(|i| {
                    let word = seed.get(8 * i..8 * i + 8).and_then(|bytes| bytes.first_chunk::<8>());
                    word.map_or(0, |bytes| u64::from_le_bytes(*bytes))
                })
            });
            seed.fill(0);
            entropy.ask(seed);
            given
        }
        Err(error) => {
            log::error!("the entropy device is dead: it {error}");
            None
        }
    }
}
