//! Finds the ACPI tables and keeps what the kernel needs: processors, the I/O APIC, how to power off.

use alloc::vec::Vec;

use kerncore::acpi::{self, Fadt, HEADER_LEN, MadtEntry, Root, Trigger};

use crate::mem::phys;

/// The BIOS area in which an RSDP lies if the hypervisor does not say where.
const BIOS_AREA: u64 = 0xe_0000;
const BIOS_AREA_LEN: u64 = 0x2_0000;
/// More tables than any firmware has.
const MAX_TABLES: usize = 64;
/// ISA interrupts that can be overridden.
const ISA_IRQS: usize = 16;

/// What the tables say.
#[derive(Clone, Debug)]
pub struct Platform {
    /// APIC ids of the processors that can run, the boot processor included. Empty if no table says.
    pub cpus: Vec<u32>,
    /// Physical address of the first I/O APIC.
    pub io_apic: Option<u64>,
    /// Another one, with its first line.
    pub second_io_apic: Option<(u64, u32)>,
    /// Power management.
    pub fadt: Option<Fadt>,
    overrides: [(u32, Trigger); ISA_IRQS],
}

impl Platform {
    fn new() -> Self {
        Self {
            cpus: Vec::new(),
            io_apic: None,
            second_io_apic: None,
            fadt: None,
            overrides: core::array::from_fn(|irq| (irq as u32, Trigger::default())),
        }
    }

    /// The global system interrupt of ISA interrupt `irq`, and how it signals.
    pub fn isa_irq(&self, irq: u8) -> Option<(u8, Trigger)> {
        let (gsi, trigger) = *self.overrides.get(usize::from(irq))?;
        Some((u8::try_from(gsi).ok()?, trigger))
    }

    fn read_madt(&mut self, table: &[u8]) {
        for entry in acpi::madt_entries(table) {
            match entry {
                MadtEntry::Cpu { apic_id } => {
                    if !self.cpus.contains(&apic_id) {
                        self.cpus.push(apic_id);
                    }
                }
                MadtEntry::IoApic { address, gsi_base: 0 } => self.io_apic = Some(address),
                MadtEntry::IoApic { address, gsi_base } => self.second_io_apic = Some((address, gsi_base)),
                MadtEntry::Override { irq, gsi, trigger } => {
                    if let Some(slot) = self.overrides.get_mut(usize::from(irq)) {
                        *slot = (gsi, trigger);
                    }
                }
            }
        }
    }
}

/// Reads the tables. `rsdp` is the address from the start info, 0 if it gave none.
pub fn read(rsdp: u64) -> Platform {
    let mut platform = Platform::new();
    let Some(root) = find_root(rsdp) else {
        log::info!("no ACPI tables");
        return platform;
    };
    let (address, signature) = match root {
        Root::Rsdt(at) => (at, b"RSDT"),
        Root::Xsdt(at) => (at, b"XSDT"),
    };
    if let Some(list) = table(address, signature) {
        for at in acpi::table_addresses(list, root).take(MAX_TABLES) {
            if let Some(madt) = table(at, b"APIC") {
                platform.read_madt(madt);
            } else if let Some(fadt) = table(at, b"FACP") {
                platform.fadt = Some(acpi::parse_fadt(fadt));
            }
        }
    }
    platform
}

/// The virtio devices that the DSDT at `dsdt` describes.
pub fn virtio_mmio(dsdt: u64) -> impl Iterator<Item = acpi::VirtioMmio> {
    acpi::virtio_mmio(table(dsdt, b"DSDT").unwrap_or_default())
}

/// The sleep type for S5 from the DSDT at `dsdt`.
pub fn s5_sleep_type(dsdt: u64) -> Option<u8> {
    acpi::s5_sleep_type(table(dsdt, b"DSDT")?)
}

fn find_root(rsdp: u64) -> Option<Root> {
    if rsdp != 0
        && let Some(root) = phys::firmware(rsdp, HEADER_LEN as u64).and_then(acpi::parse_rsdp)
    {
        return Some(root);
    }
    let area = phys::firmware(BIOS_AREA, BIOS_AREA_LEN)?;
    acpi::parse_rsdp(&area[acpi::find_rsdp(area)?..])
}

/// The table at `at` if it has this signature and a right checksum.
fn table(at: u64, signature: &[u8; 4]) -> Option<&'static [u8]> {
    let header = phys::firmware(at, HEADER_LEN as u64)?;
    if header.get(..4)? != signature {
        return None;
    }
    acpi::check_table(phys::firmware(at, acpi::table_len(header)? as u64)?, signature)
}
