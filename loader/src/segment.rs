//! One loadable segment, and how it splits into pages.
//!
//! Called by [`plan`](crate::plan()) (which validates) and [`Plan::map_into`](crate::Plan::map_into) (which maps).
//! A [`Segment`] inside a [`Plan`](crate::Plan) satisfies: `mem_size > 0`, `file_size <= mem_size`, address and
//! offset congruent modulo the page when there is file content, and no sum of its fields overflows.

use core::ops::Range;

use goblin::elf::program_header::{PF_R, PF_W, PF_X};

use crate::{page_ceil, page_floor, page_offset};

/// Access rights of a mapping.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Prot {
    /// May be read.
    pub read: bool,
    /// May be written.
    pub write: bool,
    /// May be executed.
    pub exec: bool,
}

impl Prot {
    /// Rights from `p_flags`.
    pub(crate) fn from_flags(flags: u32) -> Self {
        Self { read: flags & PF_R != 0, write: flags & PF_W != 0, exec: flags & PF_X != 0 }
    }
}

/// A `PT_LOAD` header with memory, as it stands in the file: link-time address, sizes in bytes, not rounded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Segment {
    /// `p_vaddr`.
    pub vaddr: u64,
    /// `p_memsz`.
    pub mem_size: u64,
    /// `p_offset`.
    pub file_offset: u64,
    /// `p_filesz`.
    pub file_size: u64,
    /// Rights from `p_flags`.
    pub prot: Prot,
}

/// A run of whole pages backed by the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FilePiece {
    /// Page-aligned address.
    pub vaddr: u64,
    /// Length in bytes, a multiple of the page size.
    pub len: u64,
    /// Page-aligned file offset.
    pub file_offset: u64,
    /// Access rights.
    pub prot: Prot,
}

/// What a segment asks of an address space, in the order in which it is to be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pieces {
    /// Whole pages mapped from the file.
    pub file: Option<FilePiece>,
    /// Bytes to clear in the last of those pages: from the end of the file content to the end of the page.
    pub clear: Option<Range<u64>>,
    /// Whole pages of zeros behind them.
    pub zero: Option<Range<u64>>,
    /// Rights of the zero pages.
    pub zero_prot: Prot,
}

impl Segment {
    /// End of the segment in memory (exclusive).
    pub fn mem_end(&self) -> u64 {
        self.vaddr.saturating_add(self.mem_size)
    }

    /// End of the file content in memory (exclusive).
    pub fn file_end(&self) -> u64 {
        self.vaddr.saturating_add(self.file_size)
    }

    /// Splits the segment into pages as Linux does (`elf_load` in `fs/binfmt_elf.c`):
    /// - pages with file content are mapped from the file whole, neighbouring file bytes included,
    /// - when memory exceeds the file content and the segment is writable, the rest of the last such page is
    ///   cleared; in a read-only segment the neighbouring bytes stay visible,
    /// - the pages behind are anonymous, readable and writable whatever `p_flags` says, executable if it says so.
    pub fn pieces(&self) -> Pieces {
        let start = page_floor(self.vaddr);
        // A validated segment ends below `USER_TOP`, which is page-aligned: the rounding cannot overflow.
        let file_pages_end = page_ceil(self.file_end()).unwrap_or(u64::MAX);
        let mem_pages_end = page_ceil(self.mem_end()).unwrap_or(u64::MAX);
        let has_tail = self.mem_size > self.file_size;

        let file = (self.file_size > 0).then(|| FilePiece {
            vaddr: start,
            len: file_pages_end.saturating_sub(start),
            file_offset: self.file_offset.saturating_sub(page_offset(self.vaddr)),
            prot: self.prot,
        });
        let clear = (file.is_some() && has_tail && self.prot.write && self.file_end() < file_pages_end)
            .then(|| self.file_end()..file_pages_end);
        let zero_start = if file.is_some() { file_pages_end } else { start };
        let zero = (has_tail && zero_start < mem_pages_end).then_some(zero_start..mem_pages_end);
        Pieces { file, clear, zero, zero_prot: Prot { read: true, write: true, exec: self.prot.exec } }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RW: Prot = Prot { read: true, write: true, exec: false };
    const R: Prot = Prot { read: true, write: false, exec: false };

    fn data(prot: Prot, file_size: u64, mem_size: u64) -> Segment {
        Segment { vaddr: 0x40_3e10, mem_size, file_offset: 0x2e10, file_size, prot }
    }

    #[test]
    fn data_with_bss() {
        let pieces = data(RW, 0x210, 0x3000).pieces();
        let file = FilePiece { vaddr: 0x40_3000, len: 0x2000, file_offset: 0x2000, prot: RW };
        assert_eq!(pieces.file, Some(file));
        assert_eq!(pieces.clear, Some(0x40_4020..0x40_5000));
        assert_eq!(pieces.zero, Some(0x40_5000..0x40_7000));
    }

    #[test]
    fn bss_inside_the_last_page_clears_it_whole() {
        let pieces = data(RW, 0x10, 0x20).pieces();
        assert_eq!(pieces.clear, Some(0x40_3e20..0x40_4000));
        assert_eq!(pieces.zero, None);
    }

    #[test]
    fn content_up_to_a_page_boundary_needs_no_clearing() {
        let pieces = data(RW, 0x1f0, 0x1f1).pieces();
        assert_eq!(pieces.clear, None);
        assert_eq!(pieces.zero, Some(0x40_4000..0x40_5000));
        let pieces = data(RW, 0x1f0, 0x1f0).pieces();
        assert_eq!((pieces.clear, pieces.zero), (None, None));
    }

    #[test]
    fn read_only_page_is_not_cleared() {
        let pieces = data(R, 0x10, 0x1000).pieces();
        assert_eq!(pieces.clear, None);
        assert_eq!((pieces.zero, pieces.zero_prot), (Some(0x40_4000..0x40_5000), RW));
    }

    #[test]
    fn pure_bss_begins_at_its_page() {
        let pieces = data(RW, 0, 8).pieces();
        assert_eq!((pieces.file, pieces.clear), (None, None));
        assert_eq!(pieces.zero, Some(0x40_3000..0x40_4000));
    }
}
