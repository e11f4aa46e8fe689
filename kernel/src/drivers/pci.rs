//! PCI: finding functions, their memory and capabilities, and message-signalled interrupts (PCI Local Bus 3.0, PCI-X MSI-X).
//!
//! Called once at boot by the virtio drivers. The configuration space is reached through ports 0xCF8 and 0xCFC, which every
//! hypervisor with PCI offers. Firmware has assigned the addresses; a function without one is not used.

use sync::Mutex;

use super::mmio::Window;
use crate::arch::messages::{self, MessageHandler};
use crate::arch::paging::OutOfTables;
use crate::arch::pio::{inl, outl};

const ADDRESS: u16 = 0xcf8;
const DATA: u16 = 0xcfc;

const REG_COMMAND: u8 = 0x04;
const REG_CLASS: u8 = 0x08;
const REG_HEADER: u8 = 0x0c;
const REG_BARS: u8 = 0x10;
const REG_BUSES: u8 = 0x18;
const REG_CAPABILITIES: u8 = 0x34;

const COMMAND_MEMORY: u32 = 1 << 1;
const COMMAND_MASTER: u32 = 1 << 2;
const COMMAND_NO_INTX: u32 = 1 << 10;
const STATUS_CAPABILITIES: u32 = 1 << 20;
const CLASS_BRIDGE: u32 = 0x0604;

const CAP_MSIX: u8 = 0x11;
const MSIX_ENABLE: u32 = 1 << 31;
const MSIX_MASK_ALL: u32 = 1 << 30;
/// More capabilities than fit in the space.
const MAX_CAPABILITIES: usize = 48;

/// The two ports belong together.
static PORTS: Mutex<()> = Mutex::new(());

/// A function of a device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Function {
    bus: u8,
    device: u8,
    function: u8,
}

impl Function {
    fn address(self, register: u8) -> u32 {
        let Function { bus, device, function } = self;
        1 << 31
            | u32::from(bus) << 16
            | u32::from(device) << 11
            | u32::from(function) << 8
            | u32::from(register & 0xfc)
    }

    /// The 32 bits of configuration space at `register`, a multiple of 4.
    pub fn read(self, register: u8) -> u32 {
        let _ports = PORTS.lock();
        outl(ADDRESS, self.address(register));
        inl(DATA)
    }

    fn write(self, register: u8, value: u32) {
        let _ports = PORTS.lock();
        outl(ADDRESS, self.address(register));
        outl(DATA, value);
    }

    /// One byte.
    pub fn read8(self, register: u8) -> u8 {
        (self.read(register) >> (8 * u32::from(register & 3))) as u8
    }

    /// Vendor and device number.
    pub fn id(self) -> (u16, u16) {
        let id = self.read(0);
        (id as u16, (id >> 16) as u16)
    }

    /// Lets it use memory: its own and, as bus master, ours.
    pub fn enable(self) {
        // The upper half is status bits that are cleared by writing ones.
        let command = self.read(REG_COMMAND) & 0xffff;
        self.write(REG_COMMAND, command | COMMAND_MEMORY | COMMAND_MASTER | COMMAND_NO_INTX);
    }

    /// The physical address that memory bar `index` has.
    pub fn bar(self, index: u8) -> Option<u64> {
        let register = REG_BARS + 4 * index;
        if index > 5 {
            return None;
        }
        let low = self.read(register);
        if low & 1 != 0 {
            return None;
        }
        let high = if low >> 1 & 3 == 2 && index < 5 { self.read(register + 4) } else { 0 };
        let address = u64::from(high) << 32 | u64::from(low & !0xf);
        (address != 0).then_some(address)
    }

    /// Its capabilities: number and register.
    pub fn capabilities(self) -> impl Iterator<Item = (u8, u8)> {
        let listed = self.read(REG_COMMAND) & STATUS_CAPABILITIES != 0;
        let mut at = if listed { self.read8(REG_CAPABILITIES) } else { 0 };
        core::iter::from_fn(move || {
            let here = at & !3;
            if here < 0x40 {
                return None;
            }
            let word = self.read(here);
            at = (word >> 8) as u8;
            Some((word as u8, here))
        })
        .take(MAX_CAPABILITIES)
    }

    /// Its interrupts by message; `None` if it has none.
    pub fn msix(self) -> Option<Result<Msix, OutOfTables>> {
        let (_, at) = self.capabilities().find(|&(id, _)| id == CAP_MSIX)?;
        let count = (self.read(at) >> 16 & 0x7ff) as u16 + 1;
        let table = self.read(at + 4);
        let address = self.bar((table & 7) as u8)?.checked_add(u64::from(table & !7))?;
        Some(Window::map(address, 16 * usize::from(count)).map(|table| {
            let msix = Msix { function: self, table, count };
            (0..count).for_each(|entry| msix.table.write32(16 * usize::from(entry) + 12, 1));
            let control = self.read(at);
            self.write(at, (control | MSIX_ENABLE) & !MSIX_MASK_ALL);
            msix
        }))
    }
}

/// The table of a function's interrupts by message.
#[derive(Clone, Copy, Debug)]
pub struct Msix {
    function: Function,
    table: Window,
    count: u16,
}

impl Msix {
    /// Has interrupt `entry` call `handler` with `argument` on the running CPU. False if there is no such entry, or no vector left.
    pub fn connect(&self, entry: u16, handler: MessageHandler, argument: usize) -> bool {
        if entry >= self.count {
            return false;
        }
        let Some((address, data)) = messages::message(handler, argument) else {
            log::warn!("no interrupt vector left for {:?}", self.function);
            return false;
        };
        let at = 16 * usize::from(entry);
        self.table.write32(at, address as u32);
        self.table.write32(at + 4, (address >> 32) as u32);
        self.table.write32(at + 8, data);
        self.table.write32(at + 12, 0);
        true
    }
}

/// Calls `found` with every function of the machine; none without PCI.
pub fn scan(found: &mut dyn FnMut(Function)) {
    // Without PCI the ports read as all ones.
    outl(ADDRESS, 1 << 31);
    if inl(ADDRESS) != 1 << 31 {
        return;
    }
    scan_bus(0, 0, found);
}

/// Deeper than any machine's bridges; a loop in what they say ends here.
const MAX_DEPTH: u32 = 8;

fn scan_bus(bus: u8, depth: u32, found: &mut dyn FnMut(Function)) {
    for device in 0..32 {
        let first = Function { bus, device, function: 0 };
        if first.id().0 == u16::MAX {
            continue;
        }
        let functions = if first.read(REG_HEADER) >> 16 & 0x80 != 0 { 8 } else { 1 };
        for function in 0..functions {
            let function = Function { function, ..first };
            if function.id().0 == u16::MAX {
                continue;
            }
            found(function);
            let secondary = (function.read(REG_BUSES) >> 8) as u8;
            if function.read(REG_CLASS) >> 16 == CLASS_BRIDGE && secondary > bus && depth < MAX_DEPTH {
                scan_bus(secondary, depth + 1, found);
            }
        }
    }
}
