//! Virtio devices whose registers lie in memory (virtio 1.2, section 4.2), as QEMU's microvm and Firecracker have them.
//!
//! Where they are stands in the ACPI tables.
#![allow(unsafe_code)] // the interrupt handler gets its device back from a number

use alloc::boxed::Box;
use core::fmt;

use kerncore::acpi::VirtioMmio;
use sync::SetOnce;

use super::super::mmio::Window;
use super::{Device, DeviceError, Doorbell, Found, QueueAddresses};
use crate::arch::ioapic;
use crate::arch::messages::{self, MessageHandler};
use crate::boot::acpi::{self, Platform};

const MAGIC: usize = 0x00;
const VERSION: usize = 0x04;
const DEVICE_ID: usize = 0x08;
const DEVICE_FEATURES: usize = 0x10;
const DEVICE_FEATURES_SELECT: usize = 0x14;
const DRIVER_FEATURES: usize = 0x20;
const DRIVER_FEATURES_SELECT: usize = 0x24;
const QUEUE_SELECT: usize = 0x30;
const QUEUE_SIZE_MAX: usize = 0x34;
const QUEUE_SIZE: usize = 0x38;
const QUEUE_READY: usize = 0x44;
const QUEUE_NOTIFY: usize = 0x50;
const INTERRUPT_STATUS: usize = 0x60;
const INTERRUPT_ACK: usize = 0x64;
const STATUS: usize = 0x70;
const QUEUE_DESCRIPTORS: usize = 0x80;
const QUEUE_DRIVER: usize = 0x90;
const QUEUE_DEVICE: usize = 0xa0;
const CONFIG: usize = 0x100;

const MAGIC_VALUE: u32 = u32::from_le_bytes(*b"virt");
/// Bytes of registers that must be there: the device's own configuration begins behind them.
const REGISTERS_MIN: u32 = 0x200;
/// More than any device needs.
const REGISTERS_MAX: u32 = 0x1000;
/// Queues of one device that can have a handler.
const MAX_HANDLERS: usize = 8;

type Handlers = [SetOnce<(MessageHandler, usize)>; MAX_HANDLERS];

/// A device with its registers in memory.
#[derive(Debug)]
pub struct MmioDevice {
    registers: Window,
    config: Window,
    shared: &'static Shared,
}

/// What the interrupt handler needs. All queues share the interrupt.
#[derive(Debug)]
struct Shared {
    registers: Window,
    handlers: Handlers,
}

struct Place(u32);

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#x}", self.0)
    }
}

/// Gives every device to `found`.
pub fn find(platform: &Platform, found: Found<'_>) {
    let Some(fadt) = platform.fadt else { return };
    for place in acpi::virtio_mmio(fadt.dsdt) {
        let Ok(registers) = Window::map(place.base.into(), place.len.min(REGISTERS_MAX) as usize) else {
            return;
        };
        let kind = registers.read32(DEVICE_ID);
        // A place without a device has the type 0.
        if place.len >= REGISTERS_MIN && registers.read32(MAGIC) == MAGIC_VALUE && kind != 0 {
            found(kind, &Place(place.base), MmioDevice::new(registers, &place).map(Device::Mmio));
        }
    }
}

/// Acknowledges the device and tells all queues: which of them it was, the device does not say.
fn on_interrupt(shared: usize) {
    // SAFETY: the argument is the leaked `Shared` that `MmioDevice::new` connected.
    let shared = unsafe { &*core::ptr::with_exposed_provenance::<Shared>(shared) };
    let status = shared.registers.read32(INTERRUPT_STATUS);
    shared.registers.write32(INTERRUPT_ACK, status);
    for (handler, argument) in shared.handlers.iter().filter_map(SetOnce::get) {
        handler(*argument);
    }
}

impl MmioDevice {
    fn new(registers: Window, place: &VirtioMmio) -> Result<Self, DeviceError> {
        const MODERN: u32 = 2;
        if registers.read32(VERSION) != MODERN {
            return Err(DeviceError::Malformed("modern interface (version 2)"));
        }
        let len = registers.len().checked_sub(CONFIG).ok_or(DeviceError::Malformed("configuration"))?;
        let config = registers.part(CONFIG, len).ok_or(DeviceError::Malformed("configuration"))?;
        let shared = Shared { registers, handlers: [const { SetOnce::new() }; MAX_HANDLERS] };
        let shared: &'static Shared = Box::leak(Box::new(shared));
        let argument = core::ptr::from_ref(shared).expose_provenance();
        let vector = messages::vector(on_interrupt, argument).ok_or(DeviceError::Interrupt)?;
        if !ioapic::route(place.gsi, place.trigger, vector) {
            return Err(DeviceError::Interrupt);
        }
        Ok(MmioDevice { registers, config, shared })
    }

    pub fn status(&self) -> u8 {
        self.registers.read32(STATUS) as u8
    }

    pub fn set_status(&self, status: u8) {
        self.registers.write32(STATUS, status.into());
    }

    pub fn features(&self) -> u64 {
        let half = |n| {
            self.registers.write32(DEVICE_FEATURES_SELECT, n);
            u64::from(self.registers.read32(DEVICE_FEATURES))
        };
        half(0) | half(1) << 32
    }

    pub fn accept_features(&self, features: u64) {
        for half in 0..2 {
            self.registers.write32(DRIVER_FEATURES_SELECT, half);
            self.registers.write32(DRIVER_FEATURES, (features >> (32 * half)) as u32);
        }
    }

    pub fn queue_size(&self, queue: u16) -> u16 {
        self.registers.write32(QUEUE_SELECT, queue.into());
        u16::try_from(self.registers.read32(QUEUE_SIZE_MAX)).unwrap_or(0)
    }

    pub fn set_queue(&self, queue: u16, size: u16, at: QueueAddresses) -> Doorbell {
        self.registers.write32(QUEUE_SELECT, queue.into());
        self.registers.write32(QUEUE_SIZE, size.into());
        for (register, address) in
            [(QUEUE_DESCRIPTORS, at.descriptors), (QUEUE_DRIVER, at.available), (QUEUE_DEVICE, at.used)]
        {
            self.registers.write32(register, address as u32);
            self.registers.write32(register + 4, (address >> 32) as u32);
        }
        self.registers.write32(QUEUE_READY, 1);
        Doorbell { window: self.registers, offset: QUEUE_NOTIFY, queue, wide: true }
    }

    pub fn connect(&self, queue: u16, handler: MessageHandler, argument: usize) -> Result<(), DeviceError> {
        let slot = self.shared.handlers.get(usize::from(queue)).ok_or(DeviceError::Interrupt)?;
        slot.set((handler, argument)).map_err(|_| DeviceError::Interrupt)
    }

    pub fn config(&self) -> &Window {
        &self.config
    }
}
