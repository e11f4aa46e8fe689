//! The network card (virtio 1.2, section 5.1), as [`net::device::NetworkCard`].
//!
//! Made at boot; used by the network stack from thread context. Each queue has its own lock; the interrupt handlers take none: they
//! only count. A device that breaks the protocol costs an error line and the queue.

mod control;
mod receive;
mod transmit;

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::sync::atomic::{AtomicU16, AtomicU32, AtomicU64, Ordering};

use net::device::{CardInfo, Lost, NetworkCard};
use net::frame::{Frame, Frames};
use sync::{Mutex, SetOnce};
use task::Platform;

use self::control::Control;
use self::receive::Receive;
use self::transmit::Transmit;
use super::{Device, DeviceError, F_EVENT_INDEX};
use crate::arch::tsc;
use crate::platform::MACHINE;

const F_CHECKSUM: u64 = 1 << 0;
const F_GUEST_CHECKSUM: u64 = 1 << 1;
const F_MTU: u64 = 1 << 3;
const F_MAC: u64 = 1 << 5;
const F_GUEST_TSO4: u64 = 1 << 7;
const F_GUEST_TSO6: u64 = 1 << 8;
const F_HOST_TSO4: u64 = 1 << 11;
const F_MERGEABLE: u64 = 1 << 15;
const F_STATUS: u64 = 1 << 16;
const F_CONTROL: u64 = 1 << 17;
const F_MULTIQUEUE: u64 = 1 << 22;

const WANTED: u64 = F_EVENT_INDEX
    | F_CHECKSUM
    | F_GUEST_CHECKSUM
    | F_MTU
    | F_MAC
    | F_GUEST_TSO4
    | F_GUEST_TSO6
    | F_HOST_TSO4
    | F_MERGEABLE
    | F_STATUS
    | F_CONTROL
    | F_MULTIQUEUE;

// The device's configuration.
const CONFIG_MAC: usize = 0;
const CONFIG_STATUS: usize = 6;
const CONFIG_PAIRS: usize = 8;
const CONFIG_MTU: usize = 10;
const STATUS_LINK_UP: u16 = 1;

/// How long the state of the link is believed.
const LINK_LASTS_NS: u64 = 10_000_000;

/// The header in front of every frame, with the count of merged buffers.
const HEADER: usize = 12;
/// Entries of a receive and of a transmit queue.
const RECEIVE_SIZE: u16 = 256;
const TRANSMIT_SIZE: u16 = 256;
/// MTU where the device does not tell.
const DEFAULT_MTU: u16 = 1500;

/// The header's flags and kinds of segmentation.
const NEEDS_CHECKSUM: u8 = 1;
const DATA_VALID: u8 = 2;
const GSO_NONE: u8 = 0;
const GSO_TCP4: u8 = 1;
const GSO_TCP6: u8 = 4;

/// A virtio network card.
pub struct VirtioNet {
    device: Device,
    features: u64,
    info: CardInfo,
    receive: Box<[Mutex<Receive>]>,
    transmit: Box<[Mutex<Transmit>]>,
    control: Option<Mutex<Control>>,
    /// Pairs of queues in use: all once the device has agreed.
    pairs: AtomicU16,
    /// When the link was looked at last, monotonic nanoseconds; the lowest bit says whether it was up.
    link: AtomicU64,
}

/// Interrupts taken, for tests and statistics.
pub static INTERRUPTS: AtomicU32 = AtomicU32::new(0);

static CARDS: Mutex<Vec<&'static VirtioNet>> = Mutex::new(Vec::new());

/// The cards that were found.
pub fn cards() -> Vec<&'static VirtioNet> {
    CARDS.lock().clone()
}

/// Wakes whoever takes the frames of a pair of queues. Called by interrupt handlers.
type Waker = fn(usize);

static WAKER: SetOnce<Waker> = SetOnce::new();

/// Has interrupts of a pair of queues of any card call `waker` with the pair's number. Once.
pub fn set_waker(waker: Waker) {
    // The first one stays.
    let _ = WAKER.set(waker);
}

/// A pair of queues has something, or the configuration has changed. Without a waker the interrupt itself ends a halt.
fn on_interrupt(pair: usize) {
    INTERRUPTS.fetch_add(1, Ordering::Relaxed);
    if let Some(waker) = WAKER.get() {
        waker(pair);
    }
}

/// Takes a device into use.
pub(super) fn add(device: Device) -> Result<(), DeviceError> {
    let features = device.begin(WANTED)?;
    match VirtioNet::new(device, features) {
        Ok(card) => {
            let mac = card.info.mac;
            log::info!("network card {mac:02x?}: MTU {}, {} queues", card.info.mtu, card.info.queues);
            CARDS.lock().push(Box::leak(Box::new(card)));
            Ok(())
        }
        Err((device, error)) => {
            device.fail();
            Err(error)
        }
    }
}

impl VirtioNet {
    fn new(device: Device, features: u64) -> Result<Self, (Device, DeviceError)> {
        match Self::parts(&device, features) {
            Ok((info, receive, transmit, control)) => {
                device.start();
                let card = VirtioNet {
                    device,
                    features,
                    info,
                    receive: receive.into_boxed_slice(),
                    transmit: transmit.into_boxed_slice(),
                    control: control.map(Mutex::new),
                    pairs: AtomicU16::new(1),
                    link: AtomicU64::new(0),
                };
                card.begin();
                Ok(card)
            }
            Err(error) => Err((device, error)),
        }
    }

    fn parts(device: &Device, features: u64) -> Result<Parts, DeviceError> {
        let has = |feature| features & feature != 0;
        let offered = if has(F_CONTROL) && has(F_MULTIQUEUE) {
            device.config16(CONFIG_PAIRS).clamp(1, 0x8000)
        } else {
            1
        };
        let pairs = offered.min(MACHINE.cpu_count().clamp(1, 0x8000) as u16);
        let event_index = has(F_EVENT_INDEX);
        let (mut receive, mut transmit) = (Vec::new(), Vec::new());
        for pair in 0..pairs {
            device.connect(2 * pair, on_interrupt, usize::from(pair))?;
            device.connect(2 * pair + 1, on_interrupt, usize::from(pair))?;
            receive.push(Mutex::new(Receive::new(device, pair, features)?));
            transmit.push(Mutex::new(Transmit::new(device, pair, event_index)?));
        }
        let control = (pairs > 1).then(|| Control::new(device, 2 * offered, event_index)).transpose()?;
        let mtu = if has(F_MTU) { device.config16(CONFIG_MTU) } else { DEFAULT_MTU };
        let info = CardInfo {
            mac: core::array::from_fn(|i| device.config8(CONFIG_MAC + i)),
            mtu: mtu.max(576),
            checksum: has(F_CHECKSUM),
            segmentation_v4: has(F_CHECKSUM) && has(F_HOST_TSO4),
            queues: pairs,
        };
        Ok((info, receive, transmit, control))
    }

    /// Gives the device its receive buffers and asks for all pairs of queues.
    fn begin(&self) {
        self.receive.iter().for_each(|queue| queue.lock().refill());
        if let Some(control) = &self.control {
            control.lock().set_pairs(self.info.queues);
        }
    }

    /// The pairs in use, after a look at what the device has answered.
    fn pairs(&self) -> u16 {
        let pairs = self.pairs.load(Ordering::Relaxed);
        if pairs == self.info.queues {
            return pairs;
        }
        let agreed = self.control.as_ref().and_then(|control| control.try_lock()?.agreed());
        if let Some(agreed) = agreed {
            let pairs = if agreed { self.info.queues } else { 1 };
            self.pairs.store(pairs, Ordering::Relaxed);
            return pairs;
        }
        pairs
    }

    fn queue<'a, T>(&self, queues: &'a [Mutex<T>], queue: u16) -> Option<&'a Mutex<T>> {
        queues.get(usize::from(queue % self.pairs()))
    }
}

type Parts = (CardInfo, Vec<Mutex<Receive>>, Vec<Mutex<Transmit>>, Option<Control>);

impl NetworkCard for VirtioNet {
    fn info(&self) -> CardInfo {
        self.info
    }

    fn link_up(&self) -> bool {
        if self.features & F_STATUS == 0 {
            return true;
        }
        // Reading the register leaves the virtual machine: not for every burst.
        let (now, seen) = (tsc::monotonic_ns(), self.link.load(Ordering::Relaxed));
        if seen != 0 && now.saturating_sub(seen) < LINK_LASTS_NS {
            return seen & 1 != 0;
        }
        let up = self.device.config16(CONFIG_STATUS) & STATUS_LINK_UP != 0;
        self.link.store(now & !1 | u64::from(up), Ordering::Relaxed);
        up
    }

    fn transmit(&self, queue: u16, frames: &mut Frames) {
        if let Some(queue) = self.queue(&self.transmit, queue) {
            queue.lock().send(frames);
        }
    }

    fn receive(&self, queue: u16, budget: usize, frame: &mut dyn FnMut(&mut Frame)) -> usize {
        // Held by somebody else: that one takes the frames.
        self.receive
            .get(usize::from(queue))
            .and_then(Mutex::try_lock)
            .map_or(0, |mut queue| queue.take(budget, frame))
    }

    fn set_interrupts(&self, queue: u16, on: bool) -> bool {
        // Waits, unlike the others: who asks for interrupts goes to sleep.
        self.receive.get(usize::from(queue)).is_some_and(|queue| queue.lock().set_interrupts(on))
    }

    fn sent_all(&self) -> bool {
        self.transmit.iter().all(|queue| queue.lock().sent_all())
    }

    fn lost(&self) -> Lost {
        self.receive.iter().map(|queue| queue.lock().lost()).fold(Lost::default(), |sum, more| Lost {
            no_memory: sum.no_memory + more.no_memory,
            malformed: sum.malformed + more.malformed,
        })
    }
}
