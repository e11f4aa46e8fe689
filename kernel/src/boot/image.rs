//! The payload that mkimage put behind the kernel: header, command line, root archive.

use core::ops::Range;

use image_format::header::{HEADER_SIZE, HeaderError, ImageHeader};
use kerncore::memmap::MemoryMap;

use crate::arch::layout::KERNEL_BASE;
use crate::arch::symbols;
use crate::mem::phys;

/// Why the image cannot be used.
#[derive(Debug)]
pub enum ImageError {
    /// There is no header behind the kernel, or a damaged one.
    Header(HeaderError),
    /// The machine's memory ends before the image does.
    TooLittleMemory {
        /// What the kernel and the image take, in bytes, counted from address 0.
        needed: u64,
        /// RAM of the machine in bytes.
        have: u64,
    },
}

impl core::fmt::Display for ImageError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::Header(error) => write!(f, "the image behind the kernel cannot be used: {error}"),
            Self::TooLittleMemory { needed, have } => {
                // A little for page tables and the heap; the program itself comes on top.
                let mib = (needed + (512 << 10)).div_ceil(1 << 20);
                let have = have.div_ceil(1 << 20);
                write!(
                    f,
                    "not enough memory: this image needs at least {mib} MiB, the machine has {have} MiB"
                )
            }
        }
    }
}

/// Where the image lies in physical memory.
#[derive(Debug)]
pub struct Image {
    header: ImageHeader,
    start: u64,
}

impl Image {
    /// Reads the header behind the kernel and checks that the whole image is in `map`'s RAM.
    pub fn find(map: &MemoryMap) -> Result<Self, ImageError> {
        let start = symbols::kernel_end_phys();
        let mut bytes = [0; HEADER_SIZE];
        if !map.covers(start, HEADER_SIZE as u64) || !phys::read_low(start, &mut bytes) {
            return Err(ImageError::TooLittleMemory {
                needed: start + HEADER_SIZE as u64,
                have: map.total(),
            });
        }
        let header = ImageHeader::parse(&bytes).map_err(ImageError::Header)?;
        if !map.covers(start, header.total_len) {
            let needed = start.saturating_add(header.total_len);
            return Err(ImageError::TooLittleMemory { needed, have: map.total() });
        }
        Ok(Self { header, start })
    }

    /// Physical memory of the kernel and the image, page-aligned: never given out.
    pub fn occupied(&self) -> Range<u64> {
        let kernel = symbols::segments().start - KERNEL_BASE;
        kernel..(self.start + self.header.total_len).next_multiple_of(4096)
    }

    /// The command line baked into the image.
    pub fn command_line(&self, map: &MemoryMap) -> &'static [u8] {
        phys::constant_ram(map, self.start + self.header.cmdline_off, self.header.cmdline_len).unwrap_or(&[])
    }

    /// The root archive and its physical address.
    pub fn root(&self, map: &MemoryMap) -> (&'static [u8], u64) {
        let at = self.start + self.header.root_off;
        (phys::constant_ram(map, at, self.header.root_len).unwrap_or(&[]), at)
    }
}
