//! Virtio devices (virtio 1.2): finding them, and what drivers share: status, features, queues.
//!
//! [`Device`] hides how a device is attached: [`pci`] on most machines, [`mmio`] on microvm. Called at boot by [`probe`]; the drivers
//! below hold their device for good.

mod mmio;
pub mod net;
mod pci;
mod queue;
pub mod rng;

use core::fmt;

use crate::arch::messages::MessageHandler;
use crate::arch::paging::OutOfTables;
use crate::boot::acpi::Platform;
pub use queue::{Piece, Queue};

const STATUS_ACKNOWLEDGE: u8 = 1;
const STATUS_DRIVER: u8 = 2;
const STATUS_DRIVER_OK: u8 = 4;
const STATUS_FEATURES_OK: u8 = 8;
const STATUS_FAILED: u8 = 128;

/// The event index is used (VIRTIO_F_EVENT_IDX).
const F_EVENT_INDEX: u64 = 1 << 29;
/// The device follows version 1 of the standard (VIRTIO_F_VERSION_1).
const F_VERSION_1: u64 = 1 << 32;

const TYPE_NETWORK: u32 = 1;
const TYPE_ENTROPY: u32 = 4;

/// Why a device is not used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeviceError {
    /// No memory for queues or buffers.
    NoMemory,
    /// It lacks registers or capabilities that it must have.
    Malformed(&'static str),
    /// It does not accept the features that it offered.
    Features,
    /// It lacks this queue, or its queue is too small.
    Queue(u16),
    /// No interrupt for it.
    Interrupt,
}

impl fmt::Display for DeviceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            DeviceError::NoMemory => f.write_str("no memory for it"),
            DeviceError::Malformed(what) => write!(f, "it has no {what}"),
            DeviceError::Features => f.write_str("it refuses the features that it offers"),
            DeviceError::Queue(queue) => write!(f, "queue {queue} cannot be used"),
            DeviceError::Interrupt => f.write_str("its interrupt cannot be routed"),
        }
    }
}

impl core::error::Error for DeviceError {}

impl From<OutOfTables> for DeviceError {
    fn from(_: OutOfTables) -> Self {
        DeviceError::NoMemory
    }
}

/// A device, however it is attached.
#[derive(Debug)]
pub enum Device {
    /// On the PCI bus.
    Pci(pci::PciDevice),
    /// Registers in memory.
    Mmio(mmio::MmioDevice),
}

/// Where a queue's notifications go.
#[derive(Clone, Copy, Debug)]
pub struct Doorbell {
    window: super::mmio::Window,
    offset: usize,
    queue: u16,
    /// The register is 32 bits wide.
    wide: bool,
}

impl Doorbell {
    /// Tells the device that its queue has new buffers.
    pub fn ring(&self) {
        if self.wide {
            self.window.write32(self.offset, self.queue.into());
        } else {
            self.window.write16(self.offset, self.queue);
        }
    }
}

/// Where the parts of a queue are, physically.
#[derive(Clone, Copy, Debug)]
pub struct QueueAddresses {
    descriptors: u64,
    available: u64,
    used: u64,
}

macro_rules! forward {
    ($self:ident.$method:ident($($arg:expr),*)) => {
        match $self {
            Device::Pci(device) => device.$method($($arg),*),
            Device::Mmio(device) => device.$method($($arg),*),
        }
    };
}

impl Device {
    /// Resets the device and agrees on features: those of `wanted` that it offers. Version 1 is a must.
    ///
    /// # Errors
    /// `Features`.
    pub fn begin(&self, wanted: u64) -> Result<u64, DeviceError> {
        forward!(self.set_status(0));
        forward!(self.set_status(STATUS_ACKNOWLEDGE | STATUS_DRIVER));
        let features = forward!(self.features()) & (wanted | F_VERSION_1);
        if features & F_VERSION_1 == 0 {
            return Err(DeviceError::Features);
        }
        forward!(self.accept_features(features));
        forward!(self.set_status(STATUS_ACKNOWLEDGE | STATUS_DRIVER | STATUS_FEATURES_OK));
        if forward!(self.status()) & STATUS_FEATURES_OK == 0 {
            return Err(DeviceError::Features);
        }
        Ok(features)
    }

    /// The device may use its queues now.
    pub fn start(&self) {
        forward!(self.set_status(STATUS_ACKNOWLEDGE | STATUS_DRIVER | STATUS_FEATURES_OK | STATUS_DRIVER_OK));
    }

    /// Gives up on the device; it is reset, so it no longer writes memory.
    pub fn fail(&self) {
        forward!(self.set_status(STATUS_FAILED));
        forward!(self.set_status(0));
    }

    /// Largest size of a queue, 0 if there is none of that number.
    fn queue_size(&self, queue: u16) -> u16 {
        forward!(self.queue_size(queue))
    }

    fn set_queue(&self, queue: u16, size: u16, at: QueueAddresses) -> Doorbell {
        forward!(self.set_queue(queue, size, at))
    }

    /// Has interrupts of `queue` call `handler` with `argument`; on a bus with one interrupt per device all queues share the
    /// handlers. Before the queue is made.
    ///
    /// # Errors
    /// `Interrupt`.
    pub fn connect(&self, queue: u16, handler: MessageHandler, argument: usize) -> Result<(), DeviceError> {
        forward!(self.connect(queue, handler, argument))
    }

    /// Bytes of the device's own configuration; all ones where it has none.
    pub fn config8(&self, offset: usize) -> u8 {
        forward!(self.config()).read8(offset)
    }

    /// 16 bits of it.
    pub fn config16(&self, offset: usize) -> u16 {
        forward!(self.config()).read16(offset)
    }
}

/// Finds the machine's virtio devices and starts their drivers.
pub fn probe(platform: &Platform) {
    let mut found = |kind: u32, place: &dyn fmt::Display, device: Result<Device, DeviceError>| {
        let result = device.and_then(|device| match kind {
            TYPE_NETWORK => net::add(device),
            TYPE_ENTROPY => rng::add(device),
            _ => {
                log::debug!("virtio device of type {kind} at {place}: no driver");
                Ok(())
            }
        });
        if let Err(error) = result {
            log::error!("virtio device of type {kind} at {place} is not used: {error}");
        }
    };
    pci::find(&mut found);
    mmio::find(platform, &mut found);
}

/// What the transports call with each device: its type, where it is, and the device.
type Found<'a> = &'a mut dyn FnMut(u32, &dyn fmt::Display, Result<Device, DeviceError>);
