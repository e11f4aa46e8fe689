//! What an ELF file asks of an address space, checked and in link-time addresses.
//!
//! Called first by everyone who loads or validates a program. The rules follow Linux (`fs/binfmt_elf.c`) where it
//! accepts a file; where Linux maps nonsense and lets the program die later (content behind the end of the file,
//! overlapping or unordered segments), the file is refused with the reason.

use alloc::vec::Vec;
use core::ops::Range;

use goblin::elf::header::ET_EXEC;
use goblin::elf::program_header::{PF_X, PT_GNU_RELRO, PT_GNU_STACK, PT_INTERP, PT_LOAD};
use goblin::elf64::header::Header;
use goblin::elf64::program_header::ProgramHeader;

use crate::error::ElfError;
use crate::header::{read_header, read_program_headers, read_vec};
use crate::layout::MAX_ALIGN;
use crate::read::ReadAt;
use crate::segment::{Prot, Segment};
use crate::{MMAP_MIN_ADDR, PAGE_SIZE, USER_TOP, page_ceil, page_floor, page_offset};

/// Longest interpreter path with its NUL, in bytes (`PATH_MAX`).
const PATH_MAX: u64 = 4096;

/// Whether a program fixes its own address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// `ET_EXEC`: the addresses in the file are final; the load bias is 0.
    Exec,
    /// `ET_DYN`: position-independent; the loader chooses the bias.
    Dyn,
}

/// A validated ELF file. All addresses are those of the file; the load bias is added when it is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// Whether the addresses are final.
    pub kind: Kind,
    /// `e_entry`.
    pub entry: u64,
    /// Address of the program header table, if a segment maps it.
    pub phdr_vaddr: Option<u64>,
    /// Size of one program header in bytes.
    pub phent: u16,
    /// Number of program headers.
    pub phnum: u16,
    /// The `PT_LOAD` segments with memory, in ascending order of address. Never empty.
    pub segments: Vec<Segment>,
    /// From the first page to the end of the last: page-aligned. Its end is where the program break starts.
    pub span: Range<u64>,
    /// Largest alignment that a segment asks for, in bytes: a power of two from a page to 1 GiB.
    pub align: u64,
    /// Path of the interpreter (`PT_INTERP`), without NUL. Never empty.
    pub interp: Option<Vec<u8>>,
    /// Whether `PT_GNU_STACK` asks for an executable stack; `None` without that header.
    pub stack_executable: Option<bool>,
    /// `PT_GNU_RELRO`: what the program's own start-up makes read-only after relocation.
    pub relro: Option<Range<u64>>,
}

/// Reads and checks an ELF file.
///
/// Errors: [`ElfError`], the first reason found.
pub fn plan(file: &dyn ReadAt) -> Result<Plan, ElfError> {
    let header = read_header(file)?;
    let table = read_program_headers(file, &header)?;
    let kind = if header.e_type == ET_EXEC { Kind::Exec } else { Kind::Dyn };
    let (segments, align) = load_segments(&table, kind, file.len())?;
    let (Some(first), Some(end)) = (segments.first(), segments.iter().map(Segment::mem_end).max()) else {
        return Err(ElfError::NoLoadSegment);
    };
    let span = page_floor(first.vaddr)..page_ceil(end).unwrap_or(USER_TOP);
    if header.e_entry >= USER_TOP {
        return Err(ElfError::EntryOutOfRange(header.e_entry));
    }
    Ok(Plan {
        kind,
        entry: header.e_entry,
        phdr_vaddr: phdr_vaddr(&header, &segments),
        phent: header.e_phentsize,
        phnum: header.e_phnum,
        span,
        align,
        interp: interpreter(file, &table)?,
        stack_executable: table.iter().rfind(|p| p.p_type == PT_GNU_STACK).map(|p| p.p_flags & PF_X != 0),
        relro: relro(&table),
        segments,
    })
}

impl Plan {
    /// Entry point under a load bias. A bias is added modulo 2^64, for it may move a file downwards.
    pub fn entry_at(&self, bias: u64) -> u64 {
        self.entry.wrapping_add(bias)
    }

    /// Address of the program header table under a load bias, if it is mapped.
    pub fn phdr_at(&self, bias: u64) -> Option<u64> {
        self.phdr_vaddr.map(|addr| addr.wrapping_add(bias))
    }

    /// The pages from first to last under a load bias.
    pub fn span_at(&self, bias: u64) -> Range<u64> {
        self.span.start.wrapping_add(bias)..self.span.end.wrapping_add(bias)
    }

    /// Bytes from the first page to the end of the last.
    pub fn span_len(&self) -> u64 {
        self.span.end.saturating_sub(self.span.start)
    }
}

/// Checks all `PT_LOAD` headers; returns those with memory and the largest alignment.
fn load_segments(
    table: &[ProgramHeader],
    kind: Kind,
    file_len: u64,
) -> Result<(Vec<Segment>, u64), ElfError> {
    let mut segments: Vec<Segment> = Vec::new();
    let mut indices: Vec<usize> = Vec::new();
    let loads = table.iter().filter(|p| p.p_type == PT_LOAD).count();
    segments.try_reserve_exact(loads).map_err(|_| ElfError::NoMemory)?;
    indices.try_reserve_exact(loads).map_err(|_| ElfError::NoMemory)?;
    let mut align = PAGE_SIZE;
    for (index, phdr) in table.iter().enumerate().filter(|(_, p)| p.p_type == PT_LOAD) {
        check_sizes(index, phdr, kind, file_len)?;
        if phdr.p_memsz == 0 {
            continue;
        }
        let segment = Segment {
            vaddr: phdr.p_vaddr,
            mem_size: phdr.p_memsz,
            file_offset: phdr.p_offset,
            file_size: phdr.p_filesz,
            prot: Prot::from_flags(phdr.p_flags),
        };
        for (earlier, &first) in segments.iter().zip(&indices) {
            if segment.vaddr < earlier.vaddr {
                return Err(ElfError::SegmentsUnordered { index });
            }
            if conflict(earlier, &segment) {
                return Err(ElfError::SegmentsOverlap { first, second: index });
            }
        }
        align = align.max(phdr.p_align);
        segments.push(segment);
        indices.push(index);
    }
    Ok((segments, align))
}

/// Checks what one `PT_LOAD` header says about itself.
fn check_sizes(index: usize, phdr: &ProgramHeader, kind: Kind, file_len: u64) -> Result<(), ElfError> {
    let wraps = ElfError::SegmentWraps { index };
    if phdr.p_filesz > phdr.p_memsz {
        return Err(ElfError::FileLargerThanMemory { index });
    }
    let mem_end = phdr.p_vaddr.checked_add(phdr.p_memsz).ok_or(wraps)?;
    let file_end = phdr.p_offset.checked_add(phdr.p_filesz).ok_or(wraps)?;
    if mem_end > USER_TOP {
        return Err(ElfError::SegmentTooHigh { index, end: mem_end });
    }
    if phdr.p_filesz > 0 && file_end > file_len {
        return Err(ElfError::SegmentBeyondEof { index, end: file_end, len: file_len });
    }
    // 0 and 1 both mean "no alignment"; more than 1 GiB would leave no room for a randomised base.
    if phdr.p_align > 1 && (!phdr.p_align.is_power_of_two() || phdr.p_align > MAX_ALIGN) {
        return Err(ElfError::BadAlignment { index, align: phdr.p_align });
    }
    // Only what mapping needs: some tools write offsets that are congruent modulo the page but not modulo p_align,
    // and Linux runs their output.
    if phdr.p_filesz > 0 && page_offset(phdr.p_vaddr) != page_offset(phdr.p_offset) {
        return Err(ElfError::NotCongruent { index });
    }
    if kind == Kind::Exec && phdr.p_memsz > 0 && page_floor(phdr.p_vaddr) < MMAP_MIN_ADDR {
        return Err(ElfError::SegmentTooLow { index, vaddr: phdr.p_vaddr });
    }
    Ok(())
}

/// Whether two segments, `earlier` not above `later`, claim a byte with different content. Sharing a page is no
/// conflict: old linkers let the last page of text be the first page of data, and the later mapping wins.
fn conflict(earlier: &Segment, later: &Segment) -> bool {
    let end = earlier.mem_end().min(later.mem_end());
    if later.vaddr >= end {
        return false;
    }
    let same_file =
        earlier.vaddr.wrapping_sub(earlier.file_offset) == later.vaddr.wrapping_sub(later.file_offset);
    !(same_file && end <= earlier.file_end() && end <= later.file_end())
}

/// Address of the program header table: where the segment that holds its first byte puts it.
fn phdr_vaddr(header: &Header, segments: &[Segment]) -> Option<u64> {
    segments.iter().find_map(|segment| {
        let within = header.e_phoff.checked_sub(segment.file_offset)?;
        (within < segment.file_size).then(|| segment.vaddr.checked_add(within))?
    })
}

/// The path in the first `PT_INTERP` header; later ones do not count.
fn interpreter(file: &dyn ReadAt, table: &[ProgramHeader]) -> Result<Option<Vec<u8>>, ElfError> {
    let Some(phdr) = table.iter().find(|p| p.p_type == PT_INTERP) else {
        return Ok(None);
    };
    if phdr.p_filesz > PATH_MAX {
        return Err(ElfError::InterpTooLong(phdr.p_filesz));
    }
    if phdr.p_filesz == 0 {
        return Err(ElfError::InterpEmpty);
    }
    match phdr.p_offset.checked_add(phdr.p_filesz) {
        Some(end) if end <= file.len() => {}
        _ => return Err(ElfError::InterpBeyondEof),
    }
    // At most PATH_MAX: fits in usize.
    let mut path = read_vec(file, phdr.p_offset, phdr.p_filesz as usize)?;
    if path.last() != Some(&0) {
        return Err(ElfError::InterpNotTerminated);
    }
    let len = path.iter().position(|&byte| byte == 0).unwrap_or(0);
    if len == 0 {
        return Err(ElfError::InterpEmpty);
    }
    path.truncate(len);
    Ok(Some(path))
}

fn relro(table: &[ProgramHeader]) -> Option<Range<u64>> {
    let phdr = table.iter().find(|p| p.p_type == PT_GNU_RELRO)?;
    Some(phdr.p_vaddr..phdr.p_vaddr.checked_add(phdr.p_memsz)?)
}
