//! The few ACPI tables that the kernel reads (ACPI 6.5, chapter 5): RSDP, RSDT/XSDT, MADT, FADT, and the
//! sleep type of S5 in the DSDT.
//!
//! The functions work on bytes; the kernel maps the tables. Wrong lengths and checksums make a table
//! absent, never a fault.

/// Bytes of the header that every table but the RSDP starts with.
pub const HEADER_LEN: usize = 36;

fn u8_at(bytes: &[u8], at: usize) -> Option<u8> {
    bytes.get(at).copied()
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_le_bytes(bytes.get(at..at.checked_add(2)?)?.try_into().ok()?))
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(bytes.get(at..at.checked_add(4)?)?.try_into().ok()?))
}

fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_le_bytes(bytes.get(at..at.checked_add(8)?)?.try_into().ok()?))
}

fn checksum_ok(bytes: &[u8]) -> bool {
    bytes.iter().fold(0u8, |sum, byte| sum.wrapping_add(*byte)) == 0
}

/// Where the list of tables is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Root {
    /// RSDT: 32-bit addresses.
    Rsdt(u64),
    /// XSDT: 64-bit addresses.
    Xsdt(u64),
}

/// Parses an RSDP (section 5.2.5.3): 20 bytes for version 0, 36 later.
pub fn parse_rsdp(bytes: &[u8]) -> Option<Root> {
    if bytes.get(..8)? != b"RSD PTR " || !checksum_ok(bytes.get(..20)?) {
        return None;
    }
    if u8_at(bytes, 15)? >= 2
        && let Some(extended) = bytes.get(..36)
        && checksum_ok(extended)
        && let Some(xsdt @ 1..) = u64_at(bytes, 24)
    {
        return Some(Root::Xsdt(xsdt));
    }
    Some(Root::Rsdt(u64::from(u32_at(bytes, 16)?)))
}

/// Offset of an RSDP in `window`, the BIOS area where it starts at a multiple of 16.
pub fn find_rsdp(window: &[u8]) -> Option<usize> {
    (0..window.len()).step_by(16).find(|&at| parse_rsdp(&window[at..]).is_some())
}

/// Length of the table whose header starts `bytes`.
pub fn table_len(bytes: &[u8]) -> Option<usize> {
    let len = u32_at(bytes, 4)? as usize;
    (len >= HEADER_LEN).then_some(len)
}

/// The table in `bytes` if its signature, length and checksum are right.
pub fn check_table<'a>(bytes: &'a [u8], signature: &[u8; 4]) -> Option<&'a [u8]> {
    let table = bytes.get(..table_len(bytes)?)?;
    (table.get(..4)? == signature && checksum_ok(table)).then_some(table)
}

/// Addresses of the tables listed in a checked RSDT or XSDT.
pub fn table_addresses(table: &[u8], root: Root) -> impl Iterator<Item = u64> + '_ {
    let width = match root {
        Root::Rsdt(_) => 4,
        Root::Xsdt(_) => 8,
    };
    table.get(HEADER_LEN..).unwrap_or(&[]).chunks_exact(width).map(move |entry| {
        if width == 4 { u64::from(u32_at(entry, 0).unwrap_or(0)) } else { u64_at(entry, 0).unwrap_or(0) }
    })
}

/// How an interrupt line signals.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Trigger {
    /// Level- instead of edge-triggered.
    pub level: bool,
    /// Active low instead of high.
    pub active_low: bool,
}

/// A structure of the MADT (section 5.2.12).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MadtEntry {
    /// A processor that is enabled (not one that could be plugged in later): its APIC id.
    Cpu {
        /// Local APIC id.
        apic_id: u32,
    },
    /// An I/O APIC.
    IoApic {
        /// Physical address of its registers.
        address: u64,
        /// The global system interrupt of its first line.
        gsi_base: u32,
    },
    /// An ISA interrupt that is wired differently from its number.
    Override {
        /// The ISA interrupt.
        irq: u8,
        /// The global system interrupt it arrives at.
        gsi: u32,
        /// How it signals.
        trigger: Trigger,
    },
}

/// The entries of a checked MADT that the kernel knows.
pub fn madt_entries(table: &[u8]) -> impl Iterator<Item = MadtEntry> + '_ {
    let mut rest = table.get(44..).unwrap_or(&[]);
    core::iter::from_fn(move || {
        loop {
            let len = usize::from(u8_at(rest, 1)?);
            if len < 2 {
                return None;
            }
            let entry = rest.get(..len)?;
            rest = &rest[len..];
            if let Some(known) = madt_entry(entry) {
                return Some(known);
            }
        }
    })
}

fn madt_entry(entry: &[u8]) -> Option<MadtEntry> {
    const ENABLED: u32 = 1;
    match u8_at(entry, 0)? {
        0 if u32_at(entry, 4)? & ENABLED != 0 => {
            Some(MadtEntry::Cpu { apic_id: u32::from(u8_at(entry, 3)?) })
        }
        1 => Some(MadtEntry::IoApic { address: u64::from(u32_at(entry, 4)?), gsi_base: u32_at(entry, 8)? }),
        2 => {
            let flags = u16_at(entry, 8)?;
            let trigger = Trigger { active_low: flags & 3 == 3, level: flags >> 2 & 3 == 3 };
            Some(MadtEntry::Override { irq: u8_at(entry, 3)?, gsi: u32_at(entry, 4)?, trigger })
        }
        9 if u32_at(entry, 8)? & ENABLED != 0 => Some(MadtEntry::Cpu { apic_id: u32_at(entry, 4)? }),
        _ => None,
    }
}

/// How the machine is powered off, and its timer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Fadt {
    /// Physical address of the DSDT.
    pub dsdt: u64,
    /// Port of the PM1a control register; 0 on hardware-reduced machines.
    pub pm1a_control: u16,
    /// Port of the ACPI timer; 0 if there is none.
    pub pm_timer: u16,
    /// Sleep control register of hardware-reduced machines: memory address, if it has one.
    pub sleep_control: Option<u64>,
}

/// Parses a checked FADT (section 5.2.9). Missing fields of old revisions are zero.
pub fn parse_fadt(table: &[u8]) -> Fadt {
    const HW_REDUCED: u32 = 1 << 20;
    /// Address space of a generic address structure: system memory.
    const SYSTEM_MEMORY: u8 = 0;
    let short = |at| u32_at(table, at).and_then(|port| u16::try_from(port).ok()).unwrap_or(0);
    let reduced = u32_at(table, 112).unwrap_or(0) & HW_REDUCED != 0;
    let dsdt = u64_at(table, 140).filter(|&at| at != 0).unwrap_or(u64::from(u32_at(table, 40).unwrap_or(0)));
    let sleep = u64_at(table, 248).filter(|&at| at != 0 && u8_at(table, 244) == Some(SYSTEM_MEMORY));
    Fadt {
        dsdt,
        pm1a_control: if reduced { 0 } else { short(64) },
        pm_timer: if reduced { 0 } else { short(76) },
        sleep_control: if reduced { sleep } else { None },
    }
}

/// The sleep type of S5: the first number of the package named `_S5_` in the DSDT's AML.
///
/// The bytes are searched for the name with a package behind it, which is how every firmware of the
/// supported hypervisors encodes it; AML is not interpreted.
pub fn s5_sleep_type(dsdt: &[u8]) -> Option<u8> {
    const NAME_OP: u8 = 0x08;
    const PACKAGE_OP: u8 = 0x12;
    const BYTE_PREFIX: u8 = 0x0a;
    let at = dsdt.windows(4).enumerate().position(|(at, name)| {
        let behind_name_op =
            at >= 1 && dsdt[at - 1] == NAME_OP || at >= 2 && dsdt[at - 2] == NAME_OP && dsdt[at - 1] == b'\\';
        name == b"_S5_" && behind_name_op && dsdt.get(at + 4) == Some(&PACKAGE_OP)
    })?;
    let length_at = at + 5;
    // The top two bits of the first length byte tell how many more there are; then the element count.
    let first = length_at + 1 + usize::from(u8_at(dsdt, length_at)? >> 6) + 1;
    match u8_at(dsdt, first)? {
        BYTE_PREFIX => u8_at(dsdt, first + 1),
        small @ 0..=1 => Some(small), // ZeroOp, OneOp
        _ => None,
    }
}

/// A virtio device with registers in memory, as the DSDT describes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VirtioMmio {
    /// Physical address of its registers.
    pub base: u32,
    /// Their length, bytes.
    pub len: u32,
    /// Its global system interrupt.
    pub gsi: u32,
    /// How that signals.
    pub trigger: Trigger,
}

/// The virtio devices with registers in memory: those whose `_HID` is `LNRO0005`.
///
/// As for [`s5_sleep_type`], the bytes are searched: behind the name, the resources of the device are a memory range of fixed
/// place (ACPI 6.4, section 6.4.3.4) and one extended interrupt (section 6.4.3.6).
pub fn virtio_mmio(dsdt: &[u8]) -> impl Iterator<Item = VirtioMmio> + '_ {
    const NAME: &[u8; 8] = b"LNRO0005";
    /// A device's description is much shorter.
    const NEAR: usize = 256;
    let mut next = 0;
    let found = core::iter::from_fn(move || {
        let at = find(dsdt, NAME, next)?;
        next = at + NAME.len();
        Some(next)
    });
    found.filter_map(move |behind| {
        let here = dsdt.get(behind..)?;
        let end = here.windows(NAME.len()).position(|name| name == NAME).unwrap_or(here.len()).min(NEAR);
        let here = here.get(..end)?;
        let find = |tag: [u8; 3]| here.windows(3).position(|bytes| bytes == tag);
        let memory = here.get(find([0x86, 9, 0])?..)?;
        let interrupt = here.get(find([0x89, 6, 0])?..)?;
        let flags = u8_at(interrupt, 3)?;
        Some(VirtioMmio {
            base: u32_at(memory, 4)?,
            len: u32_at(memory, 8)?,
            gsi: u32_at(interrupt, 5)?,
            trigger: Trigger { level: flags & 2 == 0, active_low: flags & 4 != 0 },
        })
    })
}

/// The first place of `name` at or after `from`. Where the last byte of a window is none of the name's, all places in the
/// window are ruled out at once (Horspool): tables are long, and every boot searches them.
fn find<const N: usize>(bytes: &[u8], name: &[u8; N], from: usize) -> Option<usize> {
    let mut at = from;
    loop {
        let window = bytes.get(at..)?.first_chunk::<N>()?;
        if window == name {
            return Some(at);
        }
        let last = window.last();
        let back = name.iter().rev().skip(1).position(|byte| Some(byte) == last);
        at += back.map_or(N, |back| back + 1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn table(signature: &[u8; 4], body: &[u8]) -> Vec<u8> {
        let mut bytes = signature.to_vec();
        bytes.extend_from_slice(&((HEADER_LEN + body.len()) as u32).to_le_bytes());
        bytes.resize(HEADER_LEN, 0);
        bytes.extend_from_slice(body);
        fix_checksum(&mut bytes, 9);
        bytes
    }

    fn fix_checksum(bytes: &mut [u8], at: usize) {
        bytes[at] = 0;
        bytes[at] = bytes.iter().fold(0u8, |sum, byte| sum.wrapping_sub(*byte));
    }

    fn rsdp(revision: u8, rsdt: u32, xsdt: u64) -> Vec<u8> {
        let mut bytes = b"RSD PTR \0NOSPIN".to_vec();
        bytes.resize(36, 0);
        bytes[15] = revision;
        bytes[16..20].copy_from_slice(&rsdt.to_le_bytes());
        bytes[20..24].copy_from_slice(&36u32.to_le_bytes());
        bytes[24..32].copy_from_slice(&xsdt.to_le_bytes());
        fix_checksum(&mut bytes[..20], 8);
        fix_checksum(&mut bytes, 32);
        bytes
    }

    #[test]
    fn rsdp_of_both_revisions() {
        assert_eq!(parse_rsdp(&rsdp(0, 0x1000, 0x2000)), Some(Root::Rsdt(0x1000)));
        assert_eq!(parse_rsdp(&rsdp(2, 0x1000, 0x2000)), Some(Root::Xsdt(0x2000)));
        assert_eq!(parse_rsdp(&rsdp(2, 0x1000, 0)), Some(Root::Rsdt(0x1000)));
        assert_eq!(parse_rsdp(&rsdp(0, 0x1000, 0)[..20]), Some(Root::Rsdt(0x1000)));
        let mut bad = rsdp(2, 0x1000, 0x2000);
        bad[16] ^= 1;
        assert_eq!(parse_rsdp(&bad), None);
    }

    #[test]
    fn rsdp_is_found_at_multiples_of_16() {
        let mut window = vec![0; 256];
        window[64..100].copy_from_slice(&rsdp(0, 1, 0));
        assert_eq!(find_rsdp(&window), Some(64));
        assert_eq!(find_rsdp(&window[8..]), None);
    }

    #[test]
    fn addresses_of_both_widths() {
        let body: Vec<u8> = [0x11u32, 0x22].iter().flat_map(|a| a.to_le_bytes()).collect();
        let rsdt = table(b"RSDT", &body);
        let found: Vec<u64> = table_addresses(check_table(&rsdt, b"RSDT").unwrap(), Root::Rsdt(0)).collect();
        assert_eq!(found, [0x11, 0x22]);
        let body: Vec<u8> = [0x1_0000_0011u64, 0x22].iter().flat_map(|a| a.to_le_bytes()).collect();
        let xsdt = table(b"XSDT", &body);
        let found: Vec<u64> = table_addresses(check_table(&xsdt, b"XSDT").unwrap(), Root::Xsdt(0)).collect();
        assert_eq!(found, [0x1_0000_0011, 0x22]);
    }

    #[test]
    fn tables_are_checked() {
        let mut good = table(b"APIC", &[1, 2, 3]);
        assert!(check_table(&good, b"APIC").is_some());
        assert!(check_table(&good, b"FACP").is_none());
        assert!(check_table(&good[..good.len() - 1], b"APIC").is_none());
        good[37] ^= 4;
        assert!(check_table(&good, b"APIC").is_none());
    }

    #[test]
    fn madt_with_every_known_entry() {
        let mut body = vec![0; 8]; // local APIC address, flags
        body.extend_from_slice(&[0, 8, 0, 7, 1, 0, 0, 0]); // enabled CPU 7
        body.extend_from_slice(&[0, 8, 0, 8, 0, 0, 0, 0]); // absent CPU
        body.extend_from_slice(&[0, 8, 0, 9, 2, 0, 0, 0]); // CPU that can be enabled later: not used
        body.extend_from_slice(&[4, 6, 0xff, 0, 0, 1]); // NMI: not used
        body.extend_from_slice(&[1, 12, 0, 0, 0, 0, 0xc0, 0xfe, 0, 0, 0, 0]);
        body.extend_from_slice(&[2, 10, 0, 4, 4, 0, 0, 0, 0x0f, 0]);
        body.extend_from_slice(&[9, 16, 0, 0, 0x2c, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0]);
        let madt = table(b"APIC", &body);
        let entries: Vec<MadtEntry> = madt_entries(check_table(&madt, b"APIC").unwrap()).collect();
        let trigger = Trigger { level: true, active_low: true };
        assert_eq!(
            entries,
            [
                MadtEntry::Cpu { apic_id: 7 },
                MadtEntry::IoApic { address: 0xfec0_0000, gsi_base: 0 },
                MadtEntry::Override { irq: 4, gsi: 4, trigger },
                MadtEntry::Cpu { apic_id: 300 },
            ]
        );
    }

    #[test]
    fn fadt_of_both_kinds() {
        let mut body = vec![0; 256 - HEADER_LEN];
        let mut put = |at: usize, bytes: &[u8]| body[at - HEADER_LEN..][..bytes.len()].copy_from_slice(bytes);
        put(40, &0x7000u32.to_le_bytes());
        put(64, &0x604u32.to_le_bytes());
        put(76, &0x608u32.to_le_bytes());
        put(248, &0xfea0_0000u64.to_le_bytes());
        assert_eq!(
            parse_fadt(&table(b"FACP", &body)),
            Fadt { dsdt: 0x7000, pm1a_control: 0x604, pm_timer: 0x608, sleep_control: None }
        );
        body[112 - HEADER_LEN + 2] = 0x10;
        let reduced = parse_fadt(&table(b"FACP", &body));
        assert_eq!(reduced.sleep_control, Some(0xfea0_0000));
        assert_eq!(reduced.pm1a_control, 0);
        assert_eq!(parse_fadt(&[]), Fadt::default());
    }

    #[test]
    fn sleep_types() {
        let package = |elements: &[u8]| {
            let mut aml = b"xx_S5_xx\x08_S5_\x12".to_vec();
            aml.extend_from_slice(&[elements.len() as u8 + 2, 4]);
            aml.extend_from_slice(elements);
            aml
        };
        assert_eq!(s5_sleep_type(&package(&[0x0a, 5, 0x0a, 5, 0, 0])), Some(5));
        assert_eq!(s5_sleep_type(&package(&[0, 0, 0, 0])), Some(0));
        assert_eq!(s5_sleep_type(&package(&[1, 0, 0, 0])), Some(1));
        assert_eq!(s5_sleep_type(b"\x08_S5_\x12"), None);
        assert_eq!(s5_sleep_type(b"_S5_\x12\x06\x04\x00"), None);
    }

    proptest! {
        #[test]
        fn any_bytes_are_survived(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
            let _ = parse_rsdp(&bytes);
            let _ = find_rsdp(&bytes);
            let _ = check_table(&bytes, b"APIC");
            let _ = madt_entries(&bytes).count();
            let _ = table_addresses(&bytes, Root::Xsdt(0)).count();
            let _ = parse_fadt(&bytes);
            let _ = s5_sleep_type(&bytes);
        }
    }

    proptest! {
        #[test]
        fn finds_what_windows_find(bytes in prop::collection::vec(prop::sample::select(b"ab".to_vec()), 0..40), from in 0usize..50) {
            for name in [b"aba", b"aab", b"abb"] {
                let slow = bytes.windows(3).enumerate().skip(from).find(|(_, window)| window == name);
                prop_assert_eq!(find(&bytes, name, from), slow.map(|(at, _)| at));
            }
        }
    }

    #[test]
    fn virtio_devices_in_memory() {
        let device = |base: u32, gsi: u32, flags: u8| {
            let mut bytes = b"\x08_HID\x0dLNRO0005\0\x08_CRS\x11\x18\x0a\x15".to_vec();
            bytes.extend_from_slice(&[0x86, 9, 0, 1]);
            bytes.extend_from_slice(&base.to_le_bytes());
            bytes.extend_from_slice(&0x200u32.to_le_bytes());
            bytes.extend_from_slice(&[0x89, 6, 0, flags, 1]);
            bytes.extend_from_slice(&gsi.to_le_bytes());
            bytes
        };
        let trigger = |level, active_low| Trigger { level, active_low };
        let mut dsdt = b"head".to_vec();
        dsdt.extend(device(0xfeb0_0000, 24, 1));
        dsdt.extend(device(0xfeb0_0200, 25, 7));
        let found: Vec<_> = virtio_mmio(&dsdt).collect();
        let expected = [(0xfeb0_0000, 24, trigger(true, false)), (0xfeb0_0200, 25, trigger(false, true))]
            .map(|(base, gsi, trigger)| VirtioMmio { base, len: 0x200, gsi, trigger });
        assert_eq!(found, expected);
        // One whose description is cut, and one that borrows nothing from the next.
        dsdt.truncate(dsdt.len() - 2);
        assert_eq!(virtio_mmio(&dsdt).count(), 1);
        let mut nameless = b"LNRO0005".to_vec();
        nameless.extend(device(1, 2, 0));
        assert_eq!(virtio_mmio(&nameless).count(), 1);
    }
}
