//! What the tools need to know of ELF files: is it a program for the guest, and what does it link to.
//!
//! Parsing is goblin's; the checks that make its results safe to use (bounds, wrapping, overlap) are here.
//! Section headers are never looked at: neither Linux nor the dynamic linker needs them. Called by
//! [`make`](crate::make) for the program, by [`ldso`](crate::ldso) for libraries, by
//! [`kernel`](crate::kernel). See elf(5).

use std::fmt;

use goblin::container::{Container, Ctx};
use goblin::elf::dynamic::{DF_1_NODEFLIB, DT_NEEDED, DT_RPATH, DT_RUNPATH, DT_SONAME, Dynamic};
use goblin::elf::header::{
    EI_CLASS, EI_DATA, ELFCLASS64, ELFDATA2LSB, ELFMAG, EM_X86_64, ET_DYN, ET_EXEC, Header,
};
use goblin::elf::program_header::{PT_DYNAMIC, PT_INTERP, PT_LOAD, ProgramHeader};

/// The most address space that a program's segments may span: 64 GiB.
const SPAN_MAX: u64 = 64 << 30;
/// Bytes of an ELF64 file header and of a program header.
const HEADER_SIZE: usize = 64;
const PHDR_SIZE: usize = 56;

/// Why a file is not a program (or library, or kernel) that can be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ElfError {
    /// No ELF magic.
    NotElf,
    /// A script, which `#!` begins, without a usable first line.
    Script,
    /// The file ends before what its headers announce.
    Truncated,
    /// Not a 64-bit file.
    Not64Bit,
    /// Big endian.
    BigEndian,
    /// For another machine (`e_machine`).
    Machine(u16),
    /// A relocatable object file, a core dump, or something unknown (`e_type`).
    Kind(u16),
    /// No PT_LOAD segment.
    NoSegments,
    /// Two segments overlap in memory.
    Overlap,
    /// The segments span more than 64 GiB.
    Huge,
    /// A segment's addresses or offsets wrap around.
    Wraps,
    /// A segment has more bytes in the file than in memory.
    FileSize,
    /// The dynamic section or the program interpreter's name is malformed.
    Dynamic,
}

impl fmt::Display for ElfError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotElf => f.write_str("not an ELF file"),
            Self::Script => {
                f.write_str("not an ELF file but a script, and its first line leads to no interpreter")
            }
            Self::Truncated => f.write_str("truncated ELF file"),
            Self::Not64Bit => f.write_str("a 32-bit ELF file; x86-64 is needed"),
            Self::BigEndian => f.write_str("a big-endian ELF file; x86-64 is needed"),
            Self::Machine(machine) => {
                let name = goblin::elf::header::machine_to_str(*machine);
                write!(f, "an ELF file for another machine ({name}); x86-64 is needed")
            }
            Self::Kind(goblin::elf::header::ET_REL) => {
                f.write_str("an object file, not a program; it has to be linked first")
            }
            Self::Kind(goblin::elf::header::ET_CORE) => f.write_str("a core dump, not a program"),
            Self::Kind(kind) => write!(f, "not a program (ELF type {kind})"),
            Self::NoSegments => f.write_str("an ELF file without a segment to load"),
            Self::Overlap => f.write_str("malformed ELF file: segments overlap"),
            Self::Huge => f.write_str("malformed ELF file: segments span more than 64 GiB"),
            Self::Wraps => f.write_str("malformed ELF file: a segment wraps around"),
            Self::FileSize => {
                f.write_str("malformed ELF file: a segment is larger in the file than in memory")
            }
            Self::Dynamic => f.write_str("malformed ELF file: bad dynamic section or interpreter"),
        }
    }
}

impl std::error::Error for ElfError {}

/// What a program or library says of the libraries that it needs. Strings are bytes, as in the file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Linking {
    /// PT_INTERP.
    pub interpreter: Option<Vec<u8>>,
    /// DT_NEEDED, in order.
    pub needed: Vec<Vec<u8>>,
    /// DT_SONAME.
    pub soname: Option<Vec<u8>>,
    /// DT_RPATH.
    pub rpath: Option<Vec<u8>>,
    /// DT_RUNPATH.
    pub runpath: Option<Vec<u8>>,
    /// DF_1_NODEFLIB: the default directories are not searched.
    pub no_default_dirs: bool,
}

fn context() -> Ctx {
    Ctx::new(Container::Big, goblin::container::Endian::Little)
}

/// The headers of an x86-64 ELF file whose segments lie within the file and do not wrap.
///
/// # Errors
/// The first thing that is wrong with them.
pub fn program_headers(bytes: &[u8]) -> Result<(Header, Vec<ProgramHeader>), ElfError> {
    if bytes.starts_with(b"#!") {
        return Err(ElfError::Script);
    }
    if !bytes.starts_with(ELFMAG) {
        return Err(ElfError::NotElf);
    }
    let ident = |index: usize| bytes.get(index).copied().ok_or(ElfError::Truncated);
    if ident(EI_CLASS)? != ELFCLASS64 {
        return Err(ElfError::Not64Bit);
    }
    if ident(EI_DATA)? != ELFDATA2LSB {
        return Err(ElfError::BigEndian);
    }
    if bytes.len() < HEADER_SIZE {
        return Err(ElfError::Truncated);
    }
    let header = goblin::elf::Elf::parse_header(bytes).map_err(|_| ElfError::NotElf)?;
    if header.e_machine != EM_X86_64 {
        return Err(ElfError::Machine(header.e_machine));
    }
    let offset = usize::try_from(header.e_phoff).map_err(|_| ElfError::Truncated)?;
    let count = usize::from(header.e_phnum);
    let table_end = count.checked_mul(PHDR_SIZE).and_then(|size| size.checked_add(offset));
    if count > 0
        && (usize::from(header.e_phentsize) != PHDR_SIZE || table_end.is_none_or(|end| end > bytes.len()))
    {
        return Err(ElfError::Truncated);
    }
    let phdrs = ProgramHeader::parse(bytes, offset, count, context()).map_err(|_| ElfError::Truncated)?;
    for phdr in phdrs.iter().filter(|phdr| matches!(phdr.p_type, PT_LOAD | PT_DYNAMIC | PT_INTERP)) {
        check_segment(bytes, phdr)?;
    }
    Ok((header, phdrs))
}

fn check_segment(bytes: &[u8], phdr: &ProgramHeader) -> Result<(), ElfError> {
    let file_end = phdr.p_offset.checked_add(phdr.p_filesz).ok_or(ElfError::Wraps)?;
    phdr.p_vaddr.checked_add(phdr.p_memsz).ok_or(ElfError::Wraps)?;
    if phdr.p_filesz > phdr.p_memsz && phdr.p_type == PT_LOAD {
        return Err(ElfError::FileSize);
    }
    if phdr.p_filesz > 0 && file_end > bytes.len() as u64 {
        return Err(ElfError::Truncated);
    }
    Ok(())
}

/// The bytes of the file that belong to `phdr`, if all of them are there.
#[must_use]
pub fn contents<'a>(bytes: &'a [u8], phdr: &ProgramHeader) -> Option<&'a [u8]> {
    let start = usize::try_from(phdr.p_offset).ok()?;
    let len = usize::try_from(phdr.p_filesz).ok()?;
    if len == 0 { Some(&[]) } else { bytes.get(start..start.checked_add(len)?) }
}

/// Checks that `bytes` are a program that the guest's kernel can load, and says what it links to.
///
/// # Errors
/// The first thing that is wrong with it.
pub fn check_program(bytes: &[u8]) -> Result<Linking, ElfError> {
    let (header, phdrs) = program_headers(bytes)?;
    if header.e_type != ET_EXEC && header.e_type != ET_DYN {
        return Err(ElfError::Kind(header.e_type));
    }
    // check_segment has excluded that the sums wrap.
    let mut ranges: Vec<_> = phdrs
        .iter()
        .filter(|phdr| phdr.p_type == PT_LOAD && phdr.p_memsz > 0)
        .map(|phdr| (phdr.p_vaddr, phdr.p_vaddr.saturating_add(phdr.p_memsz)))
        .collect();
    ranges.sort_unstable();
    let (Some(&(low, _)), Some(high)) = (ranges.first(), ranges.iter().map(|range| range.1).max()) else {
        return Err(ElfError::NoSegments);
    };
    if ranges.windows(2).any(|pair| matches!(pair, [first, second] if second.0 < first.1)) {
        return Err(ElfError::Overlap);
    }
    if high - low > SPAN_MAX {
        return Err(ElfError::Huge);
    }
    linking(bytes, &phdrs)
}

/// Checks that `bytes` are a shared library for the guest, and says what it links to.
///
/// # Errors
/// [`ElfError::Not64Bit`] and [`ElfError::Machine`] are those that a dynamic linker passes over in its search.
pub fn check_library(bytes: &[u8]) -> Result<Linking, ElfError> {
    let (header, phdrs) = program_headers(bytes)?;
    if header.e_type != ET_DYN {
        return Err(ElfError::Kind(header.e_type));
    }
    linking(bytes, &phdrs)
}

fn linking(bytes: &[u8], phdrs: &[ProgramHeader]) -> Result<Linking, ElfError> {
    let mut linking = Linking::default();
    if let Some(phdr) = phdrs.iter().find(|phdr| phdr.p_type == PT_INTERP) {
        let name = contents(bytes, phdr).and_then(until_nul).ok_or(ElfError::Dynamic)?;
        linking.interpreter = Some(name.to_vec());
    }
    let dynamic = Dynamic::parse(bytes, phdrs, context()).map_err(|_| ElfError::Dynamic)?;
    let Some(dynamic) = dynamic else { return Ok(linking) };
    let strings = bytes.get(dynamic.info.strtab..).unwrap_or_default();
    let strings = strings.get(..dynamic.info.strsz).unwrap_or(strings);
    let string = |offset: u64| {
        if dynamic.info.strtab == 0 {
            return Err(ElfError::Dynamic);
        }
        let start = usize::try_from(offset).map_err(|_| ElfError::Dynamic)?;
        let text = strings.get(start..).and_then(until_nul).ok_or(ElfError::Dynamic)?;
        Ok(text.to_vec())
    };
    for entry in &dynamic.dyns {
        match entry.d_tag {
            DT_NEEDED => linking.needed.push(string(entry.d_val)?),
            DT_SONAME => linking.soname = Some(string(entry.d_val)?),
            DT_RPATH => linking.rpath = Some(string(entry.d_val)?),
            DT_RUNPATH => linking.runpath = Some(string(entry.d_val)?),
            _ => (),
        }
    }
    linking.no_default_dirs = dynamic.info.flags_1 & DF_1_NODEFLIB != 0;
    Ok(linking)
}

/// The bytes before the first NUL; nothing if there is no NUL.
fn until_nul(bytes: &[u8]) -> Option<&[u8]> {
    let end = bytes.iter().position(|&byte| byte == 0)?;
    bytes.get(..end)
}

#[cfg(test)]
mod tests;
