//! Virtio devices on the PCI bus (virtio 1.2, section 4.1): the modern interface, with one message-signalled interrupt per queue.

use core::fmt;

use super::super::mmio::Window;
use super::super::pci::{self, Function, Msix};
use super::{Device, DeviceError, Doorbell, Found, QueueAddresses};
use crate::arch::messages::MessageHandler;

const VENDOR: u16 = 0x1af4;
/// Device numbers of modern devices begin here; the type is added. Transitional ones keep older numbers.
const MODERN: u16 = 0x1040;
const TRANSITIONAL_NETWORK: u16 = 0x1000;
const TRANSITIONAL_ENTROPY: u16 = 0x1005;

const CAP_VENDOR: u8 = 9;
const CFG_COMMON: u8 = 1;
const CFG_NOTIFY: u8 = 2;
const CFG_DEVICE: u8 = 4;

// The common configuration (section 4.1.4.3).
const DEVICE_FEATURE_SELECT: usize = 0;
const DEVICE_FEATURE: usize = 4;
const DRIVER_FEATURE_SELECT: usize = 8;
const DRIVER_FEATURE: usize = 12;
const CONFIG_VECTOR: usize = 16;
const STATUS: usize = 20;
const QUEUE_SELECT: usize = 22;
const QUEUE_SIZE: usize = 24;
const QUEUE_VECTOR: usize = 26;
const QUEUE_ENABLE: usize = 28;
const QUEUE_NOTIFY_OFFSET: usize = 30;
const QUEUE_DESCRIPTORS: usize = 32;
const QUEUE_DRIVER: usize = 40;
const QUEUE_DEVICE: usize = 48;
const COMMON_LEN: usize = 56;
const NO_VECTOR: u16 = 0xffff;

/// Most that is mapped of the notification area and of the device's configuration.
const WINDOW_MAX: u32 = 64 << 10;

/// A device on the PCI bus.
#[derive(Debug)]
pub struct PciDevice {
    common: Window,
    notify: Window,
    notify_multiplier: usize,
    config: Window,
    msix: Msix,
}

struct Place(Function);

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.0)
    }
}

/// Gives every virtio function of the bus to `found`.
pub fn find(found: Found<'_>) {
    pci::scan(&mut |function| {
        let (vendor, device) = function.id();
        let kind = match device {
            TRANSITIONAL_NETWORK => super::TYPE_NETWORK,
            TRANSITIONAL_ENTROPY => super::TYPE_ENTROPY,
            MODERN..=0x107f => u32::from(device - MODERN),
            _ => return,
        };
        if vendor == VENDOR {
            found(kind, &Place(function), PciDevice::new(function).map(Device::Pci));
        }
    });
}

/// A structure that a vendor capability points to.
fn structure(function: Function, kind: u8) -> Option<(u8, u64, u32)> {
    let (_, at) = function
        .capabilities()
        .find(|&(id, at)| id == CAP_VENDOR && function.read8(at.wrapping_add(3)) == kind)?;
    // The rest of the capability must lie in the 256 bytes.
    at.checked_add(19)?;
    let bar = function.bar(function.read8(at + 4))?;
    let address = bar.checked_add(u64::from(function.read(at + 8)))?;
    Some((at, address, function.read(at + 12)))
}

fn window(function: Function, kind: u8, what: &'static str) -> Result<(u8, Window), DeviceError> {
    let (at, address, len) = structure(function, kind).ok_or(DeviceError::Malformed(what))?;
    Ok((at, Window::map(address, len.clamp(4, WINDOW_MAX) as usize)?))
}

impl PciDevice {
    fn new(function: Function) -> Result<Self, DeviceError> {
        function.enable();
        let (_, common) = window(function, CFG_COMMON, "common configuration")?;
        if common.len() < COMMON_LEN {
            return Err(DeviceError::Malformed("whole common configuration"));
        }
        let (at, notify) = window(function, CFG_NOTIFY, "notification area")?;
        let notify_multiplier = function.read(at + 16) as usize;
        let (_, config) = window(function, CFG_DEVICE, "configuration")?;
        let msix = function.msix().ok_or(DeviceError::Malformed("MSI-X"))??;
        Ok(PciDevice { common, notify, notify_multiplier, config, msix })
    }

    pub fn status(&self) -> u8 {
        self.common.read8(STATUS)
    }

    pub fn set_status(&self, status: u8) {
        self.common.write8(STATUS, status);
        if status == 0 {
            // A reset is over when the status reads 0 (section 4.1.4.3.2); hypervisors reset within the write.
            if self.status() != 0 {
                log::warn!("a virtio device is slow to reset");
            }
            self.common.write16(CONFIG_VECTOR, NO_VECTOR);
        }
    }

    pub fn features(&self) -> u64 {
        let half = |n| {
            self.common.write32(DEVICE_FEATURE_SELECT, n);
            u64::from(self.common.read32(DEVICE_FEATURE))
        };
        half(0) | half(1) << 32
    }

    pub fn accept_features(&self, features: u64) {
        for half in 0..2 {
            self.common.write32(DRIVER_FEATURE_SELECT, half);
            self.common.write32(DRIVER_FEATURE, (features >> (32 * half)) as u32);
        }
    }

    pub fn queue_size(&self, queue: u16) -> u16 {
        self.common.write16(QUEUE_SELECT, queue);
        self.common.read16(QUEUE_SIZE)
    }

    pub fn set_queue(&self, queue: u16, size: u16, at: QueueAddresses) -> Doorbell {
        self.common.write16(QUEUE_SELECT, queue);
        self.common.write16(QUEUE_SIZE, size);
        for (register, address) in
            [(QUEUE_DESCRIPTORS, at.descriptors), (QUEUE_DRIVER, at.available), (QUEUE_DEVICE, at.used)]
        {
            self.common.write32(register, address as u32);
            self.common.write32(register + 4, (address >> 32) as u32);
        }
        let offset = usize::from(self.common.read16(QUEUE_NOTIFY_OFFSET)) * self.notify_multiplier;
        self.common.write16(QUEUE_ENABLE, 1);
        Doorbell { window: self.notify, offset, queue, wide: false }
    }

    pub fn connect(&self, queue: u16, handler: MessageHandler, argument: usize) -> Result<(), DeviceError> {
        if !self.msix.connect(queue, handler, argument) {
            return Err(DeviceError::Interrupt);
        }
        self.common.write16(QUEUE_SELECT, queue);
        self.common.write16(QUEUE_VECTOR, queue);
        // The device answers with no vector if it could not keep it.
        if self.common.read16(QUEUE_VECTOR) == queue { Ok(()) } else { Err(DeviceError::Interrupt) }
    }

    pub fn config(&self) -> &Window {
        &self.config
    }
}
