//! The PVH start info (Xen's `public/arch-x86/hvm/start_info.h`): memory map, command line, RSDP.

use kerncore::memmap::MemoryMap;

use crate::mem::phys;

const MAGIC: u32 = 0x336e_c578;
/// The first version with a memory map.
const VERSION_WITH_MEMMAP: u32 = 1;
const TYPE_RAM: u32 = 1;
/// More entries than any hypervisor gives; a bound for a damaged structure.
const MAX_ENTRIES: u32 = 1024;
/// The longest command line that is read.
const MAX_COMMAND_LINE: usize = 65536;

/// Why the start info cannot be used.
#[derive(Clone, Copy, Debug)]
pub enum StartInfoError {
    /// The magic number is missing: not started through PVH.
    NotPvh,
    /// No memory map (version 0).
    NoMemoryMap,
}

impl core::fmt::Display for StartInfoError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(match self {
            Self::NotPvh => "not started through the PVH entry point",
            Self::NoMemoryMap => "the hypervisor gave no memory map (PVH start info version 0)",
        })
    }
}

/// The parts of the start info that the kernel uses.
pub struct StartInfo {
    cmdline: u64,
    /// Physical address of ACPI's RSDP; 0 if the hypervisor did not say.
    pub rsdp: u64,
    memmap: u64,
    entries: u32,
}

/// Reads the start info at physical address `at`.
pub fn read(at: u64) -> Result<StartInfo, StartInfoError> {
    let word = |offset: u64| phys::read_low_pod::<u32>(at + offset).unwrap_or(0);
    let long = |offset: u64| phys::read_low_pod::<u64>(at + offset).unwrap_or(0);
    if word(0) != MAGIC {
        return Err(StartInfoError::NotPvh);
    }
    if word(4) < VERSION_WITH_MEMMAP {
        return Err(StartInfoError::NoMemoryMap);
    }
    Ok(StartInfo { cmdline: long(24), rsdp: long(32), memmap: long(40), entries: word(48).min(MAX_ENTRIES) })
}

impl StartInfo {
    /// The RAM that the hypervisor lists.
    pub fn memory_map(&self) -> MemoryMap {
        let mut map = MemoryMap::new();
        for index in 0..u64::from(self.entries) {
            let at = self.memmap.saturating_add(index * 24);
            let (start, size) = (phys::read_low_pod::<u64>(at), phys::read_low_pod::<u64>(at + 8));
            let kind = phys::read_low_pod::<u32>(at + 16);
            if let (Some(start), Some(size), Some(TYPE_RAM)) = (start, size, kind)
                && !map.add(start, size)
            {
                log::warn!("memory map: {size:#x} bytes at {start:#x} left out");
            }
        }
        map
    }

    /// The hypervisor's command line; empty if there is none.
    pub fn command_line(&self) -> alloc::vec::Vec<u8> {
        let mut line = alloc::vec::Vec::new();
        if self.cmdline == 0 {
            return line;
        }
        for offset in 0..MAX_COMMAND_LINE as u64 {
            match phys::read_low_pod::<u8>(self.cmdline.saturating_add(offset)) {
                None | Some(0) => break,
                Some(byte) => line.push(byte),
            }
        }
        line
    }
}
